"""Parzen estimators of TPE: a mixture of one kernel for each observed point and one for the prior.

The kernels are products of truncated normals (continuous), their integrals over cells (whole numbers) and weighted
choices (categories). Bandwidths and weights follow Optuna 5 (Watanabe 2023, arXiv 2304.11127, describes the choices),
so that the densities are those of the most used implementation. Points are masked, not removed: shapes stay fixed.
"""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array
from jax.scipy.special import erf, log_ndtr, ndtri

from nqjax.search.optimizers.cube import Cube

#: Observations that have full weight, counted from the newest; older ones weigh less.
_RECENT = 25

#: Bandwidths are at least the range over this number.
_MOST_KERNELS = 100.0

#: A kernel counts at most this many (the exponent) times the prior; it is less below about 140 coordinates.
_MOST_TIMES = 700.0

#: Areas below kernels, at least 0.008 each, that are multiplied before a logarithm is taken.
_MOST_FACTORS = 100

_SQRT_2PI = math.sqrt(2 * math.pi)


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


def parzen_estimator(u: Array, active: Array, member: Array, order: Array | None = None, stop: Any = None) -> Parzen:
    """Return the estimator from those points, of shape (points, dimension), for which ``member`` is True.

    ``order`` has the numbers of the points, of the same shape, sorted by each coordinate; the first ``stop`` places are
    looked at. Members must be in order. Without it all pairs are compared, which is faster for few points.
    """
    count = jnp.sum(member)
    weights = jnp.where(member, _weights(jnp.cumsum(member) - 1, count), 0.0)
    weights = jnp.append(weights, 1.0)
    used = active & member[:, None]
    distance = _of_pairs(u, used) if order is None else _along(order, u, used, stop)
    smallest = 1 / jnp.minimum(_MOST_KERNELS, count + 2.0)
    width = jnp.where(used, jnp.clip(distance, smallest, 1.0), 1.0)
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


def _of_pairs(u: Array, used: Array) -> Array:
    """Return the distance of each point to the farther of its neighbours among used points, in each coordinate.

    Equal points are neighbours in the order of their numbers.
    """
    number = jnp.arange(len(u))
    equal = (u[:, None] == u[None]) & (number[:, None] > number)[:, :, None]
    before = (u[:, None] > u[None]) | equal  # [i, j]: j is before i
    after = ~before & (number[:, None] != number)[:, :, None]
    below = jnp.max(jnp.where(before & used, u, -jnp.inf), axis=1)
    above = jnp.min(jnp.where(after & used, u, jnp.inf), axis=1)
    return _farther(u, used, below, above)


def _along(order: Array, u: Array, used: Array, stop: Any) -> Array:
    """Return the same along the order, from both of its ends at once."""
    points, inside = jnp.take_along_axis(u, order, 0), jnp.take_along_axis(used, order, 0)
    last = (len(u) if stop is None else stop) - 1

    def step(i: Array, state: tuple[Array, Array, Array, Array]) -> tuple[Array, Array, Array, Array]:
        below, above, lower, upper = state
        j = last - i
        return (
            below.at[i].set(lower),
            above.at[j].set(upper),
            jnp.where(inside[i], points[i], lower),
            jnp.where(inside[j], points[j], upper),
        )

    far = jnp.full(u.shape, jnp.inf)
    below, above, _, _ = jax.lax.fori_loop(0, last + 1, step, (-far, far, -far[0], far[0]))
    distance = _farther(points, inside, below, above)
    return jnp.zeros_like(u).at[order, jnp.arange(u.shape[1])].set(distance, unique_indices=True)


def _farther(points: Array, used: Array, below: Array, above: Array) -> Array:
    """Return the larger distance to two neighbours; the ends of the range are neighbours of a lone point only."""
    alone = jnp.sum(used, axis=0) == 1
    left = jnp.where(jnp.isfinite(below), points - below, jnp.where(alone, points, 0.0))
    right = jnp.where(jnp.isfinite(above), above - points, jnp.where(alone, 1 - points, 0.0))
    return jnp.maximum(left, right)


