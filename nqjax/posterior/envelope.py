"""Simultaneous bands from draws of curves: each holds whole curves with its probability."""

import math

import numpy as np

from nqjax.types import Floats


def envelope(curves: Floats, confidence: float) -> tuple[Floats, Floats]:
    """Return a band that holds at least this share of the curves at all their points together.

    It is the rank envelope: between the k-th lowest and the k-th highest value at each point, with the largest k that
    still holds the share of whole curves (Myllymaki et al. 2017).

    Parameters
    ----------
    curves : ndarray, shape (draws, points)
    confidence : float
        Probability of the band.

    Returns
    -------
    low, high : ndarray, shape (points,)
    """
    count = len(curves)
    order = np.argsort(curves, axis=0, kind="stable")
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.arange(count)[:, None], axis=0)
    # How many values lie beyond a curve, on the side where fewer do, at the point where that is fewest.
    depth = np.minimum(ranks, count - 1 - ranks).min(axis=1)
    k = int(np.sort(depth)[count - math.ceil(confidence * count)])
    ordered = np.take_along_axis(curves, order, axis=0)
    return ordered[k], ordered[count - 1 - k]
