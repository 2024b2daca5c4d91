"""Train the trials of a search with several objectives, a generation at a time, and keep them in a file."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Unpack

import numpy as np
from numpy.typing import NDArray

from nqjax.errors import InputError
from nqjax.search.optimizers.nsga2 import NSGA2
from nqjax.search.optimizers.registry import method_settings
from nqjax.search.run_options import RunOptions
from nqjax.search.runner import as_trials, execute, search_settings, trial_words
from nqjax.search.space import Config
from nqjax.search.task import Task
from nqjax.trials.search_lines import Row
from nqjax.trials.table import Trials

Floats = NDArray[np.float64]


class TrainedGenerations:
    """The trained trials of a search with several objectives.

    What a generation is follows from the key and the scores before it, which the file has: a search that was stopped
    goes on as if it had not been.

    Parameters
    ----------
    task : Task
    space : mapping
    method : NSGA2
    metrics : sequence of str
        The columns that are the objectives, then those that are the constraints.
    minimize : sequence of bool
        Of the objectives.
    key : key
    out : str, Path or None
    options
        As for `nqjax.search.run`.
    """

    def __init__(
        self,
        task: Task,
        space: Mapping[str, Any],
        method: NSGA2,
        metrics: Sequence[str],
        minimize: Sequence[bool],
        key: Any,
        out: str | Path | None,
        **options: Unpack[RunOptions],
    ) -> None:
        self._task, self._metrics, self._key, self._out, self._options = task, list(metrics), key, out, options
        sampling = {
            **method_settings(method),
            "batch": method.population,
            "metrics": self._metrics,
            "lower_is_better": list(minimize),
        }
        self._settings = search_settings(task, space, key, sampling)
        self._rows: list[Row] = []
        self._made_by: Mapping[str, Any] = {}

    def values(self, configs: list[Config]) -> Floats:
        """Train the next trials, and return their numbers, of shape (trials, objectives + constraints).

        They are NaN for a trial that failed before its first evaluation.
        """
        numbers = range(len(self._rows), len(self._rows) + len(configs))
        trials = as_trials(self._task, list(zip(numbers, configs, strict=True)), trial_words(self._key, numbers))
        found = execute(self._task, trials, self._settings, out=self._out, **self._options)
        self._options["resume"] = True  # the file is this search's own from now on
        self._made_by = found.made_by
        self._rows += found.rows
        missing = [name for name in self._metrics if name not in found]
        if missing:
            known = sorted(found.rows[0].get("curve", {}))
            raise InputError(
                f"the task {self._task.name} does not report {missing[0]!r}: it reports {', '.join(known)}"
            )
        rows = [[_number(row.get(name)) for name in self._metrics] for row in found.rows]
        return np.array(rows, np.float64)

    @property
    def trials(self) -> Trials:
        """The table of the trials so far."""
        return Trials(tuple(self._rows), self._settings, self._made_by)


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
