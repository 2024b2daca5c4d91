"""The table of trials: what a search returns and what its file holds."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nqjax.errors import InputError
from nqjax.trials.columns import listed_names
from nqjax.trials.json_lines import JSON_ENDINGS, json_objects
from nqjax.trials.scores import checked_ending
from nqjax.trials.search_lines import HEADER, Row, SearchLines, settings_problem, trial_problem


@dataclass(frozen=True)
class Trials:
    """The trials of a search, in the order of their numbers.

    ``trials["val_loss"]`` is a column and ``trials.keys()`` has the columns' names, so the table can be used as a
    mapping of columns; ``trials.scores`` is what `nqjax.fit` takes.

    Attributes
    ----------
    rows : tuple of dict
        As in the file: the trial's number, its hyperparameters, its metrics at the round where the score was best,
        ``failed``, ``best_round`` and ``rounds``, and ``curve``, the metrics after each round.
    settings : mapping
        The search's task, space, key and score.
    made_by : mapping
        Versions, the device, and the number of trials in a program.

    Examples
    --------
    >>> from nqjax.data import digits_mlp_path
    >>> from nqjax.trials import read_trials
    >>> trials = read_trials(digits_mlp_path())
    >>> len(trials), trials.score, trials.minimize
    (1024, 'val_loss', True)
    >>> trials["learning_rate"].shape, int(trials.failed.sum())
    ((1024,), 0)
    >>> trials.best["trial"], round(trials.best["val_loss"], 4)
    (529, 0.0314)
    """

    rows: tuple[Row, ...] = field(repr=False)
    settings: Mapping[str, Any]
    made_by: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.rows)

    def keys(self) -> list[str]:
        """Return the names of the columns."""
        names = dict.fromkeys(name for row in self.rows for name in row)
        return [name for name in names if name != "curve"]

    def __contains__(self, name: object) -> bool:
        return name in self.keys()

    def __getitem__(self, name: str) -> NDArray[Any]:
        if name not in self.keys():
            raise KeyError(f"there is no column {name!r}; the columns: {listed_names(self.keys())}")
        values = [row.get(name) for row in self.rows]
        if any(isinstance(value, list) for value in values):
            return np.fromiter(values, object, len(values))  # np.array would make lists of one length a matrix
        if any(isinstance(value, str) for value in values):
            return np.array(values, object)
        if all(isinstance(value, bool) for value in values):
            return np.array(values)
        if all(isinstance(value, int) for value in values):
            return np.array(values)
        return np.array([math.nan if value is None else value for value in values], np.float64)

    @property
    def score(self) -> str:
        """The name of the score."""
        return str(self.settings["score"])

    @property
    def minimize(self) -> bool:
        """True if lower scores are better."""
        return bool(self.settings["minimize"])

    @property
    def scores(self) -> NDArray[np.float64]:
        """The score of each trial; NaN if it failed before its first evaluation."""
        return np.asarray(self[self.score], np.float64)

    @property
    def failed(self) -> NDArray[np.bool_]:
        """For each trial, whether its loss or a metric became infinite or NaN."""
        return np.asarray(self["failed"], bool)

    @property
    def best(self) -> Row | None:
        """The row with the best score, or None if no trial has a score."""
        return best_row(self.rows, self.score, self.minimize)

    def curves(self, metric: str) -> list[NDArray[np.float64]]:
        """Return one array for each trial: the metric after each round, NaN where it was not finite.

        Raises
        ------
        InputError
            If the file has no learning curves, as the one that ships with the package.
        """
        if any("curve" not in row for row in self.rows):
            raise InputError("these trials have no learning curves: they were left out of their file")
        return [np.array([math.nan if v is None else v for v in row["curve"][metric]]) for row in self.rows]


def best_row(rows: Iterable[Row], score: str, minimize: bool) -> Row | None:
    """Return the row with the best score, the first of equal ones, or None if no row has a score."""
    scored = [row for row in rows if row.get(score) is not None]
    return (min if minimize else max)(scored, key=lambda row: row[score]) if scored else None


def read_trials(path: str | Path) -> Trials:
    """Read a file that `nqjax.search` has written.

    Parameters
    ----------
    path : str or Path
        A .jsonl file.

    Returns
    -------
    Trials
        The trials in the order of their numbers; a line that is there twice counts once.

    Raises
    ------
    InputError
        If the file cannot be read, was not written by a search, or was changed since; the message names the line.

    Examples
    --------
    >>> from nqjax.data import digits_mlp_path
    >>> from nqjax.trials import read_trials
    >>> trials = read_trials(digits_mlp_path())
    >>> trials.settings["task"], list(trials.settings["space"])[:2]
    ('digits-mlp', ['dropout', 'init_scale'])
    """
    path = Path(path)
    lines, rows = SearchLines(path), {}
    unknown = f"{path} was not written by nqjax search: its first line does not say what made it"
    with checked_ending(path) as ending:
        if ending not in JSON_ENDINGS:
            raise InputError(unknown)
        for line, value in json_objects(path):
            if not lines.settings and HEADER not in value:
                raise InputError(unknown)
            row = lines.read(line, value)
            problem = settings_problem(lines.settings) if row is None else trial_problem(row, lines.settings)
            if problem is not None:
                raise lines.error(line, problem)
            if row is not None:
                rows[row["trial"]] = row
    return Trials(tuple(rows[number] for number in sorted(rows)), lines.settings, lines.made_by)
