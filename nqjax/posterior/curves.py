"""Tuning curves of draws from a posterior."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from nqjax.special.chunked import best_of
from nqjax.types import Floats


def curves_of(parameters: tuple[Floats, ...], n: Floats, q: ArrayLike, unit: float, minimize: bool) -> Floats:
    """Return quantiles of the best of n trials for some draws.

    Parameters
    ----------
    parameters : tuple of ndarray, shape (draws,) each
        Best score of the regime, range, noise and gamma.
    n : ndarray
        Numbers of trials.
    q : array_like
        Probability of the quantile; it may differ for each draw, shape ``(draws, *1s)``.
    unit : float
        A unit of the scores in which nothing over- or underflows.
    minimize : bool

    Returns
    -------
    ndarray, shape ``(draws, *n.shape)``
    """
    return paired_curves(parameters, n[None], q, unit, minimize)


def paired_curves(parameters: tuple[Floats, ...], n: Floats, q: ArrayLike, unit: float, minimize: bool) -> Floats:
    """Return the same where each draw may have numbers of trials of its own, ``n`` of shape (draws or 1, *shape)."""
    draws, shape = len(parameters[0]), n.shape[1:]
    if not n.size:
        return np.empty((draws, *shape))
    best, delta, sigma, gamma = (a.reshape(-1, *[1] * len(shape)) for a in parameters)
    side = np.asarray(q if minimize else 1 - np.asarray(q), np.float64)
    r = unit * best_of(n, side, delta / unit, sigma / unit, gamma)
    return best + r if minimize else best - r


def quantiles_of(scores: Floats, shares: Sequence[float], minimize: bool) -> Floats:
    """Return quantiles over chains and draws, the first two axes; mirrored searches have mirrored ones to the digit."""
    chains, draws, *shape = scores.shape
    flat = scores.reshape(chains * draws, *shape)  # NumPy reduces two axes only where there are some numbers
    if minimize:
        return np.asarray(np.quantile(flat, shares, axis=0))
    return -np.asarray(np.quantile(-flat, [1 - share for share in shares], axis=0))
