"""Consonance regions: every noisy quadratic whose CDF keeps within a confidence band over the regime.

If the scores follow a noisy quadratic in the regime, the region contains it with the band's confidence, and the
region's intervals contain everything that follows from it (Easterling 1976; Lourie, He, Cho 2025). For each gamma and
each ratio ``s`` of noise to range the region is a convex polygon (`nqjax.confidence.stabbing`) with exact corners. Only
``s`` is searched, by a grid that is refined at the region's ends and where a parameter is extreme.
"""

import functools
import math
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from nqjax.confidence.bands import BandMethod, order_statistic_band
from nqjax.confidence.slices import FAR, Slice, SlicedRegion, cdf_ends, log_tails, quantile_ends, values
from nqjax.confidence.stabbing import stabbing_polygon
from nqjax.estimation.fit import Fit, fit_prepared
from nqjax.estimation.study import ScaledStudy, Study, prepare
from nqjax.inputs import oriented_limits
from nqjax.special.chunked import standard_quantile
from nqjax.types import Floats

#: Smallest and largest logarithm of the ratio of noise to range; no noise is tried, too.
_LOWEST_LOG_RATIO = math.log(1e-5)
_HIGHEST_LOG_RATIO = math.log(1e5)

#: Number of ratios between them that are tried first.
_RATIOS = 120

#: Rounds of refinement; each cuts a bracket into `_PARTS` parts.
_ROUNDS = 9
_PARTS = 8


@dataclass(frozen=True, eq=False)
class ConsonanceRegion(SlicedRegion):
    """All noisy quadratics that keep within a confidence band over the regime.

    Attributes
    ----------
    confidence : float
        Probability that the band contains the whole CDF, and thus that the region contains the true distribution. The
        region has no intervals at another confidence.
    gammas : tuple of int
        Values of gamma that occur in the region. If there is none, no noisy quadratic fits these scores.
    num_scores : int
    limits : pair of float
    minimize : bool

    Examples
    --------
    >>> import numpy as np
    >>> import nqjax
    >>> region = nqjax.consonance_region(np.random.default_rng(0).random(32), threshold=None, gamma=2)
    >>> low, high = region.cdf_bands(0.5)
    >>> bool(0 <= low < high <= 1)
    True
    """

    _outside: "_Outside" = field(repr=False)

    @functools.cached_property
    def fit(self) -> Fit:
        """The fit to the same scores, computed when it is first asked for; it need not be in the region."""
        return fit_prepared(self._scaled)

    def quantile_tuning_curve(self, n: ArrayLike, q: float = 0.5) -> Floats:
        """Return the tuning curve of the fit, see `Fit.quantile_tuning_curve`."""
        return self.fit.quantile_tuning_curve(n, q)

    def cdf_bands(self, y: ArrayLike) -> tuple[Floats, Floats]:
        """Return the lower and the upper end of the CDF: the region's in the regime, the confidence band's outside it.

        Parameters
        ----------
        y : array_like
            Scores.

        Returns
        -------
        lower, upper : ndarray, shape of y
        """
        y = np.asarray(y, np.float64)
        x = y if self.minimize else -y
        low, high = map(np.array, self._outside.cdf(x))  # writable arrays, also for a scalar
        within = (x > self._outside.start) & (x <= self._outside.end)
        if not self.is_empty:
            low[within], high[within] = cdf_ends(self._slices, (x[within] - self._scaled.location) / self._scaled.scale)
        return (low, high) if self.minimize else (1 - high, 1 - low)

    def quantile_tuning_curve_band(
        self, n: ArrayLike, q: float = 0.5, confidence: float | None = None
    ) -> tuple[Floats, Floats]:
        """Return the ends of a quantile of the best score: the region's in the regime, the band's outside it.

        See `Region.quantile_tuning_curve_band`.
        """
        self._check_confidence(confidence)
        log_tail = log_tails(n, q, self.minimize)
        low, high = self._outside.quantiles(-np.expm1(log_tail))
        if not self.is_empty:
            location, scale = self._scaled.location, self._scaled.scale
            found = quantile_ends(self._slices, log_tail.ravel())
            first, last = (location + scale * a.reshape(log_tail.shape) for a in found)
            ends = self._outside.start, self._outside.end
            low, high = _composed(low, first, *ends), _composed(high, last, *ends)
        return (low, high) if self.minimize else (-high, -low)


