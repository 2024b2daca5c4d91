"""Data of the posterior density: searches oriented to minimisation, each on the scale of its regime.

A search's regime is the range of scores inside its limits. On its scale the best score is 0 and its width is 1.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nqjax.errors import InputError, show
from nqjax.estimation.constraints import Constraints
from nqjax.estimation.spacings import Spacings
from nqjax.estimation.study import Study, checked_spacings
from nqjax.posterior.density.coordinates import FAR, FAR_AWAY, LOG_NOISE, Place
from nqjax.posterior.density.likelihood import SearchData
from nqjax.posterior.density.log_density import Model
from nqjax.posterior.prior import Parts
from nqjax.runtime.compiled import power_of_two
from nqjax.types import Floats

#: Smallest size of an array of scores, with its padding.
_FEWEST = 16

#: Number of bins for the approximate likelihood, which joins neighbouring scores.
_POOLED = 128

#: Most scores for `_POOLED` bins: joining them changes the log-likelihood by 0.1, draws by 0.01 standard deviations.
_MOST_FOR_POOLED = 600


@dataclass(frozen=True)
class RegimeData:
    """One search, oriented to minimisation.

    Attributes
    ----------
    data : Spacings
    limits : pair of float
        The regime; its losing end is infinite where nothing is censored there.
    scale : float
        The regime's width as the scores show it. Scores are divided by it for the density.
    """

    data: Spacings
    limits: tuple[float, float]
    scale: float

    @property
    def has_threshold(self) -> bool:
        """Whether there are scores beyond the losing limit."""
        return math.isfinite(self.limits[1])


def read_regime(study: Study) -> RegimeData:
    """Return the data of a study; raise InputError where it cannot be sampled."""
    data = make_regime(checked_spacings(study), *study.ends)
    check_bounds(data, study.constraints, study.minimize)
    return data


def make_regime(data: Spacings, low: float, high: float) -> RegimeData:
    """Return the data of a search from its checked spacings and its limits, oriented to minimisation.

    A limit without scores beyond it does not show where the regime ends, and is left out. Failed runs count as
    censored; without a limit they lie beyond the worst score.
    """
    high = data.worst if math.isinf(high) else max(high, data.worst)
    if not data.num_above:
        high = math.inf
    low = low if data.num_below else -math.inf
    end = data.worst if math.isinf(high) else high
    return RegimeData(data, (low, high), end - data.best)


def _standard(study: RegimeData, bounds: Constraints) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the bounds of the parameters in units of the regime's width and relative to the best score."""
    location, scale = study.data.best, study.scale
    low = [max((end - location) / scale, -FAR) for end in (bounds.alpha[0], bounds.beta[0])]
    high = [min((bounds.alpha[1] - location) / scale, FAR), min((bounds.beta[1] - location) / scale, FAR_AWAY)]
    noise = [math.log(min(max(s / scale, math.exp(LOG_NOISE[0])), math.exp(LOG_NOISE[1]))) for s in bounds.sigma]
    return (*low, noise[0]), (*high, noise[1])


def check_bounds(study: RegimeData, bounds: Constraints, minimize: bool) -> None:
    """Raise InputError unless the bounds leave room for a posterior."""
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
    """Return values and counts; if there are many values, neighbours are joined, except the best and the worst."""
    values, repeats = _values(data)
    # The error of the log-likelihood grows with the number of scores and falls with the square of the bins.
    most = max(_POOLED, round(_POOLED * math.sqrt(data.num_used / _MOST_FOR_POOLED)))
    if len(values) <= most:
        return values, repeats
    kept = most // 4
    middle = np.linspace(2 * kept, len(values) - kept, most - 3 * kept + 1).round().astype(int)
    edges = np.concatenate([np.arange(2 * kept), middle, np.arange(len(values) - kept + 1, len(values))])
    edges = np.unique(edges[edges < len(values)])
    counts = np.add.reduceat(repeats, edges)
    return np.add.reduceat(values * repeats, edges) / counts, counts


def _arrays(studies: Sequence[RegimeData], rows: Sequence[tuple[Floats, Floats]]) -> SearchData:
    """Return the arrays of several studies, each on the scale of its regime; ``rows`` has their values and counts."""
    most = max(_FEWEST, *(len(values) for values, _ in rows))
    # Powers of two and numbers half way between: few sizes with little padding.
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


def make_model(studies: Sequence[RegimeData], bounds: Constraints, parts: Parts, pad: int = 1) -> Model:
    """Return data and prior of several studies as arrays, padded to one size and to at least ``pad`` studies."""
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
