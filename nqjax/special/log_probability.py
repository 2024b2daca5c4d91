"""Logarithms of a probability and of its complement, which keep the digits of both tails."""

import jax.numpy as jnp
from jax import Array

_LOG_HALF = -0.6931471805599453


def log_complement(log_p: Array) -> Array:
    """Return ``log(1 - exp(log_p))`` for ``log_p <= 0``, accurate at both ends; NaN for other arguments."""
    near_one = log_p > _LOG_HALF
    safe = jnp.where(log_p < 0, log_p, -1.0)
    value = jnp.where(near_one, jnp.log(-jnp.expm1(safe)), jnp.log1p(-jnp.exp(safe)))
    return jnp.where(log_p < 0, value, jnp.where(log_p == 0, -jnp.inf, jnp.nan))


def logs_of_probability(q: Array) -> tuple[Array, Array]:
    """Return the logs of a probability and of its complement; NaN where it is not in [0, 1].

    For ``1 - q`` they are the same two numbers in the other order: mirror images agree to the last digit.
    """
    # Replaced where unused: the derivatives at 0 and 1 would be infinite, and NaN when multiplied by 0.
    inside = (q > 0) & (q < 1)
    safe = jnp.where(inside, q, 0.5)
    small = jnp.minimum(safe, 1 - safe)
    log_small = jnp.log(small)
    log_large = jnp.where(small == 0.5, log_small, jnp.log1p(-small))
    left = safe < 0.5
    log_p = jnp.where(inside, jnp.where(left, log_small, log_large), _end(q, 0.0, 1.0))
    log_q = jnp.where(inside, jnp.where(left, log_large, log_small), _end(q, 1.0, 0.0))
    return log_p, log_q


def _end(q: Array, at_minus_infinity: float, at_zero: float) -> Array:
    return jnp.where(q == at_minus_infinity, -jnp.inf, jnp.where(q == at_zero, 0.0, jnp.nan))
