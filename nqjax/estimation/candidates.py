"""Candidate thresholds of a regime: they keep from two thirds of the scores down to a few."""

import numpy as np

from nqjax.types import Floats

#: Fewest different scores in a regime.
FEWEST = 5

#: Largest share of the scores in a candidate regime.
_LARGEST_SHARE = 0.65

#: Ratio of the number of scores in a candidate regime to that in the next larger one.
_RATIO = 0.8

# The smallest candidate regime has at least this number and this share of the scores.
_FEWEST_SCORES = 12
_SMALLEST_SHARE = 0.05


def candidate_thresholds(y: Floats, largest: float = _LARGEST_SHARE) -> list[float]:
    """Return candidate thresholds, which are scores, from the largest regime to the smallest.

    ``y`` is sorted, with failed runs last as infinity; ``largest`` is the largest share of the scores in a regime.
    """
    finite = y[np.isfinite(y)]
    count, least = largest * len(y), max(_FEWEST_SCORES, _SMALLEST_SHARE * len(y))
    found: list[float] = []
    while not found or count >= least:
        found.append(float(finite[min(max(round(count), FEWEST), len(finite)) - 1]))
        count *= _RATIO
    # Drop repeated thresholds, and thresholds with too few different scores inside.
    distinct = np.unique(finite)
    kept = [t for t in dict.fromkeys(found) if np.searchsorted(distinct, t) >= FEWEST]
    return kept or [float(distinct[FEWEST - 1])]
