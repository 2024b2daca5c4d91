"""Searches as the posterior sees them: oriented to minimisation, on the scale of their regimes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nqjax.errors import InputError, show
from nqjax.estimation.constraints import Constraints
from nqjax.estimation.spacings import Spacings
from nqjax.posterior.density.coordinates import FAR, FAR_AWAY, LOG_NOISE, Place
from nqjax.posterior.density.likelihood import SearchData
from nqjax.posterior.density.log_density import Model
from nqjax.posterior.prior import Parts
from nqjax.runtime.compiled import power_of_two

Floats = NDArray[np.float64]


#: Scores that arrays have at least, and at most when it does not matter much.
_FEWEST, _POOLED = 16, 128


#: So many scores may be joined to that many bins: a tenth of a unit of log-likelihood, a hundredth of a deviation.
_SAFE = 600


@dataclass(frozen=True)
class Study:
    """One search.

    Attributes
    ----------
    data : Spacings
    limits : pair of float
        Of the regime, oriented to minimisation; the losing one is infinite where nothing is censored there.
    scale : float
        The regime's width as the scores show it: what is 1 in the coordinates, where the best score is 0.
    """

    data: Spacings
    limits: tuple[float, float]
    scale: float

    @property
    def has_threshold(self) -> bool:
        """Whether there are scores beyond the losing limit."""
        return math.isfinite(self.limits[1])


def make_study(data: Spacings, low: float, high: float) -> Study:
    """A search from its checked spacings and its limits, oriented to minimisation.

    A limit beyond which there is no score says nothing of where the regime ends, and is left out. Failed runs count as
    censored; where no limit was given they lie beyond the worst score.
    """
    high = data.worst if math.isinf(high) else max(high, data.worst)
    if not data.num_above:
        high = math.inf
    low = low if data.num_below else -math.inf
    end = data.worst if math.isinf(high) else high
    return Study(data, (low, high), end - data.best)


def _standard(study: Study, bounds: Constraints) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Bounds on the scale of the regime."""
    location, scale = study.data.best, study.scale
    low = [max((end - location) / scale, -FAR) for end in (bounds.alpha[0], bounds.beta[0])]
    high = [min((bounds.alpha[1] - location) / scale, FAR), min((bounds.beta[1] - location) / scale, FAR_AWAY)]
    noise = [math.log(min(max(s / scale, math.exp(LOG_NOISE[0])), math.exp(LOG_NOISE[1]))) for s in bounds.sigma]
    return (*low, noise[0]), (*high, noise[1])


def check_bounds(study: Study, bounds: Constraints, minimize: bool) -> None:
    """Bounds must leave room; raises InputError."""
    winning, losing = ("alpha", "beta") if minimize else ("beta", "alpha")
    for name, (low, high) in ((winning, bounds.alpha), (losing, bounds.beta), ("sigma", bounds.sigma)):
        if low == high:
            given = low if minimize or name == "sigma" else -low
            raise InputError(f"a posterior needs room: give {name} an interval instead of {show(given)}")
    least, most = (study.scale * math.exp(end) for end in LOG_NOISE)
    if bounds.sigma[1] <= least or bounds.sigma[0] >= most:
        ends = f"({show(bounds.sigma[0])}, {show(bounds.sigma[1])})"
        raise InputError(f"the constraint on sigma, {ends}, is far from the scores' own range of {show(study.scale)}")
    end = study.limits[1]
    if study.has_threshold and bounds.beta[1] <= end:
        raise InputError(f"the constraint on {losing} ends inside the regime: it must reach beyond the threshold")


def _values(data: Spacings) -> tuple[Floats, Floats]:
    return data.values, data.repeats


def _pooled(data: Spacings) -> tuple[Floats, Floats]:
    """Values and counts with neighbours joined where there are many; the best and the worst stay as they are."""
    values, repeats = _values(data)
    # What joining loses of the log-likelihood grows with the scores and falls with the square of the bins.
    most = max(_POOLED, round(_POOLED * math.sqrt(data.num_used / _SAFE)))
    if len(values) <= most:
        return values, repeats
    kept = most // 4
    middle = np.linspace(2 * kept, len(values) - kept, most - 3 * kept + 1).round().astype(int)
    edges = np.concatenate([np.arange(2 * kept), middle, np.arange(len(values) - kept + 1, len(values))])
    edges = np.unique(edges[edges < len(values)])
    counts = np.add.reduceat(repeats, edges)
    return np.add.reduceat(values * repeats, edges) / counts, counts


def _arrays(studies: Sequence[Study], rows: Sequence[tuple[Floats, Floats]]) -> SearchData:
    """Values and counts of some studies on the scale of their regimes."""
    most = max(_FEWEST, *(len(values) for values, _ in rows))
    # Powers of two and numbers half way between: few sizes, and little padding.
    size = power_of_two(most)
    size = size * 3 // 4 if most <= size * 3 // 4 else size
    scores, counts = np.zeros((len(studies), size)), np.zeros((len(studies), size))
    limits, censored = np.zeros((len(studies), 2)), np.zeros((len(studies), 2))
    for i, (study, (values, repeats)) in enumerate(zip(studies, rows, strict=True)):
        scores[i, : len(values)] = (values - study.data.best) / study.scale
        counts[i, : len(values)] = repeats
        limits[i] = [(end - study.data.best) / study.scale if math.isfinite(end) else 0.0 for end in study.limits]
        censored[i] = study.data.num_below, study.data.num_above
    return SearchData(scores, counts, limits, censored)  # type: ignore[arg-type]


def make_model(studies: Sequence[Study], bounds: Constraints, parts: Parts, pad: int = 1) -> Model:
    """Arrays of some studies, padded to one size, and to ``pad`` studies at least."""
    studies = [*studies, *[studies[0]] * (pad - len(studies))]
    data, pooled = (_arrays(studies, [f(s.data) for s in studies]) for f in (_values, _pooled))
    low, high = (np.array(b) for b in zip(*(_standard(s, bounds) for s in studies), strict=True))
    place = Place(
        data.limits[:, 1],  # type: ignore[arg-type]
        np.array([s.has_threshold for s in studies]),  # type: ignore[arg-type]
        np.array([(s.data.worst - s.data.best) / s.scale for s in studies]),  # type: ignore[arg-type]
        low,  # type: ignore[arg-type]
        high,  # type: ignore[arg-type]
    )
    return Model(
        data,
        pooled,
        place,
        np.log([s.scale for s in studies]),  # type: ignore[arg-type]
        parts,
    )
