r"""The quadratic: the noisy quadratic without noise, and with so little noise that the dtype cannot tell it from none.

``F(r) = (r / delta)**(gamma / 2)`` on [0, delta]. Arguments are those of `nqjax.special.noisy_quadratic` without sigma.
Everything is a plain formula, which JAX differentiates, with its inputs cleaned: no derivative is NaN. Where the
derivative does not exist, at the ends of the range, it is 0 by convention, as it is outside.
"""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import DTypeLike

from nqjax.special.log_probability import log_complement

#: Share of delta up to which sigma counts as 0, by the bits of the dtype. Squares of distances in units of the noise
#: must not overflow in other formulas. Such noise moves the CDF by sqrt(sigma / delta), less than one rounding error.
_LEAST_NOISE = {64: 1e-60, 32: 1e-17}

#: Below this power of two, r / delta is formed in two halves, so that it does not underflow.
_SMALL_EXPONENT = -100
_HALF_LIFT = 65


def least_noise(dtype: DTypeLike) -> float:
    """Return the share of delta up to which sigma counts as 0."""
    return _LEAST_NOISE[64 if dtype == jnp.float64 else 32]


def applies(delta: Array, sigma: Array) -> Array:
    """Return where the noise is too small for the dtype to tell."""
    return sigma <= least_noise(sigma.dtype) * delta


def replaced(bare: Array, delta: Array, sigma: Array) -> Array:
    """Return sigma, with a harmless number where ``bare``: for formulas whose result is not used there."""
    return jnp.where(bare, jnp.where(delta > 0, delta, 1.0), sigma)


def or_noisy(bare_formula: Callable[..., Array], noisy_formula: Callable[..., Array]) -> Callable[..., Array]:
    """Return a function of (r, delta, sigma, gamma) that takes each element's own formula."""

    def either(r: Array, delta: Array, sigma: Array, gamma: Array) -> Array:
        bare = applies(delta, sigma)
        noisy = noisy_formula(r, delta, replaced(bare, delta, sigma), gamma)
        return jnp.where(bare, bare_formula(r, delta, gamma), noisy)

    return either


def _log_ratio(r: Array, delta: Array) -> Array:
    """Return ``log(r / delta)`` for positive numbers, whatever their sizes."""
    small = r < delta * 2.0**_SMALL_EXPONENT
    ratio = jnp.where(small, r * 2.0**_HALF_LIFT, r) / jnp.where(small, delta * 2.0**-_HALF_LIFT, delta)
    return jnp.log(ratio) - jnp.where(small, 2 * _HALF_LIFT * math.log(2), 0.0)


def _log_v(r: Array, delta: Array) -> tuple[Array, Array]:
    """Return whether r is inside the range, and the log of its position there, which is from 0 to 1; else 0."""
    inside = (r > 0) & (r < delta)
    return inside, _log_ratio(jnp.where(inside, r, 1.0), jnp.where(inside, delta, 1.0))


def _known(value: Array, r: Array, delta: Array) -> Array:
    """Return the value, or NaN where an argument is NaN."""
    return jnp.where((r <= delta) | (r > delta), value, jnp.nan)


def log_pdf(r: Array, delta: Array, gamma: Array) -> Array:
    """Return the log-density; at alpha it is ``-inf``, finite or ``inf`` as gamma is above, at or below 2."""
    _, log_v = _log_v(r, delta)
    power = gamma / 2 - 1
    value = jnp.log(gamma / 2) - jnp.log(jnp.where(delta > 0, delta, 1.0)) + power * log_v
    at_alpha = jnp.where(power == 0, value, jnp.where(power < 0, jnp.inf, -jnp.inf))
    value = jnp.where(r == 0, jnp.where(delta > 0, at_alpha, jnp.inf), value)
    return _known(jnp.where((r < 0) | (r > delta), -jnp.inf, value), r, delta)


def cdf(r: Array, delta: Array, gamma: Array) -> Array:
    """Return the CDF."""
    inside, log_v = _log_v(r, delta)
    return _known(jnp.where(inside, jnp.exp(gamma / 2 * log_v), jnp.where(r >= delta, 1.0, 0.0)), r, delta)


def log_cdf(r: Array, delta: Array, gamma: Array) -> Array:
    """Return the logarithm of the CDF."""
    inside, log_v = _log_v(r, delta)
    return _known(jnp.where(inside, gamma / 2 * log_v, jnp.where(r >= delta, 0.0, -jnp.inf)), r, delta)


def log_sf(r: Array, delta: Array, gamma: Array) -> Array:
    """Return the logarithm of the survival function."""
    inside, log_v = _log_v(r, delta)
    inside = inside & (log_v < 0)
    value = log_complement(jnp.where(inside, gamma / 2 * log_v, -1.0))
    return _known(jnp.where(inside, value, jnp.where((r <= 0) & (r < delta), 0.0, -jnp.inf)), r, delta)


def quantile(log_p: Array, delta: Array, gamma: Array) -> Array:
    """Return the quantile of the probability ``exp(log_p)``, which is finite and below 1."""
    return delta * jnp.exp(2 / gamma * log_p)


def moment_ratio(moment: tuple[int, int, int], r: Array, delta: Array, gamma: Array) -> Array:
    """Return one of `nqjax.special.noisy_quadratic.ratios` inside the range, else 0.

    Its k derivatives in r are in units of 1 / r.
    """
    k, m, order = moment
    inside, log_v = _log_v(r, delta)

    def value(g: Array) -> Array:
        result = jnp.exp((g - gamma) / 2 * log_v)
        for i in range(k):
            result = result * (g / 2 - 1 + m - i)
        return result

    function: Callable[[Array], Array] = value
    for _ in range(order):
        function = derivative(function)
    return jnp.where(inside, function(gamma) * jnp.exp(m * log_v), 0.0)


def derivative(f: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """Return the derivative of an elementwise function."""
    return lambda x: jax.jvp(f, (x,), (jnp.ones_like(x),))[1]
