r"""The noisy quadratic for whole gammas and narrow noise, by polynomials instead of quadrature.

Where the range is at least 24 sigmas wide, no place is within reach of both ends. Near the lower end the functions are
those of `nqjax.special.power_moments`. Elsewhere, with ``z = r / sigma``, ``w = delta / sigma`` and ``c = w - z``,

    F = P(Z > c) + (z / w)**(gamma/2) * sum_k C(gamma/2, k) E[Z**k; Z < c] / z**k,

where the truncated moments follow from ``E[Z**k; Z < c] = (k - 1) E[Z**(k-2); Z < c] - c**(k-1) phi(c)``. For
``z >= 12`` and ``c >= -9`` 23 terms leave less than 1e-13 of the value.

All functions are elementwise, over arguments of one dtype that broadcast.
"""

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from nqjax.special.power_moments import (
    FAR,
    LARGEST_GAMMA,
    binomials,
    left_moments,
    normal_tail,
    polynomials,
    whole_power,
)
from nqjax.special.quadrature import effective_sigma

#: Least width of the range beta - alpha, in sigmas.
NARROW = 24.0

#: The series loses accuracy more than this number of sigmas beyond the far end.
REACH = 9.0

#: Terms of the series.
_TERMS = 23

_SQRT_2PI = math.sqrt(2 * math.pi)


def applies(delta: Array, sigma: Array, gamma: Array) -> Array:
    """Return whether all parameters are in the range of these formulas: one bool."""
    whole = (gamma == jnp.round(gamma)) & (gamma >= 1) & (gamma <= LARGEST_GAMMA)
    return jnp.all(whole) & jnp.all((delta > NARROW * sigma) & jnp.isfinite(delta))


def one_gamma_at_a_time(function: Callable[..., Array]) -> Callable[..., Array]:
    """Return the elementwise function, called in a loop over the different gammas, with one gamma for all elements.

    The polynomials' coefficients are then scalars; a look-up for every element would take a hundred times longer. The
    gamma is the last argument.
    """

    @functools.wraps(function)
    def looped(*arguments: Array) -> Array:
        *others, gamma = arguments
        if gamma.size <= 1:
            return function(*arguments)
        shape = jnp.broadcast_shapes(*(a.shape for a in arguments))

        def add(number: Array, result: Array) -> Array:
            one = jnp.full((1,) * gamma.ndim, number, gamma.dtype)
            return jnp.where(gamma == one, function(*others, one), result)

        low, high = (end(gamma).astype(jnp.int32) for end in (jnp.min, jnp.max))
        return jax.lax.fori_loop(low, high + 1, add, jnp.zeros(shape, gamma.dtype))

    return looped


class _Places(NamedTuple):
    """Places in units of the noise."""

    z: Array
    left: Array  # bool: whether the lower end's formulas serve
    center: Array  # z, but not below FAR
    c: Array  # distance of the upper end, within the reach
    share: Array  # (center / w)**(gamma / 2)
    root_width: Array  # w**(-1/2)
    inverse: Array  # 1 / sigma
    log_factor: Array | float  # what has been left out of the share and of the root of the width


def _apart(at: _Places, width: Array, gamma: Array) -> _Places:
    """Return the places with small powers as logarithms: in single precision the powers themselves underflow."""
    far = at.c >= REACH
    ratio = jnp.where(at.left, 1.0, at.center) / width
    factor = jnp.where(at.left | far, gamma / 2 * jnp.log(jnp.where(at.left | far, ratio, 1.0)), 0.0)
    one = jnp.ones_like(at.root_width)
    return at._replace(share=jnp.where(far, 1.0, at.share), root_width=one, log_factor=factor)


def _places(r: Array, delta: Array, sigma: Array, gamma: Array, logarithm: bool = False) -> _Places:
    inverse = 1 / effective_sigma(delta, sigma)
    huge = 1e70 if r.dtype == jnp.float64 else 1e17
    z = jnp.clip(r * inverse, -huge, huge)
    center = jnp.maximum(z, FAR)
    c = jnp.clip((delta - r) * inverse, -REACH, REACH)
    width = jnp.maximum(delta * inverse, NARROW)
    # Cut off at the series' reach, so that a place at infinity gives no infinite product.
    share = whole_power(jnp.sqrt(jnp.minimum(center / width, 2.0)), gamma)
    at = _Places(z, z < FAR, center, c, share, jax.lax.rsqrt(width), inverse, 0.0)
    return _apart(at, width, gamma) if logarithm and r.dtype != jnp.float64 else at


class _Right(NamedTuple):
    """Truncated moments, for the formulas away from the lower end."""

    above: Array  # P(Z > c)
    below: Array  # P(Z < c)
    series: list[Array]  # for each order, the sum over k >= 1


