r"""The noisy quadratic at the knots of a study, in three ways: by quadrature, by polynomials, without noise.

The parameters are (alpha, log delta, log sigma), delta = beta - alpha, for each whole gamma. By quadrature, two sums
over one set of exponentials, ``I[b] = int y**b phi(y - z) dy`` for ``b = gamma/2 - 1`` and ``gamma/2``, give the CDF
and the density; integration by parts gives everything else:

    E[y x] = b + 1 - T,    E[y x**2] = (b + 1) E[x] + E[y] - edge T,    T = D**(b+1) phi(edge) / I[b],

where ``x = y - z`` is the noise, ``y`` the height above alpha in units of sigma, E the mean under ``y**b phi(y - z)``
and ``D = delta / sigma``. Where the far end is out of reach of all knots, T is 0, and the polynomials of
`nqjax.special.power_moments` give the same numbers for a few multiplications.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import DTypeLike
from numpy.typing import NDArray

from nqjax.solver.pieces import BEYOND
from nqjax.solver.sums import Rule, rules, two_sums
from nqjax.special.power_moments import (
    FAR,
    LARGEST_GAMMA,
    Polynomials,
    far_moments,
    left_moments,
    tables,
    whole_power,
)
from nqjax.special.quadrature import Window, half_power, window

_SQRT_2PI = math.sqrt(2 * math.pi)


class _Precision(NamedTuple):
    """Settings of the sums in one dtype."""

    nodes: int
    depth: float  # of the windows, see `nqjax.special.quadrature.window`


_PRECISION = {"float64": _Precision(32, 25.0), "float32": _Precision(16, 13.0)}

#: Settings for thinned problems: accurate to 1e-6 of the loss.
_ROUGH = _PRECISION["float32"]

#: The far end is out of reach of knots that are at least this number of sigmas, and this share of delta, below it.
_OUT_OF_REACH = 9.0
_OUT_OF_REACH_SHARE = 1e-3


def num_nodes(dtype: DTypeLike) -> tuple[int, int]:
    """Return the number of quadrature nodes of rough sums, and that of precise sums."""
    return _ROUGH.nodes, _PRECISION[jnp.dtype(dtype).name].nodes


class Family(NamedTuple):
    """One gamma, with the tables that depend on gamma alone."""

    gamma: Array  # ()
    rules: Rule  # rough and fine: shape (2, nodes)
    polynomials: Polynomials  # of the power moments; another gamma's above the largest that has them


def families(gammas: NDArray[np.floating]) -> Family:
    """Return the tables of whole gammas, shape (gammas,), in their dtype; fields have a leading axis of gammas.

    They are NumPy arrays: array operations outside of a program would each be compiled.
    """
    most = _PRECISION["float64"].nodes
    both = []
    for num_nodes in (_ROUGH.nodes, _PRECISION[gammas.dtype.name].nodes):
        spare = [(0, 0), (0, most - num_nodes)]
        both.append([np.pad(part, spare) for part in rules(gammas, num_nodes)])
    root, weight = (np.stack(parts, axis=1).astype(gammas.dtype) for parts in zip(*both, strict=True))
    arrays, _, _ = tables()
    rows = np.clip(gammas.astype(int), 1, LARGEST_GAMMA) - 1
    series = Polynomials(**{name: array[rows].astype(gammas.dtype) for name, array in arrays.items()})
    return Family(gammas, Rule(root, weight), series)  # type: ignore[arg-type]


class Symmetric(NamedTuple):
    """The six different entries of a symmetric 3 x 3 matrix over (alpha, log delta, log sigma)."""

    aa: Array
    ad: Array
    as_: Array
    dd: Array
    ds: Array
    ss: Array


Triple = tuple[Array, Array, Array]


class Basis(NamedTuple):
    """Functions at the knots from which the CDF's derivatives follow; see `first_derivatives`."""

    cdf: Array
    sf: Array
    h: Array  # sigma times the density
    height: Array  # mean of y
    x1: Array  # mean of x
    t: Array  # T above
    z: Array  # (knot - alpha) / sigma
    edge: Array  # (beta - knot) / sigma; any number where t is 0


def once(like: Array, *arrays: Array) -> list[Array]:
    """Return the same arrays, made so that XLA computes them only once.

    On a CPU, XLA repeats cheap arithmetic for every use of the result, but it does not repeat a division.
    """
    one = 1 + 0 * like
    return [a / one for a in arrays]


