"""Does a quadratic fit? Trials inside the threshold against their predictions, along each coordinate."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import scipy  # its parts are imported when they are used

from nqjax.runtime.text import p_value
from nqjax.types import Floats

if TYPE_CHECKING:
    from nqjax.surface.draws import SurfaceDraws

#: Fewest trials inside, and most draws that are used.
_FEWEST = 12
_DRAWS = 200


#: Degree of the polynomials: a cubic one does not see that two basins lie on both sides of a ridge.
_DEGREE = 4

#: Fewest trials beyond the number of coefficients, and the share of a feature below which it is none.
_LEAST_FREEDOM = 3
_TINY = 1e-9

#: A p-value that is worth a warning.
DOUBTFUL = 0.01


class LackOfFit(NamedTuple):
    """A test of each coordinate, and of all together.

    Attributes
    ----------
    p_values : dict of str to float
        That a polynomial of degree 4 in a coordinate explains residuals as well by chance. 1 where there are hardly
        more trials inside the threshold than coefficients.
    p_value : float
        The least of them, times their number, at most 1.
    num_inside : int
    """

    p_values: dict[str, float]
    p_value: float
    num_inside: int


def find_lack_of_fit(surface: SurfaceDraws) -> LackOfFit | None:
    """Test whether residuals depend on the coordinates; None where fewer than 12 trials are inside the threshold.

    A residual is the normal score of a trial within its predicted distribution, given that it is better than the median
    threshold, averaged over draws. Where the surface is right, residuals depend on nothing.
    """
    y = surface.sign * surface.scores
    end = float(np.median(surface.sign * surface.threshold))
    inside = np.isfinite(y) & (y <= end)
    if inside.sum() < _FEWEST:
        return None
    some = np.linspace(0, len(surface.lowest) - 1, min(len(surface.lowest), _DRAWS)).astype(int)
    f = surface.losses(surface.points[inside], surface.present[inside], surface.groups[inside], some)
    noise = surface.noise[some, None]
    place = np.exp(scipy.special.log_ndtr((y[inside] - f) / noise) - scipy.special.log_ndtr((end - f) / noise))
    residual = scipy.special.ndtri(np.clip(np.mean(place, axis=0), 1e-6, 1 - 1e-6))
    points, present = surface.points[inside], surface.present[inside]
    fitted = _features(points * present, present, surface.groups[inside])
    found = {}
    for j, axis in enumerate(surface.box.axes):
        powers = np.polynomial.legendre.legvander(points[:, j], _DEGREE) * present[:, j, None]
        found[axis.name] = min(1.0, 2 * min(_tests(powers, fitted, residual)))
    worst = min(found.values(), default=1.0)
    return LackOfFit(found, min(1.0, worst * len(found)), int(inside.sum()))


def _features(z: Floats, present: Floats, groups: Floats) -> Floats:
    """Return the features of the surface, which a fit has taken from the residuals: shape (trials, features)."""
    i, j = np.triu_indices(z.shape[1])
    shifts = (groups[:, :, None] * z[:, None, :]).reshape(len(z), -1)
    return np.concatenate([np.ones((len(z), 1)), z, z[:, i] * z[:, j], groups, shifts, 1 - present], axis=1)


def doubts_of(lack: LackOfFit | None) -> list[str]:
    """Return a warning where a quadratic does not fit."""
    if lack is None or lack.p_value > DOUBTFUL:
        return []
    worst = min(lack.p_values, key=lambda name: lack.p_values[name])
    why = "the surface bends there, or has another scale"
    what = "give a smaller threshold, or the search space"
    return [f"a quadratic does not fit along {worst} ({p_value(lack.p_value)}): {why}; {what}"]


def _tests(powers: Floats, fitted: Floats, residual: Floats) -> tuple[float, float]:
    """Return p-values of two F tests: that terms of degree 3 and 4 explain nothing, and that no polynomial does.

    For the first, residuals and terms are taken without what the fitted features explain: residuals of a fit with about
    as many coefficients as trials would otherwise show patterns that are the fit's own. The second finds what the
    surface could not follow although it is a quadratic, as where the curvature would have to be negative; its level is
    lower than it says, because a fit leaves little of its own features. Both compare with what is left beyond all.
    """
    basis = _basis(fitted, _TINY)

    def beyond_fit(a: Floats) -> Floats:
        return np.asarray(a - basis @ (basis.T @ a))

    rest = beyond_fit(residual)
    own = _basis(beyond_fit(powers[:, 3:]), _TINY)
    explained = float(np.sum((own.T @ rest) ** 2))
    freedom = len(rest) - basis.shape[1] - own.shape[1]
    if freedom < _LEAST_FREEDOM:
        return 1.0, 1.0
    noise = max((float(rest @ rest) - explained) / freedom, 1e-300)
    polynomial = _basis(powers, _TINY)
    found = []
    for size, number in (
        (explained, own.shape[1]),
        (float(np.sum((polynomial.T @ residual) ** 2)), polynomial.shape[1]),
    ):
        found.append(float(scipy.special.fdtrc(number, freedom, size / number / noise)) if number else 1.0)
    return found[0], found[1]


def _basis(features: Floats, least: float) -> Floats:
    """Return orthonormal columns that span features, without those that are nearly 0."""
    left, sizes, _ = np.linalg.svd(features, full_matrices=False)
    return np.asarray(left[:, sizes > least * max(sizes[0], np.sqrt(len(features)))])
