"""The threshold of an analysis: chosen by tests, given by the caller, or none."""

import math
import warnings
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from nqjax.checks.goodness import misfit_p_values
from nqjax.checks.regime import Regime, find_regimes
from nqjax.errors import FitWarning, InputError
from nqjax.estimation.constraints import Constraint, Constraints, read_constraints
from nqjax.estimation.fit import Fit
from nqjax.estimation.many import Failure
from nqjax.estimation.noise_data import Noise, as_noise, sigma_within
from nqjax.estimation.study import Study
from nqjax.inputs import (
    AUTO,
    Limits,
    Threshold,
    as_limits,
    as_minimize,
    as_regimes,
    as_scores,
    as_studies,
    as_threshold,
    limits_up_to,
)

#: Fits whose test has a smaller p-value come with a warning.
REJECTED = 0.05

#: What is wrong with intervals within a threshold that was chosen; docs/coverage.md has the figures.
TAKEN_FOR_KNOWN = (
    "the intervals take the chosen threshold as known, and are often too narrow: at 95 % they held the best score of "
    "the regime in 27 to 93 % of simulated searches, depending on their kind; the default averages over thresholds"
)

#: What to do where no threshold is acceptable, for callers from Python.
ADVICE = "nqjax.find_regime shows the tests, threshold=T sets a threshold, threshold=None uses all scores"

#: The same, where there are many studies.
ADVICE_MANY = "give limits, or threshold=None to use all scores"


class RegimeNotFoundError(InputError):
    """No threshold is acceptable; ``reason`` says why, without what to do."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason}; {ADVICE}")
        self.reason = reason


class Selection(NamedTuple):
    """A study within its limits, and how they came about."""

    study: Study
    regime: Regime | None  # None where the caller gave the threshold or the limits


class Question(NamedTuple):
    """Threshold, direction and constraints that an analysis asks about; all checked."""

    threshold: Threshold
    limits: Any  # given instead of a threshold, or None
    minimize: bool
    constraints: Constraints  # oriented to minimisation


def read_question(
    threshold: Threshold,
    limits: Any,
    minimize: bool | None,
    maximize: bool | None,
    alpha: Constraint,
    beta: Constraint,
    gamma: Constraint,
    sigma: Constraint,
    noise: Noise | None = None,
) -> Question:
    """Check the arguments that all analyses share; raise InputError if they are invalid.

    Measured noise narrows the constraint on sigma to its interval.
    """
    minimize = as_minimize(minimize, maximize)
    threshold = as_threshold(threshold)
    if limits is not None and threshold != AUTO:
        raise InputError("threshold and limits are both given: give one of them")
    bounds = read_constraints(alpha, beta, gamma, sigma, minimize)
    if as_noise(noise) is not None:
        bounds = read_constraints(alpha, beta, gamma, sigma_within(sigma, noise), minimize)
    return Question(threshold, limits, minimize, bounds)


def select(scores: ArrayLike, question: Question) -> Selection:
    """Return a study within its limits; choose the threshold if it is to be chosen.

    Raises
    ------
    InputError
        Invalid scores or limits. A `RegimeNotFoundError` where no threshold is acceptable.
    """
    if question.limits is not None or question.threshold != AUTO:
        return Selection(_study(scores, given_limits(question), question), None)
    y = as_scores(scores)
    (regime,) = find_regimes([y], question.minimize, question.constraints)
    if isinstance(regime, Failure):
        raise InputError(regime.reason)
    if not regime.found:
        raise RegimeNotFoundError(regime.reason)
    return Selection(_study(y, regime.limits, question), regime)


def given_limits(question: Question) -> Limits:
    """Return the limits of a question that gives them, or gives a threshold."""
    if question.limits is not None:
        return as_limits(question.limits)
    return limits_up_to(question.threshold, question.minimize)  # type: ignore[arg-type]


def _study(scores: ArrayLike, limits: Limits, question: Question) -> Study:
    return Study.constrained(scores, limits, question.minimize, question.constraints)


def warn_if_rejected(fit: Fit, stacklevel: int = 3) -> Fit:
    """Warn if a fit's own test rejects it; the warning points at the line that called the caller."""
    if fit.p_value < REJECTED:
        warnings.warn(rejection(fit), FitWarning, stacklevel=stacklevel)
    return fit


def warn_if_chosen(chosen: Selection, stacklevel: int = 3) -> None:
    """Warn of intervals that take a chosen threshold for known; the warning points at the caller's caller."""
    if chosen.regime is not None:
        warnings.warn(TAKEN_FOR_KNOWN, FitWarning, stacklevel=stacklevel)


def about_chosen(chosen: Selection) -> list[str]:
    """Return the sentence about intervals within a chosen threshold; none within a given one."""
    return [TAKEN_FOR_KNOWN] if chosen.regime is not None else []


def rejection(fit: Fit) -> str:
    """Return the sentence about a fit that its own test rejects."""
    return (
        f"the {fit.num_used} scores that were fitted do not follow the fitted distribution (p = {fit.p_value:.2g}): "
        "do not rely on it; have the threshold chosen, or give one that keeps fewer scores"
    )


def p_value_of(fit: Fit, selection: Selection) -> float:
    """Return the p-value of a fit in its regime: that of the tests that chose the threshold, or of one test."""
    if selection.regime is not None:
        return selection.regime.p_value
    return float(misfit_p_values([fit], [np.asarray(selection.study.scores)])[0]) if fit.num_used else math.nan


def select_many(studies: Any, question: Question) -> list[Study | Failure]:
    """Return each study within its limits; a `Failure` for each that is invalid or for which no threshold is found.

    ``question.limits`` may be one pair for all studies, or one for each.
    """
    studies = as_studies(studies)
    if question.limits is None and question.threshold == AUTO:
        regimes = find_regimes(studies, question.minimize, question.constraints)
        limits = [one if isinstance(one, Failure) else _limits_found(one) for one in regimes]
    elif question.limits is None:
        limits = [given_limits(question)] * len(studies)
    else:
        limits = list(as_regimes(question.limits, len(studies)))
    return [
        one if isinstance(one, Failure) else _tried(y, one, question) for y, one in zip(studies, limits, strict=True)
    ]


def _limits_found(regime: Regime) -> Limits | Failure:
    return regime.limits if regime.found else Failure(f"{regime.reason}; {ADVICE_MANY}")


def _tried(scores: ArrayLike, limits: Limits, question: Question) -> Study | Failure:
    try:
        return _study(scores, limits, question)
    except InputError as error:
        return Failure(str(error))
