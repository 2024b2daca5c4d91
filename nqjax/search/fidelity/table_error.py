"""The error of the worth of a method on a table of learning curves, from drawing the table's trials again."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from nqjax.inputs import as_count
from nqjax.runtime.progress import Progress
from nqjax.search.configurations import key_words
from nqjax.search.fidelity.methods import MedianStopping, RungMethod
from nqjax.search.fidelity.replay import replay
from nqjax.search.fidelity.tables import CurveTable
from nqjax.trials.learning_curves import LearningCurves

Floats = NDArray[np.float64]

#: Tables that are drawn, and the searches on each by each method.
_TABLES = 30
_SEARCHES = 100

#: Largest share of a distribution that a best score may exceed, for a finite worth.
_HIGHEST = 1 - 1e-12


def table_error(
    table: CurveTable,
    methods: Sequence[str | RungMethod | MedianStopping] | Mapping[str, str | RungMethod | MedianStopping],
    at: Sequence[int],
    *,
    key: Any,
    workers: int = 8,
    progress: bool = False,
) -> dict[str, Floats]:
    """Return the standard deviation of the logarithm of each method's worth over tables drawn from a table.

    Searches on a table find its few best trials, and whether these look good early is a matter of chance. `nqjax.worth`
    does not see it: its interval is that of one table, however many searches are run. Here 30 tables are drawn from the
    trials with replacement (the bootstrap), and 100 searches are run on each.

    Parameters
    ----------
    table, methods, key, workers, progress
        As for `nqjax.search.replay`.
    at : sequence of int
        Costs in full trainings.

    Returns
    -------
    dict of ndarray, each of shape (costs,)

    Raises
    ------
    InputError
        As for `nqjax.search.replay`.

    Examples
    --------
    >>> import jax
    >>> import numpy as np
    >>> from nqjax.search import curve_table, table_error
    >>> rng = np.random.default_rng(0)
    >>> curves = [end + (1 - end) * np.exp(-np.arange(1, 10) / 3) for end in rng.uniform(size=100)]
    >>> found = table_error(curve_table(curves, minimize=True), ["random"], [5], key=jax.random.key(0))
    >>> bool(0 < found["random"][0] < 1)
    True
    """
    costs = np.array([as_count("at", cost) for cost in at])
    words = key_words(key)
    found: dict[str, list[Floats]] = {}
    with Progress("tables", _TABLES, show=progress) as bar:
        for place in range(_TABLES):
            rows = np.random.default_rng([*words, place]).integers(len(table), size=len(table))
            drawn = _taken(table, rows)
            own, budget = jax.random.fold_in(key, place), int(costs.max())
            best = replay(drawn, methods, replications=_SEARCHES, budget=budget, key=own, workers=workers)
            for name, scores in best.items():
                share = np.minimum(drawn.cdf(np.median(scores[:, costs - 1], axis=0)), _HIGHEST)
                found.setdefault(name, []).append(np.log(math.log(2) / -np.log1p(-share)))
            bar.advance(1)
    return {name: np.std(worths, axis=0, ddof=1) for name, worths in found.items()}


def _taken(table: CurveTable, rows: NDArray[np.int_]) -> CurveTable:
    """Return the table of some trials; what a full training costs stays as it is."""
    curves = None
    if (old := table.curves) is not None:
        values, shares = (tuple(parts[i] for i in rows) for parts in (old.values, old.shares))
        curves = LearningCurves(values, shares, old.lengths[rows], old.minimize)
    return CurveTable(table.scores[rows], table.costs[rows], table.eta, curves)
