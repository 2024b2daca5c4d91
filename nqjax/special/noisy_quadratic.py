r"""The noisy quadratic, standardised: logarithms of its CDF, survival function and density, with exact derivatives.

``Y = alpha + (beta - alpha) * V + sigma * Z`` with ``P(V <= v) = v**(gamma / 2)`` on [0, 1] and ``Z`` standard normal
(Lourie, He, Cho 2025, the convex form; the concave form is its mirror image). All functions here take the distances
``r = y - alpha`` and ``delta = beta - alpha``, and ``sigma`` and ``gamma``: in these every limit is finite, including
sigma = 0 (the noiseless quadratic) and delta = 0 (a normal distribution).

Derivatives follow from the model, not from differentiating the quadrature. With ``phi_s``, the density of
``N(0, sigma**2)``,

    P[k, m] = E[V**m * d^k/dr^k phi_s(r - delta * V)],        R[k, m] = unit**k * P[k, m] / P[0, 0].

The density is ``P[0, 0]``. The unit of length is sigma, which keeps R within the range of single precision at any
scale; without noise it is r. Because the normal density solves the heat equation, the family is closed:

    dP[k, m]/dr = P[k+1, m],    dP[k, m]/ddelta = -P[k+1, m+1],    dP[k, m]/dsigma = sigma * P[k+2, m],

and a derivative in gamma differentiates the weight ``v**(gamma/2 - 1)``. So one custom JVP rule for the ratios R gives
derivatives of every order, which are finite even where the density underflows. Noise too small for the dtype to tell
counts as none (`nqjax.special.without_noise`): derivatives by sigma are then 0, their limit inside the range, and at
the ends of the range and outside all derivatives are 0 by convention.

All functions are elementwise over arguments that broadcast against each other, jit-able and dtype-generic; they assume
clean input (``delta >= 0``, ``sigma >= 0``, gamma in [1, 50]).
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.custom_derivatives import SymbolicZero

from nqjax.special import at_ends, by_quadrature, narrow_noise, without_noise
from nqjax.special.by_quadrature import accuracy
from nqjax.special.dispatch import by_case
from nqjax.special.fast_cdf import cdf_by_quadrature
from nqjax.special.quadrature import Window, nodes, window


def one_rank(*args: Array) -> tuple[Array, ...]:
    """Return the arguments in one floating dtype and of one rank, without broadcasting their sizes.

    Half precision becomes single precision, because its range is too small to compute in.
    """
    dtype = jnp.promote_types(jnp.result_type(float, *args), jnp.float32)
    arrays = [jnp.asarray(a, dtype) for a in args]
    rank = max(a.ndim for a in arrays)
    return tuple(a.reshape((1,) * (rank - a.ndim) + a.shape) for a in arrays)


def hermite(k: int, x: Array) -> Array:
    """Return the probabilists' Hermite polynomial of degree ``k`` at ``x``."""
    previous, current = jnp.zeros_like(x), jnp.ones_like(x)
    for i in range(k):
        previous, current = current, x * current - i * previous
    return current


