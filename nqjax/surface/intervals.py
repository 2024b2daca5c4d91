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


def tails(confidence: float) -> tuple[float, float]:
    """Return the shares of draws below the two ends of an interval."""
    level = as_probability("confidence", confidence)
    return (1 - level) / 2, (1 + level) / 2


def intervals_of(draws: Floats, confidence: float) -> list[Interval]:
    """Return the interval of each column of draws, shape (draws, columns)."""
    low, high = tails(confidence)
    return [Interval(*map(float, row)) for row in np.quantile(draws, [0.5, low, high], axis=0).T]
