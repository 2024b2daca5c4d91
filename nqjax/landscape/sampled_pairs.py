"""Estimates from a random sample of a grid: pairs of configurations that happen to be neighbours."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nqjax.landscape.assortativity import rank_losses
from nqjax.landscape.correlations import inner
from nqjax.landscape.graph import Graph
from nqjax.landscape.space import Space
from nqjax.landscape.ties import Heights
from nqjax.types import Floats

#: Fewer pairs than this tell too little.
FEWEST_PAIRS = 100


@dataclass(frozen=True)
class Estimate:
    """A value, and its standard error over random samples of the same size."""

    value: float
    standard_error: float


class SampledPairs:
    """Pairs of sampled configurations at distance 1, failed runs left out.

    Each pair of neighbours of the grid is as likely as any other to be in a random sample, so means over these pairs
    are unbiased. A configuration may be in several pairs, which their standard errors allow for.
    """

    def __init__(self, space: Space, graph: Graph, heights: Heights) -> None:
        start, end = graph.edges()
        keep = heights.known[start] & heights.known[end]
        self.start, self.end = start[keep], end[keep]
        self._heights = heights
        self._space = space

    def __len__(self) -> int:
        return len(self.start)

    def assortativity_rank(self) -> Estimate:
        """Return the correlation of the ranks at the two ends."""
        ranks = rank_losses(self._heights)
        a, b = ranks[self.start], ranks[self.end]
        mean = (a.sum() + b.sum()) / (2 * len(a))
        a, b = a - mean, b - mean
        squares = a**2 + b**2
        total = float(squares.sum())
        if not total:
            return Estimate(math.nan, math.nan)
        value = 2 * inner(a, b) / total
        influence = (2 * a * b - value * squares) / total
        # Both sums are about the mean of the pairs, which is too close to them.
        centring = (1 - value) * self._covariance(a + b, a + b) / (2 * len(a) * total)
        bias = self._covariance(influence, squares / total)
        return Estimate(value + centring + bias, self._error(influence))

    def neutrality(self, tolerance: float) -> Estimate:
        """Return the mean, over the configurations of the whole grid, of the share of neighbours within a tolerance."""
        loss = self._heights.loss
        close = (np.abs(loss[self.start] - loss[self.end]) <= tolerance).astype(np.float64)
        degree = _grid_degree(self._space)
        weight = 1 / degree[self.start] + 1 / degree[self.end]
        weight /= weight.sum()
        value = inner(weight, close)
        influence = weight * (close - value)
        return Estimate(value + self._covariance(influence, weight), self._error(influence))

    def _error(self, influence: Floats) -> float:
        """Return the standard error of a sum over pairs."""
        return math.sqrt(max(self._covariance(influence, influence), inner(influence, influence)))

    def _covariance(self, x: Floats, y: Floats) -> float:
        """Return the covariance of two sums over pairs, of which those with a common configuration are dependent.

        The bias of a ratio of such sums is minus that of its influence and the relative size of its denominator.
        """
        count = len(self._heights.loss)
        of_x, of_y = (np.bincount(self.start, z, count) + np.bincount(self.end, z, count) for z in (x, y))
        return float(np.sum(of_x * of_y)) - inner(x, y)


def _grid_degree(space: Space) -> NDArray[np.int64]:
    """Return the number of neighbours that each configuration has in the whole grid."""
    degree = np.zeros(len(space), np.int64)
    for axis, codes in zip(space.axes, space.codes, strict=True):
        degree += (axis.moves() >= 0).sum(axis=1)[codes]
    return degree