def log_density(cube: Cube, estimator: Parzen, x: Array, stop: Any = None) -> Array:
    """Return the logarithm of the density at points, of shape (points, dimension); of probability for cells.

    Only the first ``stop`` kernels, and the prior, are looked at: a loop whose length is known when it runs costs less
    than arrays of all kernels, of which a search needs half on average.
    """
    last = len(estimator.log_weights) - 1
    columns = list(x.T)
    prior = _log_kernel(cube, estimator, last, columns)

    def add(k: Array, total: Array) -> Array:
        # Relative to the prior, whose density is never near zero.
        return total + jnp.exp(jnp.minimum(_log_kernel(cube, estimator, k, columns) - prior, _MOST_TIMES))

    return prior + jnp.log(jax.lax.fori_loop(0, last if stop is None else stop, add, jnp.ones(len(x))))


def _log_kernel(cube: Cube, estimator: Parzen, k: Any, columns: list[Array]) -> Array:
    """Return the logarithm of weight times density of kernel k at points, of which each coordinate is an array."""
    centre, width, used = estimator.centre[k], estimator.width[k], estimator.used[k]
    mass = _mass(centre, width)
    # Kernels that do not depend on a continuous coordinate are uniform there: no distance, and the logarithm is 0.
    scale = jnp.where(used, math.sqrt(0.5) / width, 0.0)
    area = jnp.where(used & (jnp.asarray(cube.counts) == 0), _SQRT_2PI * width * mass, 1.0)
    total = estimator.log_weights[k]
    for i in range(0, len(cube.counts), _MOST_FACTORS):
        total = total - jnp.log(jnp.prod(area[i : i + _MOST_FACTORS]))
    for i, (count, categorical) in enumerate(zip(cube.counts, cube.categorical, strict=True)):
        if not count:
            total = total - ((columns[i] - centre[i]) * scale[i]) ** 2
        elif categorical:
            term = _log_category(count, estimator, k, centre[i], columns[i])
            total = total + jnp.where(used[i], term, -jnp.log(float(count)))
        else:
            term = _log_cell(count, centre[i], width[i], mass[i], columns[i])
            total = total + jnp.where(used[i], term, -jnp.log(float(count)))
    return total


def _ends(centre: Array, width: Array) -> tuple[Array, Array]:
    """Return the error functions of the ends of the range, 0 and 1, of which the first is at most 0."""
    unit = math.sqrt(0.5) / width
    return erf(-centre * unit), erf((1 - centre) * unit)


def _mass(centre: Array, width: Array) -> Array:
    """Return the probability that a normal draw is in the range."""
    low, high = _ends(centre, width)
    return (high - low) / 2


def _log_cell(count: int, centre: Array, width: Array, mass: Array, x: Array) -> Array:
    low, high = (x - 0.5 / count - centre) / width, (x + 0.5 / count - centre) / width
    # The upper tail is mirrored, where the distribution function is near 1.
    mirrored = low > 0
    low, high = jnp.where(mirrored, -high, low), jnp.where(mirrored, -low, high)
    return _log_difference(log_ndtr(high), log_ndtr(low)) - jnp.log(mass)


def _log_difference(larger: Array, smaller: Array) -> Array:
    return larger + jnp.log(-jnp.expm1(jnp.minimum(smaller - larger, -1e-300)))


def _log_category(count: int, estimator: Parzen, k: Any, centre: Array, x: Array) -> Array:
    """Return the log probability of categories: each kernel gives its own 1, and all share the prior's weight."""
    kernels = jnp.sum(jnp.isfinite(estimator.log_weights))
    share = 1 / kernels
    same = jnp.floor(x * count) == jnp.floor(centre * count)
    prior = k == len(estimator.log_weights) - 1
    return jnp.where(prior, -jnp.log(float(count)), jnp.log((share + same) / (1 + count * share)))


def draw(cube: Cube, estimator: Parzen, key: Array, count: int) -> Array:
    """Return points drawn from the estimator, of shape (count, dimension)."""
    draws = jax.random.uniform(key, (count, cube.dimension + 1))
    uniform = draws[:, 1:]
    total = jnp.cumsum(jnp.exp(estimator.log_weights))
    chosen = jnp.sum(total <= draws[:, :1] * total[-1], axis=1)
    chosen = jnp.minimum(chosen, len(total) - 1)  # rounding
    low, high = ((1 + end) / 2 for end in _ends(estimator.centre, estimator.width))
    kernels_chosen = jnp.stack([estimator.centre, estimator.width, low, high], axis=-1)[chosen]
    centre, width, low, high = jnp.moveaxis(kernels_chosen, -1, 0)
    used = estimator.used[chosen]
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
