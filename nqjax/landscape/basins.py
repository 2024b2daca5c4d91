"""Local optima and their basins: where best-improvement descent ends."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from nqjax.landscape.graph import Graph
from nqjax.landscape.plateaus import best_neighbours, find_plateaus
from nqjax.landscape.ties import Heights
from nqjax.types import Floats


@dataclass(frozen=True, eq=False)
class Basins:
    """Local optima, from the best to the worst, and the one at which the descent from each configuration ends.

    Attributes
    ----------
    optima : ndarray of int32, shape (optima,)
        The configuration of each optimum; of a plateau, the one with the smallest row.
    basin : ndarray of int32, shape (configurations,)
        The optimum of each configuration, an index of ``optima``.
    steps : ndarray of int32, shape (configurations,)
        The number of moves of its descent.
    plateau : ndarray of int32, shape (configurations,)
        The smallest row of its plateau.
    without_better : int
        The number of configurations without a better neighbour.
    strict : int
        The number of configurations that are better than all their neighbours.
    """

    optima: NDArray[np.int32]
    basin: NDArray[np.int32]
    steps: NDArray[np.int32]
    plateau: NDArray[np.int32]
    without_better: int
    strict: int

    def __len__(self) -> int:
        return len(self.optima)

    @cached_property
    def sizes(self) -> NDArray[np.int64]:
        """The number of configurations in each basin."""
        return np.bincount(self.basin, minlength=len(self))

    @property
    def shares(self) -> Floats:
        """The share of the configurations in each basin."""
        return self.sizes / len(self.basin)

    @property
    def effective(self) -> float:
        """The effective number of basins, 1 over the sum of squared shares."""
        return float(1 / np.sum(self.shares**2))


def find_basins(graph: Graph, heights: Heights, best: NDArray[np.int32] | None = None) -> Basins:
    """Return the optima and the basins of best-improvement descent.

    A configuration moves to its best neighbour that is strictly better, to the one with the smallest row among equal
    ones. Without a better neighbour it moves to the best exit of its plateau, if that has one. The place of each best
    neighbour in the order may be given, if it is known.
    """
    count = len(graph)
    node = np.arange(count, dtype=np.int32)
    order = np.append(heights.order, np.int32(count))
    best = best_neighbours(graph, heights) if best is None else best
    # The rank of a place; that of no neighbour is above all.
    best_rank = np.append(heights.rank[heights.order], np.int32(count))[best] if heights.has_ties else best
    improves = best_rank < heights.rank
    plateau = find_plateaus(graph, heights)
    following = np.where(improves, order[best], plateau)
    moves = improves
    if heights.has_ties:
        several = np.flatnonzero(np.bincount(plateau, minlength=count)[plateau] > 1)
        leaves = several[improves[several]]
        exits = np.full(count, count, np.int32)
        np.minimum.at(exits, plateau[leaves], best[leaves])
        waits = several[~improves[several]]
        waits = waits[exits[plateau[waits]] < count]
        following[waits] = order[exits[plateau[waits]]]
        moves = improves.copy()
        moves[waits] = True
    steps = moves.astype(np.int32)
    arrives = np.flatnonzero(~moves & (plateau == node))
    while True:  # each round doubles the length of the jumps
        further = following[following]
        if np.array_equal(further, following):
            break
        steps += steps[following]
        following = further
    optima = arrives[np.argsort(heights.place[arrives])].astype(np.int32)
    index = np.empty(count, np.int32)
    index[optima] = np.arange(len(optima), dtype=np.int32)
    return Basins(
        optima, index[following], steps, plateau, int(np.sum(~improves)), int(np.sum(best_rank > heights.rank))
    )


def flat_noise_optima(graph: Graph) -> float:
    """Return the expected number of local optima if the losses were nothing but independent noise."""
    return float(np.sum(1.0 / (graph.degree + 1)))
