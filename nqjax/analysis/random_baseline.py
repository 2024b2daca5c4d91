"""The distribution of the score of one random trial, and how far down in it a score lies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy  # its parts are imported when they are used
from numpy.typing import NDArray

from nqjax.types import Floats

#: Steps by which the middle of the ranks follows the estimate.
_ITERATIONS = 4

#: The largest share of a distribution that lies above a score.
_DEEPEST = 1 - 2.0**-53

#: Simulated sets of searches from which tests get their distribution.
NULL = 999


@dataclass(frozen=True)
class RandomBaseline:
    """Scores of random trials, lower ones better; or their distribution function, if that is known.

    The depth of a score y is ``-log(1 - F(y))``. The depth of the best of n random trials is exponential with mean
    1 / n, whatever F is.

    Attributes
    ----------
    scores : array, shape (trials,)
        Sorted; empty if the distribution is known.
    cdf : callable, optional
    cdf_ends : callable, optional
        Where the known distribution has ties: the shares below a score, and up to it.
    """

    scores: Floats
    cdf: Callable[[Floats], Floats] | None = None
    cdf_ends: Callable[[Floats], tuple[Floats, Floats]] | None = None

    @property
    def count(self) -> int:
        """The number of random trials; 0 if the distribution is known."""
        return len(self.scores)

    def ranks(self, best: Floats) -> tuple[NDArray[np.int_], NDArray[np.int_]]:
        """Return how many random trials are strictly better than scores, and how many are at least as good."""
        return np.searchsorted(self.scores, best, "left"), np.searchsorted(self.scores, best, "right")

    def depth(self, best: Floats, target: float, quantile: float) -> Floats:
        """Return the depths of scores, of shape (searches, budgets), such that the estimates have no bias.

        ``target`` over a quantile of the depths is the number n of random trials. Among N random trials, the number
        that are better than the best of n others is at least j with a probability of about
        ``(1 - j / (N + (n + 1) / 2))**n``, from which the depth follows; ties count half.
        """
        if self.cdf is not None:  # a search without a score yet is worth next to nothing, but its depth is finite
            return depth_of(np.minimum(np.asarray(self.cdf(best), np.float64), _DEEPEST))
        better, as_good = self.ranks(best)
        return depth_of_ranks((better + as_good) / 2, self.count, target, quantile)

    def bound(self, best: Floats, side: int, level: float) -> Floats:
        """Return a lower (``side`` -1) or an upper bound of the depths, each wrong with probability ``level``.

        The bounds are those of Clopper and Pearson: the scores are from other searches than the baseline's.
        """
        if self.cdf_ends is not None:
            return depth_of(np.asarray(self.cdf_ends(best)[0 if side < 0 else 1], np.float64))
        if self.cdf is not None:
            return depth_of(np.asarray(self.cdf(best), np.float64))
        better, as_good = self.ranks(best)
        if side < 0:
            share = np.where(
                better > 0, scipy.stats.beta.ppf(level, np.maximum(better, 1), self.count - better + 1), 0.0
            )
        else:
            share = scipy.stats.beta.ppf(1 - level, as_good + 1, np.maximum(self.count - as_good, 1))
            share = np.where(as_good >= self.count, 1.0, share)
        return depth_of(share)

    def simulated(self, trials: float, searches: int, target: float, quantile: float) -> Floats:
        """Return depths of the best of ``trials`` random trials, of shape (`NULL`, searches), sorted, as `depth` does.

        Each set of searches meets a new baseline of the same size.
        """
        rng = np.random.default_rng(0)
        depth = np.sort(rng.exponential(1 / trials, (NULL, searches)), axis=1)
        if self.cdf is not None:
            return depth
        share = -np.expm1(-depth)
        gaps = np.diff(share, prepend=0.0, append=1.0, axis=1)
        better = np.cumsum(rng.multinomial(self.count, gaps / gaps.sum(axis=1, keepdims=True)), axis=1)[:, :-1]
        return depth_of_ranks(better.T.astype(float), self.count, target, quantile).T


def depth_of(share: Floats) -> Floats:
    """Return ``-log(1 - share)``."""
    with np.errstate(divide="ignore"):
        return -np.log1p(-np.clip(share, 0.0, 1.0))


def depth_of_ranks(better: Floats | NDArray[np.int_], count: int, target: float, quantile: float) -> Floats:
    """Return depths from the numbers of better random trials, of shape (searches, budgets)."""
    place = np.asarray(better + 0.5, np.float64)
    trials: Floats = np.ones(better.shape[1])
    depth = place
    for _ in range(_ITERATIONS):
        # The correction is for small counts; where nearly no random trial is better, it stops at the baseline's size.
        whole = count + (np.minimum(trials, count) + 1) / 2
        depth = depth_of(place / whole)
        trials = target / np.quantile(depth, quantile, axis=0)
    return depth
