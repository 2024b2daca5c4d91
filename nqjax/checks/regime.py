"""The regime's threshold, chosen by ordered tests instead of by eye.

The noisy quadratic holds near the optimum. Candidate thresholds keep from two thirds of the scores down to a few; each
is fitted, and two things are asked of a fit. Does it fit its own scores (Anderson and Darling's test)? And does it fit
the smaller regimes inside its own about as well as they are fitted by themselves (a likelihood ratio)? Where the regime
is too large, the quadratic bends to reach scores that do not belong, and those near the optimum show it first.

The candidates are tested from the largest down, and the first that is not rejected is chosen, so that a true regime is
passed over with no more than the level's probability: as Bader, Yan and Zhang 2018 choose a threshold for extreme
values, with a fixed sequence in place of their control of the false discovery rate.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import scipy.special
from numpy.typing import ArrayLike, NDArray

from nqjax.checks.goodness import FEWEST, Shape, anderson_darling, conditional_probabilities
from nqjax.checks.null_distributions import p_value
from nqjax.errors import InputError
from nqjax.estimation.constraints import Constraint
from nqjax.estimation.evaluate import group, losses, standard_theta
from nqjax.estimation.fit import Fit
from nqjax.estimation.many import fit_many
from nqjax.estimation.spacings import Spacings, quantile_limits, spacings
from nqjax.inputs import as_probability, as_scores, oriented_limits

Floats = NDArray[np.float64]


#: The largest share of the scores that is tried, the ratio of one to the next, and the fewest scores of the smallest.
_LARGEST, _RATIO, _FEWEST, _SMALLEST = 0.65, 0.8, 12, 0.05


#: Scores from which on uniform draws are told from others, and the p-value up to which they are.
_MANY, _UNIFORM = 256, 0.1


#: The share of a simulated search that is its regime, where the null distributions of the tests are made.
NULL_SHARE = 0.4


class Candidate(NamedTuple):
    """A threshold that was tried."""

    threshold: float
    num_used: int
    fit: Fit
    misfit: float  # Anderson and Darling's A**2
    misfit_p_value: float
    instability: float  # the largest likelihood ratio within the smaller candidates' regimes
    instability_p_value: float
    p_value: float  # of both together: twice the smaller one


@dataclass(frozen=True)
class Regime:
    """Where the noisy quadratic holds.

    Attributes
    ----------
    found : bool
        Whether a threshold is acceptable.
    reason : str
        Why this one was chosen, or why none was.
    threshold : float
        NaN when none is acceptable.
    limits : pair of float
        For `nqjax.fit`; NaN at the threshold's end when none is acceptable.
    fit : Fit or None
        The fit there.
    path : tuple of Candidate
        Every threshold that was tried, from the largest regime to the smallest.
    level : float
        Of the tests.
    """

    found: bool
    reason: str
    threshold: float
    limits: tuple[float, float]
    fit: Fit | None
    path: tuple[Candidate, ...] = field(repr=False)
    level: float

    @property
    def probability(self) -> float:
        """Probability that one trial's score is in the regime, by the fit; NaN when there is none."""
        return self.fit.regime_probability if self.fit else math.nan


def find_regime(
    scores: ArrayLike,
    *,
    minimize: bool = True,
    alpha: Constraint = None,
    beta: Constraint = None,
    gamma: Constraint = (1, 5),
    sigma: Constraint = None,
    level: float = 0.1,
) -> Regime:
    """Choose the threshold of the regime.

    Parameters
    ----------
    scores : array_like, shape (num_scores,)
        One score a trial, as for `nqjax.fit`.
    minimize, alpha, beta, gamma, sigma
        As for `nqjax.fit`.
    level : float
        Probability of passing over a true regime.

    Returns
    -------
    Regime
        With ``found`` False, and the reason, where no threshold is acceptable.

    Raises
    ------
    InputError
        Fewer than five different scores, constraints that cannot be met, or a level that is none.

    Notes
    -----
    The tests' p-values come from simulations of true regimes (`bench.make_regime_null`), which allow for the four
    estimated parameters; where some are fixed, true regimes are rejected more often. Few scores cannot contradict much:
    of 24 trials, a regime that is a little too large is seldom rejected. See `docs/coverage.md` for what that costs.
    """
    level = as_probability("level", level, "such as 0.1")
    (found,) = find_regimes([scores], minimize, {"alpha": alpha, "beta": beta, "gamma": gamma, "sigma": sigma}, level)
    return found


