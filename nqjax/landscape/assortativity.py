"""Smoothness of a landscape: how alike neighbours are (L-ast), and the autocorrelation of a random walk, exactly."""

from __future__ import annotations

import math

import numpy as np

from nqjax.landscape.correlations import average_ranks, inner, pearson
from nqjax.landscape.graph import Graph
from nqjax.landscape.ties import Heights
from nqjax.types import Floats


def rank_losses(heights: Heights) -> Floats:
    """Return the average rank of each loss among those that are known; infinity for failed runs."""
    known = heights.known
    ranks = np.full(len(known), np.inf)
    ranks[known] = average_ranks(heights.loss[known])
    return ranks


def autocorrelation(graph: Graph, values: Floats, lags: int = 1) -> Floats:
    """Return the autocorrelation of a stationary random walk on the graph at lags 1, 2, ..., shape (lags,).

    The first one is the assortativity L-ast: the correlation of the two ends over all edges. Values that are not finite
    are left out with their edges. NaN where the values are all equal, or without edges.
    """
    known = np.isfinite(values)
    everything = bool(known.all())
    degree = graph.degree.astype(np.float64)
    if not everything:
        degree = np.where(known, graph.neighbour_sums(known.astype(np.float64)), 0.0)
    total = degree.sum()
    y = np.where(known, values, 0.0)
    spread = np.ptp(y[degree > 0]) if total else 0.0
    if not spread:
        return np.full(lags, math.nan)
    y = np.where(known, y - inner(degree, y) / total, 0.0) / spread
    inverse = np.divide(1.0, degree, out=np.zeros_like(degree), where=degree > 0)
    # The walk is reversible, so lag j + k is the product of the values after j and after k steps.
    after = [y, graph.neighbour_sums(y) * inverse]
    found = []
    for lag in range(1, lags + 1):
        half = lag // 2
        while len(after) <= lag - half:
            after.append(graph.neighbour_sums(after[-1]) * inverse)
        found.append(inner(degree * after[half], after[lag - half]))
    return np.array(found) / inner(degree, y**2)


def directed_assortativity(graph: Graph, heights: Heights) -> float:
    """Return the correlation of the worse end and the better end over edges between different losses.

    Only for comparison with papers that report it: it is larger than the undirected one.
    """
    start, end = graph.edges()
    keep = heights.known[start] & heights.known[end] & (heights.rank[start] != heights.rank[end])
    a, b = heights.loss[start[keep]], heights.loss[end[keep]]
    return pearson(np.maximum(a, b), np.minimum(a, b))


def correlation_length(rho: float) -> float:
    """Return the number of steps after which the autocorrelation has fallen to 1/e, if it falls exponentially."""
    return -1 / math.log(rho) if 0 < rho < 1 else math.nan
