"""Does a quadratic fit? Trials inside the threshold against their predictions, along each coordinate."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import scipy  # its parts are imported when they are used

from nqjax.runtime.text import p_value

if TYPE_CHECKING:
    from nqjax.surface.draws import SurfaceDraws

#: Fewest trials inside, and most draws that are used.
_FEWEST = 12
_DRAWS = 200


#: Degree of the polynomials: a cubic one does not see that two basins lie on both sides of a ridge.
_DEGREE = 4

#: A p-value that is worth a warning.
_DOUBTFUL = 0.01


class LackOfFit(NamedTuple):
    """A test of each coordinate, and of all together.

    Attributes
    ----------
    p_values : dict of str to float
        That a polynomial of degree 4 in a coordinate explains residuals as well by chance.
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
    found = {}
    for j, axis in enumerate(surface.box.axes):
        here = surface.present[inside, j] > 0
        if here.sum() >= _FEWEST:
            found[axis.name] = _polynomial_test(surface.points[inside, j][here], residual[here])
    worst = min(found.values(), default=1.0)
    return LackOfFit(found, min(1.0, worst * len(found)), int(inside.sum()))


def doubts_of(lack: LackOfFit | None) -> list[str]:
    """Return a warning where a quadratic does not fit."""
    if lack is None or lack.p_value > _DOUBTFUL:
        return []
    worst = min(lack.p_values, key=lambda name: lack.p_values[name])
    why = "the surface bends there, or has another scale"
    what = "give a smaller threshold, or the search space"
    return [f"a quadratic does not fit along {worst} ({p_value(lack.p_value)}): {why}; {what}"]


def _polynomial_test(z: np.ndarray, residual: np.ndarray) -> float:
    """Return the p-value of the F test that a polynomial explains nothing."""
    x = np.polynomial.legendre.legvander(z, _DEGREE)
    rank = np.linalg.matrix_rank(x)
    rest = residual - x @ np.linalg.lstsq(x, residual, rcond=None)[0]
    explained = np.sum((residual - residual.mean()) ** 2) - np.sum(rest**2)
    freedom = len(z) - rank
    if freedom < 2 or rank < 2:
        return 1.0
    ratio = (explained / (rank - 1)) / (np.sum(rest**2) / freedom)
    return float(scipy.special.fdtrc(rank - 1, freedom, ratio))