def fits_at_shares(
    scores: ArrayLike,
    shares: Sequence[float],
    *,
    minimize: bool = True,
    alpha: Constraint = None,
    beta: Constraint = None,
    gamma: Constraint = (1, 5),
    sigma: Constraint = None,
) -> list[tuple[float, float, Fit]]:
    """Fits to some shares of the best scores: share, threshold and fit; those that cannot be made are left out."""
    limits = [quantile_limits(scores, share, minimize) for share in shares]
    constraints = {"alpha": alpha, "beta": beta, "gamma": gamma, "sigma": sigma}
    fits = fit_many([scores] * len(limits), limits=limits, minimize=minimize, **constraints)  # type: ignore[arg-type]
    ends = [pair[1] if minimize else pair[0] for pair in limits]
    return [
        (share, end, fit)
        for share, end, fit in zip(shares, ends, fits, strict=True)
        if isinstance(fit, Fit) and math.isfinite(end)
    ]


def find_regimes(
    studies: Sequence[ArrayLike], minimize: bool, constraints: dict[str, Constraint], level: float
) -> list[Regime]:
    """Choose the thresholds of many studies, all of whose candidates are fitted together."""
    scores = [_oriented(study, minimize) for study in studies]
    ends = [_thresholds(y) for y in scores]
    paths = _paths(scores, ends, minimize, constraints)
    return [_choose(y, path, minimize, level) for y, path in zip(scores, paths, strict=True)]


def null_path(studies: Sequence[NDArray[np.float64]]) -> list[Candidate]:
    """The true regime of simulated searches, as if it were a candidate; its p-values mean nothing yet."""
    scores = [np.sort(y) for y in studies]
    ends = [_thresholds(y, NULL_SHARE) for y in scores]
    return [path[0] for path in _paths(scores, ends, True, {"gamma": (1, 5)})]


def _oriented(study: ArrayLike, minimize: bool) -> Floats:
    y = as_scores(study)
    y = np.sort(np.where(np.isfinite(y), y if minimize else -y, math.inf))
    different = len(np.unique(y[np.isfinite(y)]))
    if different < FEWEST:
        raise InputError(f"{different} different scores are too few to find a regime in: run more trials")
    return y


def _thresholds(y: Floats, largest: float = _LARGEST) -> list[float]:
    """Candidates from the largest on; each is a score."""
    finite = y[np.isfinite(y)]
    count, least = largest * len(y), max(_FEWEST, _SMALLEST * len(y))
    found: list[float] = []
    while not found or count >= least:
        found.append(float(finite[min(max(round(count), FEWEST), len(finite)) - 1]))
        count *= _RATIO
    # At least so many different scores inside; ties may make neighbours the same.
    distinct = np.unique(finite)
    kept = [t for t in dict.fromkeys(found) if np.searchsorted(distinct, t) >= FEWEST]
    return kept or [float(distinct[FEWEST - 1])]


def _paths(
    scores: list[Floats], ends: list[list[float]], minimize: bool, constraints: dict[str, Constraint]
) -> list[tuple[Candidate, ...]]:
    which = np.repeat(np.arange(len(scores)), [len(t) for t in ends])
    limits = [(-math.inf, t) for these in ends for t in these]
    signed = [scores[i] if minimize else -scores[i] for i in which]
    regimes = [oriented_limits(one, minimize) for one in limits]
    results = fit_many(signed, limits=regimes, minimize=minimize, **constraints)  # type: ignore[arg-type]
    # A candidate that cannot be fitted within the constraints is none; a study needs at least one.
    good = [i for i, result in enumerate(results) if isinstance(result, Fit)]
    for study in range(len(scores)):
        if not np.any(which[good] == study):
            raise InputError(next(r.reason for i, r in zip(which, results, strict=True) if i == study))  # type: ignore[union-attr]
    which, limits = which[good], [limits[i] for i in good]
    fits: list[Fit] = [results[i] for i in good]  # type: ignore[misc]
    shapes = [Shape.of(fit) for fit in fits]
    z = conditional_probabilities(shapes, [scores[i] for i in which], limits)
    data = [spacings(scores[i], one) for i, one in zip(which, limits, strict=True)]
    ratios = _instabilities(which, fits, shapes, data)
    found: list[list[Candidate]] = [[] for _ in scores]
    for i, fit, shape, one, (_, end), ratio in zip(which, fits, shapes, z, limits, ratios, strict=True):
        about = shape.noise_in(end), shape.gamma, len(one) + 1
        misfit = anderson_darling(one)
        p_values = p_value("misfit", misfit, *about), p_value("instability", ratio, *about)
        threshold = end if minimize else -end
        found[i].append(
            Candidate(threshold, fit.num_used, fit, misfit, p_values[0], ratio, p_values[1], min(1, 2 * min(p_values)))
        )
    return [tuple(path) for path in found]


