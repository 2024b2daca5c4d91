"""The unit to which scores were rounded, such as 0.01 for accuracies with two decimals."""

import numpy as np

from nqjax.types import Floats

#: Parts of the smallest difference that are tried as the unit.
_PARTS = (1, 2, 3, 4, 5, 6)

#: Largest distance from a multiple of the unit, in units.
_NEARLY_WHOLE = 1e-4

#: With more units than this between the scores, their rounding does not matter.
_MOST_UNITS = 1e5


def rounding_unit(scores: Floats) -> float:
    """Return the unit of which all finite scores are multiples, up to a constant; 0 if no score occurs twice.

    Scores that are all different are taken to be exact, even if they are printed with few digits: intervals of one unit
    would change nothing that the scores can tell.
    """
    y = np.sort(scores[np.isfinite(scores)])
    values = np.unique(y)
    if len(values) == len(y) or len(values) < 2:
        return 0.0
    steps = values - values[0]
    # Differences that only rounding errors make are no differences.
    gaps = np.diff(values)
    least = 256 * np.spacing(np.abs(values).max())
    gaps = gaps[gaps > least]
    if not len(gaps):
        return 0.0
    for parts in _PARTS:
        unit = gaps.min() / parts
        multiples = steps / unit
        if multiples[-1] > _MOST_UNITS:
            return 0.0
        whole = np.rint(multiples)
        if np.all(np.abs(multiples - whole) < _NEARLY_WHOLE + least / unit):
            # The whole range tells the unit more exactly than its smallest part.
            return float(f"{steps[-1] / whole[-1]:.10g}")
    return 0.0
