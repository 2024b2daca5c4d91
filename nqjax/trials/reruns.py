"""Read runs that repeat configurations, and find the columns that name the configuration of a run."""

from collections import Counter
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

import numpy as np

from nqjax.errors import InputError
from nqjax.trials.columns import listed_names, missing_column
from nqjax.trials.labels import as_labels, read_labels
from nqjax.trials.names import read_names
from nqjax.trials.scores import read_scores
from nqjax.trials.study import StudyTable
from nqjax.types import Floats

#: Names of columns that may name the configuration of a run, in lower case and without what precedes the last dot.
CONFIGURATION_NAMES = (
    *("config", "config_id", "configuration", "configuration_id", "config_number", "trial", "trial_id", "trial_number"),
    *("number", "candidate", "candidate_id", "id"),
)

#: Beginnings of the names of hyperparameters in the files of common tools.
_PREFIXES = ("params_", "params.", "param_", "params/", "config.", "config/", "hyperparameters.", "hparams.")

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


def read_reruns(
    path: str | Path | StudyTable,
    metric: str,
    config: Sequence[str] | None = None,
    search: str | Path | StudyTable | None = None,
) -> Reruns:
    """Read runs of which some repeat a configuration.

    Parameters
    ----------
    path : str, Path or StudyTable
        The file of the runs, or what was read of it.
    metric : str
        The column of the scores.
    config : sequence of str, optional
        Columns that together name a configuration. By default a column with such a name, such as ``config_id`` or
        ``trial``; or else the hyperparameters: the columns that the search has, too, without the metric.
    search : str, Path or StudyTable, optional
        The file of the search, by default the same file.

    Raises
    ------
    InputError
        If a file cannot be read or lacks a column, or no columns are found under which a configuration occurs twice.
    """
    scores = _scores(path, metric)
    if config:
        return Reruns(scores, _labels(path, config))
    names = [name for name in _names(path) if name != metric]
    tried = []
    for columns in _candidates(names, None if search is None else _names(search)):
        labels = _readable(path, columns)
        tried.append(listed_names(list(labels)))
        if labels and max(Counter(zip(*labels.values(), strict=True)).values()) > 1:
            return Reruns(scores, labels)
    by = f" by {' or by '.join(dict.fromkeys(tried))}" if any(tried) else ""
    raise InputError(f"{_shown(path)}: no configuration occurs twice{by}: name its columns with --noise-config")


def read_columns(path: str | Path | StudyTable, names: str) -> dict[str, Floats]:
    """Read the columns of scores whose names are separated by commas or match a pattern such as ``split*_score``.

    Raises
    ------
    InputError
        If the file cannot be read, lacks a column, or fewer than two columns match.
    """
    there = _names(path)
    parts = [part.strip() for part in names.split(",") if part.strip()]
    found: dict[str, Floats] = {}
    for part in parts:
        matching = [part] if part in there else [name for name in there if fnmatchcase(name, part)]
        # A name that is not there raises the error that lists the columns.
        found |= {name: _scores(path, name) for name in matching or [part]}
    if len(found) < 2:
        raise InputError(
            f"{_shown(path)}: {names!r} is {len(found)} column: noise takes the scores of two seeds or more"
        )
    return found


def _candidates(names: list[str], search: list[str] | None) -> list[list[str]]:
    """Return sets of columns that may name a configuration, the likeliest first."""
    single = _naming(names)
    marked = [name for name in names if name.casefold().startswith(_PREFIXES)]
    shared = [
        name
        for name in marked or names
        if (search is None or name in search) and name not in single and _word(name) not in _OTHERS
    ]
    return [*([name] for name in single), *([shared] if shared else [])]


def _naming(names: list[str]) -> list[str]:
    """Return the columns whose names say that they name a configuration, the likeliest first."""
    found = [name for name in names if _word(name) in CONFIGURATION_NAMES]
    return sorted(found, key=lambda name: CONFIGURATION_NAMES.index(_word(name)))


def _word(name: str) -> str:
    return name.casefold().rsplit(".", 1)[-1]


def _labels(path: str | Path | StudyTable, names: Sequence[str]) -> dict[str, list[str]]:
    # A hyperparameter that a run does not have may be missing, but not the only label.
    return {name: _labels_of(path, name, missing=_MISSING if len(names) > 1 else None) for name in names}


def _readable(path: str | Path | StudyTable, names: Sequence[str]) -> dict[str, list[str]]:
    """Return the columns that hold labels: lists and objects are not hyperparameters."""
    found = {}
    for name in names:
        try:
            found[name] = _labels_of(path, name, missing=_MISSING if len(names) > 1 else None)
        except InputError:
            continue
    return found


def _shown(source: str | Path | StudyTable) -> str | Path:
    return source.source if isinstance(source, StudyTable) else source


def _names(source: str | Path | StudyTable) -> list[str]:
    return list(source.columns) if isinstance(source, StudyTable) else read_names(source)


def _column(study: StudyTable, name: str) -> np.ndarray:
    if name not in study.columns:
        raise missing_column(Path(study.source), name, list(study.columns))
    return study.columns[name]


def _scores(source: str | Path | StudyTable, name: str) -> Floats:
    """Return a column of scores."""
    if not isinstance(source, StudyTable):
        return read_scores(source, name)
    if name == source.metric:
        return source.scores
    column = _column(source, name)
    if column.dtype != np.float64:
        raise InputError(f"{source.source}: column {name!r} holds text, not numbers; choose a column of scores")
    return column


def _labels_of(source: str | Path | StudyTable, name: str, missing: str | None) -> list[str]:
    if not isinstance(source, StudyTable):
        return read_labels(source, name, missing=missing)
    return as_labels(_column(source, name).tolist(), name, f"{source.source}, ", missing)
