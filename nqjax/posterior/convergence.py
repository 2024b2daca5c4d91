"""Convergence of Markov chains: rank-normalised R-hat and effective sample sizes.

As defined by Vehtari, Gelman, Simpson, Carpenter and Bürkner (2021), "Rank-normalization, folding, and localization: an
improved R-hat for assessing convergence of MCMC", Bayesian Analysis 16(2), https://arxiv.org/abs/1903.08008. All
functions take draws of one parameter, shape (num_chains, num_samples), and return NaN for fewer than four draws a chain
and for draws with a NaN. The numbers agree with ArviZ's.
"""

import math

import numpy as np
import scipy.special
from numpy.typing import NDArray

from nqjax.types import Floats

_FEWEST_DRAWS = 4  # of each chain

_TAILS = (0.05, 0.95)  # the quantiles of the tail's effective sample size


def rhat(x: Floats) -> float:
    """Return the larger of R-hat for location and R-hat for scale, both of split chains.

    NaN for draws that are all equal, and for a single chain.
    """
    if len(x) < 2 or not _enough(x):
        return math.nan
    halves = _split(x)
    bulk = _plain_rhat(_normal_scores(halves))
    tail = _plain_rhat(_normal_scores(np.abs(halves - np.median(halves))))
    return max(bulk, tail)  # a NaN of the tail alone, as of two equally frequent values, does not count


def ess_bulk(x: Floats) -> float:
    """Return the effective sample size for the centre of the distribution (means and medians)."""
    return _ess(_normal_scores(_split(x))) if _enough(x) else math.nan


def ess_tail(x: Floats) -> float:
    """Return the smaller one of the effective sample sizes of the 5 % and the 95 % quantile."""
    if not _enough(x):
        return math.nan
    return min(_ess(_split(x <= quantile)) for quantile in np.quantile(x, _TAILS))


def _enough(x: Floats) -> bool:
    return x.shape[1] >= _FEWEST_DRAWS and not np.isnan(x).any()


def _split(x: NDArray[np.float64 | np.bool_]) -> Floats:
    """Return the two halves of each chain as chains; the middle draw of an odd number is left out."""
    half = x.shape[1] // 2
    return np.concatenate([x[:, :half], x[:, -half:]]).astype(np.float64)


def _normal_scores(x: Floats) -> Floats:
    """Return normal quantiles of the draws' ranks over all chains (Blom's offset, equation 14); ties share a rank."""
    _, place, counts = np.unique(x, return_inverse=True, return_counts=True)
    rank = np.cumsum(counts) - (counts - 1) / 2
    return np.asarray(scipy.special.ndtri((rank[place] - 0.375) / (x.size + 0.25)), np.float64).reshape(x.shape)


def _plain_rhat(x: Floats) -> float:
    """Return R-hat of chains that are not split (equations 1 to 4)."""
    num = x.shape[1]
    between = num * np.var(np.mean(x, axis=1), ddof=1)
    within = np.mean(np.var(x, axis=1, ddof=1))
    with np.errstate(invalid="ignore", divide="ignore"):
        return float(np.sqrt((between / within + num - 1) / num))


def _ess(x: Floats) -> float:
    """Return the effective sample size for the mean, by Geyer's initial monotone sequence (equations 10 to 13)."""
    chains, num = x.shape
    if np.ptp(x) < np.finfo(float).resolution:
        return float(x.size)
    covariance = np.mean(_autocovariance(x), axis=0)
    within = covariance[0] * num / (num - 1)
    total = covariance[0] + (np.var(np.mean(x, axis=1), ddof=1) if chains > 1 else 0.0)
    correlation = 1 - (within - covariance) / total
    correlation[0] = 1.0
    pairs = correlation[: num // 2 * 2].reshape(-1, 2).sum(axis=1)
    # The sum ends at the first pair that is not positive, or shortly before the end of the chain.
    last = max(0, -(-(num - 4) // 2))
    negative = np.flatnonzero(pairs[:last] <= 0)
    end = int(negative[0]) if len(negative) else last
    # Of the pair at the end, the even term alone counts, and with half the weight.
    rest = correlation[2 * end] if correlation[2 * end] > 0 or pairs[end] >= 0 else 0.0
    time = -1 + 2 * np.sum(np.minimum.accumulate(pairs[:end])) + rest
    return float(x.size / max(time, 1 / math.log10(x.size)))


def _autocovariance(x: Floats) -> Floats:
    """Return each chain's autocovariance at all lags, divided by the number of draws."""
    num = x.shape[1]
    size = 1 << (2 * num - 1).bit_length()  # enough zeros that nothing wraps around
    transform = np.fft.rfft(x - np.mean(x, axis=1, keepdims=True), size, axis=1)
    return np.fft.irfft(np.abs(transform) ** 2, size, axis=1)[:, :num] / num
