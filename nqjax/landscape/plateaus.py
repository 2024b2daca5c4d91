"""Plateaus: neighbours with equal losses, which are one optimum if none of them has a better neighbour."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nqjax.landscape.components import components
from nqjax.landscape.graph import Graph
from nqjax.landscape.ties import Heights


def best_neighbours(graph: Graph, heights: Heights) -> NDArray[np.int32]:
    """Return the place in the order of each configuration's best neighbour; the number of nodes where it has none."""
    places = np.append(heights.place, np.int32(len(graph)))
    best = np.full(len(graph), len(graph), np.int32)
    for row in graph.table:
        np.minimum(best, places[row], out=best)
    return best


def find_plateaus(graph: Graph, heights: Heights) -> NDArray[np.int32]:
    """Return the smallest row of the plateau of each configuration; a single one is its own plateau."""
    plateau = np.arange(len(graph), dtype=np.int32)
    if not heights.has_ties:
        return plateau
    size = np.bincount(heights.rank, minlength=len(heights.levels))
    tied = np.flatnonzero(size[heights.rank] > 1).astype(np.int32)
    rank, ranks = heights.rank[tied], np.append(heights.rank, np.int32(-1))
    end = graph.table[:, tied]
    which, start = np.nonzero((ranks[end] == rank) & (end > tied))
    place = np.empty(len(graph), np.int32)
    place[tied] = np.arange(len(tied), dtype=np.int32)
    plateau[tied] = tied[components(len(tied), start.astype(np.int32), place[end[which, start]])]
    return plateau


def optima_within(graph: Graph, heights: Heights, tolerance: float) -> int:
    """Return the number of optima if neighbours within a tolerance are one plateau.

    This is the convention of other tools, for comparison: such plateaus are chains along slopes. A plateau is an
    optimum if no neighbour of it is better than its best node by more than the tolerance.
    """
    loss = heights.loss
    start, end = graph.edges()
    with np.errstate(invalid="ignore"):
        difference = np.abs(loss[start] - loss[end])
    close = (difference <= tolerance) | (heights.rank[start] == heights.rank[end])
    label = components(len(graph), start[close], end[close])
    best = np.full(len(graph), np.inf)
    np.minimum.at(best, label, loss)
    is_optimum = label == np.arange(len(graph))
    for a, b in ((start, end), (end, start)):
        is_optimum[label[a][loss[b] < best[label[a]] - tolerance]] = False
    return int(is_optimum.sum())
