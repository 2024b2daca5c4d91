"""Ties of losses: means of seeds differ in the last bits, which must not decide what is an optimum."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nqjax.types import Floats

#: Losses whose gap is at most this many units in the last place of the larger one are one value.
_ULPS = 8


class Heights(NamedTuple):
    """Losses of the nodes, ties merged.

    Attributes
    ----------
    loss : ndarray, shape (nodes,)
        The loss, the same for all of a tie; infinity for a failed run.
    rank : ndarray of int32, shape (nodes,)
        0 for the best; tied losses have the same rank, and ranks have no gaps.
    order : ndarray of int32, shape (nodes,)
        Nodes from the best to the worst, equal ones by their row.
    place : ndarray of int32, shape (nodes,)
        The place of each node in that order.
    levels : ndarray
        The loss of each rank.
    """

    loss: Floats
    rank: NDArray[np.int32]
    order: NDArray[np.int32]
    place: NDArray[np.int32]
    levels: Floats

    @property
    def has_ties(self) -> bool:
        """Whether any two nodes are equal."""
        return len(self.levels) < len(self.loss)

    @property
    def known(self) -> NDArray[np.bool_]:
        """For each node, whether its run has not failed."""
        return np.isfinite(self.loss)


def find_heights(losses: Floats) -> Heights:
    """Return losses with their ties merged, their ranks and their order.

    A loss that is not finite is a failed run: worse than all others, and tied with each other failed run.

    Examples
    --------
    >>> import numpy as np
    >>> heights = find_heights(np.array([0.3, 0.1 + 0.2, np.nan, 0.1]))
    >>> heights.rank.tolist(), heights.order.tolist()
    ([1, 1, 2, 0], [3, 0, 1, 2])
    """
    losses = np.where(np.isfinite(losses), losses, np.inf)
    order = np.argsort(losses)  # ties in any order, as yet
    ordered = losses[order]
    starts = np.ones(len(losses), bool)
    with np.errstate(invalid="ignore"):
        gap = np.diff(ordered)
        largest = np.maximum(np.abs(ordered[1:]), np.abs(ordered[:-1]))
        starts[1:] = gap > _ULPS * np.finfo(np.float64).eps * largest
        # The gap to the first failed run is infinite, and so is the size it is compared with.
        starts[1:] |= np.isinf(ordered[1:]) & np.isfinite(ordered[:-1])
    levels = ordered[starts]
    rank = np.empty(len(losses), np.int32)
    rank[order] = np.cumsum(starts, dtype=np.int32) - 1
    if len(levels) < len(losses):
        order = _by_row_within_ties(order, starts, rank)
        losses = levels[rank]
    nodes = order.astype(np.int32)
    place = np.empty_like(nodes)
    place[nodes] = np.arange(len(nodes), dtype=np.int32)
    return Heights(losses, rank, nodes, place, levels)


def _by_row_within_ties(
    order: NDArray[np.intp], starts: NDArray[np.bool_], rank: NDArray[np.int32]
) -> NDArray[np.intp]:
    """Return the order with tied nodes by their row; ``starts`` says where in the order another loss begins."""
    tied = ~starts
    tied[:-1] |= tied[1:]
    nodes = order[tied]
    found = order.copy()
    found[tied] = np.sort(rank[nodes] * np.int64(len(order)) + nodes) % len(order)
    return found
