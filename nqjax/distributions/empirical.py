"""The empirical distribution of scores, with its tuning curves: what the trials say by themselves."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nqjax.errors import InputError
from nqjax.inputs import as_trials

Floats = NDArray[np.float64]


class Empirical:
    """The distribution that gives each score its weight, and no other any probability.

    Parameters
    ----------
    scores : array_like, shape (num_scores,)
        In the order of the trials. Infinite ones are allowed within the support, NaN is not.
    weights : array_like, shape (num_scores,), optional
        Not negative; they are divided by their sum. Equal by default.
    support : pair of float
        Bounds on what can be observed. A quantile of probability 0 is the lower one.

    Raises
    ------
    InputError
        No scores, NaN among them, scores beyond the support, or weights that are none.
    """

    def __init__(
        self, scores: ArrayLike, weights: ArrayLike | None = None, support: tuple[float, float] = (-math.inf, math.inf)
    ) -> None:
        try:
            y = np.asarray(scores, np.float64)
        except (TypeError, ValueError, OverflowError) as error:
            raise InputError(f"the scores are not numbers: {error}") from None
        low, high = map(float, support)
        if y.ndim != 1 or y.size == 0:
            raise InputError(f"scores have shape {y.shape}: give a list of at least one number")
        if np.any(np.isnan(y)):
            raise InputError("NaN among the scores: leave failed runs out, or give them the worst score of the support")
        if not low <= high:
            raise InputError(f"the support ({low:g}, {high:g}) is the wrong way round")
        if np.min(y) < low or np.max(y) > high:
            raise InputError(
                f"scores from {np.min(y):g} to {np.max(y):g} are not within the support ({low:g}, {high:g})"
            )
        self._scores = y
        self._weighted = weights is not None
        self._support = (low, high)
        values, place = np.unique(y, return_inverse=True)
        masses = np.bincount(place, _weights(weights, len(y)))
        # What has no weight does not occur; it must not be the quantile of 1 because of a rounding error.
        self._values, self._masses = values[masses > 0], masses[masses > 0]
        # Sums from either end, so that small tails keep their digits; both end at exactly 1.
        self._cdf = _up_to_one(np.cumsum(self._masses))
        self._sf = np.append(_up_to_one(np.cumsum(self._masses[::-1]))[::-1], 0.0)

    def __repr__(self) -> str:
        return f"Empirical({len(self._scores)} scores from {self._values[0]:g} to {self._values[-1]:g})"

    @property
    def scores(self) -> Floats:
        """The scores in the order they were given."""
        return self._scores.copy()

    @property
    def support(self) -> tuple[float, float]:
        """Bounds on what can be observed."""
        return self._support

    def pmf(self, y: ArrayLike) -> Floats:
        """Probability of exactly y."""
        y = np.asarray(y, np.float64)
        i = np.minimum(np.searchsorted(self._values, y), len(self._values) - 1)
        return np.where(self._values[i] == y, self._masses[i], 0.0)

    def cdf(self, y: ArrayLike) -> Floats:
        """Probability of y or less."""
        i = np.searchsorted(self._values, np.asarray(y, np.float64), side="right")
        return np.append(0.0, self._cdf)[i]

    def icdf(self, q: ArrayLike) -> Floats:
        """The lowest y of the support that has ``cdf(y) >= q``.

        Raises
        ------
        InputError
            ``q`` is not between 0 and 1.
        """
        q = np.asarray(q, np.float64)
        if not np.all((q >= 0) & (q <= 1)):
            raise InputError("probabilities must lie between 0 and 1")
        return np.where(q == 0, self._support[0], self._values[np.searchsorted(self._cdf, q)])

    def quantile_tuning_curve(self, n: ArrayLike, q: float = 0.5, *, minimize: bool = True) -> Floats:
        """Quantile of the best of n draws (n positive, not necessarily whole), the median by default."""
        n = as_trials(n)
        if not 0 <= q <= 1:
            raise InputError(f"q is {q}: give a number between 0 and 1, 0.5 for the median")
        if minimize:
            return self.icdf(-np.expm1(np.log1p(-q) / n) if q < 1 else np.ones_like(n))
        return self.icdf(q ** (1 / n))

    def average_tuning_curve(self, n: ArrayLike, *, minimize: bool = True) -> Floats:
        """Expectation of the best of n draws (n positive, not necessarily whole)."""
        n = as_trials(n)[..., None]
        shares = -np.diff(self._sf**n, axis=-1) if minimize else np.diff(np.append(0.0, self._cdf) ** n, axis=-1)
        # Values without a share may be infinite.
        return self._mean(self._values, shares)

    def naive_tuning_curve(self, n: ArrayLike, *, minimize: bool = True) -> Floats:
        """Best of the first n scores, in the order they were given; of all for more."""
        n = self._whole(n)
        best = np.minimum.accumulate(self._scores) if minimize else np.maximum.accumulate(self._scores)
        return best[np.minimum(n, len(best)) - 1]

    def v_tuning_curve(self, n: ArrayLike, *, minimize: bool = True) -> Floats:
        """Average of the best of n scores drawn with replacement: the V-statistic, which is biased (Dodge 2019)."""
        return self.average_tuning_curve(self._whole(n), minimize=minimize)

    def u_tuning_curve(self, n: ArrayLike, *, minimize: bool = True) -> Floats:
        """Average of the best of n of the scores drawn without replacement: the U-statistic, unbiased."""
        n = self._whole(n)
        size = len(self._scores)
        ordered = np.sort(self._scores)[:: 1 if minimize else -1]  # the best first
        take = np.minimum(n, size)[..., None]
        # That the best is the i-th in this order has probability C(size - i, take - 1) / C(size, take).
        i = np.arange(1, size)
        ratios = np.maximum(size - i - take + 1, 0) / (size - i)
        first = take / size
        shares = np.concatenate([first, first * np.cumprod(ratios, axis=-1)], axis=-1)
        return self._mean(ordered, shares)

    def _mean(self, values: Floats, shares: Floats) -> Floats:
        """Of values of which those without a share may be infinite."""
        held = np.where(shares > 0, values, 0.0)
        if np.any(np.any(held == -math.inf, axis=-1) & np.any(held == math.inf, axis=-1)):
            raise InputError("scores of -inf and of inf have no average: use quantile_tuning_curve")
        # The shares add up to 1 but for rounding, which must not carry the average past all values, nor to infinity.
        with np.errstate(over="ignore"):
            return np.clip(np.sum(held * shares, axis=-1), self._values[0], self._values[-1])

    def _whole(self, n: ArrayLike) -> NDArray[np.int64]:
        if self._weighted:
            raise InputError("this tuning curve knows no weights: use quantile_tuning_curve or average_tuning_curve")
        n = as_trials(n)
        if np.any(n != np.floor(n)):
            raise InputError("the numbers of trials must be whole for this tuning curve")
        return np.minimum(n, 2**62).astype(np.int64)


def _weights(weights: ArrayLike | None, count: int) -> Floats:
    if weights is None:
        return np.full(count, 1 / count)
    w = np.asarray(weights, np.float64)
    if w.shape != (count,):
        raise InputError(f"weights have shape {w.shape}: give one for each of {count} scores")
    if not (np.all((w >= 0) & np.isfinite(w)) and np.any(w > 0)):
        raise InputError("weights must be finite, not negative, and not all 0")
    w = w / np.max(w)
    return w / np.sum(w)


def _up_to_one(sums: Floats) -> Floats:
    sums = np.minimum(sums, 1.0)
    sums[-1] = 1.0
    return sums
