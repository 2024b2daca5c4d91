"""Coordinates in which the loss is a quadratic: one is bent where the data ask for it.

A loss that is steeper on one side of its optimum than on the other is no quadratic of a hyperparameter, but may be one
of a monotone function of it. The test of fit says where the data ask for one, and least squares say how much.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nqjax.surface.coordinates import Box, bend
from nqjax.surface.lack_of_fit import DOUBTFUL

if TYPE_CHECKING:
    from nqjax.surface.surface import ResponseSurface
    from nqjax.types import Floats

#: How much a coordinate may be bent: the slopes at its two ends differ by the factor ``exp(2 * bend)``.
BENDS = (-1.5, -1.0, -0.75, -0.5, -0.25, 0.25, 0.5, 0.75, 1.0, 1.5)


#: The p-value of the test of fit must rise by this factor.
_LEAST_GAIN = 10.0


def box_that_fits(surface: ResponseSurface) -> Box | None:
    """Return the box with the coordinate bent along which a quadratic fits worst; None where it fits, or none helps."""
    lack = surface.lack_of_fit
    if lack is None or lack.p_value > DOUBTFUL:
        return None
    name = min(lack.p_values, key=lambda one: lack.p_values[one])
    place = next(j for j, axis in enumerate(surface.box.axes) if axis.name == name)
    if surface.box.axes[place].bend:
        return None
    y = surface.sign * surface.scores
    inside = np.isfinite(y) & (y <= np.median(surface.sign * surface.threshold))
    z, present = surface.points[inside], surface.present[inside]
    groups, y = surface.groups[inside], y[inside]

    def rest(amount: float) -> float:
        bent = z.copy()
        bent[:, place] = np.where(present[:, place] > 0, bend(z[:, place], amount), 0.0)
        return _squares_left(bent, groups, y)

    found = [rest(amount) for amount in BENDS]
    best = int(np.argmin(found))
    return surface.box.bent(name, BENDS[best]) if found[best] < rest(0.0) else None


def _squares_left(z: Floats, groups: Floats, y: Floats) -> float:
    """Return the sum of squares that a quadratic leaves, in units of that of the scores."""
    i, j = np.triu_indices(z.shape[1])
    features = np.concatenate([np.ones((len(z), 1)), z, z[:, i] * z[:, j], groups], axis=1)
    unit = y - y.mean()
    unit /= np.max(np.abs(unit)) or 1.0
    left = unit - features @ np.linalg.lstsq(features, unit, rcond=None)[0]
    return float(left @ left)


def fits_better(new: ResponseSurface, old: ResponseSurface) -> bool:
    """Return whether the test of fit is much happier with a new surface."""
    after, before = new.lack_of_fit, old.lack_of_fit
    return after is None or (before is not None and after.p_value > _LEAST_GAIN * before.p_value)