class _Sums(NamedTuple):
    """The two sums at each knot, with their window and scale."""

    window: Window
    total: Array  # the two sums, of the density and of the CDF
    weighted: Array
    scale: Array  # of the sums
    share: Array  # sigma times the density, divided by the scale
    end: Array  # bool: whether the knot is an outermost one, which has no density


def _noisy_sums(z: Array, theta: Array, family: Family, fine: Array | bool, bits: int) -> _Sums:
    gamma = family.gamma
    alpha, delta, sigma = theta[0], jnp.exp(theta[1]), jnp.exp(theta[2])
    precision = _PRECISION[z.dtype.name]
    # The outermost knots would overflow in single precision.
    end = jnp.abs(z) >= BEYOND
    z = jnp.where(end, alpha, z)
    w = window(z - alpha, delta[None], sigma[None], gamma[None], jnp.where(fine, precision.depth, _ROUGH.depth))
    rule = jax.tree.map(lambda a: a[jnp.asarray(fine, int)], family.rules)
    total, weighted = two_sums(w, gamma, rule, jnp.where(fine, precision.nodes, _ROUGH.nodes), bits)
    scale = half_power(w.top_v, gamma[None], bits) * jnp.exp(-(w.peak**2) / 2) / _SQRT_2PI
    share = gamma / 2 * jnp.where(w.from_zero, 1.0, w.width / (delta / sigma * w.top_v)) * total
    return _Sums(w, total, weighted, scale, share, end)


def _tails(sums: _Sums, z: Array) -> tuple[Array, Array]:
    """Return the CDF and the survival function."""
    w = sums.window
    inside = w.width * sums.scale * sums.weighted
    tail = 0.5 * jax.lax.erfc(jnp.abs(w.edge) * math.sqrt(0.5))
    cdf = jnp.where(w.edge > 0, tail, 1 - tail) + inside
    sf = jnp.maximum(jnp.where(w.edge > 0, 1 - tail, tail) - inside, 0.0)
    right = jnp.where(sums.end & (z > 0), 1.0, 0.0)
    return jnp.where(sums.end, right, cdf), jnp.where(sums.end, 1 - right, sf)


def _log_pdf(sums: _Sums, theta: Array, family: Family) -> Array:
    w = sums.window
    return jnp.log(sums.share / _SQRT_2PI) + family.gamma / 2 * jnp.log(w.top_v) - w.peak**2 / 2 - theta[2]


def noisy_values(
    z: Array, theta: Array, family: Family, fine: Array | bool, bits: int, count: int
) -> tuple[Array, Array, Array]:
    """Return the log-density at the first ``count`` knots, and CDF and survival function at the others."""
    sums = _noisy_sums(z, theta, family, fine, bits)
    first, others = (jax.tree.map(lambda a, part=part: a[part], sums) for part in (slice(count), slice(count, None)))
    return *_tails(others, z[count:]), _log_pdf(first, theta, family)


def by_quadrature(z: Array, theta: Array, family: Family, fine: Array | bool, bits: int) -> tuple[Basis, Array]:
    """Return the basis and the log-density at knots ``z``, shape (knots,), to the dtype's precision or roughly."""
    sums = _noisy_sums(z, theta, family, fine, bits)
    w, total, weighted = sums.window, sums.total, sums.weighted
    cdf, sf = _tails(sums, z)
    h = jnp.where(sums.end, 0.0, sums.share * sums.scale)
    mean_q = weighted / total
    height = w.top_height * mean_q
    x1 = w.top - w.top_height * (1 - mean_q)
    boundary = jnp.exp(jnp.where(w.top >= w.edge, (w.peak - w.edge) * (w.peak + w.edge) / 2, -700.0))
    t = boundary * jnp.exp(theta[1] - theta[2]) / (w.width * total)
    return Basis(*once(z, cdf, sf, h, height, x1, t, w.z, w.edge)), _log_pdf(sums, theta, family)


def highest_out_of_reach(theta: Array) -> Array:
    """Return the highest place that does not feel the far end, to the dtype's precision; theta is (..., 3)."""
    alpha, delta, sigma = theta[..., 0], jnp.exp(theta[..., 1]), jnp.exp(theta[..., 2])
    return alpha + delta - jnp.maximum(_OUT_OF_REACH * sigma, _OUT_OF_REACH_SHARE * delta)


def out_of_reach(z: Array, theta: Array) -> Array:
    """Return whether the far end is out of reach of all knots (..., knots), for theta of shape (..., 3): one bool."""
    return jnp.all((jnp.abs(z) >= BEYOND) | (z <= highest_out_of_reach(theta)[..., None]))


