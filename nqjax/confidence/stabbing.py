"""The set of lines that stab a stack of horizontal segments.

With gamma and the noise-to-range ratio ``s`` fixed, noisy quadratics are a location-scale family: the quantile of
probability p is ``alpha + delta * t(p)``. A CDF satisfies ``low <= F(y) <= high`` if the line ``alpha + delta * t``
passes below y at ``t(low)`` and above y at ``t(high)``, so it stabs a segment at height y. The lines that stab all
segments form a convex polygon of (alpha, delta), and linear functions of these are extreme at its corners.
"""

import math

import numpy as np

from nqjax.types import Floats


def stabbing_polygon(
    below: tuple[Floats, Floats], above: tuple[Floats, Floats], delta: tuple[float, float]
) -> tuple[Floats, float]:
    """Return the corners of the set of lines ``y = alpha + delta * t`` below some points and above others.

    Parameters
    ----------
    below, above : pair of ndarray
        Points (t, y): the line passes below the points ``below`` and above the points ``above``.
    delta : pair of float
        Finite bounds on the slope.

    Returns
    -------
    corners : ndarray, shape (corners, 2)
        Corners (alpha, delta), some of them twice; none if there is no such line.
    room : float
        The largest difference between the highest and the lowest alpha at one delta; negative if there is no such line.
    """
    upper = _envelope(*below)  # alpha is at most the lowest of the lines y - delta * t, concave in delta
    lower = _envelope(above[0], -above[1], sign=-1)
    low, high = delta
    kinks = np.unique(np.concatenate([[low, high], upper[0], lower[0]]))
    kinks = kinks[(kinks >= low) & (kinks <= high)]
    most, least = _value(upper, kinks), -_value(lower, kinks)
    room = most - least
    best = int(np.argmax(room))
    if room[best] < 0:
        return np.empty((0, 2)), float(room[best])
    # The room is concave and piecewise linear between the kinks.
    start, end = _crossing(kinks, room, best, -1), _crossing(kinks, room, best, +1)
    inside = kinks[(kinks > start) & (kinks < end)]
    places = np.concatenate([[start], inside, [end]])
    alpha = np.concatenate([_value(upper, places), -_value(lower, places)])
    return np.stack([alpha, np.tile(places, 2)], axis=1), float(room[best])


_Envelope = tuple[Floats, Floats, Floats]


def _envelope(t: Floats, y: Floats, sign: int = 1) -> _Envelope:
    """Return the lower envelope of the lines ``y - sign * delta * t`` in delta.

    It is given by the places of its bends, and the slopes and heights of its lines.
    """
    slope = -sign * t
    # Lines with a larger slope are lower at the left; of parallel lines the lowest counts.
    order = np.lexsort((y, -slope))
    lines: list[tuple[float, float]] = []
    bends: list[float] = []
    for m, c in zip(slope[order].tolist(), y[order].tolist(), strict=True):
        if lines and m == lines[-1][0]:
            continue
        while lines:
            at = (c - lines[-1][1]) / (lines[-1][0] - m)
            if bends and at <= bends[-1]:
                lines.pop()
                bends.pop()
            else:
                bends.append(at)
                break
        lines.append((m, c))
    table = np.array(lines) if lines else np.empty((0, 2))
    return np.array(bends), table[:, 0], table[:, 1]


def _value(envelope: _Envelope, delta: Floats) -> Floats:
    bends, slopes, heights = envelope
    if not len(slopes):
        return np.full(delta.shape, math.inf)
    i = np.searchsorted(bends, delta)
    return heights[i] + slopes[i] * delta


def _crossing(kinks: Floats, room: Floats, best: int, step: int) -> float:
    """Return the delta at which the room becomes 0, in the direction ``step`` from the kink with most room.

    The room is the length of the interval of alpha that is allowed at a delta.
    """
    i = best
    while 0 <= i + step < len(kinks):
        if room[i + step] < 0:
            share = room[i] / (room[i] - room[i + step])
            return float(kinks[i] + share * (kinks[i + step] - kinks[i]))
        i += step
    return float(kinks[i])
