"""Ranks of points with several objectives, and how crowded their neighbourhoods are (Deb et al. 2002)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array


def dominates(values: Array, violations: Array) -> Array:
    """Return whether each point dominates each other one, with constraints (Deb et al. 2002, definition 1).

    A feasible point dominates all that are not; of two that are not, the one with the smaller violation does.

    Parameters
    ----------
    values : Array, shape (points, objectives)
        Lower is better; no NaN.
    violations : Array, shape (points,)
        The sum of what exceeds the constraints; 0 for a feasible point.

    Returns
    -------
    Array of bool, shape (points, points)
        Row ``i`` says which points ``i`` dominates.
    """
    mine, yours = values[:, None], values[None]
    better = (mine <= yours).all(axis=-1) & (mine < yours).any(axis=-1)
    feasible = violations <= 0
    both = feasible[:, None] & feasible
    return jnp.where(both, better, violations[:, None] < violations)


def ranks(values: Array, violations: Array) -> Array:
    """Return the front of each point: 0 for those that none dominates, 1 for those that only these dominate, and so on.

    Shapes are those of `dominates`; the result has shape (points,).
    """
    above = dominates(values, violations)
    count = len(values)

    def peel(carry: tuple[Array, Array]) -> tuple[Array, Array]:
        rank, front = carry
        left = rank == count
        free = left & ~(above & left[:, None]).any(axis=0)
        return jnp.where(free, front, rank), front + 1

    start = jnp.full(count, count), jnp.asarray(0)
    return jax.lax.while_loop(lambda carry: (carry[0] == count).any(), peel, start)[0]


def crowding(values: Array, rank: Array) -> Array:
    """Return the crowding distance of each point within its front: infinite at the ends.

    It is the sum over the objectives of the distance between the two neighbours, in units of the front's extent.

    Parameters
    ----------
    values : Array, shape (points, objectives)
    rank : Array of int, shape (points,)

    Returns
    -------
    Array, shape (points,)
    """
    count = len(values)

    def one(column: Array) -> Array:
        order = jnp.lexsort((column, rank))
        sorted_values, sorted_ranks = column[order], rank[order]
        same = sorted_ranks[1:] == sorted_ranks[:-1]
        inside = jnp.concatenate([jnp.array([False]), same]) & jnp.concatenate([same, jnp.array([False])])
        low = jax.ops.segment_min(column, rank, count + 1)[sorted_ranks]
        high = jax.ops.segment_max(column, rank, count + 1)[sorted_ranks]
        extent = jnp.where(high > low, high - low, 1.0)
        gap = (jnp.roll(sorted_values, -1) - jnp.roll(sorted_values, 1)) / extent
        return jnp.zeros_like(column).at[order].set(jnp.where(inside, gap, jnp.inf))

    return jax.vmap(one, in_axes=1, out_axes=1)(values).sum(axis=1)


def best(values: Array, violations: Array, count: int) -> tuple[Array, Array, Array]:
    """Return the places of the best points, front by front and the last front by its crowding, with rank and crowding.

    Each has shape (count,).
    """
    rank = ranks(values, violations)
    distance = crowding(values, rank)
    order = jnp.lexsort((-distance, rank))[:count]
    return order, rank[order], distance[order]
