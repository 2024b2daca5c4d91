"""The noise-free score of the best observed trial: of a method's searches, against the best of n random trials."""

from __future__ import annotations

import math

import numpy as np
import scipy  # its parts are imported when they are used
from numpy.typing import NDArray

from nqjax.errors import InputError
from nqjax.types import Floats

#: Steps of the bisection for the number of random trials.
_STEPS = 60


def incumbent_worth(
    observed: Floats,
    true: Floats,
    baseline_observed: Floats,
    baseline_true: Floats,
    budgets: NDArray[np.int_],
    quantile: float,
    confidence: float,
) -> tuple[Floats, tuple[Floats, Floats]]:
    """Return the numbers of random trials whose incumbent is as good, and the ends of their intervals.

    The incumbent is the trial with the best observed score. Of n random trials among N known ones it is the i-th best
    with probability (1 - (i - 1) / N)**n - (1 - i / N)**n.

    Raises
    ------
    InputError
        The shapes differ, or the baseline is a distribution, which has no noise-free scores.
    """
    if true.shape != observed.shape or baseline_true.shape != baseline_observed.shape:
        raise InputError("the true scores must have the shapes of the observed ones: give one for each trial")
    place = np.argsort(baseline_observed, kind="stable")
    by_rank = baseline_true[place]
    running = np.array([np.argmin(observed[:, :n], axis=1) for n in budgets])  # (budgets, searches)
    reached = np.take_along_axis(true, running.T, axis=1)  # (searches, budgets)
    curve = _Curve(by_rank, quantile)
    count, level = len(observed), (1 - confidence) / len(budgets)
    low = int(scipy.stats.binom.ppf(level / 2, count, quantile)) - 1
    high = int(scipy.stats.binom.ppf(1 - level / 2, count, quantile)) + 1
    ordered = np.sort(reached, axis=0)
    estimate = np.array([curve.trials(v) for v in np.quantile(reached, quantile, axis=0)])
    upper = np.array([curve.trials(v) if low >= 0 else math.inf for v in ordered[max(low, 0)]])
    lower = np.array([curve.trials(v) if high < count else 0.0 for v in ordered[min(high, count - 1)]])
    return estimate, (lower, upper)


class _Curve:
    """The quantile of the noise-free score of the best of n random trials, as a function of n."""

    def __init__(self, by_rank: Floats, quantile: float) -> None:
        self._by_rank, self._quantile = by_rank, quantile
        self._order = np.argsort(by_rank, kind="stable")

    def value(self, n: float) -> float:
        """Return the quantile after n trials."""
        size = len(self._by_rank)
        left = (1 - np.arange(size + 1) / size) ** n
        weights = (left[:-1] - left[1:])[self._order]
        place = int(np.searchsorted(np.cumsum(weights), self._quantile))
        return float(self._by_rank[self._order[min(place, size - 1)]])

    def trials(self, target: float) -> float:
        """Return the number of trials at which the curve falls to a value; infinite if it does not."""
        most = float(len(self._by_rank))
        if self.value(most) > target:
            return math.inf
        if self.value(1.0) <= target:
            return 1.0
        low, high = 0.0, math.log(most)
        for _ in range(_STEPS):
            middle = (low + high) / 2
            low, high = (low, middle) if self.value(math.exp(middle)) <= target else (middle, high)
        return math.exp(high)
