"""Redraws of the noise: how far the numbers of a landscape would move if the same runs were repeated."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from nqjax.errors import InputError
from nqjax.landscape.assortativity import correlation_length
from nqjax.landscape.correlations import inner
from nqjax.landscape.cube import WIDTH, Cube
from nqjax.landscape.many import ManyLandscapes
from nqjax.landscape.metrics import Metrics, find_metrics
from nqjax.landscape.replicates import Replicates
from nqjax.landscape.space import CONTINUOUS, SAMPLE
from nqjax.landscape.topography import Topography
from nqjax.types import Floats

#: A correlation or share is kept this far from its ends, where its scale is infinite.
_EDGE = 1e-6


class _Scale(NamedTuple):
    """A scale on which the spread of a number hardly depends on the number: redraws have more noise than the runs."""

    forth: Callable[[Any], Any]
    back: Callable[[float], float]
    low: float
    high: float

    def interval(self, value: float, drawn: Floats, confidence: float) -> tuple[float, float]:
        """Return a number and what the differences of redraws do not exceed, within the range of possible values."""
        first, second = np.triu_indices(len(drawn), 1)
        places = self.forth(drawn)
        reach = float(np.quantile(np.abs(places[first] - places[second]), confidence))
        middle = float(self.forth(value))
        low, high = self.back(middle - reach), self.back(middle + reach)
        return max(min(low, value), self.low), min(max(high, value), self.high)


_CORRELATION = _Scale(lambda x: np.arctanh(np.clip(x, _EDGE - 1, 1 - _EDGE)), math.tanh, -1.0, 1.0)

_SHARE = _Scale(
    lambda x: np.log(np.clip(x, _EDGE, 1 - _EDGE) / (1 - np.clip(x, _EDGE, 1 - _EDGE))),
    lambda x: 1 / (1 + math.exp(-x)),
    0.0,
    1.0,
)

_PLAIN_SHARE = _Scale(lambda x: x, float, 0.0, 1.0)

_COUNT = _Scale(np.sqrt, lambda x: max(x, 0.0) ** 2, 1.0, math.inf)

_SIZE = _Scale(lambda x: np.log(np.maximum(x, _EDGE)), math.exp, 0.0, math.inf)

_PLAIN_SIZE = _Scale(lambda x: x, float, 0.0, math.inf)

#: Numbers with an interval, and their scales; of two, the wider one counts at each end.
_SCALES = {
    **dict.fromkeys(("assortativity_rank", "assortativity", "ndc", "ndc_half"), (_CORRELATION,)),
    **dict.fromkeys(("fdc", "fdc_pearson"), (_CORRELATION,)),
    **dict.fromkeys(("neutrality", "funnel_global_share"), (_PLAIN_SHARE,)),
    **dict.fromkeys(("basin_global_share", "access_global"), (_SHARE, _PLAIN_SHARE)),
    **dict.fromkeys(("n_lo", "n_lo_prominent", "funnels", "basin_effective"), (_COUNT,)),
    "descent_steps_mean": (_SIZE, _PLAIN_SIZE),
}

#: Numbers with an interval; the correlation length has that of the correlation which it follows from.
_NAMES = (*_SCALES, "correlation_length")

#: Fewer redraws tell no interval.
FEWEST_DRAWS = 20

#: Larger grids are redrawn one by one: many at once would need gigabytes.
_MOST_AT_ONCE = 250_000

#: Configurations of similar losses whose variances are averaged, and with how many further runs of a configuration that
#: average is weighed.
_WINDOW = 50

_PRIOR_DEGREES = 4.0

#: A number that is undefined in more than this share of the redraws has no interval.
_MOST_UNDEFINED = 0.05


@dataclass(frozen=True, eq=False)
class Redraws:
    """Numbers of landscapes whose noise was drawn anew, and intervals for a repetition of the same runs.

    Attributes
    ----------
    observed : Metrics
        The numbers of the landscape itself.
    values : mapping of str to ndarray, each of shape (draws,)
        The numbers of each redrawn landscape. They have the noise of the runs and that of the redraw, so counts of
        optima are larger than those of the landscape.
    confidence : float
        The probability of the intervals.
    errors_alike : float or None
        The correlation of the errors of neighbours within a run, 0 for independent noise. Where a seed draws more than
        the noise of each configuration, such as the data, it is larger, and the intervals are too narrow. None if no
        configuration was run twice.
    """

    observed: Metrics
    values: Mapping[str, Floats]
    confidence: float
    errors_alike: float | None = None

    @property
    def draws(self) -> int:
        """The number of redraws."""
        return len(next(iter(self.values.values())))

    @property
    def intervals(self) -> dict[str, tuple[float, float]]:
        """The interval of each number that has one."""
        found = {name: self.interval(name) for name in _NAMES}
        return {name: ends for name, ends in found.items() if ends is not None}

    def interval(self, name: str) -> tuple[float, float] | None:
        """Return where a number would be if the same configurations were run again with other seeds.

        Two redraws differ about as much as two repetitions of the runs do, so the interval is the number and what such
        differences do not exceed with the probability ``confidence``: of Fisher's z of correlations, log odds of the
        share of a basin, roots of counts, logarithms of steps. It is not one for the landscape without noise.

        Returns
        -------
        tuple of float or None
            None if the number is not valid, or undefined in many redraws.

        Raises
        ------
        InputError
            If there is no number of that name.
        """
        if not isinstance(name, str) or name not in _NAMES:
            raise InputError(f"{name!r} has no interval; those that have: {', '.join(_NAMES)}")
        value = getattr(self.observed, name)
        if name == "correlation_length":
            ends = None if value is None else self.interval("assortativity_rank")
            return None if ends is None else (_length(ends[0]), _length(ends[1]))
        drawn = self.values[name][np.isfinite(self.values[name])]
        if value is None or len(drawn) < (1 - _MOST_UNDEFINED) * self.draws:
            return None
        found = [scale.interval(value, drawn, self.confidence) for scale in _SCALES[name]]
        return min(low for low, _ in found), max(high for _, high in found)


def _length(correlation: float) -> float:
    """Return a correlation length; 0 without a positive correlation."""
    return 0.0 if correlation <= 0 else correlation_length(correlation) if correlation < 1 else math.inf


class _Redrawn(Topography):
    """A landscape with other losses on the same graph."""

    def __init__(self, land: Topography, losses: Floats) -> None:
        self.space, old = land.space, land.replicates
        self.replicates = Replicates(losses, losses[:, None], old.count, old.sigma, old.seeds)
        self.__dict__["graph"] = land.graph


def find_redraws(
    land: Topography,
    observed: Metrics,
    *,
    draws: int,
    seed: int,
    confidence: float,
    sigma: float | None,
    done: Callable[[], None],
) -> Redraws:
    """Return redraws of a landscape; ``done`` is called after each.

    Tolerances stay those of the landscape: a repetition is looked at with the same eyes.

    Raises
    ------
    InputError
        For a sample, or if the noise is unknown.
    """
    if land.space.kind in (SAMPLE, CONTINUOUS):
        raise InputError("there are no redraws of a sample: the standard errors of its numbers have the noise in them")
    if sigma is None and land.replicates.sigma is None:
        raise InputError("there are no redraws: no configuration was run twice, so the noise is unknown; give sigma")
    rng = np.random.default_rng(seed)
    errors = standard_errors(land.replicates, sigma)
    values = {name: np.full(draws, np.nan) for name in _SCALES}
    tolerances = observed.tolerance, observed.noise_tolerance
    drawn = (land.replicates.mean + errors * rng.standard_normal(len(errors)) for _ in range(draws))
    for draw, found in enumerate(_numbers(land, drawn, *tolerances)):
        for name, value in found.items():
            values[name][draw] = value
        done()
    return Redraws(observed, values, confidence, _errors_alike(land))


def _numbers(
    land: Topography, drawn: Iterator[Floats], tolerance: float | None, prominence: float | None
) -> Iterator[dict[str, float]]:
    """Yield the numbers of each redraw: of a complete grid many at once, of another one by one."""
    cube = Cube.of(land.space) if len(land.space) <= _MOST_AT_ONCE else None
    if cube is None:
        for losses in drawn:
            found = find_metrics(_Redrawn(land, losses), tolerance, prominence)
            yield {name: math.nan if getattr(found, name) is None else getattr(found, name) for name in _SCALES}
        return
    many = ManyLandscapes(land, cube, tolerance, prominence)
    while batch := list(itertools.islice(drawn, WIDTH)):
        yield from many.numbers(np.array(batch))


def _errors_alike(land: Topography) -> float | None:
    """Return the correlation of neighbours' errors within a run; shifts of whole runs change no landscape."""
    several = land.replicates.count > 1
    if not several.any():
        return None
    errors = land.replicates.runs - land.replicates.mean[:, None]
    known = np.isfinite(errors) & several[:, None]
    errors -= np.where(known, errors, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    products = squares = 0.0
    for column, there in zip(np.where(known, errors, 0.0).T, known.T, strict=True):
        products += inner(column, land.graph.neighbour_sums(column))
        squares += inner(column**2, land.graph.neighbour_sums(there.astype(np.float64)))
    return products / squares if squares else None


def standard_errors(replicates: Replicates, sigma: float | None = None) -> Floats:
    """Return the standard deviation of the mean loss of each configuration, NaN where all runs failed.

    The variance of few runs is itself mostly noise: it is averaged with that of the configurations whose losses are
    most alike, as noise mostly grows with the loss. Where these all scored the same in every run, there is no noise.
    """
    count, mean = replicates.count, replicates.mean
    errors = np.full(len(mean), np.nan)
    known = np.flatnonzero(count > 0)
    sigma = replicates.sigma if sigma is None else sigma
    errors[known] = 0.0 if sigma is None else sigma / np.sqrt(count[known])
    several = np.flatnonzero(count > 1)
    if len(several):
        several = several[np.argsort(mean[several], kind="stable")]
        degrees = count[several].astype(np.float64) - 1
        squares = degrees * np.nanvar(replicates.runs[several], axis=1, ddof=1).astype(np.float64)
        pooled = _windows(squares, _WINDOW) / _windows(degrees, _WINDOW)
        variance = (squares + _PRIOR_DEGREES * pooled) / (degrees + _PRIOR_DEGREES)
        errors[several] = np.sqrt(variance / count[several])
    return errors


def _windows(values: Floats, width: int) -> Floats:
    """Return the sum over the window of each value; at the ends the window is moved inwards."""
    width = min(width, len(values))
    total = np.append(0.0, np.cumsum(values))
    start = np.clip(np.arange(len(values)) - width // 2, 0, len(values) - width)
    # What is left of a sum of zeros after a subtraction is no noise.
    some = np.append(0, np.cumsum(values > 0))
    return np.where(some[start + width] > some[start], total[start + width] - total[start], 0.0)
