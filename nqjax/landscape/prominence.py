"""Prominence of optima: how far one must climb to get from an optimum to a better one (sublevel-set persistence)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nqjax.landscape.basins import Basins
from nqjax.landscape.components import components, spanning_tree
from nqjax.landscape.graph import Graph
from nqjax.landscape.ties import Heights
from nqjax.types import Floats

#: Codes of pairs of basins with the height of their saddle must stay below this, to be sorted as one number.
_MOST_CODES = 2**63

#: The share of the nodes, the best ones, whose edges are looked at first.
_LOW_SHARE = 0.3


class Network(NamedTuple):
    """Basins that touch each other, pairs once, each in the order of its optima.

    Attributes
    ----------
    first, second : ndarray of int64, shape (pairs,)
        Indices of the optima, the better one first.
    weight : ndarray of int64, shape (pairs,)
        The number of edges between the two basins.
    saddle : ndarray of int64, shape (pairs,)
        The rank of the lowest pass between them: the least, over these edges, of the worse end.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    weight: NDArray[np.int64]
    saddle: NDArray[np.int64]


class Merges(NamedTuple):
    """The merge tree: where the component of each optimum meets that of a better one as the level rises.

    Attributes
    ----------
    prominence : ndarray, shape (optima,)
        The height of the saddle less the optimum's own loss; infinite for the best of each connected part.
    saddle : ndarray, shape (optima,)
        The loss of the saddle, infinite for the best of each connected part.
    parent : ndarray of int64, shape (optima,)
        The better optimum that it meets, itself for the best of each connected part.
    """

    prominence: Floats
    saddle: Floats
    parent: NDArray[np.int64]

    def above(self, tolerance: Floats | float) -> NDArray[np.int64]:
        """Return the number of optima that are more prominent than each tolerance; the best one always counts."""
        roots = self.parent == np.arange(len(self.parent))
        rest = np.sort(self.prominence[~roots])
        return roots.sum() + len(rest) - np.searchsorted(rest, tolerance, side="right")


