"""The numbers of many landscapes on one complete grid, which differ in their losses only."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from nqjax.landscape.basins import Basins, find_basins
from nqjax.landscape.correlations import average_ranks, inner
from nqjax.landscape.cube import WIDTH, Array, Cube, as_bits, from_bits
from nqjax.landscape.distance import distance_to
from nqjax.landscape.prominence import count_prominent
from nqjax.landscape.ties import Heights, find_heights
from nqjax.landscape.topography import Topography
from nqjax.types import Floats

#: Fewer values than this have no correlation worth a number.
_FEWEST = 3


class _Centred(NamedTuple):
    """Values about their mean, scaled, with the sum of their squares: what a correlation needs of each variable."""

    values: Floats
    squares: float

    @classmethod
    def of(cls, values: Floats) -> _Centred:
        if len(values) < _FEWEST:
            return cls(values, 0.0)
        centred = values - values.mean()
        largest = max(float(centred.max()), -float(centred.min()))
        if largest:  # squares of huge losses would overflow
            centred /= largest
        return cls(centred, inner(centred, centred))

    def correlation(self, other: _Centred) -> float:
        scale = self.squares * other.squares
        return inner(self.values, other.values) / math.sqrt(scale) if scale else math.nan


class _Best(NamedTuple):
    """The distance to the best configurations, as the correlations need it."""

    distance: _Centred
    ranks: _Centred
    ranks_with_neighbours: _Centred


class ManyLandscapes:
    """Numbers of landscapes that have the grid and the failed runs of a landscape, and other losses.

    They are those of `find_metrics`, as far as redraws need them. What concerns neighbours is done for 16 landscapes at
    once; orders, descents and merges are found one by one.
    """

    def __init__(self, land: Topography, cube: Cube, tolerance: float | None, prominence: float | None) -> None:
        self._cube, self._graph, self._space = cube, land.graph, land.space
        self._tolerances = () if tolerance is None else (tolerance, tolerance / 2)
        self._prominence = prominence
        self._cells = land.space.cells
        self._known = np.isfinite(land.replicates.mean)
        self._degree = land.graph.neighbour_sums(self._known.astype(np.float64)) * self._known
        self._lonely = self._degree == 0
        counts = np.arange(int(self._degree.max(initial=0)) + 1)
        degrees, self._degree_code = np.unique(np.maximum(self._degree, 1), return_inverse=True)
        self._code_step = np.intp(len(degrees))
        self._shares, share_of = np.unique(counts[:, None] / degrees, return_inverse=True)
        self._share_of = share_of.ravel()
        self._bests: dict[bytes, _Best] = {}

    def numbers(self, losses: Floats) -> list[dict[str, float]]:
        """Return the numbers of each landscape, NaN where undefined; at most 16, shape (landscapes, configurations)."""
        count = len(losses)
        losses = np.concatenate([losses, np.repeat(losses[-1:], WIDTH - count, axis=0)])
        heights = [find_heights(one) for one in losses]
        found: list[dict[str, float]] = [{} for _ in heights]
        places = self._to_cells([one.place for one in heights])
        has_ties = any(one.has_ties for one in heights)
        ranks = self._to_cells([one.rank for one in heights]) if has_ties else places
        best = np.minimum(self._to_nodes(self._cube.neighbour_minima(places)), np.int32(len(self._cells)))
        basins = [find_basins(self._graph, *both) for both in zip(heights, best, strict=True)]
        average = [_average_ranks(one) for one in heights]
        self._smoothness(found, "assortativity_rank", average)
        self._smoothness(found, "assortativity", [one.loss for one in heights])
        if self._tolerances:
            self._flatness(found, heights)
        self._access(found, ranks)
        self._funnels(found, heights, basins)
        for numbers, height, basin, rank in zip(found, heights, basins, average, strict=True):
            self._single(numbers, height, basin, rank)
        return found[:count]

    def _to_cells(self, values: list[Array]) -> Array:
        """Return values of configurations, one array for each landscape, as the cube has them."""
        found = np.empty((len(self._cells), len(values)), values[0].dtype)
        found[self._cells] = np.asarray(values).T
        return found

    def _to_nodes(self, values: Array) -> Array:
        """Return the reverse of `_to_cells`, shape (landscapes, configurations)."""
        return np.ascontiguousarray(values[self._cells].T)

    def _smoothness(self, found: list[dict[str, float]], name: str, values: list[Floats]) -> None:
        """Add the correlation of neighbours."""
        total = max(float(self._degree.sum()), 1.0)
        y = np.array(values)
        if not self._known.all():
            y[:, ~self._known] = 0.0
        with_neighbours = y if not self._lonely.any() else y[:, ~self._lonely]
        spread = np.ptp(with_neighbours, axis=1) if with_neighbours.size else np.zeros(len(y))
        y -= (np.einsum("ij,j->i", y, self._degree) / total)[:, None]
        y /= np.where(spread > 0, spread, 1.0)[:, None]
        if not self._known.all():
            y[:, ~self._known] = 0.0
        alike = self._cube.edge_products(self._to_cells(list(y)))
        squares = np.einsum("ij,ij,j->i", y, y, self._degree)
        for numbers, one, square, differ in zip(found, alike.tolist(), squares.tolist(), spread > 0, strict=True):
            numbers[name] = one / square if differ else math.nan

    def _flatness(self, found: list[dict[str, float]], heights: list[Heights]) -> None:
        """Add neutrality, and its correlation with the distance to the best."""
        with np.errstate(invalid="ignore"):  # infinity less infinity
            close = self._cube.close_neighbours(self._to_cells([one.loss for one in heights]), self._tolerances)
        keep = ~self._lonely
        everything = bool(keep.all())
        for name, counts in zip(("ndc", "ndc_half"), map(self._to_nodes, close), strict=True):
            for numbers, height, count in zip(found, heights, counts, strict=True):
                code = count * self._code_step + self._degree_code
                code = code if everything else code[keep]
                size = np.bincount(self._share_of, np.bincount(code, minlength=len(self._share_of)))
                if name == "ndc":
                    numbers["neutrality"] = float(self._shares @ size) / len(code) if len(code) else math.nan
                rank = (np.cumsum(size) - (size - 1) / 2)[self._share_of]
                numbers[name] = -_Centred.of(rank[code]).correlation(self._best_of(height).ranks_with_neighbours)

    def _best_of(self, height: Heights) -> _Best:
        best = np.flatnonzero(height.rank == 0).astype(np.int32)
        key = best.tobytes()
        if key not in self._bests:
            distance = distance_to(self._space, best)
            known = distance[self._known]
            with_neighbours = average_ranks(distance[~self._lonely])
            self._bests[key] = _Best(*map(_Centred.of, (known, average_ranks(known), with_neighbours)))
        return self._bests[key]

    def _access(self, found: list[dict[str, float]], ranks: Array) -> None:
        best = as_bits(ranks == ranks.min(axis=0))
        reached = self._to_nodes(from_bits(self._cube.spread(best, self._cube.descents(ranks))))
        for numbers, one in zip(found, reached, strict=True):
            numbers["access_global"] = np.count_nonzero(one) / len(one)

    def _funnels(self, found: list[dict[str, float]], heights: list[Heights], basins: list[Basins]) -> None:
        optima = [height.rank[basin.optima] for height, basin in zip(heights, basins, strict=True)]
        below = self._to_cells([rank[basin.basin] for rank, basin in zip(optima, basins, strict=True)])
        good = [rank == rank[0] for rank in optima]
        descents = self._cube.descents(below)
        touching = self._to_nodes(from_bits(self._cube.can_descend(descents)))
        leading = -1
        while leading < (leading := sum(int(one.sum()) for one in good)):
            # A move to a better basin may start at any configuration of a basin.
            nodes = self._to_cells([one[basin.basin] for one, basin in zip(good, basins, strict=True)])
            reached = self._to_nodes(from_bits(self._cube.spread(as_bits(nodes), descents)))
            for one, basin, there in zip(good, basins, reached, strict=True):
                one[basin.basin[there]] = True
        for numbers, basin, lower, one in zip(found, basins, touching, good, strict=True):
            sink = np.ones(len(basin), bool)
            sink[basin.basin[lower]] = False
            numbers["funnels"] = float(np.sum(sink))
            numbers["funnel_global_share"] = float(basin.shares[one].sum())

    def _single(self, numbers: dict[str, float], height: Heights, basins: Basins, rank: Floats) -> None:
        """Add what is found for one landscape at a time."""
        best = self._best_of(height)
        known = slice(None) if self._known.all() else self._known
        numbers["fdc"] = _Centred.of(rank[known]).correlation(best.ranks)
        numbers["fdc_pearson"] = _Centred.of(height.loss[known]).correlation(best.distance)
        numbers["n_lo"] = float(len(basins))
        numbers["basin_global_share"] = float(basins.shares[height.rank[basins.optima] == 0].sum())
        numbers["basin_effective"] = basins.effective
        numbers["descent_steps_mean"] = float(basins.steps.mean())
        if self._prominence is not None:
            numbers["n_lo_prominent"] = float(count_prominent(self._graph, height, basins, self._prominence))


def _average_ranks(heights: Heights) -> Floats:
    """Return the average rank of each loss, without another sort."""
    if not heights.has_ties:
        return heights.rank.astype(np.float64) + 1
    size = np.bincount(heights.rank, minlength=len(heights.levels))
    return np.asarray((np.cumsum(size) - (size - 1) / 2)[heights.rank], np.float64)
