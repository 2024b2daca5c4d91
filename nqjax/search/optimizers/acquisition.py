"""Acquisition functions: how much a point promises, from the mean and the standard deviation of the model there."""

import math

import jax.numpy as jnp
from jax import Array
from jax.scipy.special import log_ndtr, ndtr

_LOG_SQRT_2PI = 0.5 * math.log(2 * math.pi)

#: Beyond this many standard deviations the asymptotic series is exact to double precision.
_FAR = 10.0

#: Terms of the series.
_TERMS = 12


def log_expected_improvement(mean: Array, sd: Array, best: Array) -> Array:
    """Return the logarithm of the expected improvement on ``best``, of lower scores.

    It is finite however far the mean lies above ``best`` (Ament et al. 2023, arXiv 2310.20708, on why that matters).
    """
    return jnp.log(sd) + _log_improvement((best - mean) / sd)


def _log_improvement(z: Array) -> Array:
    """Return log(density(z) + z * Phi(z)) of the standard normal distribution."""
    # Each branch has an argument in its own range, so that the others' gradients are finite.
    near = jnp.maximum(z, -1.0)
    direct = jnp.log(jnp.exp(-0.5 * near**2 - _LOG_SQRT_2PI) + near * ndtr(near))
    t = jnp.clip(-z, 1.0, _FAR)
    ratio = ndtr(-t) * jnp.exp(0.5 * t**2 + _LOG_SQRT_2PI)
    middle = -0.5 * t**2 - _LOG_SQRT_2PI + jnp.log1p(-t * ratio)
    far = jnp.maximum(-z, _FAR)
    series, term = jnp.zeros_like(far), jnp.ones_like(far)
    for k in range(_TERMS):
        term = term if k == 0 else -term * (2 * k + 1) / far**2
        series = series + term
    tail = -0.5 * far**2 - _LOG_SQRT_2PI - 2 * jnp.log(far) + jnp.log(series)
    return jnp.where(z > -1, direct, jnp.where(z > -_FAR, middle, tail))


def log_probability_of_improvement(mean: Array, sd: Array, best: Array) -> Array:
    """Return the logarithm of the probability that a score is below ``best``."""
    return log_ndtr((best - mean) / sd)


def confidence_bound(mean: Array, sd: Array, width: float) -> Array:
    """Return how low the score may well be, as a number to maximise: ``width`` standard deviations below the mean."""
    return width * sd - mean
