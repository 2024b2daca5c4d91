"""The threshold of the regime, chosen by ordered tests.

The noisy quadratic holds near the optimum. Candidate thresholds keep from two thirds of the scores down to a few. Each
candidate is fitted and tested twice: whether the fit agrees with its own scores (Anderson and Darling's test), and
whether it fits the smaller regimes inside about as well as fits to those alone (a likelihood ratio). If a regime is too
large, the fit is pulled towards scores outside of the true regime and no longer fits those near the optimum.

Candidates are tested from the largest to the smallest, and the first that is not rejected is chosen, so that a true
regime is rejected with at most the level's probability. Bader, Yan and Zhang 2018 choose a threshold for extreme values
in this way, but control the false discovery rate instead of testing in a fixed sequence.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import jax
import numpy as np
import scipy.special
from numpy.typing import ArrayLike, NDArray

from nqjax.checks.goodness import Parameters, anderson_darling, conditional_probabilities
from nqjax.checks.null_distributions import p_value
from nqjax.errors import InputError, show
from nqjax.estimation.candidates import FEWEST, candidate_thresholds
from nqjax.estimation.constraints import Constraint, Constraints, read_constraints
from nqjax.estimation.evaluate import group, losses, standard_theta
from nqjax.estimation.fit import Fit
from nqjax.estimation.many import Failure, fit_studies
from nqjax.estimation.spacings import Spacings, quantile_limits, spacings
from nqjax.inputs import as_minimize, as_probability, as_scores, oriented_limits
from nqjax.runtime.text import p_value as p_value_in_words
from nqjax.types import Floats

#: Size of the tests by default.
LEVEL = 0.1

#: Fewest scores for the test of uniform scores.
_FEWEST_FOR_UNIFORM = 256

#: Scores with a larger p-value of that test look uniform, and have no regime.
_UNIFORM_P = 0.1

#: Share of the scores of a simulated search that are in its regime, for the null distributions of the tests.
NULL_SHARE = 0.4


class Candidate(NamedTuple):
    """A candidate threshold with its fit and tests."""

    threshold: float
    num_used: int
    fit: Fit
    misfit: float  # Anderson and Darling's A**2
    misfit_p_value: float
    instability: float  # largest likelihood ratio within the smaller candidate regimes
    instability_p_value: float
    p_value: float  # of both tests: twice the smaller one


@dataclass(frozen=True)
class Regime:
    """The regime where the noisy quadratic holds, with every candidate.

    Attributes
    ----------
    found : bool
        Whether a threshold is acceptable.
    reason : str
        Why the threshold was chosen, or why none was.
    threshold : float
        The threshold, on the scale of the scores; NaN if none is acceptable.
    limits : pair of float
        Limits for `nqjax.fit`; NaN at the threshold's end if none is acceptable.
    fit : Fit or None
        The fit in the regime.
    path : tuple of Candidate
        Every candidate, from the largest regime to the smallest.
    level : float
        Size of the tests.

    Examples
    --------
    >>> import numpy as np
    >>> import nqjax
    >>> regime = nqjax.find_regime(np.random.default_rng(0).random(24), gamma=2, sigma=(0.01, 0.1))
    >>> len(regime.path) > 0 and regime.level
    0.1
    """

    found: bool
    reason: str
    threshold: float
    limits: tuple[float, float]
    fit: Fit | None
    path: tuple[Candidate, ...] = field(repr=False)
    level: float

    @property
    def p_value(self) -> float:
        """The p-value of the chosen threshold; NaN if none is acceptable."""
        return next((one.p_value for one in self.path if self.found and one.threshold == self.threshold), math.nan)

    @property
    def probability(self) -> float:
        """Probability under the fit that one trial's score is in the regime; NaN without a fit."""
        return self.fit.regime_probability if self.fit else math.nan


