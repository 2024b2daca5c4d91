"""Plans with intervals: what follows from many draws of the parameters instead of one fit."""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from nqjax.confidence.region import Answer, Region, region_behind, tails
from nqjax.errors import InputError
from nqjax.inputs import as_numbers, as_probability, shortened
from nqjax.special.chunked import noisy_cdf
from nqjax.types import Floats

#: More trials than this for each trial that was run are no answer: the scores tell nothing so far out.
_OUT_OF_REACH = 1000

#: Beyond what luck of one in a million explains, a score is out of reach.
_LUCK = 1e-6

_DRAWS = ("alpha", "beta", "sigma", "gamma")


class PlanDraws(NamedTuple):
    """Draws of the parameters, oriented to minimisation: from a bootstrap, or from a posterior."""

    alpha: Floats
    delta: Floats
    sigma: Floats
    gamma: Floats
    minimize: bool

    @classmethod
    def of(cls, region: Region) -> "PlanDraws":
        """Return the draws of a region that has some; refits of a bootstrap that failed are left out."""
        low, high, sigma, gamma = (np.ravel(getattr(region, name)).astype(np.float64) for name in _DRAWS)
        good = np.isfinite(low) & np.isfinite(high) & np.isfinite(sigma)
        best = low if region.minimize else -high
        delta = np.maximum(high - low, 1e-300)
        alpha, width, sigma, gamma = (a[good] for a in (best, delta, sigma, gamma))
        return cls(alpha, width, sigma, gamma, region.minimize)

    def log_miss(self, score: float | Floats) -> Floats:
        """Return for each draw the log-probability that one trial is worse than a score, which may be one a draw."""
        y = np.asarray(score, np.float64) if self.minimize else -np.asarray(score, np.float64)
        cdf = noisy_cdf((y - self.alpha) / self.delta, 1.0, self.sigma / self.delta, self.gamma)
        return np.log1p(-np.clip(cdf, 0.0, 1.0 - 2.0**-53))


def has_draws(given: Any) -> bool:
    """Return whether something is a region that consists of draws: an averaged or other posterior, or a bootstrap."""
    return isinstance(given, Region) and all(isinstance(getattr(given, name, None), np.ndarray) for name in _DRAWS)


def required_trials_interval(
    region: Answer | Region, *, score: ArrayLike, probability: ArrayLike, confidence: float | None = None
) -> tuple[Floats, Floats]:
    """Return the interval of the number of trials that reach a score.

    Parameters
    ----------
    region : AveragedPosterior, Posterior or Bootstrap
    score, probability : array_like
        As for `nqjax.required_trials`; they broadcast.
    confidence : float, optional
        The region's own by default.

    Returns
    -------
    lower, upper : ndarray
        Whole numbers of trials, with the broadcast shape; infinite where no number is enough. Numbers that are out of
        reach are infinite, too: more than a thousand times the trials that were run, or as many as luck needs that
        comes once in a million trials.

    Raises
    ------
    InputError
        A region without draws, or an invalid score, probability or confidence.

    Examples
    --------
    >>> import numpy as np
    >>> import nqjax
    >>> scores = np.random.default_rng(0).random(48)
    >>> region = nqjax.confidence_region(scores)
    >>> low, high = nqjax.required_trials_interval(region, score=0.05, probability=0.5)
    >>> bool(low <= nqjax.required_trials(region, score=0.05, probability=0.5) <= high)
    True
    """
    given: Any = region_behind(region)
    if not has_draws(given):
        raise InputError(f"this is {shortened(given)}: give an averaged or other posterior, or a bootstrap")
    share = given.confidence if confidence is None else as_probability("confidence", confidence)
    low, high = trials_of_draws(given, score, probability, tails(share))
    return low, high


def trials_of_draws(region: Region, score: ArrayLike, probability: ArrayLike, shares: tuple[float, ...]) -> Floats:
    """Return quantiles over draws of the number of trials that reach a score, shape (shares, *broadcast shape)."""
    y, p = read_target(score, probability)
    draws = PlanDraws.of(region)
    miss = {float(one): np.minimum(draws.log_miss(float(one)), -0.0) for one in np.unique(y)}
    found = np.empty((len(shares), *y.shape))
    for place in np.ndindex(y.shape):
        with np.errstate(divide="ignore"):
            counts = np.log1p(-p[place]) / miss[float(y[place])]
        ends = np.ceil(np.quantile(counts, shares, method="nearest"))
        most = most_trials(region.num_scores, float(p[place]))
        found[(slice(None), *place)] = np.where(ends <= most, np.maximum(ends, 1.0), math.inf)
    return found


def read_target(score: ArrayLike, probability: ArrayLike) -> tuple[Floats, Floats]:
    """Return checked scores and probabilities, broadcast against each other."""
    y, p = as_numbers("scores", score), as_numbers("probabilities", probability)
    if np.any(np.isnan(y)):
        raise InputError("the score is NaN: give a number")
    if not np.all((p > 0) & (p < 1)):
        raise InputError(
            "the probability must lie between 0 and 1, both excluded: nothing is certain in a random search"
        )
    try:
        y, p = np.broadcast_arrays(y, p)
    except ValueError:
        raise InputError(f"scores of shape {y.shape} and probabilities of shape {p.shape} do not go together") from None
    return y, p


def most_trials(num_scores: int, probability: float | None = None) -> float:
    """Return the number of trials beyond which an answer is out of reach: luck of one in a million would do it."""
    by_luck = math.inf if probability is None else math.log1p(-probability) / math.log1p(-_LUCK)
    return min(_OUT_OF_REACH * num_scores, by_luck)


class GainIntervals(NamedTuple):
    """Ends of the columns of `nqjax.Gains`, each of shape (2, *shape of trials): first the lower ones."""

    probability: Floats
    probability_beyond_noise: Floats
    median_best: Floats


def chances_of_draws(draws: PlanDraws, trials: Floats, score: float | Floats) -> Floats:
    """Return for each draw the probability that the best of more trials beats a score, (draws, *shape of trials)."""
    miss = draws.log_miss(score)
    return np.asarray(-np.expm1(np.multiply.outer(miss, np.asarray(trials, np.float64))))


def narrowing_trials(region: Region, width: float, at: float, confidence: float) -> float:
    """Return about how many trials in all make a region's interval of the median tuning curve as narrow as ``width``.

    The interval at a number of trials becomes narrower in proportion to one over the square root of the number of
    scores. At least the number of trials that were run; infinite where it is out of reach.
    """
    low, high = region.quantile_tuning_curve_band(np.float64(at), confidence=confidence)
    ratio = float(high - low) / width
    count = region.num_scores * max(ratio, 1.0) ** 2
    return math.ceil(count) if count <= most_trials(region.num_scores) else math.inf
