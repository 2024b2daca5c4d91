"""Many searches on a table of learning curves, compared at equal cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nqjax.errors import InputError
from nqjax.inputs import as_count
from nqjax.runtime.progress import Progress
from nqjax.search.configurations import key_words
from nqjax.search.fidelity.asha import Asha, Job
from nqjax.search.fidelity.median_replay import median_search
from nqjax.search.fidelity.methods import (
    ASHA,
    BOHB,
    Hyperband,
    MedianStopping,
    RungMethod,
    SuccessiveHalving,
    as_fidelity_method,
)
from nqjax.search.fidelity.population_based import PopulationBasedTraining
from nqjax.search.fidelity.tables import CurveTable

Floats = NDArray[np.float64]

#: Costs that differ by rounding are the same.
_SAME = 1e-9


def replay(
    table: CurveTable,
    methods: Sequence[str | RungMethod | MedianStopping] | Mapping[str, str | RungMethod | MedianStopping],
    *,
    replications: int,
    budget: int,
    key: Any,
    workers: int = 8,
    progress: bool = False,
) -> dict[str, Floats]:
    """Run each method many times on a table, and return its best score after each cost.

    A search draws the trials of the table at random, with replacement. What it costs to train each of them up to each
    rung is what the table says; so are the order in which ASHA's jobs end, and all of its decisions.

    Parameters
    ----------
    table : CurveTable
        See `nqjax.search.curve_table`; its ``eta`` is that of all methods, and its first rung their shortest training.
    methods : sequence, or mapping from names
        "random", "halving", "hyperband", "asha", "median" or instances. Random search trains every trial to its end.
        Rounds of the median stopping rule are values of the curves.
    replications : int
        Searches by each method. Search ``r`` is the same however many there are.
    budget : int
        The cost of a search, in full trainings.
    key : key
        A JAX key.
    workers : int, optional
        Workers of ASHA whose settings do not say it, and trials in a batch of the median stopping rule. A worker of
        ASHA costs from the start of the search to its end.
    progress : bool, optional
        Whether to show progress.

    Returns
    -------
    dict of ndarray, each of shape (replications, budget)
        Column ``c - 1`` has the best score after a cost of ``c``, of trials at any rung, lower ones better; infinite
        where no job has ended yet. `nqjax.worth` with ``unit="full trainings"`` takes these as runs, and the table as
        the baseline.

    Raises
    ------
    InputError
        A method is unknown, or its settings are not those of the table.

    Examples
    --------
    >>> import jax
    >>> import numpy as np
    >>> import nqjax
    >>> from nqjax.search import curve_table, replay
    >>> rng = np.random.default_rng(0)
    >>> curves = [end + (1 - end) * np.exp(-np.arange(1, 10) / 3) for end in rng.uniform(size=300)]
    >>> table = curve_table(curves, minimize=True)
    >>> best = replay(table, ["random", "halving"], replications=200, budget=12, key=jax.random.key(0))
    >>> found = nqjax.worth(best["halving"], table, at=[12], unit="full trainings")
    >>> bool(found.lower[0] > 12)
    True
    """
    named = _named(methods)
    for name, method in named.items():
        if isinstance(method, MedianStopping):
            if table.curves is None:
                raise InputError(f"{name} needs whole learning curves: make the table by nqjax.search.curve_table")
        elif method is not None and (method.eta != table.eta or method.min_rounds != 1):
            raise InputError(
                f"{name} is {method}, but the table says the rungs, with eta = {table.eta}: make another table "
                "(nqjax.search.curve_table, eta and rungs), and leave eta and min_rounds"
            )
    count, budget = as_count("replications", replications), as_count("budget", budget)
    workers, words = as_count("workers", workers), key_words(key)
    found = {}
    with Progress("searches", count * len(named), show=progress) as bar:
        for name, method in named.items():
            search = _search(table, method, workers)
            best = np.full((count, budget), np.inf)
            for number in range(count):
                search(np.random.default_rng([*words, number]), _Record(best[number]))
                bar.advance(1, name)
            found[name] = np.minimum.accumulate(best, axis=1)
    return found


class _Record:
    """The best score of one search by cost."""

    def __init__(self, best: Floats) -> None:
        self._best = best
        self.budget = len(best)

    def add(self, cost: float, score: float) -> bool:
        """Note a score that is known after a cost; return whether the budget allows more."""
        place = max(int(np.ceil(cost - _SAME)), 1) - 1
        if place >= self.budget:
            return False
        self._best[place] = min(self._best[place], score)
        return True


_Search = Callable[[np.random.Generator, Any], None]


def _search(table: CurveTable, method: RungMethod | MedianStopping | None, workers: int) -> _Search:
    if method is None:
        return lambda rng, record: _random(table, rng, record)
    if isinstance(method, MedianStopping):
        assert table.curves is not None  # `replay` has checked it
        return median_search(table.curves, method, workers)
    if isinstance(method, ASHA):
        own = method.workers or workers
        return lambda rng, record: _asha(table, own, rng, record)
    rungs = table.rungs
    plan = [(table.eta ** (rungs - 1), 0)]
    if isinstance(method, Hyperband):
        plan = [(-(-rungs * table.eta ** (n - 1) // n), rungs - n) for n in range(rungs, 0, -1)]
    return lambda rng, record: _brackets(table, plan, rng, record)


def _random(table: CurveTable, rng: np.random.Generator, record: _Record) -> None:
    cost, going = 0.0, True
    while going:
        for row in rng.integers(len(table), size=record.budget):
            cost += table.costs[row, -1]
            going = record.add(cost, table.scores[row, -1])
            if not going:
                break


def _brackets(table: CurveTable, plan: Sequence[tuple[int, int]], rng: np.random.Generator, record: _Record) -> None:
    """Run brackets of successive halving one after the other, a trial at a time."""
    cost, number = 0.0, 0
    while True:
        size, first = plan[number % len(plan)]
        number += 1
        rows = rng.integers(len(table), size=size)
        for rung in range(first, table.rungs):
            before = table.costs[rows, rung - 1] if rung > first else 0.0
            ends = cost + np.cumsum(table.costs[rows, rung] - before)
            scores = table.scores[rows, rung]
            for end, score in zip(ends.tolist(), scores.tolist(), strict=True):
                if not record.add(end, score):
                    return
            cost = float(ends[-1]) if len(ends) else cost
            kept = np.argsort(scores, kind="stable")[: max(1, size // table.eta ** (rung - first + 1))]
            rows = rows[kept[np.isfinite(scores[kept])]]


def _asha(table: CurveTable, workers: int, rng: np.random.Generator, record: _Record) -> None:
    most = int(record.budget / table.costs[:, 0].min()) + workers + 1
    rows = rng.integers(len(table), size=most)
    scores = table.scores[rows].tolist()
    durations = np.diff(table.costs, axis=1, prepend=0.0)[rows].tolist()

    def duration(job: Job) -> float:
        return float(durations[job.trial][job.rung])

    asha = Asha(most, workers, table.rungs, table.eta, duration)
    asha.start()
    while (job := asha.next()) is not None:
        score = scores[job.trial][job.rung]
        if not record.add(asha.end(score) * workers, score):
            return
        asha.start()


def _named(methods: Any) -> dict[str, RungMethod | MedianStopping | None]:
    """Return the methods by name; random search is None."""
    if isinstance(methods, str) or not methods:
        raise InputError("methods must be a list of names, such as ['random', 'asha']")
    known = ["random", SuccessiveHalving.name, Hyperband.name, ASHA.name, MedianStopping.name]
    found: dict[str, RungMethod | MedianStopping | None] = {}
    pairs = methods.items() if isinstance(methods, Mapping) else ((None, method) for method in methods)
    for given, method in pairs:
        own = as_fidelity_method(method)
        if (own is None and method != "random") or isinstance(own, BOHB | PopulationBasedTraining):
            raise InputError(f"method is {method!r}, which a table cannot run: choose from {', '.join(known)}")
        name = str(given) if given is not None else ("random" if own is None else own.name)
        if name in found:
            raise InputError(f"the method {name} is given twice: give a mapping from names of your own")
        found[name] = own
    return found