def by_polynomials(z: Array, theta: Array, family: Family) -> Basis:
    """Return the same basis as `by_quadrature`, where `out_of_reach` is true; shapes (..., knots) and (..., 3).

    With M, M' and M'' of `nqjax.special.power_moments`, times ``(sigma / delta)**(gamma/2)``: the CDF is M, h is M',
    x1 is M'' / M' and the mean height is gamma/2 M / M'.
    """
    gamma, table = family.gamma[..., None], jax.tree.map(lambda a: a[..., None, :, :], family.polynomials)
    alpha, delta, sigma = (a[..., None] for a in (theta[..., 0], jnp.exp(theta[..., 1]), jnp.exp(theta[..., 2])))
    end = jnp.abs(z) >= BEYOND
    r = jnp.where(end, 0.0, z - alpha)
    place = r / sigma
    low, high = jnp.minimum(place, FAR), jnp.maximum(place, FAR)
    values, exponent = left_moments(low, gamma, table, (0, 1))
    scale = whole_power(jnp.sqrt(sigma / delta), gamma) * jnp.exp(exponent)
    m, slope = (value * scale for value in values)
    share = whole_power(jnp.sqrt(jnp.maximum(r, 0.0) / delta), gamma)
    inverse = 1 / high
    far = far_moments(high, table, (0, 1, 2))
    left = place < FAR
    m, slope, curve = once(
        z,
        jnp.where(left, m, share * far[0]),
        jnp.where(left, slope, share * far[1] * inverse),
        jnp.where(left, gamma / 2 * m - low * slope, share * far[2] * inverse * inverse),
    )
    cdf = jnp.where(end, jnp.where(z > 0, 1.0, 0.0), m)
    positive = jnp.where(slope > 0, slope, 1.0)
    h = jnp.where(end, 0.0, slope)
    return Basis(cdf, 1 - cdf, h, gamma / 2 * m / positive, curve / positive, jnp.zeros_like(z), place, place)


def without_noise(z: Array, theta: Array, family: Family) -> Basis:
    """Return the quadratic distribution at knots (..., knots); the third parameter is any number, such as 0."""
    alpha, log_delta, sigma = (a[..., None] for a in (theta[..., 0], theta[..., 1], jnp.exp(theta[..., 2])))
    delta, g = jnp.exp(log_delta), family.gamma[..., None] / 2
    r = z - alpha
    inside, above = (r > 0) & (r < delta), r >= delta
    r = jnp.where(inside, r, delta / 2)
    log_cdf = g * (jnp.log(r) - log_delta)
    cdf = jnp.where(inside, jnp.exp(log_cdf), jnp.where(above, 1.0, 0.0))
    sf = jnp.where(inside, -jnp.expm1(log_cdf), jnp.where(above, 0.0, 1.0))
    h = jnp.where(inside, cdf, 0.0) * g / r * sigma
    zero = jnp.zeros_like(r)
    return Basis(cdf, sf, h, r / sigma, sigma * (g - 1) / r, zero, r / sigma, zero)


def first_derivatives(at: Basis, theta: Array) -> Triple:
    """Return the CDF's derivatives in (alpha, log delta, log sigma)."""
    return -at.h / jnp.exp(theta[2]), -at.h * at.height, at.h * at.x1


def log_density_derivatives(at: Basis, theta: Array, gamma: Array) -> Triple:
    """Return the log-density's derivatives in (alpha, log delta, log sigma)."""
    return -at.x1 / jnp.exp(theta[2]), at.t - gamma / 2, _p2(at, gamma)


def _p2(at: Basis, gamma: Array) -> Array:
    return gamma / 2 - 1 - at.t - at.z * at.x1


def second_derivatives(at: Basis, theta: Array, gamma: Array) -> Symmetric:
    """Return the CDF's second derivatives."""
    sigma, span, b = jnp.exp(theta[2]), jnp.exp(theta[1] - theta[2]), gamma / 2 - 1
    h, height, x1, t = at.h, at.height, at.x1, at.t
    p2 = _p2(at, gamma)
    p3 = (b - 1) * x1 - at.edge * t - at.z * p2
    return Symmetric(
        aa=h * x1 / sigma**2,
        ad=h / sigma * (b + 1 - t),
        as_=-h / sigma * p2,
        dd=h * ((b + 1) * height - t * span),
        ds=-h * ((b + 1) * x1 - at.edge * t),
        ss=h * (2 * x1 + p3),
    )
