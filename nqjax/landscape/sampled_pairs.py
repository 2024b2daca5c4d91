"""Estimates from a random sample of a grid: pairs of configurations that happen to be neighbours."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

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


class _Sum(NamedTuple):
    """A sum over pairs: its terms, and the sum of the terms that each configuration has a part in."""

    of_pairs: Floats
    of_nodes: Floats


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
        self._ranks = _GridRanks(space, heights)
        self._space = space

    def __len__(self) -> int:
        return len(self.start)

    def assortativity_rank(self) -> Estimate:
        """Return the correlation of the ranks that the two ends have in the whole grid."""
        ranks = self._ranks
        a, b, products, squares = ranks.of_pairs(self.start, self.end)
        mean = (a.sum() + b.sum()) / (2 * len(a))
        a, b = a - mean, b - mean
        total = float(2 * (squares.sum() - len(a) * mean**2))
        if not total > 0:
            return Estimate(math.nan, math.nan)
        value = 2 * float(products.sum() - len(a) * mean**2) / total
        both = self._of_ranks(a + b, np.ones(len(a)), np.ones(len(a)))
        sizes = self._of_ranks((a**2 + b**2) / total, 2 * a / total, 2 * b / total)
        slopes = (2 * (b - value * a) / total, 2 * (a - value * b) / total)
        influence = self._of_ranks(2 * a * b / total - value * sizes.of_pairs, *slopes)
        # Both sums are about the mean of the pairs, which is too close to them.
        centring = (1 - value) * self._covariance(both, both) / (2 * len(a) * total)
        return Estimate(value + centring + self._covariance(influence, sizes), self._error(influence))

    def neutrality(self, tolerance: float) -> Estimate:
        """Return the mean, over the configurations of the whole grid, of the share of neighbours within a tolerance."""
        loss = self._heights.loss
        close = (np.abs(loss[self.start] - loss[self.end]) <= tolerance).astype(np.float64)
        degree = _grid_degree(self._space)
        weight = 1 / degree[self.start] + 1 / degree[self.end]
        weight /= weight.sum()
        value = inner(weight, close)
        influence, sizes = self._sum(weight * (close - value)), self._sum(weight)
        return Estimate(value + self._covariance(influence, sizes), self._error(influence))

    def _sum(self, terms: Floats) -> _Sum:
        """Return a sum over pairs as what each configuration adds to it."""
        count = len(self._heights.loss)
        of_start, of_end = (np.bincount(end, terms, count).astype(np.float64) for end in (self.start, self.end))
        return _Sum(terms, of_start + of_end)

    def _of_ranks(self, terms: Floats, slope_start: Floats, slope_end: Floats) -> _Sum:
        """Return the same for terms that depend on ranks, with their slopes: ranks are comparisons with others."""
        found = self._sum(terms)
        others = self._ranks.through_others(np.append(self.start, self.end), np.append(slope_start, slope_end))
        return _Sum(found.of_pairs, found.of_nodes + others)

    def _error(self, influence: _Sum) -> float:
        """Return the standard error of a sum over pairs."""
        of_pairs, of_nodes = self._kinds(influence, influence)
        return math.sqrt(of_pairs + max(of_nodes, 0.0))

    def _covariance(self, x: _Sum, y: _Sum) -> float:
        """Return the covariance of two sums over pairs, of which those with a common configuration are dependent.

        One of the sums is 0. The bias of a ratio of such sums is minus the covariance of its influence and the relative
        size of its denominator.
        """
        return sum(self._kinds(x, y))

    def _kinds(self, x: _Sum, y: _Sum) -> tuple[float, float]:
        """Return the parts of the covariance: each pair with itself, and pairs that share a configuration.

        The larger the share of the grid that was sampled, the smaller they are: pairs without a common configuration
        are less often together in a sample without replacement than apart, and their products sum to minus the others.
        """
        count, expected = len(self._heights.loss), self._space.expected
        same = inner(x.of_pairs, y.of_pairs)
        one, other = (count - 2) / (expected - 2), (count - 3) / (expected - 3)
        return same * (1 - one * other), (inner(x.of_nodes, y.of_nodes) - 2 * same) * (1 - other)


class _GridRanks:
    """Ranks that sampled configurations have in the whole grid, about their middle, without bias.

    A rank is a sum of comparisons with all others, of which the sample has some. Products of the ranks of a pair count
    comparisons of both with the same configuration, and of one with the other: these are more of all in a sample than
    in the grid, so each kind is scaled up by its own factor.
    """

    def __init__(self, space: Space, heights: Heights) -> None:
        known = heights.known
        count = int(known.sum())
        size = np.bincount(heights.rank[known], minlength=len(heights.levels))
        below = np.cumsum(size) - size
        self._below = below[heights.rank].astype(np.float64)
        self._equal = size[heights.rank].astype(np.float64)
        self._rank = heights.rank
        self._levels = len(heights.levels)
        self._known = known
        self._count = count
        of_grid = max(space.expected * count / len(known), count)
        self._once = (of_grid - 2) / max(count - 2, 1)
        self._twice = self._once * (of_grid - 3) / max(count - 3, 1)

    def of_pairs(self, start: NDArray[np.int32], end: NDArray[np.int32]) -> tuple[Floats, Floats, Floats, Floats]:
        """Return the ranks of both ends of some pairs, their products, and the means of their squares."""
        sign = np.sign(self._rank[start] - self._rank[end]) / 2
        ends = []
        for node, direct in ((start, sign), (end, -sign)):
            above = self._count - self._below[node] - self._equal[node]
            ends.append(((self._below[node] - above) / 2 - direct, self._below[node] + above - np.abs(2 * direct)))
        (a, size_a), (b, size_b) = ends
        worse, better = np.where(sign > 0, start, end), np.where(sign > 0, end, start)
        outside = self._below[better] + self._count - self._below[worse] - self._equal[worse]
        between = np.where(sign == 0, 0, self._below[worse] - self._below[better] - self._equal[better])
        shared = (outside - between) / 4
        products = -(sign**2) + self._once * (sign * (b - a) + shared) + self._twice * (a * b - shared)
        squares = sum(
            direct**2 + self._once * (2 * direct * rank + others / 4) + self._twice * (rank**2 - others / 4)
            for rank, others, direct in ((a, size_a, sign), (b, size_b, -sign))
        )
        return sign + self._once * a, self._once * b - sign, products, squares / 2

    def through_others(self, ends: NDArray[np.int32], slopes: Floats) -> Floats:
        """Return what each configuration adds to a sum by the ranks of some ends, about the mean.

        The slopes are those of the sum in each rank.
        """
        of_level = np.bincount(self._rank[ends], slopes, self._levels)
        upto = np.cumsum(of_level)
        added = self._once * (upto[-1] - 2 * upto + of_level)[self._rank] / 2
        return np.where(self._known, added - added[self._known].mean(), 0.0)


def _grid_degree(space: Space) -> NDArray[np.int64]:
    """Return the number of neighbours that each configuration has in the whole grid."""
    degree = np.zeros(len(space), np.int64)
    for axis, codes in zip(space.axes, space.codes, strict=True):
        degree += (axis.moves() >= 0).sum(axis=1)[codes]
    return degree
