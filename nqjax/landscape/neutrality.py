"""Neutrality: how many neighbours are as good as a configuration, up to a tolerance."""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike

from nqjax.landscape.correlations import pearson, spearman
from nqjax.landscape.graph import Graph
from nqjax.landscape.ties import Heights
from nqjax.types import Floats


class Neutrality:
    """The share of neighbours within a tolerance, as a function of the tolerance.

    Failed runs are left out, with their edges.
    """

    def __init__(self, graph: Graph, heights: Heights) -> None:
        self._graph = graph
        self._loss = heights.loss
        self._known = heights.known

    @cached_property
    def degree(self) -> Floats:
        """The number of neighbours of each configuration whose runs did not fail; 0 for a failed run."""
        if self._known.all():
            return self._graph.degree.astype(np.float64)
        return np.where(self._known, self._graph.neighbour_sums(self._known.astype(np.float64)), 0.0)

    def of_nodes(self, tolerance: Floats | float) -> Floats:
        """Return the share of each configuration's neighbours within a tolerance; NaN without a neighbour."""
        loss = np.append(self._loss, np.nan)
        tolerance = np.broadcast_to(tolerance, self._loss.shape)
        close = np.zeros(len(self._loss))
        with np.errstate(invalid="ignore"):  # infinity less infinity
            for row in self._graph.table:
                close += np.abs(loss[row] - self._loss) <= tolerance
        return np.divide(close, self.degree, out=np.full(len(close), np.nan), where=self.degree > 0)

    def mean(self, tolerance: float) -> float:
        """Return the mean share over the configurations that have neighbours; NaN if none has."""
        return _mean(self.of_nodes(tolerance))

    def relative(self, share: float) -> float:
        """Return the mean share within a tolerance that is a share of each configuration's own loss."""
        with np.errstate(invalid="ignore"):
            return _mean(self.of_nodes(share * np.abs(self._loss)))

    def edge_share(self, tolerance: float) -> float:
        """Return the share of edges whose ends differ by at most a tolerance."""
        shares, degree = self.of_nodes(tolerance), self.degree
        total = degree.sum()
        return float(np.nansum(shares * degree) / total) if total else float("nan")

    def curve(self, tolerance: ArrayLike) -> Floats:
        """Return the mean share at many tolerances, of the same shape."""
        differences, shares = self._sorted
        found = np.append(0.0, shares)[np.searchsorted(differences, tolerance, side="right")]
        return np.asarray(found)

    @cached_property
    def _sorted(self) -> tuple[Floats, Floats]:
        """The differences over edges in order, and what share of neighbours they make up to there."""
        start, end = self._graph.edges()
        keep = self._known[start] & self._known[end]
        start, end = start[keep], end[keep]
        difference = np.abs(self._loss[start] - self._loss[end])
        weight = 1 / self.degree[start] + 1 / self.degree[end]
        order = np.argsort(difference)
        return difference[order], np.cumsum(weight[order]) / max(int(np.sum(self.degree > 0)), 1)

    def distance_correlation(self, tolerance: float, distance: Floats, *, ranks: bool = True) -> float:
        """Return minus the correlation of neutrality with the distance to the best: positive if flatter near it."""
        shares = self.of_nodes(tolerance)
        keep = np.isfinite(shares) & np.isfinite(distance)
        return -(spearman if ranks else pearson)(shares[keep], distance[keep])


def _mean(shares: Floats) -> float:
    known = np.isfinite(shares)
    return float(shares[known].mean()) if known.any() else float("nan")


def noise_neutrality(tolerance: ArrayLike, sigma: float) -> Floats:
    """Return the neutrality of a flat landscape with independent normal noise of standard deviation ``sigma``."""
    erf = np.vectorize(math.erf, otypes=[np.float64])  # that of SciPy takes longer to import than to use
    return np.asarray(erf(np.asarray(tolerance) / (2 * sigma)))