def _raw_moments(
    powers: Sequence[tuple[int, int]], w: Window, delta: Array, sigma: Array, gamma: Array, reference: Array
) -> tuple[Array, ...]:
    """Return ``sigma**k d^k/dr^k int v**(gamma/2 - 1 + m) phi(x) dx`` for each (k, m), in units of the integral (0, 0).

    The units, of which ``top_v**reference`` is part, are constants when the result is differentiated in gamma.
    """
    num_nodes, _ = accuracy(gamma.dtype)
    b = gamma / 2 - 1
    n = nodes(w, b, num_nodes)
    # In these units nothing overflows before the ratios do.
    total = jax.lax.stop_gradient(jnp.sum(n.weight, axis=-1))
    total = jnp.where(total > 0, total, 1.0)
    n = n._replace(weight=n.weight / total[..., None])
    from_zero = w.from_zero[..., None]
    v = w.top_v[..., None] * n.q
    # The height above v = 0, in units of sigma.
    height = jnp.where(from_zero, 1.0, w.top_height[..., None] * n.q)
    lift = w.top_v ** (b - reference)
    # The boundary at v = 1 matters only where the window ends there, and there top_v**b = 1 whatever b.
    touches = w.top >= w.edge
    edge = jnp.where(touches, w.edge, 0.0)
    at_edge = jnp.exp(jnp.maximum((w.peak - edge) * (w.peak + edge) / 2, -700.0))
    at_edge = jnp.where(touches, at_edge / (jnp.where(w.width > 0, w.width, 1.0) * total), 0.0)
    relative_noise = jnp.where(touches, sigma / jnp.where(delta > 0, delta, 1.0), 0.0)

    def moment(k: int, m: int) -> Array:
        # Differentiating the Gaussian: exact, except that for small sigma / r the terms cancel.
        gaussian = lift * jnp.sum(n.weight * v**m * hermite(k, n.x), axis=-1)
        if k == 0:
            return gaussian
        # Differentiating the power instead, by parts, when v = 0 is out of reach; the boundary at v = 1 remains.
        falling = [jnp.ones_like(b)]
        for i in range(k):
            falling.append(falling[-1] * (b + m - i))
        inner = falling[k] * lift * jnp.sum(n.weight * v**m / height**k, axis=-1)
        outer = [falling[j] * relative_noise**j * hermite(k - 1 - j, edge) for j in range(k)]
        return jnp.where(w.from_zero, gaussian, inner - sum(outer) * at_edge)

    return tuple(moment(k, m) for k, m in powers)


#: (k, m, order) of a moment: numbers of derivatives in r, of factors V, and of derivatives in gamma.
Moment = tuple[int, int, int]


#: Change of (k, m, order) by a derivative in r, delta, sigma and gamma.
_MOVES: tuple[Moment, ...] = ((1, 0, 0), (1, 1, 0), (2, 0, 0), (0, 0, 1))


Primals = tuple[Array, Array, Array, Array]


Tangents = tuple[Any, Any, Any, Any]


def unit_of(r: Array, delta: Array, sigma: Array) -> Array:
    """Return the unit of length of `ratios`, a constant when it is differentiated."""
    bare = without_noise.applies(delta, sigma)
    unit = jnp.where(bare, jnp.where((r > 0) & (r < delta), r, 1.0), sigma)
    return jax.lax.stop_gradient(unit)


def in_units(r: Array, delta: Array, sigma: Array) -> Array:
    """Return sigma in units of `unit_of`, but 0 where there is no noise: so are derivatives by sigma there."""
    bare = without_noise.applies(delta, sigma)
    return jnp.where(bare, 0.0, sigma / jnp.where(bare, 1.0, unit_of(r, delta, sigma)))


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def ratios(moments: tuple[Moment, ...], r: Array, delta: Array, sigma: Array, gamma: Array) -> tuple[Array, ...]:
    """Return R[k, m] for each moment, with ``v**(gamma/2 - 1)`` in P[k, m] differentiated ``order`` times in gamma.

    Lengths are in units of `unit_of`.
    """
    bare = without_noise.applies(delta, sigma)
    positive = without_noise.replaced(bare, delta, sigma)
    # Moments of high order need a deeper window than the density.
    w = window(r, delta, positive, gamma, accuracy(r.dtype)[1] + 3)
    reference = gamma / 2 - 1

    def numerators(order: int) -> tuple[Array, ...]:
        powers = ((0, 0), *((k, m) for k, m, o in moments if o == order))

        def moments_at(g: Array) -> tuple[Array, ...]:
            return _raw_moments(powers, w, delta, positive, g, reference)

        f: Callable[[Array], Any] = moments_at
        for _ in range(order):
            f = without_noise.derivative(f)
        values: tuple[Array, ...] = f(gamma)
        return values

    by_order = {order: iter(numerators(order)) for order in sorted({0, *(o for *_, o in moments)})}
    first = {order: next(values) for order, values in by_order.items()}
    # In single precision the density may underflow even in its own units.
    total = jnp.where(first[0] > 0, first[0], jnp.inf)

    def ratio(moment: Moment) -> Array:
        noisy = next(by_order[moment[2]]) / total
        value = jnp.where(bare, without_noise.moment_ratio(moment, r, delta, gamma), noisy)
        return jnp.where(jnp.isinf(r), 0.0, value)

    return tuple(ratio(moment) for moment in moments)


