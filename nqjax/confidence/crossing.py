"""The exact probability that an empirical CDF stays between two boundaries.

For uniform order statistics ``U_(1) <= ... <= U_(n)``, the number of points up to time t is a Poisson process of rate
n, conditioned on n points until time 1. Between neighbouring bounds the distribution of the count is convolved with a
Poisson distribution; at a bound, counts that violate it are dropped (Moscovich and Nadler 2017, "Fast calculation of
boundary crossing probabilities for Poisson processes"). Only about sqrt(n) counts are possible at any time, so direct
convolutions of short vectors replace the Fourier transforms of the reference and take n**1.5 operations.
"""

import math

import numpy as np
import scipy.special

from nqjax.types import Floats

# Tables for the short vectors.
_COUNTS = np.arange(256.0)
_LOG_FACTORIALS = scipy.special.gammaln(_COUNTS + 1)

#: Probabilities with a smaller sum are rescaled.
_RESCALED_BELOW = 1e-100


def probability_within(low: Floats, high: Floats) -> float:
    """Return the probability that ``low[i] <= U_(i + 1) <= high[i]`` for all n uniform order statistics.

    Parameters
    ----------
    low, high : ndarray, shape (n,)
        Bounds between 0 and 1 that do not decrease.

    Returns
    -------
    float
        Exact up to rounding errors of about ``1e-16 * n``.
    """
    n = len(low)
    if np.any(low > high):
        return 0.0
    # At most i points may come before low[i], and at least i + 1 must come before high[i].
    times = np.concatenate([low, high])
    order = np.argsort(times, kind="stable")
    steps = np.diff(times[order], prepend=0.0)
    counts, first = np.ones(1), 0  # probabilities of first, first + 1, ... points so far
    logs, passed = 0.0, 0  # lower bounds so far: at most this many points may come before the next one
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
        if total < _RESCALED_BELOW:
            counts, logs = counts / total, logs + math.log(total)
    # No point comes between the last bound and 1.
    rest = n * (1 - times[order[-1]])
    log_poisson = n * math.log(n) - n - math.lgamma(n + 1)
    return math.exp(math.log(counts[n - first]) + logs - rest - log_poisson)


def _poisson(mean: float, most: int) -> Floats:
    """Return the Poisson probabilities of 0, 1, ... points: at most ``most`` numbers, without a negligible tail."""
    size = min(most, int(mean + 12 * math.sqrt(mean) + 20))
    k = _COUNTS[:size] if size <= len(_COUNTS) else np.arange(size, dtype=np.float64)
    log_factorials = _LOG_FACTORIALS[:size] if size <= len(_COUNTS) else scipy.special.gammaln(k + 1)
    return np.exp(k * math.log(mean) - mean - log_factorials)
