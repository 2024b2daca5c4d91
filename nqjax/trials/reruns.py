"""Take runs that repeat configurations, and find the columns that name the configuration of a run."""

from collections import Counter
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nqjax.errors import InputError
from nqjax.trials.columns import listed_names, missing_column
from nqjax.trials.labels import as_labels
from nqjax.trials.study import FINISHED, StudyTable
from nqjax.types import Floats

#: Names of columns that may name the configuration of a run, in lower case and without what precedes the last dot.
CONFIGURATION_NAMES = (
    *("config", "config_id", "configuration", "configuration_id", "config_number", "trial", "trial_id", "trial_number"),
    *("number", "candidate", "candidate_id", "id"),
)

#: Beginnings of the names of hyperparameters in the files of common tools.
PREFIXES = ("params_", "params.", "param_", "params/", "config.", "config/", "hyperparameters.", "hparams.")

#: Names of columns, in lower case, that are no hyperparameters.
_OTHERS = (
    *("seed", "random_seed", "run", "run_id", "name", "state", "status", "date", "time", "timestamp", "runtime"),
    *("duration", "created", "started", "finished", "failed", "repeat", "replicate", "rounds", "best_round"),
)

#: Text that stands for a hyperparameter that a run does not have.
_MISSING = "missing"


class Reruns(NamedTuple):
    """Runs of a file; runs of one configuration have the same labels in all columns."""

    scores: Floats  # (runs,)
    columns: dict[str, list[str]]  # labels of each run, by the column's name


def reruns_of(runs: StudyTable, config: Sequence[str] | None = None, search: StudyTable | None = None) -> Reruns:
    """Return runs of which some repeat a configuration, with the labels of their configurations.

    Parameters
    ----------
    runs : StudyTable
        The runs, one a row.
    config : sequence of str, optional
        Columns that together name a configuration. By default a column with such a name, such as ``config_id`` or
        ``trial``; or else the hyperparameters: the columns that the search has, too, without the metric.
    search : StudyTable, optional
        The search, by default the runs themselves.

    Raises
    ------
    InputError
        If a column is missing, or no columns are found under which a configuration occurs twice.
    """
    if config:
        return Reruns(runs.scores, _labels(runs, config))
    names = [name for name in runs.columns if name != runs.metric]
    tried = []
    for columns in _candidates(names, None if search is None else list(search.columns)):
        labels = _readable(runs, columns)
        tried.append(listed_names(list(labels)))
        if labels and max(Counter(zip(*labels.values(), strict=True)).values()) > 1:
            return Reruns(runs.scores, labels)
    for name in _naming(names):
        labels_of(runs, name)  # a run without a label is the reason, if there is one
    by = f" by {' or by '.join(dict.fromkeys(tried))}" if any(tried) else ""
    raise InputError(f"{runs.source}: no configuration occurs twice{by}: name its columns with --noise-config")


def seed_columns(study: StudyTable, names: str) -> dict[str, Floats]:
    """Return the columns of scores whose names are separated by commas or match a pattern such as ``split*_score``.

    Raises
    ------
    InputError
        If the study lacks a column, or fewer than two columns match.
    """
    there = list(study.columns)
    parts = [part.strip() for part in names.split(",") if part.strip()]
    found: dict[str, Floats] = {}
    for part in parts:
        matching = [part] if part in there else [name for name in there if fnmatchcase(name, part)]
        # A name that is not there raises the error that lists the columns.
        found |= {name: scores_of(study, name) for name in matching or [part]}
    if len(found) < 2:
        count = "1 column" if found else "no column"
        raise InputError(f"{study.source}: {names!r} is {count}: noise takes the scores of two seeds or more")
    return found


def _candidates(names: list[str], search: list[str] | None) -> list[list[str]]:
    """Return sets of columns that may name a configuration, the likeliest first."""
    single = _naming(names)
    marked = [name for name in names if name.casefold().startswith(PREFIXES)]
    shared = [
        name
        for name in marked or names
        if (search is None or name in search) and name not in single and _word(name) not in _OTHERS
    ]
    return [*([name] for name in single), *([shared] if shared else [])]


def _naming(names: list[str]) -> list[str]:
    """Return the columns whose names say that they name a configuration, the likeliest first."""
    found = [name for name in names if names_configuration(name)]
    return sorted(found, key=lambda name: CONFIGURATION_NAMES.index(_word(name)))


def names_configuration(name: str) -> bool:
    """Return whether a column's name says that it may name the configuration of a run."""
    return _word(name) in CONFIGURATION_NAMES


def _word(name: str) -> str:
    return name.casefold().rsplit(".", 1)[-1]


def _labels(runs: StudyTable, names: Sequence[str]) -> dict[str, list[str]]:
    # A hyperparameter that a run does not have may be missing, but not the only label.
    return {name: labels_of(runs, name, missing=_MISSING if len(names) > 1 else None) for name in names}


def _readable(runs: StudyTable, names: Sequence[str]) -> dict[str, list[str]]:
    """Return the columns that hold labels: lists and objects are not hyperparameters."""
    found = {}
    for name in names:
        try:
            found[name] = labels_of(runs, name, missing=_MISSING if len(names) > 1 else None)
        except InputError:
            continue
    return found


def labels_of(runs: StudyTable, name: str, missing: str | None = None) -> list[str]:
    """Return a column as labels, one a run; ``missing`` is that of a run without one, which is an error by default."""
    return as_labels(_column(runs, name).tolist(), name, f"{runs.source}, ", missing)


def _column(study: StudyTable, name: str) -> np.ndarray:
    if name not in study.columns:
        raise missing_column(Path(study.source), name, list(study.columns))
    return study.columns[name]


def scores_of(study: StudyTable, name: str) -> Floats:
    """Return a column of scores; only a finished trial has some."""
    if name == study.metric:
        return study.scores
    column = _column(study, name)
    if column.dtype != np.float64:
        raise InputError(f"{study.source}: column {name!r} holds text, not numbers; choose a column of scores")
    return np.where(study.status == FINISHED, column, np.nan)