def find_network(graph: Graph, heights: Heights, basins: Basins) -> Network:
    """Return which basins touch, how often, and over which saddle."""
    count = len(basins)
    node = np.arange(len(graph), dtype=np.int32)
    basin = np.append(basins.basin, np.int32(-1))
    pairs, saddles = [], []
    for row in graph.table:
        crossing = np.flatnonzero((row > node) & (basin[row] != basins.basin) & (row < len(graph)))
        other = row[crossing]
        a, b = basins.basin[crossing].astype(np.int64), basin[other]
        pairs.append(np.minimum(a, b) * count + np.maximum(a, b))
        saddles.append(np.maximum(heights.rank[crossing], heights.rank[other]))
    pair, saddle = np.concatenate(pairs), np.concatenate(saddles).astype(np.int64)
    ranks = len(heights.levels)
    if count * count * ranks < _MOST_CODES:
        code = np.sort(pair * ranks + saddle)
        pair, saddle = code // ranks, code % ranks
    else:
        order = np.lexsort((saddle, pair))
        pair, saddle = pair[order], saddle[order]
    starts = np.flatnonzero(np.append(True, pair[1:] != pair[:-1])[: len(pair)])
    weight = np.diff(np.append(starts, len(pair)))
    pair = pair[starts]
    return Network(pair // count, pair % count, weight, saddle[starts])


def find_merges(graph: Graph, heights: Heights, basins: Basins) -> Merges:
    """Return the merge tree of the optima.

    Inside a basin everything hangs together below the level of any of its nodes, so edges between basins are all that
    is needed: their minimum spanning tree has the passes at which components meet.
    """
    return _merged(heights, basins, _passes(graph, heights, basins))


def _merged(heights: Heights, basins: Basins, tree: _Edges) -> Merges:
    """Return the merge tree of the edges of a minimum spanning tree, the lowest first."""
    count = len(basins)
    root = list(range(count))
    parent, level = list(range(count)), [-1] * count
    for one, other, height in zip(*(part.tolist() for part in tree), strict=True):
        a, b = one, other
        while root[a] != a:  # union-find, written out: calls would take most of the time
            root[a] = a = root[root[a]]
        while root[b] != b:
            root[b] = b = root[root[b]]
        survivor, dies = (a, b) if a < b else (b, a)  # optima are in order, equal ones by their row
        root[dies] = parent[dies] = survivor
        level[dies] = height
    place = np.array(level)
    found = np.where(place >= 0, heights.levels[place], np.inf)
    with np.errstate(invalid="ignore"):  # infinity less infinity
        return Merges(found - heights.loss[basins.optima], found, np.array(parent))


def count_prominent(graph: Graph, heights: Heights, basins: Basins, tolerance: float) -> int:
    """Return the number of optima that are more prominent than a tolerance, as the merge tree would.

    Only low edges can make an optimum less prominent: those between two basins of which both ends are within the
    tolerance of the worse optimum.
    """
    own = heights.loss[basins.optima][basins.basin]
    with np.errstate(invalid="ignore"):  # infinity less infinity
        low = np.flatnonzero(heights.loss - own <= tolerance)
    own, of_low, rank_low = own[low], basins.basin[low], heights.rank[low]
    loss, basin = np.append(heights.loss, np.nan), np.append(basins.basin, np.int32(len(basins)))
    found = []
    for row in graph.table:
        end = row[low]
        better = np.flatnonzero(basin[end] < of_low)
        better = better[loss[end[better]] - own[better] <= tolerance]
        end = end[better]
        found.append((of_low[better], basin[end], np.maximum(rank_low[better], heights.rank[end])))
    edges = _Edges(*(np.concatenate(one) for one in zip(*found, strict=True)))
    merges = _merged(heights, basins, edges.lowest(len(basins)))
    return int(np.sum(~(merges.prominence <= tolerance)))


class _Edges(NamedTuple):
    """Edges between basins, with the rank of their worse end."""

    first: NDArray[np.int32]
    second: NDArray[np.int32]
    saddle: NDArray[np.int32]

    def lowest(self, count: int, parts: NDArray[np.int32] | None = None) -> _Edges:
        """Return the edges of a minimum spanning tree of the basins, or of parts, each a set of basins."""
        first, second = (self.first, self.second) if parts is None else (parts[self.first], parts[self.second])
        chosen = spanning_tree(count, first, second, self.saddle)
        return _Edges(self.first[chosen], self.second[chosen], self.saddle[chosen])


def _passes(graph: Graph, heights: Heights, basins: Basins) -> _Edges:
    """Return the edges of a minimum spanning tree of the basins, the lowest first.

    Low edges first: in noise these join nearly all basins, and then only few nodes are outside the largest part.
    """
    count = len(basins)
    low = heights.order[: max(int(_LOW_SHARE * len(graph)), 1)]
    low = low[heights.rank[low] < heights.rank[low[-1]]] if len(low) < len(graph) else low
    parts = np.arange(count, dtype=np.int32)
    edges = _crossing(graph, heights, basins, parts, low, upwards=False)
    tree = edges.lowest(count)
    parts = components(count, tree.first, tree.second)
    part = parts[basins.basin]
    rest = np.flatnonzero(part != np.bincount(part).argmax()).astype(np.int32)
    edges = _crossing(graph, heights, basins, parts, rest, upwards=True)
    return _Edges(*(np.concatenate(both) for both in zip(tree, edges.lowest(count, parts), strict=True)))


def _crossing(
    graph: Graph, heights: Heights, basins: Basins, parts: NDArray[np.int32], nodes: NDArray[np.int32], *, upwards: bool
) -> _Edges:
    """Return the edges of some nodes to other parts, each a set of basins; ``upwards``: also to worse nodes."""
    basin = np.append(basins.basin, np.int32(0))
    rank = np.append(heights.rank, np.int32(-1 if upwards else len(graph)))
    part = np.append(parts[basins.basin], np.int32(-1))
    own, rank_here = part[nodes], heights.rank[nodes]
    found = []
    for row in graph.table:
        end = row[nodes]
        keep = part[end] != own
        keep &= end < len(graph) if upwards else rank[end] <= rank_here
        here, there = nodes[keep], end[keep]
        found.append((basin[here], basin[there], np.maximum(rank[here], rank[there])))
    return _Edges(*(np.concatenate(one) for one in zip(*found, strict=True)))
