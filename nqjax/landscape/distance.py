"""Distance of each configuration to the nearest of some others, and whether a descent can reach them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nqjax.landscape.graph import Graph
from nqjax.landscape.space import Space
from nqjax.landscape.ties import Heights
from nqjax.types import Floats

#: Entries of the largest array of distances to single targets.
_MOST_ENTRIES = 2**24


def distance_to(space: Space, targets: NDArray[np.int32]) -> Floats:
    """Return the number of steps from each configuration to the nearest target, shape (configurations,)."""
    if len(targets) > 1 and space.is_dense:
        return _transformed(space, targets)
    found = np.full(len(space), np.inf)
    for target in targets.tolist():
        total = np.zeros(len(space), np.int64)
        for axis, codes in zip(space.axes, space.codes, strict=True):
            total += axis.distances()[codes[target]][codes]
        np.minimum(found, total, out=found)
    return found


def _transformed(space: Space, targets: NDArray[np.int32]) -> Floats:
    """Return the same, with a pass along each axis of the grid: the distance is a sum over axes.

    The time does not depend on the number of targets, of which there may be thousands.
    """
    grid = np.full(space.num_cells, np.inf)
    grid[space.cells[targets]] = 0
    grid = grid.reshape(space.shape)
    for h, axis in enumerate(space.axes):
        lines = np.moveaxis(grid, h, 0)
        active = lines[: axis.num_active] if axis.ordered else lines
        inactive = lines[axis.num_active].copy() if axis.ordered and axis.has_inactive else None
        nearest = active.min(axis=0)
        if axis.ordered:
            for level in range(1, len(active)):
                active[level] = np.minimum(active[level], active[level - 1] + 1)
            for level in range(len(active) - 2, -1, -1):
                active[level] = np.minimum(active[level], active[level + 1] + 1)
            if inactive is not None:
                lines[axis.num_active] = np.minimum(inactive, nearest + 1)
                active[:] = np.minimum(active, inactive + 1)
        else:
            active[:] = np.minimum(active, nearest + 1)
    return grid.ravel()[space.cells]


def can_descend_to(graph: Graph, heights: Heights, targets: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Return for each configuration whether a path of strictly better and better neighbours leads to a target."""
    rank = np.append(heights.rank, np.int32(-1))
    reached = np.zeros(len(graph) + 1, bool)
    reached[targets] = True
    front = targets
    while len(front):
        neighbours = graph.table[:, front]
        worse = (rank[neighbours] > heights.rank[front]) & ~reached[neighbours]
        fresh = neighbours[worse]
        reached[fresh] = True
        front = _distinct(fresh, len(graph))
    return reached[:-1]


def _distinct(nodes: NDArray[np.int32], count: int) -> NDArray[np.int32]:
    """Return each of some nodes once; a mask is faster than a sort for many."""
    if len(nodes) * 16 < count:
        return np.unique(nodes)
    mask = np.zeros(count, bool)
    mask[nodes] = True
    return np.flatnonzero(mask).astype(np.int32)
