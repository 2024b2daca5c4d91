"""Run a random search whose trials stop where they are worse than the median of earlier ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Unpack

import numpy as np
from numpy.typing import NDArray

from nqjax.errors import InputError
from nqjax.runtime.memory import check_memory
from nqjax.runtime.progress import Progress
from nqjax.search import configurations
from nqjax.search.engine.trial import Lane
from nqjax.search.fidelity.methods import MedianStopping, fidelity_settings
from nqjax.search.fidelity.staged import StagedTraining
from nqjax.search.run_options import RunOptions
from nqjax.search.runner import as_trials, search_settings, trial_words
from nqjax.search.task import Task
from nqjax.trials.search_lines import Row
from nqjax.trials.table import Trials

Floats = NDArray[np.float64]

#: Bytes that a trial takes at least, before it is trained: its configuration and its key.
_BYTES_PER_TRIAL = 500


class Medians:
    """The medians of the running means of trials after each round.

    Parameters
    ----------
    score : str
    rounds : int
        The rounds of the longest training.

    Examples
    --------
    >>> from nqjax.search.fidelity.median import Medians
    >>> found = Medians("loss", 3)
    >>> found.add([{"failed": False, "curve": {"loss": losses}} for losses in ([4, 2], [2, 1, 0], [3, 0])])
    >>> found.after(startup=2).tolist()
    [3.0, 1.5, nan]
    """

    def __init__(self, score: str, rounds: int) -> None:
        self._score = score
        self._means: list[list[float]] = [[] for _ in range(rounds)]

    def add(self, rows: Iterable[Row]) -> None:
        """Add trials; the round in which one failed does not count."""
        for row in rows:
            values = row["curve"].get(self._score, [])
            values = np.array(values[: len(values) - bool(row["failed"])], np.float64)
            means = np.cumsum(values) / np.arange(1, len(values) + 1)
            for own, mean in zip(self._means, means.tolist(), strict=False):
                own.append(mean)

    def after(self, startup: int) -> Floats:
        """Return the median after each round, of shape (rounds,); NaN where fewer than ``startup`` got there."""
        return np.array([np.median(own) if len(own) >= startup else np.nan for own in self._means])


def _rule(limits: Floats, score: str, minimize: bool, min_rounds: int) -> Callable[[Lane], bool]:
    """Return whether a trial stops after a round, given the medians after each round."""

    def stops(lane: Lane) -> bool:
        if lane.round < min_rounds:
            return False
        limit, values = float(limits[lane.round - 1]), lane.curve.get(score, [math.nan])
        return min(values) > limit if minimize else max(values) < limit

    return stops


def run_median(
    task: Task,
    space: Mapping[str, Any],
    method: MedianStopping,
    num_trials: int,
    batch: int,
    key: Any,
    *,
    out: str | Path | None,
    **options: Unpack[RunOptions],
) -> Trials:
    """Run a random search with the median stopping rule; arguments are checked, and as for `nqjax.search.run`.

    Batches follow each other, so that what a trial is compared with does not depend on what trains faster.
    """
    check_memory("num_trials", num_trials, _BYTES_PER_TRIAL)
    numbers = range(num_trials)
    configs = list(enumerate(configurations.samples(space, key, numbers)))
    trials = as_trials(task, configs, trial_words(key, numbers))
    longest = max(trial.rounds for trial in trials)
    if method.min_rounds >= longest:
        raise InputError(
            f"min_rounds is {method.min_rounds}, but the longest training has {longest} rounds: give less, so that "
            "trials may stop before their ends"
        )
    settings = search_settings(task, space, key, {**fidelity_settings(method), "batch": batch})
    show = options.get("progress", False)
    options["progress"] = False  # the bar is this one
    with (
        Progress("trials", num_trials, show=show) as bar,
        StagedTraining(task, settings, bar, out=out, **options) as training,
    ):
        training.add(trials)
        known = Medians(task.score, longest)
        for first in range(0, num_trials, batch):
            own = trials[first : first + batch]
            missing = {trial.number: trial.rounds for trial in own if trial.number not in training.rows}
            bar.advance(len(own) - len(missing))
            if missing:
                limits = known.after(method.startup)
                training.advance(missing, stops=_rule(limits, task.score, bool(task.minimize), method.min_rounds))
            known.add(training.rows[trial.number] for trial in own)
        found = training.table()
    return replace(found, rows=found.rows[:num_trials])  # the file may have more
