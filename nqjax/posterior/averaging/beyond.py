"""The density of the scores beyond a threshold, which the theory says nothing about.

It is a kernel density of the logarithm of the distance from the best score; bandwidths follow the distances to the k-th
neighbours. The density at a score is that of the others (leave-one-out), so that no score is fitted by itself. k and a
common factor of the bandwidths are those with the largest product of these densities.

Bandwidths that are chosen on the same scores make this density look a little better than it is, the more so the more
scores it describes. Without a correction, small regimes are preferred among many scores. So each effective parameter
of the density costs a fixed number of nats.
"""

import math
from typing import NamedTuple

import numpy as np
import scipy.special

from nqjax.types import Floats

#: Neighbours whose distance is the bandwidth, and factors of it, among which the scores choose.
_NEIGHBOURS = (3, 5, 8, 12, 20)
_FACTORS = (0.5, 0.7, 1.0, 1.4, 2.0)

#: Smallest bandwidth, as a share of the range of the logarithms.
_NARROWEST = 1e-3

#: Fewest scores that have a density; with fewer, those beyond a threshold count as equally probable everywhere.
_FEWEST = 5

#: What each effective parameter of the density costs, in nats. docs/coverage.md has what this and others give.
_COST = 0.3

#: Most scores of a density: of more, evenly spread quantiles stand for all.
_MOST = 1500


def log_densities_beyond(scores: Floats, thresholds: Floats) -> Floats:
    """Return the log density of all scores beyond each threshold, given that they lie beyond it.

    Parameters
    ----------
    scores : ndarray, shape (num_scores,)
        Finite scores, oriented to minimisation.
    thresholds : ndarray, shape (thresholds,)

    Returns
    -------
    ndarray, shape (thresholds,)
        0 where no score lies beyond. What the parameters of the density cost is taken off.
    """
    y = np.sort(scores)
    every = y - y[0]
    share = 1.0
    if len(every) > _MOST:
        share = len(every) / _MOST
        every = np.quantile(every, (np.arange(_MOST) + 0.5) / _MOST)
    distance = every[every > 0]
    if len(distance) < _FEWEST:
        return np.zeros(len(thresholds))
    x = np.log(distance)
    log_density, width, own = _best_density(x)
    found = np.zeros(len(thresholds))
    for i, threshold in enumerate(thresholds):
        beyond = distance > threshold - y[0]
        if np.any(beyond):
            # Each kernel's mass beyond the threshold; a score's own kernel is left out.
            mass = scipy.special.ndtr((x - math.log(threshold - y[0])) / width)
            others = np.maximum(np.sum(mass) - mass[beyond], 1e-300) / (len(x) - 1)
            found[i] = share * np.sum(log_density[beyond] - x[beyond] - np.log(others)) - _COST * np.sum(own[beyond])
    return found


class _Density(NamedTuple):
    """A kernel density at its own points; fields have shape (points,)."""

    log_density: Floats  # that of the other points
    width: Floats  # of the kernels
    own: Floats  # share of each point's own kernel in the density there; they sum to the effective number of parameters


def _best_density(x: Floats) -> _Density:
    """Return the density with the largest product of leave-one-out densities."""
    apart = x[:, None] - x
    nearest = np.sort(np.abs(apart), axis=1)
    least = max(_NARROWEST * (x[-1] - x[0]), 1e-12)
    top, best = -math.inf, _Density(np.zeros(len(x)), np.ones(len(x)), np.zeros(len(x)))
    for neighbours in (k for k in _NEIGHBOURS if k < len(x)):
        for factor in _FACTORS:
            width = np.maximum(factor * nearest[:, neighbours], least)
            kernel = np.exp(-0.5 * (apart / width) ** 2) / (width * math.sqrt(2 * math.pi))
            own = np.diag(kernel).copy()
            np.fill_diagonal(kernel, 0.0)
            others = kernel.sum(axis=1)
            density = np.log(np.maximum(others / (len(x) - 1), 1e-300))
            if (total := float(density.sum())) > top:
                top, best = total, _Density(density, width, own / (own + others))
    return best
