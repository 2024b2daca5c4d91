"""Simultaneous confidence bands for the CDF of the scores.

A band bounds all order statistics of uniform draws at once. As a continuous CDF maps its scores to uniform draws, the
band bounds the CDF at every score, whatever the CDF is. With ties the coverage is higher.
"""

import functools
import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import scipy  # its parts are imported when they are used
from numpy.typing import ArrayLike, NDArray

from nqjax.confidence.crossing import probability_within
from nqjax.distributions.empirical import Empirical
from nqjax.inputs import as_choice, as_count, as_minimize, as_probability, as_quantile
from nqjax.types import Floats

BandMethod = Literal["ld_highest_density", "ld_equal_tailed", "ks", "dkw"]


_METHODS = ("ld_highest_density", "ld_equal_tailed", "ks", "dkw")


#: Bound on the logit of a share in Newton's method.
_LARGEST_LOGIT = 60.0

#: Largest error of a band's coverage.
_COVERAGE_ERROR = 1e-9


@dataclass(frozen=True, eq=False)
class Bands:
    """A confidence band for a CDF, as three distributions; unpacks as ``lower, point, upper``.

    Attributes
    ----------
    lower, point, upper : Empirical
        The band's lower end as a CDF, the empirical CDF, and the band's upper end.
    confidence : float
        Probability that the whole CDF lies within the band.
    minimize : bool
        Whether lower scores are better.

    Examples
    --------
    >>> import nqjax
    >>> bands = nqjax.confidence_bands([0.1, 0.2, 0.4, 0.5, 0.6, 0.7], 0.5, support=(0, 1))
    >>> bool(bands.lower.cdf(0.2) < bands.point.cdf(0.2) < bands.upper.cdf(0.2))
    True
    >>> low, high = bands.quantile_tuning_curve_band([1, 2, 3])
    >>> low.tolist(), high[0].item(), bands.bounded_trials()
    ([0.2, 0.1, 0.0], 0.6, 2)
    """

    lower: Empirical
    point: Empirical
    upper: Empirical
    confidence: float
    minimize: bool = True

    def __iter__(self) -> Iterator[Empirical]:
        return iter((self.lower, self.point, self.upper))

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: Any) -> Any:
        """Return one of the three distributions, or several, as of the tuple ``(lower, point, upper)``."""
        return (self.lower, self.point, self.upper)[index]

    def quantile_tuning_curve(self, n: ArrayLike, q: float = 0.5) -> Floats:
        """Return a quantile of the best of n draws from the scores, the median by default; see `Empirical`."""
        return self.point.quantile_tuning_curve(n, q, minimize=self.minimize)

    def quantile_tuning_curve_band(self, n: ArrayLike, q: float = 0.5) -> tuple[Floats, Floats]:
        """Return the lower and the upper end of the band for the tuning curve, for all n and q at once.

        Raises
        ------
        InputError
            ``n`` is not positive, or ``q`` outside [0, 1].
        """
        # A higher CDF has lower quantiles.
        low, high = (one.quantile_tuning_curve(n, q, minimize=self.minimize) for one in (self.upper, self.lower))
        return low, high

    def bounded_trials(self, q: float = 0.5) -> int:
        """Return the largest number of trials at which the scores bound how good the best may be, 0 for none.

        Beyond it this end of the band for the tuning curve is that of the support.
        """
        # The share of the CDF that the band leaves beyond the best score.
        best = self.upper.pmf(self.upper.support[0]) if self.minimize else self.lower.pmf(self.lower.support[1])
        return _bounded(float(best), as_quantile(q), self.minimize)


class OrderStatisticBand(NamedTuple):
    """Simultaneous bounds on all order statistics of uniform draws."""

    low: Floats  # (n,)
    high: Floats  # (n,)


