"""The support and the weights that a caller gives with scores."""

import math

import numpy as np
from numpy.typing import ArrayLike

from nqjax.errors import InputError
from nqjax.inputs import as_numbers, read_number, shortened
from nqjax.types import Floats


def support_of(support: tuple[float, float]) -> tuple[float, float]:
    """Return the support, which may be one point; raise InputError for anything but two numbers in order."""
    try:
        low, high = (read_number(end) for end in support)
    except (TypeError, ValueError):
        low = high = math.nan
    if not low <= high:
        raise InputError(f"the support is {shortened(support)}: give the lowest and the highest possible score")
    return low, high


def weights_of(weights: ArrayLike | None, count: int) -> Floats:
    """Return the weights of scores with the sum 1, equal ones for None; raise InputError for invalid ones."""
    if weights is None:
        return np.full(count, 1 / count)
    w = as_numbers("weights", weights)
    if w.shape != (count,):
        raise InputError(f"weights have shape {w.shape}: give one for each of {count} scores")
    if not (np.all((w >= 0) & np.isfinite(w)) and np.any(w > 0)):
        raise InputError("weights must be finite, not negative, and not all 0")
    w = w / np.max(w)
    return w / np.sum(w)
