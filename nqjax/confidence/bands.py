"""Simultaneous confidence bands for the CDF of the scores.

Each band bounds all order statistics of uniform draws at once; as a continuous CDF maps its own scores to uniform
draws, it bounds the CDF at every score, whatever the CDF is. With ties the bands hold all the more.
"""

import functools
import math
from typing import Literal, NamedTuple

import numpy as np
import scipy.optimize
import scipy.special
from numpy.typing import ArrayLike

from nqjax.confidence.crossing import probability_within
from nqjax.distributions.empirical import Empirical
from nqjax.errors import InputError
from nqjax.inputs import as_probability
from nqjax.types import Floats

BandMethod = Literal["ld_highest_density", "ld_equal_tailed", "ks", "dkw"]


_METHODS = ("ld_highest_density", "ld_equal_tailed", "ks", "dkw")


#: The logit of a share that does not occur.
_NEVER = 60.0


#: How far a band's coverage may be from what was asked for.
_EXACT = 1e-9


class Bands(NamedTuple):
    """A confidence band for a CDF, as three distributions."""

    lower: Empirical  # its CDF is the lower end of the band
    point: Empirical
    upper: Empirical


class OrderStatisticBand(NamedTuple):
    """Bounds on all uniform order statistics that hold at once."""

    low: Floats  # (n,)
    high: Floats  # (n,)


def confidence_bands(
    scores: ArrayLike,
    confidence: float = 0.95,
    *,
    method: BandMethod = "ld_highest_density",
    support: tuple[float, float] = (-math.inf, math.inf),
) -> Bands:
    """Simultaneous confidence band for the CDF that scores were drawn from.

    Parameters
    ----------
    scores : array_like, shape (num_scores,)
        Independent draws. Give failed runs the worst score of the support.
    confidence : float
        Probability that the whole CDF lies within the band, between 0 and 1.
    method : {"ld_highest_density", "ld_equal_tailed", "ks", "dkw"}
        Learned-Miller and DeStefano's bands, which are about equally wide everywhere in units of the noise there, from
        highest-density or equal-tailed intervals of each order statistic; Kolmogorov and Smirnov's, of one height; and
        that of the inequality of Dvoretzky, Kiefer, Wolfowitz and Massart, which is never narrower.
    support : pair of float
        Bounds on what can be observed: the band has the probability it cannot place there.

    Returns
    -------
    Bands
        ``lower``, ``point``, ``upper``: the band's lower end, the empirical CDF, and its upper end. The tuning curve of
        ``upper`` bounds the best score from below, that of ``lower`` from above.

    Raises
    ------
    InputError
        No scores, NaN, scores beyond the support, or a confidence or method that is none.

    Notes
    -----
    The LD bands' coverage is computed exactly (`nqjax.confidence.crossing`), not simulated: it is what was asked for
    to 1e-9.
    """
    point = Empirical(scores, support=support)
    y = np.sort(point.scores)
    band = order_statistic_band(len(y), confidence, method)
    low, high = support
    lower = Empirical(np.append(y, high), np.append(np.diff(band.low, prepend=0.0), 1 - band.low[-1]), support)
    upper = Empirical(np.append(low, y), np.append(band.high[0], np.diff(band.high, append=1.0)), support)
    return Bands(lower, point, upper)


def order_statistic_band(n: int, confidence: float, method: BandMethod = "ld_highest_density") -> OrderStatisticBand:
    """Bounds on n uniform order statistics that hold together with the probability ``confidence``.

    Raises
    ------
    InputError
        A confidence or method that is none.
    """
    confidence = as_probability("confidence", confidence)
    if method not in _METHODS:
        raise InputError(f"there is no method {method!r}: choose one of {', '.join(_METHODS)}")
    return _band(n, confidence, method)


@functools.lru_cache(maxsize=64)
def _band(n: int, confidence: float, method: BandMethod) -> OrderStatisticBand:
    if method in ("ks", "dkw"):
        # The distance between an empirical CDF and its own.
        if method == "ks":
            from scipy.stats import kstwo  # it takes half a second to import, and nothing else here needs it

            distance = float(kstwo.ppf(confidence, n))
        else:
            distance = math.sqrt(math.log(2 / (1 - confidence)) / (2 * n))
        low = np.clip(np.arange(1, n + 1) / n - distance, 0, 1)
        return _frozen(low, 1 - low[::-1])
    intervals = _highest_density if method == "ld_highest_density" else _equal_tailed
    band = _frozen(np.zeros(n), np.ones(n))
    share = np.full(n, 0.5)  # of what is left out that lies below, where the last call found it

    def excess(log_miss: float) -> float:
        nonlocal band, share
        low, high, share = intervals(n, math.exp(log_miss), share)
        band = _frozen(low, high)
        gap = probability_within(low, high) - confidence
        return 0.0 if abs(gap) < _EXACT else gap

    # Each interval at the whole confidence is too narrow, by Bonferroni's inequality an n-th of the miss too wide.
    most, least = math.log1p(-confidence), math.log((1 - confidence) / n)
    if n == 1:
        excess(most)
    else:
        excess(scipy.optimize.brentq(excess, least - 0.1, most + 1e-6, xtol=1e-13, rtol=1e-13))
    return band


def _frozen(low: Floats, high: Floats) -> OrderStatisticBand:
    low, high = low.copy(), high.copy()
    low.flags.writeable = high.flags.writeable = False
    return OrderStatisticBand(low, high)


def _equal_tailed(n: int, miss: float, share: Floats) -> tuple[Floats, Floats, Floats]:
    """Intervals of each order statistic, with half of ``miss`` on either side."""
    i = np.arange(1.0, n + 1)
    low = scipy.special.betaincinv(i, n + 1 - i, miss / 2)
    return low, 1 - low[::-1], share


def _highest_density(n: int, miss: float, share: Floats) -> tuple[Floats, Floats, Floats]:
    """The shortest interval of each order statistic; ``share`` is where to start, as in `shortest_interval`."""
    half = (n + 1) // 2  # the others are their mirror image
    low, high, found = np.zeros(half), np.ones(half), np.full(half, 0.5)
    high[0] = -math.expm1(math.log(miss) / n)
    if n == 1:
        low[0], high[0] = miss / 2, 1 - miss / 2  # the density is flat
    if half > 1:
        a = np.arange(2.0, half + 1)
        low[1:], high[1:], found[1:] = shortest_interval(a, n + 1 - a, miss, share[1:half])
    # The middle one of an odd number is its own mirror image.
    others = slice(n - half - 1, None, -1) if n > half else slice(0, 0)
    low_all = np.concatenate([low, 1 - high[others]])
    high_all = np.concatenate([high, 1 - low[others]])
    return low_all, high_all, np.concatenate([found, 1 - found[others]])


def shortest_interval(a: Floats, b: Floats, miss: ArrayLike, share: Floats) -> tuple[Floats, Floats, Floats]:
    """The shortest interval of each Beta(a, b) distribution, a and b above 1, that leaves out the probability ``miss``.

    ``share`` is where to start: the share of ``miss`` that lies below. The density is equal at the interval's ends:
    Newton's method in the logit of the share, kept in a bracket. Returns the ends and the share.
    """
    t = scipy.special.logit(share)
    least, most = np.full(t.shape, -_NEVER), np.full(t.shape, _NEVER)
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
