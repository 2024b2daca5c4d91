"""Transforms of scores before a Gaussian process is fitted: scores of poor trials are many times those of good ones.

Each is monotone, and takes the scores of one search with a mask of those that are told.
"""

import jax
import jax.numpy as jnp
from jax import Array
from jax.scipy.special import ndtri

#: Exponents that are tried for the power transform.
_POWERS = (-2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0)

#: The logarithm begins at this share of the distance from the best score to the median, below the best score.
_OFFSET = 0.1


def transformed(kind: str, y: Array, told: Array) -> Array:
    """Return scores on another scale: "none", "log", "rank" or "power"; shape (trials,).

    log: the logarithm of the distance from a little below the best score. rank: the normal scores of the ranks. power:
    Yeo and Johnson's (2000) transform of the standardised scores with the most likely exponent, as HEBO does.
    """
    if kind == "log":
        best = jnp.min(jnp.where(told, y, jnp.inf))
        reach = jnp.nanmedian(jnp.where(told, y, jnp.nan)) - best
        return jnp.log(jnp.maximum(y - best, 0.0) + _OFFSET * jnp.where(reach > 0, reach, 1.0))
    if kind == "rank":
        below = jnp.sum(told & (y[None, :] < y[:, None]), axis=1)
        equal = jnp.sum(told & (y[None, :] == y[:, None]), axis=1)
        return ndtri((below + 0.5 * jnp.maximum(equal, 1)) / jnp.maximum(jnp.sum(told), 1))
    if kind == "power":
        return _power(y, told)
    return y


def _power(y: Array, told: Array) -> Array:
    count = jnp.maximum(jnp.sum(told), 1)
    mean = jnp.sum(jnp.where(told, y, 0.0)) / count
    sd = jnp.sqrt(jnp.sum(jnp.where(told, (y - mean) ** 2, 0.0)) / count)
    z = jnp.where(told, (y - mean) / jnp.where(sd > 0, sd, 1.0), 0.0)

    def likelihood(power: Array) -> Array:
        w = yeo_johnson(z, power)
        middle = jnp.sum(jnp.where(told, w, 0.0)) / count
        variance = jnp.sum(jnp.where(told, (w - middle) ** 2, 0.0)) / count
        slopes = jnp.sum(jnp.where(told, jnp.sign(z) * jnp.log1p(jnp.abs(z)), 0.0))
        return -0.5 * count * jnp.log(jnp.maximum(variance, 1e-30)) + (power - 1) * slopes

    powers = jnp.asarray(_POWERS)
    return yeo_johnson(z, powers[jnp.argmax(jax.vmap(likelihood)(powers))])


def yeo_johnson(z: Array, power: Array) -> Array:
    """Return Yeo and Johnson's transform (2000, equation 2.1)."""
    up, down = jnp.log1p(jnp.maximum(z, 0.0)), jnp.log1p(jnp.maximum(-z, 0.0))
    q = 2 - power
    high = jnp.where(power == 0, up, jnp.expm1(power * up) / jnp.where(power == 0, 1.0, power))
    low = jnp.where(q == 0, down, jnp.expm1(q * down) / jnp.where(q == 0, 1.0, q))
    return jnp.where(z >= 0, high, -low)
