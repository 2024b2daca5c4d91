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
        That terms of degree 3 and 4 in a coordinate explain residuals as well by chance. 1 where there are hardly more
        trials inside the threshold than coefficients.
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
        beyond = np.polynomial.legendre.legvander(points[:, j], _DEGREE)[:, 3:] * present[:, j, None]
        found[axis.name] = _test(beyond, fitted, residual)
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


def _test(extra: Floats, fitted: Floats, residual: Floats) -> float:
    """Return the p-value of the F test that further features explain nothing beyond the fitted ones.

    Both the residuals and the further features are taken without what the fitted ones explain: residuals of a fit with
    about as many coefficients as trials would otherwise show patterns that are the fit's own.
    """
    left, sizes, _ = np.linalg.svd(fitted, full_matrices=False)
    basis = left[:, sizes > _TINY * sizes[0]]

    def beyond_fit(a: Floats) -> Floats:
        return np.asarray(a - basis @ (basis.T @ a))

    rest, more = beyond_fit(residual), beyond_fit(extra)
    left, sizes, _ = np.linalg.svd(more, full_matrices=False)
    own = left[:, sizes > _TINY * np.sqrt(len(rest))]
    number = own.shape[1]
    freedom = len(rest) - basis.shape[1] - number
    if freedom < _LEAST_FREEDOM or not number:
        return 1.0
    explained = float(np.sum((own.T @ rest) ** 2))
    ratio = (explained / number) / max((float(rest @ rest) - explained) / freedom, 1e-300)
    return float(scipy.special.fdtrc(number, freedom, ratio))
