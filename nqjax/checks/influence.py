"""Share of the differences between scores that each hyperparameter explains, and ends where the best trials lie."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import scipy  # its parts are imported when they are used
from numpy.typing import NDArray

from nqjax.types import Floats

#: Most groups of the values of a number, and fewest trials of a group.
_MOST_GROUPS = 6
_FEWEST_TRIALS = 5

#: Share of the trials that are the best ones, and the fewest of them.
_BEST_SHARE = 0.1
_FEWEST_BEST = 8

#: Share of the values at an end of the range, and the p-value below which the best trials pile up there.
_END_SHARE = 0.1
_LEVEL = 0.01


class Influence(NamedTuple):
    """Share of the differences between scores that one hyperparameter explains by itself."""

    name: str
    share: float  # of the variance of the scores' ranks, between 0 and 1, corrected for chance
    p_value: float  # of a Kruskal-Wallis test, corrected for the number of hyperparameters (Holm)


@dataclass(frozen=True)
class Edge:
    """An end of the range of a hyperparameter at which the best trials pile up."""

    name: str
    end: str  # "lowest" or "highest"
    count: int  # of the best trials within the outer tenth of the values
    num_best: int
    p_value: float


def influences(config: Mapping[str, NDArray[Any]], scores: Floats, minimize: bool) -> list[Influence]:
    """Return the influence of each hyperparameter that varies, the largest first.

    Trials are grouped by the values of one hyperparameter at a time: by category, or by quantiles of a number. The
    share is epsilon squared of the Kruskal-Wallis statistic of the scores' ranks; failed runs rank last. Interactions
    are not seen, and neither is what matters near the best score only.

    Parameters
    ----------
    config : mapping of str to ndarray, each of shape (trials,)
    scores : ndarray, shape (trials,)
    minimize : bool
    """
    ranks = _ranks(scores, minimize)
    found = []
    for name, values in config.items():
        groups = group_values(values)
        parts = [ranks[groups == group] for group in np.unique(groups[groups >= 0])]
        if len(parts) < 2 or len(np.unique(np.concatenate(parts))) < 2:
            continue
        statistic, p_value = _kruskal_wallis(parts)
        count, number = sum(map(len, parts)), len(parts)
        share = max(0.0, (statistic - number + 1) / (count - number)) if count > number else 0.0
        found.append(Influence(name, min(share, 1.0), p_value))
    corrected = holm(np.array([one.p_value for one in found]))
    found = [one._replace(p_value=float(p)) for one, p in zip(found, corrected, strict=True)]
    return sorted(found, key=lambda one: (-one.share, one.p_value))


def edges(config: Mapping[str, NDArray[Any]], scores: Floats, minimize: bool) -> list[Edge]:
    """Return the ends of the ranges of numbers at which the best trials pile up.

    If a hyperparameter did not matter, a tenth of the best trials would have values in the outer tenth. The binomial
    test is corrected for the number of ends (Holm). Where trials pile up, a wider range may hold better scores.
    """
    y = np.where(np.isfinite(scores), scores if minimize else -np.asarray(scores), np.inf)
    num_best = max(_FEWEST_BEST, round(_BEST_SHARE * len(y)))
    if len(y) < 3 * num_best:
        return []
    best = np.argsort(y, kind="stable")[:num_best]
    found = []
    for name, values in config.items():
        if not np.issubdtype(values.dtype, np.number) or len(np.unique(values[np.isfinite(values)])) < 2 * _MOST_GROUPS:
            continue
        for end, x in (("lowest", values), ("highest", -values)):
            outer = x <= np.nanquantile(x, _END_SHARE)
            count, share = int(np.sum(outer[best])), float(np.mean(outer))
            p_value = float(scipy.special.betainc(count, num_best - count + 1, share)) if count else 1.0
            found.append(Edge(name, end, count, num_best, p_value))
    corrected = holm(np.array([one.p_value for one in found]))
    return [replace(one, p_value=float(p)) for one, p in zip(found, corrected, strict=True) if p < _LEVEL]


def _ranks(scores: Floats, minimize: bool) -> Floats:
    y = np.where(np.isfinite(scores), scores if minimize else -np.asarray(scores), np.inf)
    return _average_ranks(y)[0]


# `scipy.stats` has these, too, but takes a second to import, of which every analysis would be longer.


def _average_ranks(y: Floats) -> tuple[Floats, NDArray[np.int64]]:
    """Return ranks from 1, the mean one for equal values, and how often each value occurs."""
    _, place, counts = np.unique(y, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(counts) - (counts - 1) / 2)[place]), counts


def _kruskal_wallis(groups: list[Floats]) -> tuple[float, float]:
    """Return the statistic of Kruskal and Wallis (1952), corrected for ties, and its p-value."""
    ranks, ties = _average_ranks(np.concatenate(groups))
    sizes = np.array([len(group) for group in groups])
    sums = np.add.reduceat(ranks, np.cumsum(sizes) - sizes)
    count = len(ranks)
    statistic = 12 / (count * (count + 1)) * np.sum(sums**2 / sizes) - 3 * (count + 1)
    statistic /= 1 - np.sum(ties.astype(float) ** 3 - ties) / (float(count) ** 3 - count)
    return float(statistic), float(scipy.special.chdtrc(len(groups) - 1, statistic))


def group_values(values: NDArray[Any]) -> NDArray[np.int64]:
    """Return the group of each trial: a category, or a quantile group of a number; -1 for a missing or rare value."""
    if np.issubdtype(values.dtype, np.number):
        known = np.isfinite(values)
        different, inverse = np.unique(values, return_inverse=True)
        if len(different) > _MOST_GROUPS:
            number = min(_MOST_GROUPS, int(known.sum()) // _FEWEST_TRIALS)
            cuts = np.unique(np.quantile(values[known], np.arange(1, max(number, 1)) / max(number, 1)))
            return np.where(known, np.searchsorted(cuts, values, side="left"), -1)
    else:
        known = np.array([value is not None for value in values])
        _, inverse = np.unique(values.astype(str), return_inverse=True)
    counts = np.bincount(inverse)
    return np.where(known & (counts[inverse] >= _FEWEST_TRIALS), inverse, -1)


def holm(p_values: Floats) -> Floats:
    """Return p-values corrected for their number by Holm's method."""
    order = np.argsort(p_values)
    steps = np.maximum.accumulate(p_values[order] * (len(p_values) - np.arange(len(p_values))))
    corrected = np.empty(len(p_values))
    corrected[order] = np.minimum(steps, 1.0)
    return corrected
