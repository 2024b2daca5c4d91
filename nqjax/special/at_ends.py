"""Values at infinite distances, which the formulas for finite ones do not give.

All functions take the formula's value, then the place ``r`` of `nqjax.special.noisy_quadratic`.
"""

import jax.numpy as jnp
from jax import Array


def log_pdf(value: Array, r: Array) -> Array:
    """Return the log-density."""
    return jnp.where(jnp.isinf(r), -jnp.inf, value)


def log_cdf(value: Array, r: Array) -> Array:
    """Return the logarithm of the CDF."""
    return jnp.where(r == -jnp.inf, -jnp.inf, value)


def log_sf(value: Array, r: Array) -> Array:
    """Return the logarithm of the survival function."""
    return jnp.where(r == jnp.inf, -jnp.inf, value)


def quantile(r: Array, log_p: Array, log_q: Array, delta: Array, bare: Array) -> Array:
    """Return the quantile, given with the logarithms of the probability and of its complement; NaN for invalid ones.

    Where ``bare``, there is no noise, and the range ends at 0 and at ``delta``.
    """
    r = jnp.where(log_p == -jnp.inf, jnp.where(bare, 0.0, -jnp.inf), r)
    r = jnp.where(log_q == -jnp.inf, jnp.where(bare, delta, jnp.inf), r)
    return jnp.where((log_p <= 0) & (log_q <= 0), r, jnp.nan)
