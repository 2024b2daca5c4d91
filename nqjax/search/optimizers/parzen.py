"""Parzen estimators of TPE: a mixture of one kernel for each observed point and one for the prior.

The kernels are products of truncated normals (continuous), their integrals over cells (whole numbers) and weighted
choices (categories). Bandwidths and weights follow Optuna 5 (Watanabe 2023, arXiv 2304.11127, describes the choices),
so that the densities are those of the most used implementation. Points are masked, not removed: shapes stay fixed.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.scipy.special import log_ndtr, ndtr, ndtri

from nqjax.search.optimizers.cube import Cube

#: Observations that have full weight, counted from the newest; older ones weigh less.
_RECENT = 25

#: Bandwidths are at least the range over this number.
_MOST_KERNELS = 100.0

_LOG_SQRT_2PI = 0.9189385332046727


class Parzen(NamedTuple):
    """A mixture of ``kernels`` = points + 1 products; the last one is the prior.

    Attributes
    ----------
    log_weights : Array, shape (kernels,)
    centre, width : Array, shape (kernels, dimension)
        Of the truncated normals.
    used : Array of bool, shape (kernels, dimension)
        Whether the kernel depends on the coordinate; if not, it is uniform there.
    """

    log_weights: Array
    centre: Array
    width: Array
    used: Array


def parzen_estimator(u: Array, active: Array, member: Array) -> Parzen:
    """Return the estimator from those points, of shape (points, dimension), for which ``member`` is True."""
    count = jnp.sum(member)
    weights = jnp.where(member, _weights(jnp.cumsum(member) - 1, count), 0.0)
    weights = jnp.append(weights, 1.0)
    used = active & member[:, None]
    width = jax.vmap(_widths, (1, 1, None), 1)(u, used, count)
    dimension = u.shape[1]
    return Parzen(
        jnp.log(weights / jnp.sum(weights)),
        jnp.concatenate([u, jnp.full((1, dimension), 0.5)]),
        jnp.concatenate([width, jnp.ones((1, dimension))]),
        jnp.concatenate([used, jnp.ones((1, dimension), bool)]),
    )


def _weights(place: Array, count: Array) -> Array:
    """Return the weights of observations by age: a ramp from 1 / count to 1, and 1 for the newest ones."""
    steps = count - _RECENT
    ramp = 1 / count + place * (1 - 1 / count) / jnp.maximum(steps - 1, 1)
    return jnp.where((count < _RECENT) | (place >= steps), 1.0, ramp)


def _widths(u: Array, used: Array, count: Array) -> Array:
    """Return the distance to the farther neighbour of each point in one coordinate, within bounds.

    The ends of the range count as neighbours of a lone point only.
    """
    size = len(u)
    order = jnp.argsort(jnp.where(used, u, jnp.inf))
    points, inside = u[order], jnp.sum(used)
    place = jnp.arange(size)
    left = jnp.where(place > 0, points - jnp.roll(points, 1), points)
    last = place == inside - 1
    right = jnp.where(last, 1 - points, jnp.roll(points, -1) - points)
    several = inside > 1
    left = jnp.where((place == 0) & several, 0.0, left)
    right = jnp.where(last & several, 0.0, right)
    smallest = 1 / jnp.minimum(_MOST_KERNELS, count + 2.0)
    widths = jnp.clip(jnp.maximum(left, right), smallest, 1.0)
    return jnp.where(used, jnp.zeros(size).at[order].set(widths), 1.0)


def log_density(cube: Cube, estimator: Parzen, x: Array) -> Array:
    """Return the logarithm of the density at points, of shape (points, dimension); of probability for cells."""
    total = estimator.log_weights[None]
    for i, (count, categorical) in enumerate(zip(cube.counts, cube.categorical, strict=True)):
        term = _log_kernel(count, categorical, estimator, i, x[:, i, None])
        outside = -jnp.log(float(count)) if count else 0.0
        total = total + jnp.where(estimator.used[:, i], term, outside)
    return jax.scipy.special.logsumexp(total, axis=1)


def _log_kernel(count: int, categorical: bool, estimator: Parzen, i: int, x: Array) -> Array:
    centre, width = estimator.centre[:, i], estimator.width[:, i]
    if categorical:
        return _log_category(count, estimator, i, x)
    mass = ndtr((1 - centre) / width) - ndtr(-centre / width)
    if not count:
        return -0.5 * ((x - centre) / width) ** 2 - jnp.log(width * mass) - _LOG_SQRT_2PI
    low, high = (x - 0.5 / count - centre) / width, (x + 0.5 / count - centre) / width
    # The upper tail is mirrored, where the distribution function is near 1.
    mirrored = low > 0
    low, high = jnp.where(mirrored, -high, low), jnp.where(mirrored, -low, high)
    return _log_difference(log_ndtr(high), log_ndtr(low)) - jnp.log(mass)


def _log_difference(larger: Array, smaller: Array) -> Array:
    return larger + jnp.log(-jnp.expm1(jnp.minimum(smaller - larger, -1e-300)))


def _log_category(count: int, estimator: Parzen, i: int, x: Array) -> Array:
    """Return the log probability of categories: each kernel gives its own 1, and all share the prior's weight."""
    kernels = jnp.sum(jnp.isfinite(estimator.log_weights))
    share = 1 / kernels
    same = jnp.floor(x * count) == jnp.floor(estimator.centre[:, i] * count)
    found = jnp.log((share + same) / (1 + count * share))
    prior = jnp.arange(found.shape[1]) == found.shape[1] - 1
    return jnp.where(prior, -jnp.log(float(count)), found)


def draw(cube: Cube, estimator: Parzen, key: Array, count: int) -> Array:
    """Return points drawn from the estimator, of shape (count, dimension)."""
    chosen_key, key = jax.random.split(key)
    chosen = jax.random.categorical(chosen_key, estimator.log_weights, shape=(count,))
    uniform = jax.random.uniform(key, (count, cube.dimension))
    centre, width, used = estimator.centre[chosen], estimator.width[chosen], estimator.used[chosen]
    low, high = ndtr(-centre / width), ndtr((1 - centre) / width)
    x = jnp.clip(centre + width * ndtri(low + uniform * (high - low)), 0.0, 1.0)
    kernels = jnp.sum(jnp.isfinite(estimator.log_weights))
    for i, (values, categorical) in enumerate(zip(cube.counts, cube.categorical, strict=True)):
        if categorical:
            # The kernel's own category with the probability it has beyond its share of the others.
            own = uniform[:, i] < 1 / (1 + values / kernels)
            anew = jnp.clip((uniform[:, i] - 1 / (1 + values / kernels)) * (1 + kernels / values), 0.0, 1 - 1e-12)
            prior = chosen == len(estimator.log_weights) - 1
            x = x.at[:, i].set(jnp.where(prior, uniform[:, i], jnp.where(own, centre[:, i], anew)))
    return cube.snap(jnp.where(used, x, uniform))
