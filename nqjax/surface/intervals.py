"""Intervals of draws."""

from typing import NamedTuple

import numpy as np

from nqjax.inputs import as_probability
from nqjax.types import Floats


class Interval(NamedTuple):
    """An estimate, the median of the draws, with an interval."""

    estimate: float
    low: float
    high: float


#: Intervals leave out this share of the draws that their confidence would let them: docs/surface.md has the coverage.
_LEFT_OUT = 0.5


def tails(confidence: float) -> tuple[float, float]:
    """Return the shares of draws below the two ends of an interval."""
    tail = _LEFT_OUT * (1 - as_probability("confidence", confidence)) / 2
    return tail, 1 - tail


def intervals_of(draws: Floats, confidence: float) -> list[Interval]:
    """Return the interval of each column of draws, shape (draws, columns)."""
    low, high = tails(confidence)
    return [Interval(*map(float, row)) for row in np.quantile(draws, [0.5, low, high], axis=0).T]
