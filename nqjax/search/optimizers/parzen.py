"""Parzen estimators of TPE: a mixture of one kernel for each observed point and one for the prior.

The kernels are products of truncated normals (continuous), their integrals over cells (whole numbers) and weighted
choices (categories). Bandwidths and weights follow Optuna 5 (Watanabe 2023, arXiv 2304.11127, describes the choices),
so that the densities are those of the most used implementation. Points are masked, not removed: shapes stay fixed.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.scipy.special import erf, log_ndtr, ndtri

from nqjax.search.optimizers.cube import Cube

#: Observations that have full weight, counted from the newest; older ones weigh less.
_RECENT = 25

#: Bandwidths are at least the range over this number.
_MOST_KERNELS = 100.0

#: Up to this number of points, comparing all pairs is faster than sorting.
_MOST_PAIRED = 32

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


def parzen_estimator(u: Array, active: Array, member: Array, order: Array | None = None) -> Parzen:
    """Return the estimator from those points, of shape (points, dimension), for which ``member`` is True.

    ``order`` has the numbers of the points, of the same shape, sorted by each coordinate; members must be in order.
    """
    count = jnp.sum(member)
    weights = jnp.where(member, _weights(jnp.cumsum(member) - 1, count), 0.0)
    weights = jnp.append(weights, 1.0)
    used = active & member[:, None]
    width = _widths(u, used, _order(u) if order is None else order, count)
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


def _order(u: Array) -> Array:
    """Return the numbers of points sorted by each coordinate, equal ones by their numbers."""
    if len(u) > _MOST_PAIRED:
        return jnp.argsort(u, axis=0, stable=True)
    number = jnp.arange(len(u))
    equal = (u[:, None] == u[None]) & (number[:, None] < number)[:, :, None]
    place = jnp.sum((u[:, None] < u[None]) | equal, axis=0)
    return jnp.zeros_like(place).at[place, jnp.arange(u.shape[1])].set(number[:, None])


def _widths(u: Array, used: Array, order: Array, count: Array) -> Array:
    """Return the distance to the farther neighbour of each point in each coordinate, within bounds.

    The ends of the range count as neighbours of a lone point only.
    """
    points, inside = jnp.take_along_axis(u, order, 0), jnp.take_along_axis(used, order, 0)
    edge = jnp.full((1, u.shape[1]), jnp.inf)
    # The nearest used points on both sides.
    below = jax.lax.cummax(jnp.where(inside, points, -jnp.inf), axis=0)
    below = jnp.concatenate([-edge, below[:-1]])
    above = jax.lax.cummin(jnp.where(inside, points, jnp.inf), axis=0, reverse=True)
    above = jnp.concatenate([above[1:], edge])
    alone = jnp.sum(used, axis=0) == 1
    left = jnp.where(jnp.isfinite(below), points - below, jnp.where(alone, points, 0.0))
    right = jnp.where(jnp.isfinite(above), above - points, jnp.where(alone, 1 - points, 0.0))
    smallest = 1 / jnp.minimum(_MOST_KERNELS, count + 2.0)
    widths = jnp.clip(jnp.maximum(left, right), smallest, 1.0)
    columns = jnp.arange(u.shape[1])
    return jnp.where(used, jnp.zeros_like(u).at[order, columns].set(widths), 1.0)


def log_density(cube: Cube, estimator: Parzen, x: Array) -> Array:
    """Return the logarithm of the density at points, of shape (points, dimension); of probability for cells."""
    mass = _mass(estimator.centre, estimator.width)
    # Kernels that do not depend on a continuous coordinate are uniform there: no distance, and the logarithm is 0.
    scale = jnp.where(estimator.used, 1 / estimator.width, 0.0)
    height = jnp.where(estimator.used, -jnp.log(estimator.width * mass) - _LOG_SQRT_2PI, 0.0)
    total = estimator.log_weights[None]
    for i, (count, categorical) in enumerate(zip(cube.counts, cube.categorical, strict=True)):
        column = x[:, i, None]
        if not count:
            total = total + height[:, i] - 0.5 * ((column - estimator.centre[:, i]) * scale[:, i]) ** 2
            continue
        kernel = _log_category if categorical else _log_cell
        term = kernel(count, estimator, i, column, mass[:, i])
        total = total + jnp.where(estimator.used[:, i], term, -jnp.log(float(count)))
    return jax.scipy.special.logsumexp(total, axis=1)


def _ends(centre: Array, width: Array) -> tuple[Array, Array]:
    """Return the error functions of the ends of the range, 0 and 1, of which the first is at most 0."""
    unit = math.sqrt(0.5) / width
    return erf(-centre * unit), erf((1 - centre) * unit)


def _mass(centre: Array, width: Array) -> Array:
    """Return the probability that a normal draw is in the range."""
    low, high = _ends(centre, width)
    return (high - low) / 2


def _log_cell(count: int, estimator: Parzen, i: int, x: Array, mass: Array) -> Array:
    centre, width = estimator.centre[:, i], estimator.width[:, i]
    low, high = (x - 0.5 / count - centre) / width, (x + 0.5 / count - centre) / width
    # The upper tail is mirrored, where the distribution function is near 1.
    mirrored = low > 0
    low, high = jnp.where(mirrored, -high, low), jnp.where(mirrored, -low, high)
    return _log_difference(log_ndtr(high), log_ndtr(low)) - jnp.log(mass)


def _log_difference(larger: Array, smaller: Array) -> Array:
    return larger + jnp.log(-jnp.expm1(jnp.minimum(smaller - larger, -1e-300)))


def _log_category(count: int, estimator: Parzen, i: int, x: Array, mass: Array) -> Array:  # noqa: ARG001
    """Return the log probability of categories: each kernel gives its own 1, and all share the prior's weight."""
    kernels = jnp.sum(jnp.isfinite(estimator.log_weights))
    share = 1 / kernels
    same = jnp.floor(x * count) == jnp.floor(estimator.centre[:, i] * count)
    found = jnp.log((share + same) / (1 + count * share))
    prior = jnp.arange(found.shape[1]) == found.shape[1] - 1
    return jnp.where(prior, -jnp.log(float(count)), found)


def draw(cube: Cube, estimator: Parzen, key: Array, count: int) -> Array:
    """Return points drawn from the estimator, of shape (count, dimension)."""
    draws = jax.random.uniform(key, (count, cube.dimension + 1))
    uniform = draws[:, 1:]
    total = jnp.cumsum(jnp.exp(estimator.log_weights))
    chosen = jnp.sum(total <= draws[:, :1] * total[-1], axis=1)
    chosen = jnp.minimum(chosen, len(total) - 1)  # rounding
    centre, width, used = estimator.centre[chosen], estimator.width[chosen], estimator.used[chosen]
    low, high = ((1 + end) / 2 for end in _ends(centre, width))
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
