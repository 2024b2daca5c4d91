"""Gains of more trials of a random search, beyond the best score that was seen."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from nqjax.confidence.region import Answer, Region, region_behind, tails
from nqjax.confidence.uncertain_plan import GainIntervals, PlanDraws, chances_of_draws, has_draws
from nqjax.errors import InputError
from nqjax.estimation.fit import Fit
from nqjax.inputs import as_number, as_probability, as_trials, shortened
from nqjax.special.chunked import noisy_cdf
from nqjax.types import Floats


class Gains(NamedTuple):
    """Gains of more trials; every array has the shape of ``trials``, and intervals have one axis more.

    Examples
    --------
    >>> import numpy as np
    >>> import nqjax
    >>> fit = nqjax.fit(np.random.default_rng(0).random(48), threshold=None, gamma=2, sigma=0)
    >>> gains = nqjax.expected_gains(fit, [10, 100])
    >>> bool(gains.probability[0] < gains.probability[1])
    True
    """

    trials: Floats  # numbers of further trials
    probability: Floats  # that the best of them is better than the best score seen
    probability_beyond_noise: Floats  # that it is better by more than one standard deviation of the noise
    median_best: Floats  # median of the best score of all trials, those already run included
    intervals: GainIntervals | None = None  # ends of the three; None for a fit


def expected_gains(
    fit: Answer | Region | Fit,
    trials: ArrayLike = (10, 100, 1000),
    *,
    best: float | None = None,
    confidence: float | None = None,
) -> Gains:
    """Return what more trials of a random search would bring.

    Parameters
    ----------
    fit : AveragedFit, AveragedPosterior, Posterior, Bootstrap or Fit
        What the answer follows from: with a fit, the uncertainty of its parameters is ignored. With the others, a
        probability is the mean over their draws, the best score the median, and there are intervals.
    trials : array_like
        Numbers of further trials, positive.
    best : float, optional
        The best score so far; by default that of the search.
    confidence : float, optional
        Probability of the intervals; the region's own by default.

    Returns
    -------
    Gains

    Raises
    ------
    InputError
        Neither a fit nor a region that has draws; numbers of trials that are not positive; a best score that is not a
        number; an invalid confidence.

    Notes
    -----
    With F the fitted distribution, oriented to minimisation, the best of n more trials is below the score y with
    probability ``1 - (1 - F(y))**n``. Part of what is won in this way is the noise of
    single runs.

    Examples
    --------
    >>> import numpy as np
    >>> import nqjax
    >>> scores = np.random.default_rng(0).random(48)
    >>> gains = nqjax.expected_gains(nqjax.fit(scores), 48)
    >>> low, high = gains.intervals.probability
    >>> bool(low < gains.probability < high)
    True
    """
    given: Any = region_behind(fit)
    if not isinstance(given, Fit) and not has_draws(given):
        raise InputError(f"the fit is {shortened(given)}: give one from nqjax.fit, a posterior or a bootstrap")
    n = as_trials(trials)
    score = _best_seen(given) if best is None else as_number("best", best)
    better = np.minimum if given.minimize else np.maximum
    share = None if confidence is None else as_probability("confidence", confidence)
    if not isinstance(given, Fit):
        return _of_region(given, n, score, given.confidence if share is None else share)
    sign = 1 if given.minimize else -1
    log_miss = [np.log1p(-_cdf(given, at)) for at in (score, score - sign * given.sigma)]
    found, beyond = (-np.expm1(n * miss) for miss in log_miss)
    return Gains(n, found, beyond, better(score, given.quantile_tuning_curve(n)))


def _best_seen(fit: Any) -> float:
    """Return the best score of the search; a bootstrap has it in its fit."""
    return float(getattr(fit, "fit", fit).best_score)


def _of_region(region: Region, n: Floats, score: float, confidence: float) -> Gains:
    """Return the gains by the draws of a region, with intervals."""
    draws = PlanDraws.of(region)
    better, sign = (np.minimum, 1) if region.minimize else (np.maximum, -1)
    chances = [chances_of_draws(draws, n, at) for at in (score, score - sign * draws.sigma)]
    found, beyond = (np.asarray(np.mean(one, axis=0)) for one in chances)
    ends, ends_beyond = (np.quantile(one, tails(confidence), axis=0) for one in chances)
    band = np.stack(region.quantile_tuning_curve_band(n, confidence=confidence))
    middle = better(score, region.quantile_tuning_curve(n))
    return Gains(n, found, beyond, middle, GainIntervals(ends, ends_beyond, better(score, band)))


def _cdf(fit: Fit, score: float) -> float:
    """Return the probability that one trial is at least as good as a score."""
    delta, sigma = max(fit.beta - fit.alpha, 1e-300), fit.sigma
    distance = (score - fit.alpha if fit.minimize else fit.beta - score) / delta
    return float(np.clip(noisy_cdf(np.asarray(distance), 1.0, sigma / delta, float(fit.gamma)), 0.0, 1.0 - 2.0**-53))