def _combine(*terms: tuple[Any, Callable[[], Array]]) -> Any:
    """Return the sum of tangent times slope over the tangents that are not symbolic zeros.

    A slope beyond the dtype's range is cut off there: an infinite one would become NaN when multiplied by 0.
    """
    live = [_cut_off(slope()) * tangent for tangent, slope in terms if not isinstance(tangent, SymbolicZero)]
    return sum(live[1:], live[0])


def _cut_off(slope: Array) -> Array:
    # An eighth, so that sums of slopes stay finite, too.
    largest = float(jnp.finfo(slope.dtype).max) / 8
    return jnp.clip(slope, -largest, largest)


def _shifted(moment: Moment, by: Moment) -> Moment:
    return moment[0] + by[0], moment[1] + by[1], moment[2] + by[2]


@functools.partial(ratios.defjvp, symbolic_zeros=True)
def _ratios_jvp(moments: tuple[Moment, ...], primals: Primals, tangents: Tangents) -> tuple[Any, Any]:
    """Apply the quotient rule: a derivative changes numerator and denominator to neighbouring moments."""
    r, delta, sigma, _ = primals
    unit = unit_of(r, delta, sigma)
    moving = [move for move, t in zip(_MOVES, tangents, strict=True) if not isinstance(t, SymbolicZero)]
    wanted = dict.fromkeys([*moments, *moving, *(_shifted(moment, move) for moment in moments for move in moving)])
    value = dict(zip(wanted, ratios(tuple(wanted), *primals), strict=True))

    def tangent(moment: Moment) -> Any:
        def slope(i: int) -> Array:
            return value[_shifted(moment, _MOVES[i])] - value[moment] * value[_MOVES[i]]

        return _combine(
            (tangents[0], lambda: slope(0) / unit),
            (tangents[1], lambda: -slope(1) / unit),
            (tangents[2], lambda: in_units(r, delta, sigma) * slope(2) / unit),
            (tangents[3], lambda: slope(3)),
        )

    return tuple(value[m] for m in moments), tuple(tangent(m) for m in moments)


_log_pdf_by_case = by_case(narrow_noise.log_pdf, by_quadrature.log_pdf, without_noise.log_pdf, beyond=True)
_log_cdf_by_case = by_case(narrow_noise.log_cdf, by_quadrature.log_cdf, without_noise.log_cdf, beyond=False)
_cdf_by_case = by_case(narrow_noise.cdf, cdf_by_quadrature, without_noise.cdf, beyond=False)
_log_sf_by_case = by_case(narrow_noise.log_sf, by_quadrature.log_sf, without_noise.log_sf, beyond=True)


@jax.custom_jvp
def _log_pdf(r: Array, delta: Array, sigma: Array, gamma: Array) -> Array:
    return at_ends.log_pdf(_log_pdf_by_case(r, delta, sigma, gamma), r)


@functools.partial(_log_pdf.defjvp, symbolic_zeros=True)
def _log_pdf_jvp(primals: Primals, tangents: Tangents) -> tuple[Any, Any]:
    r, delta, sigma, gamma = primals
    unit = unit_of(r, delta, sigma)
    moving = [m for m, t in zip(_MOVES, tangents, strict=True) if not isinstance(t, SymbolicZero)]
    value = dict(zip(moving, ratios(tuple(moving), *primals), strict=True))
    tangent = _combine(
        (tangents[0], lambda: value[1, 0, 0] / unit),
        (tangents[1], lambda: -value[1, 1, 0] / unit),
        (tangents[2], lambda: in_units(r, delta, sigma) * value[2, 0, 0] / unit),
        (tangents[3], lambda: 1 / gamma + value[0, 0, 1]),
    )
    return _log_pdf(*primals), tangent


