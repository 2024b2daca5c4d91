"""The trials of a search as the model of the surface needs them."""

import math
from typing import NamedTuple

import numpy as np

from nqjax.errors import InputError
from nqjax.estimation.candidates import candidate_thresholds
from nqjax.estimation.rounding import rounding_unit
from nqjax.surface.coordinates import Points
from nqjax.surface.model import Data
from nqjax.types import Floats

#: Thresholds in one program.
THRESHOLDS = 8

#: Fewest different scores.
_FEWEST = 8

#: Least number of rows in one program: few sizes, because programs are compiled for them.
_LEAST_SIZE = 64


class Trials(NamedTuple):
    """Trials on the scale of the model, and how to get back."""

    data: Data
    best: float  # the best score, where the scale begins
    unit: float  # of the scale
    thresholds: Floats  # (thresholds,), oriented to minimisation, on the scale of the scores


def read_trials(points: Points, scores: Floats, threshold: float | None) -> Trials:
    """Return the trials of a search.

    Parameters
    ----------
    points : Points
    scores : ndarray, shape (trials,)
        Oriented to minimisation; NaN and infinities are failed runs, which count as worse than any threshold.
    threshold : float or None
        The only threshold, or None for a sequence of them, from all scores down to a few.

    Raises
    ------
    InputError
        There are too few different scores.
    """
    y = np.where(np.isfinite(scores), scores, math.inf)
    finite = np.sort(y[np.isfinite(y)])
    if len(np.unique(finite)) < _FEWEST:
        some = len(np.unique(finite))
        raise InputError(f"{some} different scores are too few for a surface: run more trials, at least {_FEWEST}")
    d, categories = points.points.shape[1], points.groups.shape[1]
    coefficients = (d + 1) * (d + 2) // 2 + categories
    ends = _thresholds(np.sort(y), coefficients) if threshold is None else np.array([threshold])
    inside = finite[finite <= ends[-1]]
    if len(np.unique(inside)) < 5:
        raise InputError(
            f"the threshold leaves {len(inside)} scores: move it so that at least 5 different ones are inside"
        )
    best = float(finite[0])
    unit = float(np.quantile(finite, 0.25)) - best or float(np.ptp(inside))
    count, size = len(y), max(_LEAST_SIZE, 1 << (len(y) - 1).bit_length())
    more = size - count
    absent = THRESHOLDS - len(ends)
    data = Data(
        np.pad(points.points, ((0, more), (0, 0))),  # type: ignore[arg-type]
        np.pad(points.present, ((0, more), (0, 0))),  # type: ignore[arg-type]
        np.pad(points.groups, ((0, more), (0, 0))),  # type: ignore[arg-type]
        np.pad((y - best) / unit, (0, more)),  # type: ignore[arg-type]
        np.pad(np.ones(count), (0, more)),  # type: ignore[arg-type]
        np.pad((ends - best) / unit, (0, absent), mode="edge"),  # type: ignore[arg-type]
        np.float64((rounding_unit(finite) / unit) ** 2 / 12),  # type: ignore[arg-type]
    )
    return Trials(data, best, unit, ends)


def _thresholds(y: Floats, coefficients: int) -> Floats:
    """Return at most `THRESHOLDS` of the candidates, from all scores down to one for each coefficient.

    With fewer inside, a surface would follow the noise, and predict as well as it likes.
    """
    found = np.array(candidate_thresholds(y, 1.0))
    enough = np.searchsorted(y, found, side="right") >= coefficients
    found = found[enough] if np.any(enough) else found[:1]
    while len(found) > THRESHOLDS:
        found = found[::2]
    return found