def find_regime(
    scores: ArrayLike,
    *,
    minimize: bool | None = None,
    maximize: bool | None = None,
    alpha: Constraint = None,
    beta: Constraint = None,
    gamma: Constraint = (1, 5),
    sigma: Constraint = None,
    level: float = LEVEL,
) -> Regime:
    """Choose the threshold of the regime.

    Parameters
    ----------
    scores : array_like, shape (num_scores,)
        One score a trial, as for `nqjax.fit`.
    minimize, maximize, alpha, beta, gamma, sigma
        As for `nqjax.fit`.
    level : float
        Size of the tests, between 0 and 1: the probability that a true regime is rejected.

    Returns
    -------
    Regime
        With ``found`` False, and the reason, if no threshold is acceptable.

    Raises
    ------
    InputError
        Fewer than five different scores, constraints that cannot be met, or an invalid level.

    Notes
    -----
    The tests' p-values come from simulations of true regimes (`bench.make_regime_null`) with four estimated parameters;
    if some are fixed, true regimes are rejected more often. Few scores have little power: with 24 trials, a regime that
    is a little too large is seldom rejected. `docs/coverage.md` shows what that does to the coverage of intervals.

    Examples
    --------
    >>> import numpy as np
    >>> import nqjax
    >>> scores = np.random.default_rng(0).random(24)
    >>> regime = nqjax.find_regime(scores, gamma=2, sigma=(0.01, 0.1))
    >>> regime.found == (regime.fit is not None)
    True
    """
    level = as_probability("level", level, "such as 0.1")
    minimize = as_minimize(minimize, maximize)
    (found,) = find_regimes([scores], minimize, read_constraints(alpha, beta, gamma, sigma, minimize), level)
    if isinstance(found, Failure):
        raise InputError(found.reason)
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
    """Fit the best scores, for several shares of them; return share, threshold and fit where a fit is possible."""
    limits = [quantile_limits(scores, share, minimize) for share in shares]
    constraints = read_constraints(alpha, beta, gamma, sigma, minimize)
    fits = fit_studies([scores] * len(limits), limits, minimize, constraints)
    ends = [pair[1] if minimize else pair[0] for pair in limits]
    return [
        (share, end, fit)
        for share, end, fit in zip(shares, ends, fits, strict=True)
        if isinstance(fit, Fit) and math.isfinite(end)
    ]


def find_regimes(
    studies: Sequence[ArrayLike],
    minimize: bool,
    constraints: Constraints,
    level: float = LEVEL,
    dtype: str = "float64",
    devices: tuple[jax.Device, ...] | None = None,
) -> list[Regime | Failure]:
    """Choose the thresholds of many studies; all candidates are fitted together.

    Where no candidate can be fitted, the result is a `Failure`.
    """
    results: list[Regime | Failure] = [Failure("not tried")] * len(studies)
    scores: dict[int, Floats] = {}
    for i, study in enumerate(studies):
        try:
            scores[i] = _oriented(study, minimize)
        except InputError as error:
            results[i] = Failure(str(error))
    ordered = list(scores.values())
    paths = _paths(ordered, [candidate_thresholds(y) for y in ordered], minimize, constraints, dtype, devices)
    for (i, y), path in zip(scores.items(), paths, strict=True):
        results[i] = path if isinstance(path, Failure) else _choose(y, path, minimize, level)
    return results


def null_path(studies: Sequence[NDArray[np.float64]]) -> list[Candidate]:
    """Return the true regimes of simulated searches as candidates; their p-values have no meaning."""
    scores = [np.sort(y) for y in studies]
    ends = [candidate_thresholds(y, NULL_SHARE) for y in scores]
    paths = _paths(scores, ends, True, read_constraints(None, None, (1, 5), None, True))
    return [path[0] for path in paths if not isinstance(path, Failure)]


def _oriented(study: ArrayLike, minimize: bool) -> Floats:
    y = as_scores(study)
    if not len(y):
        raise InputError("there are no scores: give one a trial")
    different = np.unique(y[np.isfinite(y)])
    if not len(different):
        raise InputError(f"all {len(y)} runs failed: there is no finite score to fit")
    if len(different) == 1:
        failed = len(y) - int(np.sum(np.isfinite(y)))
        others = f", and the other {failed} runs failed" if failed else ""
        raise InputError(f"all {len(y) - failed} scores are {show(float(different[0]))}{others}: nothing can be fitted")
    if len(different) < FEWEST:
        raise InputError(f"{len(different)} different scores are too few to choose a threshold: run more trials")
    return np.sort(np.where(np.isfinite(y), y if minimize else -y, math.inf))