def _mass_tangent(primals: Primals, tangents: Tangents, log_mass: Array, sign: float) -> Any:
    """Return the tangent of the log of the CDF (sign 1) or of the survival function (sign -1).

    With ``log_mass = 0``, the tangent of the CDF or of the survival function itself.
    """
    r, delta, sigma, gamma = primals
    needs = (None, (0, 1, 0), (1, 0, 0), (0, 1, 1))
    moving = [m for m, t in zip(needs, tangents, strict=True) if m and not isinstance(t, SymbolicZero)]
    value = dict(zip(moving, ratios(tuple(moving), *primals), strict=True)) if moving else {}
    log_density = _log_pdf(*primals)
    # Where mass or density is 0, and where the density is infinite, the derivative is 0 by convention.
    empty = (log_mass == -jnp.inf) | jnp.isinf(log_density)
    hazard = jnp.exp(jnp.where(empty, 0.0, log_density - log_mass))
    # Far out the difference of the logs has rounding errors, so the hazard is bounded: a mixture of normals has at most
    # that of its farthest component, and a normal one below its standardised distance + 1.
    bare = without_noise.applies(delta, sigma)
    positive = without_noise.replaced(bare, delta, sigma)
    distance = jnp.maximum(r if sign < 0 else delta - r, 0.0) / positive
    huge = 1e70 if r.dtype == jnp.float64 else 1e17
    most = jnp.where(bare, jnp.inf, (jnp.minimum(distance, huge) + 1) / positive)
    hazard = _cut_off(sign * jnp.where(empty, 0.0, jnp.minimum(hazard, most)))
    return _combine(
        (tangents[0], lambda: hazard),
        (tangents[1], lambda: -hazard * value[0, 1, 0]),
        (tangents[2], lambda: hazard * (in_units(r, delta, sigma) * value[1, 0, 0])),
        (tangents[3], lambda: hazard * (2 * delta / gamma * value[0, 1, 1])),
    )


@jax.custom_jvp
def _log_cdf(r: Array, delta: Array, sigma: Array, gamma: Array) -> Array:
    return at_ends.log_cdf(_log_cdf_by_case(r, delta, sigma, gamma), r)


@functools.partial(_log_cdf.defjvp, symbolic_zeros=True)
def _log_cdf_jvp(primals: Primals, tangents: Tangents) -> tuple[Any, Any]:
    value = _log_cdf(*primals)
    return value, _mass_tangent(primals, tangents, value, 1.0)


@jax.custom_jvp
def _cdf(r: Array, delta: Array, sigma: Array, gamma: Array) -> Array:
    return _cdf_by_case(r, delta, sigma, gamma)  # type: ignore[no-any-return]


@functools.partial(_cdf.defjvp, symbolic_zeros=True)
def _cdf_jvp(primals: Primals, tangents: Tangents) -> tuple[Any, Any]:
    return _cdf(*primals), _mass_tangent(primals, tangents, jnp.zeros_like(primals[0]), 1.0)


@jax.custom_jvp
def _log_sf(r: Array, delta: Array, sigma: Array, gamma: Array) -> Array:
    return at_ends.log_sf(_log_sf_by_case(r, delta, sigma, gamma), r)


@functools.partial(_log_sf.defjvp, symbolic_zeros=True)
def _log_sf_jvp(primals: Primals, tangents: Tangents) -> tuple[Any, Any]:
    value = _log_sf(*primals)
    return value, _mass_tangent(primals, tangents, value, -1.0)


def _broadcast(function: Callable[..., Array], *arguments: Array) -> Array:
    """Return the function of numbers or arrays of any ranks, in the dtype of the arguments."""
    return function(*one_rank(*arguments)).astype(jnp.result_type(float, *arguments))


def log_pdf(r: Array, delta: Array, sigma: Array, gamma: Array) -> Array:
    """Return the log-density of the convex noisy quadratic at ``y = alpha + r``.

    Parameters
    ----------
    r, delta, sigma, gamma : Array
        ``y - alpha``, ``beta - alpha``, the noise and the effective number of hyperparameters; they broadcast.
    """
    return _broadcast(_log_pdf, r, delta, sigma, gamma)


def cdf(r: Array, delta: Array, sigma: Array, gamma: Array) -> Array:
    """Return the CDF; arguments as for `log_pdf`."""
    return _broadcast(_cdf, r, delta, sigma, gamma)


def log_cdf(r: Array, delta: Array, sigma: Array, gamma: Array) -> Array:
    """Return the log of the CDF; arguments as for `log_pdf`."""
    return _broadcast(_log_cdf, r, delta, sigma, gamma)


def log_sf(r: Array, delta: Array, sigma: Array, gamma: Array) -> Array:
    """Return the log of the survival function, 1 - CDF; arguments as for `log_pdf`."""
    return _broadcast(_log_sf, r, delta, sigma, gamma)
