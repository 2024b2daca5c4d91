"""Probability that an empirical CDF stays between two boundaries, exactly.

For uniform order statistics ``U_(1) <= ... <= U_(n)`` the number of points up to t is a Poisson process of rate n given
that n points come until 1. Between neighbouring bounds its counts spread by a Poisson step, at each bound those that
break it are dropped (Moscovich and Nadler 2017, "Fast calculation of boundary crossing probabilities for Poisson
processes"). Few counts are possible at any time, about sqrt(n) of them, and a step adds few more, so plain convolutions
of short vectors do what the reference does with Fourier transforms: n**1.5 operations.
"""

import math

import numpy as np
import scipy.special
from numpy.typing import NDArray

Floats = NDArray[np.float64]


_COUNTS = np.arange(256.0)


_LOG_FACTORIALS = scipy.special.gammaln(_COUNTS + 1)


#: Probabilities are rescaled below it.
_SMALL = 1e-100


def probability_within(low: Floats, high: Floats) -> float:
    """Probability that ``low[i] <= U_(i + 1) <= high[i]`` for all of n uniform order statistics.

    Parameters
    ----------
    low, high : ndarray, shape (n,)
        Both not decreasing, from 0 to 1.

    Returns
    -------
    float
        Exact but for rounding, about ``1e-16 * n``.
    """
    n = len(low)
    if np.any(low > high):
        return 0.0
    # At low[i] no more than i points may have come, at high[i] at least i + 1 must have.
    times = np.concatenate([low, high])
    order = np.argsort(times, kind="stable")
    steps = np.diff(times[order], prepend=0.0)
    counts, first = np.ones(1), 0  # probabilities of first, first + 1, ... points so far
    logs, passed = 0.0, 0  # lower bounds so far: no more points than these may come before the next
    for which, step in zip(order.tolist(), steps.tolist(), strict=True):
        room = min(passed, n) - first + 1
        if step > 0:
            counts = np.convolve(counts, _poisson(n * step, room))[:room]
        if which < n:
            passed += 1
        elif which - n >= first:
            counts, first = counts[which - n + 1 - first :], which - n + 1
        total = counts.sum()
        if total == 0:
            return 0.0
        if total < _SMALL:
            counts, logs = counts / total, logs + math.log(total)
    # From the last bound to 1 no point comes.
    rest = n * (1 - times[order[-1]])
    log_poisson = n * math.log(n) - n - math.lgamma(n + 1)
    return math.exp(math.log(counts[n - first]) + logs - rest - log_poisson)


def _poisson(mean: float, most: int) -> Floats:
    """Probabilities of 0, 1, ... points as far as they matter, but of no more than so many numbers."""
    size = min(most, int(mean + 12 * math.sqrt(mean) + 20))
    k = _COUNTS[:size] if size <= len(_COUNTS) else np.arange(size, dtype=np.float64)
    log_factorials = _LOG_FACTORIALS[:size] if size <= len(_COUNTS) else scipy.special.gammaln(k + 1)
    return np.exp(k * math.log(mean) - mean - log_factorials)