def confidence_bands(
    scores: ArrayLike,
    confidence: float = 0.95,
    *,
    method: BandMethod = "ld_highest_density",
    support: tuple[float, float] = (-math.inf, math.inf),
    minimize: bool | None = None,
    maximize: bool | None = None,
) -> Bands:
    """Return a simultaneous confidence band for the CDF that scores were drawn from.

    Parameters
    ----------
    scores : array_like, shape (num_scores,)
        Independent draws. Give failed runs the worst score of the support.
    confidence : float
        Probability that the whole CDF lies within the band, between 0 and 1.
    method : {"ld_highest_density", "ld_equal_tailed", "ks", "dkw"}
        ``ld``: bands of Learned-Miller and DeStefano 2008, from highest-density or equal-tailed intervals of each order
        statistic; about equally wide everywhere in units of the standard error. ``ks``: the band of Kolmogorov and
        Smirnov, of constant height. ``dkw``: the band of the inequality of Dvoretzky, Kiefer, Wolfowitz and Massart,
        which is at least as wide.
    support : pair of float
        Bounds on the scores, at which the band puts the probability beyond the extreme scores.
    minimize, maximize : bool, optional
        Whether lower or higher scores are better: the direction of the tuning curve. The band itself does not depend
        on it. By default lower scores are better.

    Returns
    -------
    Bands
        ``lower``, ``point``, ``upper``: the band's lower end, the empirical CDF, and its upper end. The tuning curve of
        ``upper`` bounds the best score from below, that of ``lower`` from above.

    Raises
    ------
    InputError
        No scores, NaN, scores beyond the support, invalid confidence or unknown method.

    Warns
    -----
    UserWarning
        Scores inside the support are repeated: the coverage is then higher than ``confidence``. Not for ``dkw``, whose
        coverage is higher in any case.

    Notes
    -----
    The coverage of the LD bands is computed exactly (`nqjax.confidence.crossing`), not simulated; its error is at most
    1e-9.

    Examples
    --------
    >>> import nqjax
    >>> lower, point, upper = nqjax.confidence_bands([0.1, 0.2, 0.4], 0.9, support=(0, 1))
    >>> float(point.quantile_tuning_curve(2)), float(lower.quantile_tuning_curve(2))
    (0.1, 0.4)
    """
    confidence, minimize = as_probability("confidence", confidence), as_minimize(minimize, maximize)
    point = Empirical(scores, support=support)
    support, y = point.support, np.sort(point.scores)
    band = order_statistic_band(len(y), confidence, method)
    low, high = support
    if text := tie_warning(y, support, method):
        warnings.warn(text, stacklevel=2)
    lower = Empirical(np.append(y, high), np.append(np.diff(band.low, prepend=0.0), 1 - band.low[-1]), support)
    upper = Empirical(np.append(low, y), np.append(band.high[0], np.diff(band.high, append=1.0)), support)
    return Bands(lower, point, upper, confidence, minimize)


def tie_warning(scores: NDArray[np.float64], support: tuple[float, float], method: str) -> str | None:
    """Return the warning on repeated scores, for bands that are exact without; None where there is nothing to say.

    Scores at an end of the support, such as failed runs, are expected to be equal.
    """
    if method == "dkw":
        return None
    inside = scores[np.isfinite(scores) & (scores != support[0]) & (scores != support[1])]
    repeated = len(inside) - len(np.unique(inside))
    if not repeated:
        return None
    return f"{repeated} of {len(scores)} scores repeat others: the band is wider than it need be, and covers more"


def bounded_trials(
    num_scores: int, confidence: float = 0.95, *, q: float = 0.5, method: BandMethod = "ld_highest_density"
) -> int:
    """Return up to which number of trials a set of scores bounds how good the best of them may be.

    Beyond it, the end of the band for the tuning curve on the better side is the end of the scores' support.

    Parameters
    ----------
    num_scores : int
        Number of trials that are run.
    confidence : float
        Confidence of the band.
    q : float
        Probability of the quantile that the tuning curve shows, between 0 and 1; that of ``1 - q`` when maximising.
    method : str
        Kind of band; see `confidence_bands`.

    Returns
    -------
    int
        The largest number of trials, 0 if there is none.

    Raises
    ------
    InputError
        A number of scores that is not positive, an invalid confidence or ``q``, or an unknown method.

    Examples
    --------
    >>> import nqjax
    >>> nqjax.bounded_trials(48), nqjax.bounded_trials(480)
    (5, 50)
    """
    band = order_statistic_band(as_count("num_scores", num_scores), confidence, method)
    return _bounded(float(band.high[0]), as_quantile(q), minimize=True)


def _bounded(share: float, q: float, minimize: bool) -> int:
    """Return the largest n whose best has its quantile above the share next to the end of the support."""
    if share >= 1:
        return 0
    log_rest = math.log1p(-q) if minimize else math.log(q)
    return max(math.ceil(log_rest / math.log1p(-share)) - 1, 0)


def order_statistic_band(n: int, confidence: float, method: BandMethod = "ld_highest_density") -> OrderStatisticBand:
    """Return bounds on n uniform order statistics that hold together with the probability ``confidence``.

    Raises
    ------
    InputError
        Invalid confidence or unknown method.
    """
    confidence = as_probability("confidence", confidence)
    as_choice("method", method, _METHODS)
    return _band(n, confidence, method)