def region_within(
    study: Study,
    confidence: float,
    method: BandMethod = "ld_highest_density",
    rounds: int = _ROUNDS,
    ratios: int = _RATIOS,
) -> ConsonanceRegion:
    """Return the consonance region of a study, see `nqjax.consonance_region`.

    Parameters
    ----------
    study : Study
    confidence, method
        See `nqjax.consonance_region`.
    rounds : int
        Rounds of refinement at the region's ends. With fewer than three, extremes in between are not refined, and ends
        are accurate to a few per cent.
    ratios : int
        Ratios of noise to range that are tried first.
    """
    scaled = prepare(study)
    y = study.orient(study.scores)
    y = np.sort(np.where(np.isfinite(y), y, math.inf))
    start, end = study.ends
    # A failed run lies somewhere beyond the limit; without a limit the regime ends at the worst score.
    end = scaled.data.worst if scaled.data.num_failed and math.isinf(end) else end
    band = order_statistic_band(len(y), confidence, method)
    outside = _Outside(y, band.low, band.high, start, end)
    problem = _Problem.make(outside, scaled)
    slices = [one for gamma in study.gammas for one in _grid(problem, gamma, rounds, ratios)]
    slices += _refined(problem, slices) if slices and rounds > 2 else []
    gammas = tuple(sorted({one.gamma for one in slices}))
    limits = oriented_limits((start, end), study.minimize)
    return ConsonanceRegion(confidence, gammas, len(y), limits, study.minimize, slices, scaled, outside)


def _composed(outer: Floats, inner: Floats, start: float, end: float) -> Floats:
    """Return the quantiles of the region (``inner``) in the regime, and those of the band (``outer``) outside it."""
    within = np.where(inner <= end, np.maximum(inner, start), np.maximum(outer, end))
    return np.where((outer <= start) & (start > -math.inf), outer, within)


class _Outside(NamedTuple):
    """Sorted scores with the confidence band of their CDF, and the ends of the regime; oriented to minimisation."""

    y: Floats  # sorted
    low: Floats
    high: Floats
    start: float
    end: float

    def cdf(self, x: Floats) -> tuple[Floats, Floats]:
        """Return the lower and the upper end of the band at the scores x."""
        i = np.searchsorted(self.y, x, side="right")
        return np.append(0.0, self.low)[i], np.append(self.high, 1.0)[i]

    def quantiles(self, p: Floats) -> tuple[Floats, Floats]:
        """Return the lowest score where the band's upper end reaches p, and the lowest where its lower end does."""
        places = np.concatenate([[-math.inf], self.y, [math.inf]])
        low = np.append(0.0, self.low)
        return (
            places[np.searchsorted(np.append(self.high, 1.0), p)],
            places[np.searchsorted(low, p)],
        )


class _Problem(NamedTuple):
    """Bounds that the CDFs of a region keep at the knots, on the solver's scale."""

    at_least: tuple[Floats, Floats]  # places, and the CDF's lower bounds there
    at_most: tuple[Floats, Floats]
    alpha: tuple[float, float]
    beta: tuple[float, float]
    sigma: tuple[float, float]

    @classmethod
    def make(cls, outside: _Outside, scaled: ScaledStudy) -> "_Problem":
        location, scale, constraints = scaled.location, scaled.scale, scaled.study.constraints
        y, low, high, start, end = outside
        inside = (y > start) & (y <= end)
        count_start, count_end = np.searchsorted(y, [start, end], side="right")
        # Among equal scores the lower bound of the last and the upper bound of the first imply the others.
        apart = np.diff(y[inside]) > 0
        last, first = np.append(apart, True), np.append(True, apart)
        at_least = [(y[inside][last], low[inside][last])]
        at_most = [(y[inside][first], high[inside][first])]
        # The band is flat between scores, so it also binds at the regime's ends.
        if math.isfinite(start) and count_start > 0:
            at_least.append((np.array([start]), low[[count_start - 1]]))
        if math.isfinite(end) and count_end < len(y):
            at_most.append((np.array([end]), high[[count_end]]))

        def standard(parts: list[tuple[Floats, Floats]], trivial: float) -> tuple[Floats, Floats]:
            places, bounds = (np.concatenate(column) for column in zip(*parts, strict=True))
            keep = bounds != trivial
            return (places[keep] - location) / scale, bounds[keep]

        def bounds(pair: tuple[float, float]) -> tuple[float, float]:
            low, high = ((x - location) / scale for x in pair)
            return max(low, -FAR), min(high, FAR)

        sigma = constraints.sigma[0] / scale, constraints.sigma[1] / scale
        return cls(
            standard(at_least, 0.0), standard(at_most, 1.0), bounds(constraints.alpha), bounds(constraints.beta), sigma
        )


def _slices(problem: _Problem, gamma: int | list[int], log_s: Floats) -> list[Slice]:
    """Return the region's slice at each ratio of noise to range, also if it is empty.

    ``gamma`` is one number, or one number for each ratio.
    """
    gammas = np.broadcast_to(gamma, log_s.shape)
    p = np.concatenate([problem.at_least[1], problem.at_most[1]])
    t = standard_quantile(np.log1p(-p), np.exp(log_s)[:, None], gammas[:, None])
    k = len(problem.at_least[1])
    return [_slice(problem, int(g), float(x), row[:k], row[k:]) for g, x, row in zip(gammas, log_s, t, strict=True)]


