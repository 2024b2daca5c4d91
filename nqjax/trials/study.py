"""The record of a search that was read: scores, configurations and what its file says about them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nqjax.trials.ranges import Range
from nqjax.types import Floats

#: Statuses of trials. Only a finished trial has a score.
FINISHED = "finished"
FAILED = "failed"
PRUNED = "pruned"
RUNNING = "running"
WAITING = "waiting"


@dataclass(frozen=True, eq=False, repr=False)
class StudyTable:
    """The trials of a search, as `nqjax.read_study` gives them.

    Attributes
    ----------
    scores : ndarray, shape (trials,), float64
        NaN for a trial that failed, was pruned or has not ended.
    metric : str
        The name of the column that holds the scores.
    direction : str or None
        ``"minimize"`` or ``"maximize"``; None where nothing says which.
    direction_from : str or None
        Where the direction comes from: ``"given"`` by the caller, ``"recorded"`` in the source, a ``"rank"`` column,
        the metric's ``"name"``; or ``"default"``: commands minimize if nothing is given or recorded.
    direction_hints : mapping of str to str
        What speaks for a direction: the metric's name, columns of ranks.
    config : mapping of str to ndarray, each of shape (trials,)
        Hyperparameters: numbers as float64 with NaN where they are missing, others as text with None.
    status : ndarray of str, shape (trials,)
        ``"finished"``, ``"failed"``, ``"pruned"`` or ``"running"``; trials that have not begun are left out.
    cost : ndarray, shape (trials,), or None
        Seconds or another cost of each trial, from the column ``cost_name``.
    curves : list of ndarray, or None
        The metric after each report of a trial.
    splits : mapping of str to ndarray, or None
        Scores of the single folds or seeds, whose mean the metric is.
    sampler : str or None
        The name of the sampler, where the source says it.
    source : str
        The file, folder or object, for messages.
    tool : str
        The tool that wrote it, or the format.
    columns : mapping of str to ndarray
        All columns, those without a role included.
    roles : mapping of str to str
        What each column was taken for.
    rows : tuple of str
        The place of each trial in its source, such as ``"row 3 (line 4)"``.
    ids : tuple of str, or None
        The name of each trial, where a column gives each its own.
    notes : tuple of str
        Sentences that say what was inferred and what was left out.
    warnings : tuple of str
        Sentences that say why the scores may not be those of one random search.
    ranges : mapping of str to Range
        In which ranges, and on which scale, numeric hyperparameters were searched, where the source says so.

    Examples
    --------
    >>> import nqjax
    >>> trials = [{"lr": 0.1, "loss": 0.5, "state": "ok"}, {"lr": 0.2, "loss": None, "state": "failed"}]
    >>> study = nqjax.read_study(trials, "loss")
    >>> study.scores.tolist(), study.status.tolist(), study.direction
    ([0.5, nan], ['finished', 'failed'], 'minimize')
    >>> study.config["lr"].tolist(), study.num_failed, study.num_hyperparameters
    ([0.1, 0.2], 1, 1)
    """

    scores: Floats
    metric: str
    direction: str | None
    direction_from: str | None
    direction_hints: Mapping[str, str]
    config: Mapping[str, NDArray[Any]]
    status: NDArray[np.str_]
    cost: Floats | None
    cost_name: str | None
    curves: list[Floats] | None
    splits: Mapping[str, Floats] | None
    sampler: str | None
    source: str
    tool: str
    columns: Mapping[str, NDArray[Any]]
    roles: Mapping[str, str]
    rows: tuple[str, ...]
    ids: tuple[str, ...] | None
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    ranges: Mapping[str, Range] = field(default_factory=dict)

    def __repr__(self) -> str:
        aim = self.direction or "no direction"
        words = f"{len(self)} trials of {self.source!r}, {self.num_failed} without a score"
        count = len(self.config)
        return f"StudyTable({words}; metric {self.metric!r}, {aim}; {count} hyperparameter{'s' * (count != 1)})"

    def __len__(self) -> int:
        return len(self.scores)

    @property
    def minimize(self) -> bool | None:
        """True if lower scores are better, None where nothing says which."""
        return None if self.direction is None else self.direction == "minimize"

    @property
    def num_hyperparameters(self) -> int:
        """The number of hyperparameters with more than one value."""
        return sum(len(set(values.astype(str).tolist())) > 1 for values in self.config.values())

    @property
    def num_failed(self) -> int:
        """The number of trials without a finite score."""
        return int(np.sum(~np.isfinite(self.scores)))