def _paths(
    scores: list[Floats],
    ends: list[list[float]],
    minimize: bool,
    constraints: Constraints,
    dtype: str = "float64",
    devices: tuple[jax.Device, ...] | None = None,
) -> list[tuple[Candidate, ...] | Failure]:
    """Return the candidates of each study; candidates that cannot be fitted within the constraints are left out."""
    which = np.repeat(np.arange(len(scores)), [len(t) for t in ends])
    limits = [(-math.inf, t) for these in ends for t in these]
    signed = [scores[i] if minimize else -scores[i] for i in which]
    regimes = [oriented_limits(one, minimize) for one in limits]
    results = fit_studies(signed, regimes, minimize, constraints, dtype, devices)
    good = [i for i, result in enumerate(results) if isinstance(result, Fit)]
    failed = {int(which[i]): result for i, result in reversed(list(enumerate(results))) if isinstance(result, Failure)}
    which, limits = which[good], [limits[i] for i in good]
    fits = [result for result in results if isinstance(result, Fit)]
    if not fits:
        return [failed[study] for study in range(len(scores))]
    parameters = [Parameters.of(fit) for fit in fits]
    z = conditional_probabilities(parameters, [scores[i] for i in which], limits)
    data = [spacings(scores[i], one) for i, one in zip(which, limits, strict=True)]
    ratios = _instabilities(which, fits, parameters, data)
    found: list[list[Candidate]] = [[] for _ in scores]
    for i, fit, oriented, one, (_, end), ratio in zip(which, fits, parameters, z, limits, ratios, strict=True):
        about = oriented.noise_in(end), oriented.gamma, len(one) + 1
        misfit = anderson_darling(one)
        p_values = p_value("misfit", misfit, *about), p_value("instability", ratio, *about)
        threshold = end if minimize else -end
        found[i].append(
            Candidate(threshold, fit.num_used, fit, misfit, p_values[0], ratio, p_values[1], min(1, 2 * min(p_values)))
        )
    return [tuple(path) if path else failed[study] for study, path in enumerate(found)]


def _instabilities(
    which: NDArray[np.intp], fits: list[Fit], parameters: list[Parameters], data: list[Spacings]
) -> Floats:
    """Return each candidate's largest likelihood ratio to a smaller candidate of the same study, at least 0.

    The ratio compares two fits on the scores of the smaller regime: the fit to these scores alone, and the fit to the
    larger regime. It is large if the larger regime does not fit its best scores well.
    """
    place = [(float(one.knots[0]), float(one.knots[-1] - one.knots[0])) for one in data]
    last = np.searchsorted(which, which, side="right")  # the fits of a study are adjacent, the largest regime first
    own = np.repeat(np.arange(len(fits)), last - np.arange(len(fits)) - 1)
    inside = np.concatenate([np.arange(i + 1, end) for i, end in enumerate(last)]).astype(np.intp)
    ratios = np.zeros(len(fits))
    if not len(own):
        return ratios
    grouped = group([(one, *where) for one, where in zip(data, place, strict=True)])
    gammas = np.array([fit.gamma for fit in fits])
    theta = np.array([standard_theta(*parameters[j][:3], *place[i]) for j, i in zip(own, inside, strict=True)])
    # Both losses are computed from the same pooled spacings.
    best = np.array([standard_theta(*one[:3], *where) for one, where in zip(parameters, place, strict=True)])
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
            f"({p_value_in_words(path[-1].p_value)}; {_tried(len(path), best.p_value)})"
        )
        return Regime(False, reason, math.nan, none, None, path, level)
    if chosen is path[0] and _is_uniform(y):
        reason = (
            "the scores cannot be told from uniform draws between their extremes: nothing in them says that the best "
            "ones are near an optimum (a quadratic with gamma = 2 and no noise would look the same)"
        )
        return Regime(False, reason, math.nan, none, None, path, level)
    if chosen is path[0]:
        reason = "the largest one that is tried passes the tests"
    else:
        above = path[path.index(chosen) - 1]
        which = "its" if above.misfit_p_value <= above.instability_p_value else "the best of its"
        reason = (
            f"the next larger one is rejected, because {which} {above.num_used:,} scores do not follow the fit to them "
            f"({p_value_in_words(above.p_value)})"
        )
    limits = oriented_limits((-math.inf, chosen.threshold if minimize else -chosen.threshold), minimize)
    return Regime(True, reason, chosen.threshold, limits, chosen.fit, path, level)


def _tried(count: int, largest: float) -> str:
    return "the only threshold" if count == 1 else f"the best of {count} thresholds has {p_value_in_words(largest)}"


def _is_uniform(y: Floats) -> bool:
    """Whether all scores look like uniform draws from an interval."""
    if len(y) < _FEWEST_FOR_UNIFORM or not np.all(np.isfinite(y)):
        return False
    inner = np.sort((y[1:-1] - y[0]) / (y[-1] - y[0]))
    num = len(inner)
    statistic = max(np.max(np.arange(1, num + 1) / num - inner), np.max(inner - np.arange(num) / num))
    # The asymptotic p-value is exact to 0.02 or better here; scipy.stats takes half a second to import.
    p_value = scipy.special.kolmogorov(math.sqrt(num) * statistic)
    if abs(p_value - _UNIFORM_P) < 0.05:
        from scipy.stats import kstest

        p_value = kstest(inner, "uniform").pvalue
    return bool(p_value > _UNIFORM_P)
