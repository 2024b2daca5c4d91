"""Values where sigma is 0 or the distance ``r`` is infinite, which the formulas for positive noise do not give.

All functions take the formula's value, then the place ``r``, ``delta`` and ``sigma`` of
`nqjax.special.noisy_quadratic`.
"""

import math

import jax.numpy as jnp
from jax import Array


def log_pdf(value: Array, r: Array, delta: Array, sigma: Array) -> Array:
    """Return the log-density."""
    # The tiny sigma of the formulas, unlike sigma = 0, moves half of the density at an end beyond it.
    value = value + jnp.where((sigma == 0) & ((r == 0) | (r == delta)), math.log(2), 0.0)
    return jnp.where(((sigma == 0) & ((r < 0) | (r > delta))) | jnp.isinf(r), -jnp.inf, value)


def cdf(value: Array, r: Array, delta: Array, sigma: Array) -> Array:
    """Return the CDF."""
    return jnp.where(sigma == 0, jnp.where(r < 0, 0.0, jnp.where(r >= delta, 1.0, value)), value)


def log_cdf(value: Array, r: Array, delta: Array, sigma: Array) -> Array:
    """Return the logarithm of the CDF."""
    value = jnp.where(r == -jnp.inf, -jnp.inf, value)
    return jnp.where(sigma == 0, jnp.where(r < 0, -jnp.inf, jnp.where(r >= delta, 0.0, value)), value)


def log_sf(value: Array, r: Array, delta: Array, sigma: Array) -> Array:
    """Return the logarithm of the survival function."""
    value = jnp.where(r == jnp.inf, -jnp.inf, value)
    return jnp.where(sigma == 0, jnp.where(r < 0, 0.0, jnp.where(r >= delta, -jnp.inf, value)), value)


def quantile(r: Array, log_p: Array, log_q: Array, delta: Array, sigma: Array) -> Array:
    """Return the quantile, given with the logarithms of the probability and of its complement; NaN for invalid ones."""
    r = jnp.where(log_p == -jnp.inf, jnp.where(sigma > 0, -jnp.inf, 0.0), r)
    r = jnp.where(log_q == -jnp.inf, jnp.where(sigma > 0, jnp.inf, delta), r)
    return jnp.where((log_p <= 0) & (log_q <= 0), r, jnp.nan)