@functools.lru_cache(maxsize=64)
def _band(n: int, confidence: float, method: BandMethod) -> OrderStatisticBand:
    if method in ("ks", "dkw"):
        # The distance between an empirical CDF and the true one.
        if method == "ks":
            from scipy.stats import kstwo  # importing it takes half a second

            distance = float(kstwo.ppf(confidence, n))
        else:
            distance = math.sqrt(math.log(2 / (1 - confidence)) / (2 * n))
        low = np.clip(np.arange(1, n + 1) / n - distance, 0, 1)
        return _frozen(low, 1 - low[::-1])
    excess = _CoverageExcess(n, confidence, _highest_density if method == "ld_highest_density" else _equal_tailed)
    # Intervals that each miss 1 - confidence are too narrow together; by Bonferroni's inequality, intervals that each
    # miss an n-th of that are too wide.
    most, least = math.log1p(-confidence), math.log((1 - confidence) / n)
    if n == 1:
        excess(most)
    else:
        excess(scipy.optimize.brentq(excess, least - 0.1, most + 1e-6, xtol=1e-13, rtol=1e-13))
    return excess.band


_Intervals = Callable[[int, float, Floats], tuple[Floats, Floats, Floats]]


class _CoverageExcess:
    """Coverage of a band minus the wanted coverage, as a function of the probability that each interval leaves out.

    The last band that was computed is kept.
    """

    def __init__(self, n: int, confidence: float, intervals: _Intervals) -> None:
        self.confidence = confidence
        self.intervals = intervals
        self.band = _frozen(np.zeros(n), np.ones(n))
        self.share = np.full(n, 0.5)  # start of the next call: the share of the miss that lies below

    def __call__(self, log_miss: float) -> float:
        low, high, self.share = self.intervals(len(self.share), math.exp(log_miss), self.share)
        self.band = _frozen(low, high)
        gap = probability_within(low, high) - self.confidence
        return 0.0 if abs(gap) < _COVERAGE_ERROR else gap


def _frozen(low: Floats, high: Floats) -> OrderStatisticBand:
    low, high = low.copy(), high.copy()
    low.flags.writeable = high.flags.writeable = False
    return OrderStatisticBand(low, high)


def _equal_tailed(n: int, miss: float, share: Floats) -> tuple[Floats, Floats, Floats]:
    """Return an interval of each order statistic that leaves out the probability ``miss / 2`` on either side."""
    i = np.arange(1.0, n + 1)
    low = scipy.special.betaincinv(i, n + 1 - i, miss / 2)
    return low, 1 - low[::-1], share


def _highest_density(n: int, miss: float, share: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the shortest interval of each order statistic; for ``share`` see `shortest_interval`."""
    half = (n + 1) // 2  # the other half is its mirror image
    low, high, found = np.zeros(half), np.ones(half), np.full(half, 0.5)
    high[0] = -math.expm1(math.log(miss) / n)
    if n == 1:
        low[0], high[0] = miss / 2, 1 - miss / 2  # the density is flat
    if half > 1:
        a = np.arange(2.0, half + 1)
        low[1:], high[1:], found[1:] = shortest_interval(a, n + 1 - a, miss, share[1:half])
    # The middle order statistic of an odd number is its own mirror image.
    others = slice(n - half - 1, None, -1) if n > half else slice(0, 0)
    low_all = np.concatenate([low, 1 - high[others]])
    high_all = np.concatenate([high, 1 - low[others]])
    return low_all, high_all, np.concatenate([found, 1 - found[others]])


def shortest_interval(a: Floats, b: Floats, miss: ArrayLike, share: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the shortest interval of each Beta(a, b), a and b above 1, that leaves out the probability ``miss``.

    The density is equal at both ends. Newton's method finds the logit of the share of ``miss`` that lies below, within
    a bracket, from the start ``share``. Returns both ends and the share.
    """
    t = scipy.special.logit(share)
    least, most = np.full(t.shape, -_LARGEST_LOGIT), np.full(t.shape, _LARGEST_LOGIT)
    log_beta = scipy.special.betaln(a, b)
    for _ in range(60):
        below, above = scipy.special.expit(t), scipy.special.expit(-t)
        x, y = scipy.special.betaincinv(a, b, miss * below), scipy.special.betainccinv(a, b, miss * above)
        f, g = (np.exp((a - 1) * np.log(z) + (b - 1) * np.log1p(-z) - log_beta) for z in (x, y))
        gap = (a - 1) * np.log(y / x) + (b - 1) * (np.log1p(-y) - np.log1p(-x))
        slope = ((a - 1) / y - (b - 1) / (1 - y)) / g - ((a - 1) / x - (b - 1) / (1 - x)) / f
        slope *= miss * below * above
        least, most = np.where(gap > 0, t, least), np.where(gap < 0, t, most)
        step = np.clip(-gap / slope, -3, 3)
        step = np.where(np.isfinite(step), step, np.sign(gap))
        new = t + step
        new = np.where((new <= least) | (new >= most), (least + most) / 2, new)
        done = np.max(np.abs(new - t), initial=0.0) < 1e-11
        t = new
        if done:
            break
    return x, y, scipy.special.expit(t)