def _right(at: _Places, gamma: Array, orders: tuple[int, ...]) -> _Right:
    table = jnp.asarray(binomials(_TERMS), at.z.dtype)
    row = table[jnp.clip(jnp.round(gamma).astype(jnp.int32), 1, LARGEST_GAMMA) - 1]
    inverse = 1 / at.center
    ratio, square = at.c * inverse, inverse * inverse
    # One exponential for the tail and for the density, so that differences of both lose nothing to its rounding.
    scale = jnp.exp(-0.5 * at.c * at.c)
    tail = normal_tail(jnp.abs(at.c)) * scale
    below = jnp.where(at.c < 0, tail, 1 - tail)
    drop = scale * inverse / _SQRT_2PI
    before, current = below, -drop
    sums = [row[..., order, 1] * current for order in orders]
    for k in range(2, _TERMS):
        drop = drop * ratio
        before, current = current, (k - 1) * square * before - drop
        sums = [total + row[..., order, k] * current for total, order in zip(sums, orders, strict=True)]
    # Out of reach, what is left of the tail would hide the smallest probabilities.
    above = jnp.where(at.c < 0, 1 - tail, jnp.where(at.c < REACH, tail, 0.0))
    return _Right(above, below, sums)


def _left(at: _Places, gamma: Array, orders: tuple[int, ...]) -> tuple[list[Array], Array]:
    """Return M and M' times ``w**(-gamma/2)``, divided by ``exp(exponent)``, and the exponent."""
    values, exponent = left_moments(jnp.minimum(at.z, FAR), gamma, polynomials(gamma), orders)
    scale = whole_power(at.root_width, gamma)
    return [value * scale for value in values], exponent


@one_gamma_at_a_time
def cdf(r: Array, delta: Array, sigma: Array, gamma: Array) -> Array:
    """Return the CDF at ``alpha + r``."""
    at = _places(r, delta, sigma, gamma)
    (low,), exponent = _left(at, gamma, (0,))
    right = _right(at, gamma, (0,))
    high = at.share * (right.below + right.series[0]) + right.above
    return jnp.minimum(jnp.where(at.left, low * jnp.exp(exponent), high), 1.0)


@one_gamma_at_a_time
def log_cdf(r: Array, delta: Array, sigma: Array, gamma: Array) -> Array:
    """Return the logarithm of the CDF."""
    at = _places(r, delta, sigma, gamma, logarithm=True)
    (low,), exponent = _left(at, gamma, (0,))
    right = _right(at, gamma, (0,))
    high = at.share * (right.below + right.series[0]) + right.above
    value = jnp.log(jnp.where(at.left, low, high)) + jnp.where(at.left, exponent, 0.0)
    return jnp.minimum(value + at.log_factor, 0.0)


def _upper_tail(at: _Places, delta: Array, r: Array, gamma: Array, right: _Right) -> Array:
    """Return the survival function right of the lower end, without the cancellation of 1 - F."""
    # log(r / delta) from the nearer end.
    missing = jnp.clip((delta - r) / jnp.where(delta > 0, delta, 1.0), -1.0, 0.5)
    log_share = jnp.where(missing < 0.5, jnp.log1p(-missing), jnp.log(at.share) / (gamma / 2))
    return right.below * -jnp.expm1(gamma / 2 * log_share) - at.share * right.series[0]


@one_gamma_at_a_time
def log_sf(r: Array, delta: Array, sigma: Array, gamma: Array) -> Array:
    """Return the logarithm of the survival function."""
    at = _places(r, delta, sigma, gamma)
    (low,), exponent = _left(at, gamma, (0,))
    high = _upper_tail(at, delta, r, gamma, _right(at, gamma, (0,)))
    high = jnp.where(at.left, 0.5, high)
    return jnp.where(at.left, jnp.log1p(-jnp.where(at.left, low, 0.5) * jnp.exp(exponent)), jnp.log(high))


@one_gamma_at_a_time
def log_pdf(r: Array, delta: Array, sigma: Array, gamma: Array) -> Array:
    """Return the log-density."""
    at = _places(r, delta, sigma, gamma, logarithm=True)
    (low,), exponent = _left(at, gamma, (1,))
    right = _right(at, gamma, (1,))
    high = at.share / at.center * (gamma / 2) * (right.below + right.series[0])
    value = jnp.where(at.left, low, high)
    double = r.dtype == jnp.float64
    log_value = jnp.log(value * at.inverse) if double else jnp.log(value) + jnp.log(at.inverse)
    return log_value + jnp.where(at.left, exponent, 0.0) + at.log_factor


def upper_tail(r: Array, delta: Array, sigma: Array, gamma: Array) -> tuple[Array, Array]:
    """Return the survival function and the density right of the lower end: ``r`` at least 12 sigmas above it."""
    at = _places(r, delta, sigma, gamma)
    right = _right(at, gamma, (0, 1))
    density = at.share / at.center * (gamma / 2) * (right.below + right.series[1]) * at.inverse
    return _upper_tail(at, delta, r, gamma, right), density
