"""The median stopping rule on a table of learning curves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from nqjax.search.fidelity.methods import MedianStopping
from nqjax.trials.learning_curves import LearningCurves

Floats = NDArray[np.float64]


class Record(Protocol):
    """The best score of one search by cost."""

    def add(self, cost: float, score: float) -> bool:
        """Note a score that is known after a cost; return whether the budget allows more."""
        ...


def median_search(
    curves: LearningCurves, method: MedianStopping, batch: int
) -> Callable[[np.random.Generator, Record], None]:
    """Return a function that runs one search, given a generator and a record.

    Trials are drawn with replacement, in batches that follow each other, as `nqjax.search.run` runs them. A trial that
    fails costs what it trained, and is infinite, as in the table.
    """
    longest = max(1, *map(len, curves.values))
    count = len(curves)
    # What each trial has after each round, NaN after its end or failure: its best score, and the mean of its scores.
    best, means = np.full((2, count, longest), np.nan)
    costs = np.full((count, longest), np.nan)
    last = np.zeros(count, int)  # the round with which a training ends
    for i, (values, shares) in enumerate(zip(curves.values, curves.shares, strict=True)):
        bad = np.flatnonzero(~np.isfinite(values))
        whole = int(bad[0]) if len(bad) else len(values)
        best[i, :whole] = np.minimum.accumulate(values[:whole])
        means[i, :whole] = np.cumsum(values[:whole]) / np.arange(1, whole + 1)
        last[i] = max(min(whole, len(values) - 1), 0)
        costs[i, : len(values)] = shares * curves.lengths[i]
        if not len(values):  # it failed in its first round
            costs[i, 0] = curves.lengths[i] / longest
    final = curves.at([1.0])[:, 0]
    may_stop = np.arange(1, longest + 1) >= method.min_rounds

    def search(rng: np.random.Generator, record: Record) -> None:
        seen, cost, after = np.empty((0, longest)), 0.0, np.arange(longest)
        while True:
            rows = rng.integers(count, size=batch)
            stops = may_stop & (best[rows] > _limits(seen, method.startup))  # NaN stops nothing
            stops[np.arange(batch), last[rows]] = True
            ends = np.argmax(stops, axis=1)
            for row, end in zip(rows.tolist(), ends.tolist(), strict=True):
                cost += float(costs[row, end])
                if not record.add(cost, float(final[row] if end == last[row] else best[row, end])):
                    return
            seen = np.concatenate([seen, np.where(after <= ends[:, None], means[rows], np.nan)])

    return search


def _limits(means: Floats, startup: int) -> Floats:
    """Return the median of the means after each round; NaN where fewer than ``startup`` trials got there."""
    known = np.isfinite(means)
    enough = known.sum(axis=0) >= startup
    found = np.full(means.shape[1], np.nan)
    if enough.any():
        found[enough] = np.nanmedian(means[:, enough], axis=0)
    return found
