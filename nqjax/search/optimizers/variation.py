"""Variation of points of the unit cube: simulated binary crossover and polynomial mutation (Deb and Agrawal 1995)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array

#: Coordinates of two parents that are closer than this are the same.
_SAME = 1e-14


def crossed(key: Array, first: Array, second: Array, probability: float, index: float) -> tuple[Array, Array]:
    """Return two children of each pair of parents, inside the cube.

    Parameters
    ----------
    key : Array
    first, second : Array, shape (pairs, dimension)
    probability : float
        That a pair is crossed; of a pair that is, each coordinate is crossed with probability 1/2.
    index : float
        The larger, the closer children are to their parents.
    """
    pair, coordinate, draw, swap = jax.random.split(key, 4)
    low, high = jnp.minimum(first, second), jnp.maximum(first, second)
    apart = jnp.maximum(high - low, _SAME)
    u = jax.random.uniform(draw, first.shape)

    def spread(room: Array) -> Array:
        """Return how far the child lies from the middle, in units of half the parents' distance, within the room."""
        limit = 2 - (1 + 2 * room / apart) ** -(index + 1)
        base = jnp.where(u <= 1 / limit, u * limit, 1 / (2 - u * limit))
        return base ** (1 / (index + 1))

    lower = 0.5 * (low + high - spread(low) * apart)
    upper = 0.5 * (low + high + spread(1 - high) * apart)
    swapped = jax.random.bernoulli(swap, 0.5, first.shape)
    lower, upper = jnp.where(swapped, upper, lower), jnp.where(swapped, lower, upper)
    crosses = jax.random.bernoulli(pair, probability, (len(first), 1))
    crosses = crosses & jax.random.bernoulli(coordinate, 0.5, first.shape) & (high - low > _SAME)
    children = jnp.where(crosses, lower, first), jnp.where(crosses, upper, second)
    return jnp.clip(children[0], 0.0, 1.0), jnp.clip(children[1], 0.0, 1.0)


def mutated(key: Array, points: Array, probability: float, index: float) -> Array:
    """Return points, of shape (points, dimension), each of whose coordinates is moved with a probability.

    The larger ``index`` is, the smaller are the moves; all stay inside the cube.
    """
    moves, draw = jax.random.split(key)
    u = jax.random.uniform(draw, points.shape)
    power = index + 1
    down = (2 * u + (1 - 2 * u) * (1 - points) ** power) ** (1 / power) - 1
    up = 1 - (2 * (1 - u) + (2 * u - 1) * points**power) ** (1 / power)
    moved = jnp.clip(points + jnp.where(u <= 0.5, down, up), 0.0, 1.0)
    return jnp.where(jax.random.bernoulli(moves, probability, points.shape), moved, points)


def tournaments(key: Array, rank: Array, distance: Array) -> Array:
    """Return the winners of binary tournaments, of the shape of ``rank``: the better front, then the less crowded.

    Each point takes part in two.
    """
    count = len(rank)
    orders = jnp.argsort(jax.random.uniform(key, (2, count)), axis=1)  # two permutations; one sort compiles faster
    contest = orders.reshape(count, 2)
    left, right = contest[:, 0], contest[:, 1]
    wins = (rank[left] < rank[right]) | ((rank[left] == rank[right]) & (distance[left] >= distance[right]))
    return jnp.where(wins, left, right)
