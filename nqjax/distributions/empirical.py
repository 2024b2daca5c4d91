"""The empirical distribution of scores, with its tuning curves: no model, only the trials."""

import math

import jax
import numpy as np
from jax import Array
from numpy.typing import ArrayLike, NDArray

from nqjax.distributions.sample_weights import support_of, weights_of
from nqjax.errors import InputError
from nqjax.inputs import as_flag, as_key, as_numbers, as_probabilities, as_scores, as_trials, read_number, shortened
from nqjax.types import Floats


class Empirical:
    """Discrete distribution on the scores of a search, with their tuning curves.

    Parameters
    ----------
    scores : array_like, shape (num_scores,)
        Scores in the order of the trials. They may be infinite within the support, but not NaN.
    weights : array_like, shape (num_scores,), optional
        Weights of the scores, not negative; they are divided by their sum. Equal by default.
    support : pair of float
        Bounds on the scores that are possible. The quantile of probability 0 is the lower bound.

    Raises
    ------
    InputError
        No scores, NaN among them, scores beyond the support, or invalid weights.

    Examples
    --------
    >>> import nqjax
    >>> d = nqjax.Empirical([0.3, 0.1, 0.2, 0.1], support=(0, 1))
    >>> float(d.cdf(0.1)), float(d.icdf(0.75))
    (0.5, 0.2)
    """

    def __init__(
        self, scores: ArrayLike, weights: ArrayLike | None = None, support: tuple[float, float] = (-math.inf, math.inf)
    ) -> None:
        y = as_scores(scores)
        low, high = support_of(support)
        if y.size == 0:
            raise InputError("there are no scores: give at least one number")
        if np.any(np.isnan(y)):
            raise InputError("NaN among the scores: leave failed runs out, or give them the worst score of the support")
        if np.min(y) < low or np.max(y) > high:
            raise InputError(
                f"scores from {np.min(y):g} to {np.max(y):g} are not within the support ({low:g}, {high:g})"
            )
        self._scores = y
        self._weights = None if weights is None else weights_of(weights, len(y))
        self._support = (low, high)
        values, place = np.unique(y, return_inverse=True)
        shares = weights_of(None, len(y)) if self._weights is None else self._weights
        masses = np.bincount(place, shares).astype(np.float64)
        # Scores without weight are left out: a rounding error must not make one the quantile of probability 1.
        self._values, self._masses = values[masses > 0], masses[masses > 0]
        # Sums from either end, so that small tails keep their digits; both end at exactly 1.
        self._cdf = _up_to_one(np.cumsum(self._masses))
        self._sf = np.append(_up_to_one(np.cumsum(self._masses[::-1]))[::-1], 0.0)

    def __repr__(self) -> str:
        weights = "" if self._weights is None else ", weighted"
        support = "" if self._support == (-math.inf, math.inf) else ", within ({:g}, {:g})".format(*self._support)
        ends = "from {:g} to {:g}".format(*self._values[[0, -1]])
        return f"Empirical({len(self._scores)} scores {ends}{weights}{support})"

    def __eq__(self, other: object) -> bool:
        """Whether both have the same scores in the same order, weights and support."""
        if not isinstance(other, Empirical):
            return NotImplemented
        same = self._support == other._support and (self._weights is None) == (other._weights is None)
        return same and np.array_equal(self._scores, other._scores) and np.array_equal(self._masses, other._masses)

    def __hash__(self) -> int:
        return hash((len(self._scores), float(self._values[0]), self._support))

    @property
    def scores(self) -> Floats:
        """The scores in the order they were given, shape (num_scores,)."""
        return self._scores.copy()

    @property
    def support(self) -> tuple[float, float]:
        """Bounds on the scores that are possible."""
        return self._support

    @property
    def mean(self) -> float:
        """Mean of the scores; raises InputError where both ``-inf`` and ``inf`` are among them."""
        return float(self._mean(self._values, self._masses))

    @property
    def variance(self) -> float:
        """Variance of the scores, the mean squared distance from `mean`; infinite where a score is."""
        mean = self.mean
        return float(self._masses @ (self._values - mean) ** 2) if math.isfinite(mean) else math.inf

    def sample(self, key: Array, sample_shape: tuple[int, ...] = ()) -> Floats:
        """Draw scores with replacement.

        Parameters
        ----------
        key : Array
            A JAX random key.
        sample_shape : tuple of int
            Shape of the draws, and of the array that is returned.

        Examples
        --------
        >>> import jax
        >>> import nqjax
        >>> nqjax.Empirical([0.3, 0.1, 0.2, 0.1]).sample(jax.random.key(0), (1000,)).shape
        (1000,)
        """
        with jax.enable_x64(True):
            uniform = np.asarray(jax.random.uniform(as_key(key), sample_shape, np.float64))
        return self.icdf(1 - uniform)  # uniform draws may be 0, but not 1

    def pmf(self, y: ArrayLike) -> Floats:
        """Return the probability of exactly y.

        Parameters
        ----------
        y : array_like
            Scores of any shape.

        Returns
        -------
        ndarray
            Probabilities in the shape of ``y``.

        Examples
        --------
        >>> import nqjax
        >>> nqjax.Empirical([0.3, 0.1, 0.2, 0.1]).pmf([0.1, 0.15]).tolist()
        [0.5, 0.0]
        """
        y = as_numbers("scores", y)
        i = np.minimum(np.searchsorted(self._values, y), len(self._values) - 1)
        return np.where(self._values[i] == y, self._masses[i], 0.0)

    def cdf(self, y: ArrayLike) -> Floats:
        """Return the probability of y or less.

        Parameters
        ----------
        y : array_like
            Scores of any shape.

        Returns
        -------
        ndarray
            Probabilities in the shape of ``y``.

        Examples
        --------
        >>> import nqjax
        >>> nqjax.Empirical([0.3, 0.1, 0.2, 0.1]).cdf([0.15, 0.3]).tolist()
        [0.5, 1.0]
        """
        i = np.searchsorted(self._values, as_numbers("scores", y), side="right")
        return np.append(0.0, self._cdf)[i]

    def icdf(self, q: ArrayLike) -> Floats:
        """Return the lowest y of the support that has ``cdf(y) >= q``.

        Parameters
        ----------
        q : array_like
            Probabilities of any shape.

        Returns
        -------
        ndarray
            Scores in the shape of ``q``.

        Raises
        ------
        InputError
            ``q`` is not between 0 and 1.

        Examples
        --------
        >>> import nqjax
        >>> nqjax.Empirical([0.3, 0.1, 0.2, 0.1]).icdf([0.5, 0.75]).tolist()
        [0.1, 0.2]
        """
        q = as_probabilities("probabilities", q)
        return np.where(q == 0, self._support[0], self._values[np.searchsorted(self._cdf, q)])

    def quantile_tuning_curve(self, n: ArrayLike, q: float = 0.5, *, minimize: bool = True) -> Floats:
        """Return a quantile of the best of n draws: the median tuning curve by default.

        Parameters
        ----------
        n : array_like
            Numbers of trials of any shape, positive, not necessarily whole.
        q : float
            Probability of the quantile, in [0, 1].
        minimize : bool
            Whether lower scores are better.

        Returns
        -------
        ndarray
            Scores in the shape of ``n`` (Lourie, Cho, He 2023, "Show Your Work with Confidence").

        Raises
        ------
        InputError
            Numbers of trials that are not positive, or ``q`` outside [0, 1].

        Examples
        --------
        >>> import nqjax
        >>> nqjax.Empirical([0.4, 0.1, 0.3, 0.2]).quantile_tuning_curve([1, 2, 3]).tolist()
        [0.2, 0.2, 0.1]
        """
        n, q = as_trials(n), read_number(q)
        if not 0 <= q <= 1:
            raise InputError(f"q is {shortened(q)}: give a number between 0 and 1, 0.5 for the median")
        if as_flag("minimize", minimize):
            return self.icdf(-np.expm1(np.log1p(-q) / n) if q < 1 else np.ones_like(n))
        return self.icdf(q ** (1 / n))

    def average_tuning_curve(self, n: ArrayLike, *, minimize: bool = True) -> Floats:
        """Return the expectation of the best of n draws.

        Parameters
        ----------
        n : array_like
            Numbers of trials of any shape, positive, not necessarily whole.
        minimize : bool
            Whether lower scores are better.

        Returns
        -------
        ndarray
            Scores in the shape of ``n``.

        Raises
        ------
        InputError
            Numbers of trials that are not positive, or both ``-inf`` and ``inf`` among the scores.

        Examples
        --------
        >>> import nqjax
        >>> nqjax.Empirical([0.4, 0.1, 0.3, 0.2]).average_tuning_curve([1, 2]).round(4).tolist()
        [0.25, 0.1875]
        """
        n, minimize = as_trials(n)[..., None], as_flag("minimize", minimize)
        shares = -np.diff(self._sf**n, axis=-1) if minimize else np.diff(np.append(0.0, self._cdf) ** n, axis=-1)
        return self._mean(self._values, shares)

    def naive_tuning_curve(self, n: ArrayLike, *, minimize: bool = True) -> Floats:
        """Return the best of the first n scores, in the order they were given.

        Parameters
        ----------
        n : array_like
            Whole numbers of trials of any shape, positive. Above the number of scores, the best of all is returned.
        minimize : bool
            Whether lower scores are better.

        Returns
        -------
        ndarray
            Scores in the shape of ``n``.

        Raises
        ------
        InputError
            Numbers of trials that are not positive or not whole, or a distribution with weights.

        Examples
        --------
        >>> import nqjax
        >>> nqjax.Empirical([0.4, 0.1, 0.3, 0.2]).naive_tuning_curve([1, 2, 9]).tolist()
        [0.4, 0.1, 0.1]
        """
        n = self._whole(n)
        best = (
            np.minimum.accumulate(self._scores)
            if as_flag("minimize", minimize)
            else np.maximum.accumulate(self._scores)
        )
        return best[np.minimum(n, len(best)) - 1]

    def v_tuning_curve(self, n: ArrayLike, *, minimize: bool = True) -> Floats:
        """Return the average of the best of n scores drawn with replacement: the V-statistic, which is biased.

        Parameters
        ----------
        n : array_like
            Whole numbers of trials of any shape, positive.
        minimize : bool
            Whether lower scores are better.

        Returns
        -------
        ndarray
            Scores in the shape of ``n`` (Dodge et al. 2019, "Show Your Work").

        Raises
        ------
        InputError
            Numbers of trials that are not positive or not whole, a distribution with weights, or both ``-inf`` and
            ``inf`` among the scores.

        Examples
        --------
        >>> import nqjax
        >>> nqjax.Empirical([0.4, 0.1, 0.3, 0.2]).v_tuning_curve([1, 2]).round(4).tolist()
        [0.25, 0.1875]
        """
        return self.average_tuning_curve(self._whole(n), minimize=minimize)

    def u_tuning_curve(self, n: ArrayLike, *, minimize: bool = True) -> Floats:
        """Return the average of the best of n scores drawn without replacement: the U-statistic, which is unbiased.

        Parameters
        ----------
        n : array_like
            Whole numbers of trials of any shape, positive. Above the number of scores, the best of all is returned.
        minimize : bool
            Whether lower scores are better.

        Returns
        -------
        ndarray
            Scores in the shape of ``n`` (Tang et al. 2020, "Showing Your Work Doesn't Always Work").

        Raises
        ------
        InputError
            Numbers of trials that are not positive or not whole, a distribution with weights, or both ``-inf`` and
            ``inf`` among the scores.

        Examples
        --------
        >>> import nqjax
        >>> nqjax.Empirical([0.4, 0.1, 0.3, 0.2]).u_tuning_curve([1, 2, 4]).round(4).tolist()
        [0.25, 0.1667, 0.1]
        """
        n = self._whole(n)
        size = len(self._scores)
        ordered = np.sort(self._scores)[:: 1 if as_flag("minimize", minimize) else -1]  # the best first
        take = np.minimum(n, size)[..., None]
        # The best is the i-th in this order with probability C(size - i, take - 1) / C(size, take).
        i = np.arange(1, size)
        ratios = np.maximum(size - i - take + 1, 0) / (size - i)
        first = take / size
        shares = np.concatenate([first, first * np.cumprod(ratios, axis=-1)], axis=-1)
        return self._mean(ordered, shares)

    def _mean(self, values: Floats, shares: Floats) -> Floats:
        """Return the mean of the values with these probabilities; a value with probability 0 may be infinite."""
        held = np.where(shares > 0, values, 0.0)
        if np.any(np.any(held == -math.inf, axis=-1) & np.any(held == math.inf, axis=-1)):
            raise InputError("scores of -inf and of inf have no average: use quantile_tuning_curve")
        # The shares add up to 1 up to rounding, which must not carry the average past all values, nor to infinity.
        with np.errstate(over="ignore"):
            return np.clip(np.sum(held * shares, axis=-1), self._values[0], self._values[-1])

    def _whole(self, n: ArrayLike) -> NDArray[np.int64]:
        if self._weights is not None:
            raise InputError(
                "this tuning curve does not support weights: use quantile_tuning_curve or average_tuning_curve"
            )
        n = as_trials(n)
        if np.any(n != np.floor(n)):
            raise InputError("the numbers of trials must be whole for this tuning curve")
        return np.minimum(n, 2**62).astype(np.int64)


def _up_to_one(sums: Floats) -> Floats:
    sums = np.minimum(sums, 1.0)
    sums[-1] = 1.0
    return sums
