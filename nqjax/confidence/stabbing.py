"""Lines through a stack of horizontal segments, and what is extreme among them.

With gamma and the noise-to-range ratio ``s`` fixed, noisy quadratics are a location-scale family: the quantile of
probability p lies at ``alpha + delta * t(p)``. That a CDF keeps within bounds ``low <= F(y) <= high`` says that the
line ``alpha + delta * t`` passes below y at ``t(low)`` and above it at ``t(high)``: it stabs a segment at height y. The
lines that stab all segments make a convex polygon of (alpha, delta); what is linear in these is extreme at a corner.
"""

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def stabbing_polygon(
    below: tuple[Floats, Floats], above: tuple[Floats, Floats], delta: tuple[float, float]
) -> tuple[Floats, float]:
    """Corners of the set of lines ``y = alpha + delta * t`` that pass below some points and above others.

    Parameters
    ----------
    below, above : pair of ndarray
        Points (t, y): the line passes below those of the first, above those of the second.
    delta : pair of float
        Its slope's bounds, finite.

    Returns
    -------
    corners : ndarray, shape (corners, 2)
        Of (alpha, delta), some twice; no corner when no line does.
    room : float
        The largest difference between the highest and the lowest alpha at one delta; negative when no line does.
    """
    upper = _envelope(*below)  # alpha is at most y - delta * t: the lowest of these lines, concave in delta
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
    """The lowest of lines ``y - sign * delta * t`` over delta: where it bends, and slope and height of its lines."""
    slope = -sign * t
    # Lines with a larger slope win at the left; among equals the lowest.
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
    """Where the room, positive at the best kink, ends in one direction."""
    i = best
    while 0 <= i + step < len(kinks):
        if room[i + step] < 0:
            share = room[i] / (room[i] - room[i + step])
            return float(kinks[i] + share * (kinks[i + step] - kinks[i]))
        i += step
    return float(kinks[i])