def _instabilities(which: NDArray[np.intp], fits: list[Fit], shapes: list[Shape], data: list[Spacings]) -> Floats:
    """For each fit the largest likelihood ratio of a smaller regime's own fit to it, within that regime; 0 for none."""
    place = [(float(one.knots[0]), float(one.knots[-1] - one.knots[0])) for one in data]
    last = np.searchsorted(which, which, side="right")  # a study's fits are neighbours, the largest regime first
    own = np.repeat(np.arange(len(fits)), last - np.arange(len(fits)) - 1)
    inside = np.concatenate([np.arange(i + 1, end) for i, end in enumerate(last)]).astype(np.intp)
    ratios = np.zeros(len(fits))
    if not len(own):
        return ratios
    grouped = group([(one, *where) for one, where in zip(data, place, strict=True)])
    gammas = np.array([fit.gamma for fit in fits])
    theta = np.array([standard_theta(*shapes[j][:3], *place[i]) for j, i in zip(own, inside, strict=True)])
    # Both on the same spacings, which are pooled where there are many.
    best = np.array([standard_theta(*shape[:3], *where) for shape, where in zip(shapes, place, strict=True)])
    excess = losses(grouped, inside, gammas[own], theta) - losses(grouped, np.arange(len(fits)), gammas, best)[inside]
    counts = np.array([one.num_scores + 1 for one in data])
    np.maximum.at(ratios, own, 2 * counts[inside] * excess)
    return ratios


def _choose(y: Floats, path: tuple[Candidate, ...], minimize: bool, level: float) -> Regime:
    chosen = next((one for one in path if one.p_value > level), None)
    none = (-math.inf, math.nan) if minimize else (math.nan, math.inf)
    if chosen is None:
        best = max(path, key=lambda one: one.p_value)
        reason = (
            f"no threshold is acceptable: even the best {path[-1].num_used} scores do not follow a noisy quadratic "
            f"(p = {path[-1].p_value:.2g}; the largest p of {len(path)} thresholds is {best.p_value:.2g})"
        )
        return Regime(False, reason, math.nan, none, None, path, level)
    if chosen is path[0] and _is_uniform(y):
        reason = (
            "the scores cannot be told from uniform draws between their extremes: nothing in them says that the best "
            "ones are near an optimum (a quadratic with gamma = 2 and no noise would look the same)"
        )
        return Regime(False, reason, math.nan, none, None, path, level)
    if chosen is path[0]:
        reason = "the largest regime that is tried is acceptable"
    else:
        above = path[path.index(chosen) - 1]
        why = "its own scores" if above.misfit_p_value <= above.instability_p_value else "the best of its scores"
        reason = f"the next larger regime, of {above.num_used} scores, does not fit {why} (p = {above.p_value:.2g})"
    limits = oriented_limits((-math.inf, chosen.threshold if minimize else -chosen.threshold), minimize)
    return Regime(True, reason, chosen.threshold, limits, chosen.fit, path, level)


def _is_uniform(y: Floats) -> bool:
    """Whether all scores look like draws from one interval."""
    if len(y) < _MANY or not np.all(np.isfinite(y)):
        return False
    inner = np.sort((y[1:-1] - y[0]) / (y[-1] - y[0]))
    num = len(inner)
    statistic = max(np.max(np.arange(1, num + 1) / num - inner), np.max(inner - np.arange(num) / num))
    # The asymptotic p-value is exact to 0.02 or better here; scipy.stats takes half a second to import.
    p_value = scipy.special.kolmogorov(math.sqrt(num) * statistic)
    if abs(p_value - _UNIFORM) < 0.05:
        from scipy.stats import kstest

        p_value = kstest(inner, "uniform").pvalue
    return bool(p_value > _UNIFORM)
