"""Ranks and correlations; NaN where a correlation is undefined."""

from __future__ import annotations

import math

import numpy as np

from nqjax.types import Floats

#: Fewer pairs than this have no correlation worth a number.
_FEWEST = 3


def average_ranks(values: Floats) -> Floats:
    """Return ranks from 1 up, equal values with the mean of their ranks.

    Examples
    --------
    >>> import numpy as np
    >>> average_ranks(np.array([3.0, 1.0, 3.0])).tolist()
    [2.5, 1.0, 2.5]
    """
    order = np.argsort(values)
    ordered = values[order]
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1])[: len(ordered)])
    size = np.diff(np.append(starts, len(ordered)))
    ranks = np.empty(len(ordered))
    ranks[order] = np.repeat(starts + (size + 1) / 2, size)
    return ranks


def inner(x: Floats, y: Floats) -> float:
    """Return the sum of products; unlike a product of BLAS, it starts no threads, whose waiting costs more."""
    return float(np.sum(x * y))


def pearson(x: Floats, y: Floats) -> float:
    """Return Pearson's correlation."""
    if len(x) < _FEWEST:
        return math.nan
    # Scaled first: squares of huge losses would overflow.
    x, y = x - x.mean(), y - y.mean()
    largest = np.abs(x).max(), np.abs(y).max()
    if not all(largest):
        return math.nan
    x, y = x / largest[0], y / largest[1]
    return inner(x, y) / math.sqrt(inner(x, x) * inner(y, y))


def spearman(x: Floats, y: Floats) -> float:
    """Return Spearman's correlation, with average ranks."""
    return pearson(average_ranks(x), average_ranks(y))
