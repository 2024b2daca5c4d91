"""Intervals of plans: what follows from many draws of the parameters instead of one fit."""

from typing import NamedTuple

import numpy as np

from nqjax.confidence.bootstrap import Bootstrap
from nqjax.confidence.region import tails
from nqjax.special.chunked import noisy_cdf
from nqjax.types import Floats


class PlanDraws(NamedTuple):
    """Draws of the parameters, oriented to minimisation: from a bootstrap, or from a posterior."""

    alpha: Floats
    delta: Floats
    sigma: Floats
    gamma: Floats
    minimize: bool

    @classmethod
    def of(cls, boot: Bootstrap) -> "PlanDraws":
        """Return the refits of a bootstrap that succeeded."""
        good = np.isfinite(boot.alpha) & np.isfinite(boot.beta) & np.isfinite(boot.sigma)
        best = boot.alpha if boot.minimize else -boot.beta
        delta = np.maximum(boot.beta - boot.alpha, 1e-300)
        alpha, width, sigma, gamma = (np.asarray(a[good], np.float64) for a in (best, delta, boot.sigma, boot.gamma))
        return cls(alpha, width, sigma, gamma, boot.minimize)

    def log_miss(self, score: float | Floats) -> Floats:
        """Return for each draw the log-probability that one trial is worse than a score, which may be one a draw."""
        y = np.asarray(score, np.float64) if self.minimize else -np.asarray(score, np.float64)
        cdf = noisy_cdf((y - self.alpha) / self.delta, 1.0, self.sigma / self.delta, self.gamma)
        return np.log1p(-np.clip(cdf, 0.0, 1.0 - 2.0**-53))


def trials_interval(draws: PlanDraws, score: float, probability: float, confidence: float = 0.95) -> Floats:
    """Return the ends of the number of trials that reach a score; infinite where no number does."""
    with np.errstate(divide="ignore"):
        counts = np.log1p(-probability) / np.minimum(draws.log_miss(score), -0.0)
    return np.ceil(np.quantile(counts, tails(confidence), method="nearest"))


class GainIntervals(NamedTuple):
    """Ends of the probabilities of `nqjax.expected_gains`, each of shape (2, numbers of trials)."""

    probability: Floats
    probability_beyond_noise: Floats


def gain_intervals(draws: PlanDraws, trials: Floats, best: float, confidence: float = 0.95) -> GainIntervals:
    """Return the ends of the probabilities that more trials find a better score than the best one seen."""
    sign = 1 if draws.minimize else -1
    found = []
    for score in (best, best - sign * draws.sigma):
        chances = -np.expm1(draws.log_miss(score)[:, None] * np.asarray(trials, np.float64))
        found.append(np.quantile(chances, tails(confidence), axis=0))
    return GainIntervals(*found)