def _slice(problem: _Problem, gamma: int, log_s: float, below: Floats, above: Floats) -> Slice:
    s = math.exp(log_s)
    low, high = problem.sigma
    # Without noise any delta is possible, provided that sigma = 0 is allowed.
    slope = (low / s, min(high / s, FAR)) if s > 0 else (0.0, FAR if low == 0 else -1.0)
    if slope[0] > slope[1]:
        return Slice(gamma, log_s, np.empty((0, 2)), -math.inf)
    # Bounds on alpha and beta bound the line at t = 0 and t = 1.
    ends = np.array([0.0, 1.0])
    under = np.append(below, ends), np.append(problem.at_least[0], [problem.alpha[1], problem.beta[1]])
    over = np.append(above, ends), np.append(problem.at_most[0], [problem.alpha[0], problem.beta[0]])
    corners, room = stabbing_polygon(under, over, slope)
    return Slice(gamma, log_s, corners, room)


def _grid(problem: _Problem, gamma: int, rounds: int, ratios: int) -> list[Slice]:
    """Return the slices of one gamma that are not empty; the grid of ratios is refined at both of its ends."""
    log_s = np.append(-np.inf, np.linspace(_LOWEST_LOG_RATIO, _HIGHEST_LOG_RATIO, ratios))
    if problem.sigma[1] == 0:
        log_s = log_s[:1]
    found = _slices(problem, gamma, log_s)
    if not any(len(one.corners) for one in found):
        found = _closest(problem, gamma, found)
    possible = [len(one.corners) > 0 for one in found]
    if not any(possible):
        return []
    changes = [i for i in range(1, len(found)) if possible[i] != possible[i - 1]]
    pairs = [(i, i - 1) if possible[i] else (i - 1, i) for i in changes]
    edges = [(found[inside].log_s, found[outside].log_s) for inside, outside in pairs]
    return [one for one in found if len(one.corners)] + _ends(problem, gamma, edges, rounds)


def _closest(problem: _Problem, gamma: int, found: list[Slice]) -> list[Slice]:
    """Look for a slice that is not empty: refine the grid of ratios where a slice is closest to having members."""
    for _ in range(_ROUNDS):
        rooms = [one.room for one in found]
        i = int(np.argmax(rooms))
        left, right = found[max(i - 1, 0)].log_s, found[min(i + 1, len(found) - 1)].log_s
        if not math.isfinite(left):
            return found
        found = _slices(problem, gamma, np.linspace(left, right, _PARTS + 1))
        if any(len(one.corners) for one in found):
            return found
    return found


def _ends(problem: _Problem, gamma: int, edges: list[tuple[float, float]], rounds: int) -> list[Slice]:
    """Return slices close to the region's ends.

    Each pair in ``edges`` brackets an end: a ratio with members of the region, and one without.
    """
    found: list[Slice] = []
    for _ in range(rounds):
        grids = [np.linspace(a, b, _PARTS + 1)[1:-1] for a, b in edges if math.isfinite(a) and math.isfinite(b)]
        if not grids:
            break
        parts = _slices(problem, gamma, np.concatenate(grids))
        edges = [(a, b) for a, b in edges if math.isfinite(a) and math.isfinite(b)]
        new = []
        for j, (a, b) in enumerate(edges):
            row = parts[j * (_PARTS - 1) : (j + 1) * (_PARTS - 1)]
            inside = [one for one in row if len(one.corners)]
            found += inside
            # Ratios are in order from the inside to the outside.
            last = inside[-1].log_s if inside else a
            out = next((one.log_s for one in row if not len(one.corners)), b)
            new.append((last, out))
        edges = new
    return found


def _refined(problem: _Problem, slices: list[Slice]) -> list[Slice]:
    """Return more slices, at ratios next to those where a parameter is lowest or highest."""
    extremes = [(name, pick) for name in ("alpha", "beta", "sigma") for pick in (min, max)]
    known, new, best = [list(slices) for _ in extremes], [slices for _ in extremes], [list[Slice]() for _ in extremes]
    for _ in range(_ROUNDS):
        owners, gammas, grids = [], [], []
        for i, (name, pick) in enumerate(extremes):
            one = pick(best[i] + new[i], key=lambda one: float(pick(values(one, name))))
            best[i], new[i] = [one], []
            others = sorted(other.log_s for other in known[i] if other.gamma == one.gamma)
            place = others.index(one.log_s)
            left, right = others[max(place - 1, 0)], others[min(place + 1, len(others) - 1)]
            if math.isfinite(left) and right - left >= 1e-7:
                owners += [i] * (_PARTS - 1)
                gammas += [one.gamma] * (_PARTS - 1)
                grids.append(np.linspace(left, right, _PARTS + 1)[1:-1])
        if not grids:
            break
        # All extremes together fill the batches.
        for i, part in zip(owners, _slices(problem, gammas, np.concatenate(grids)), strict=True):
            if len(part.corners):
                known[i].append(part)
                new[i].append(part)
    return [part for mine in known for part in mine[len(slices) :]]
