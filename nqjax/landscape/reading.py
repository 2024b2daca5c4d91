"""Read landscapes from files: scores of several runs, hyperparameters, learning curves at some epochs."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from nqjax.errors import InputError, visible
from nqjax.landscape import checks
from nqjax.landscape.landscape import Landscape
from nqjax.trials.columns import listed_names
from nqjax.trials.readers.detect import read_table
from nqjax.trials.readers.doubts import direction_doubt
from nqjax.trials.readers.read import read_or_minimize
from nqjax.trials.readers.table import Table
from nqjax.trials.study import FINISHED, StudyTable
from nqjax.types import Floats


def read_landscape(
    source: Any,
    metric: str | Sequence[str] | None = None,
    *,
    minimize: bool | None = None,
    categorical: Iterable[str] = (),
    order: Mapping[str, Sequence[Any]] | None = None,
    drop: Iterable[str] = (),
    keep: Iterable[str] = (),
    where: str | Sequence[str] | None = None,
) -> Landscape:
    """Read the landscape of a grid or of a random search from a file.

    Parameters
    ----------
    source : str, Path or object
        What `nqjax.read_study` reads: a table (CSV, JSON, JSON Lines, Parquet), a database, a list of dictionaries.
    metric : str or sequence of str, optional
        The column of the scores. Several columns, or a pattern such as ``"val_loss_*"``, are runs of the same
        configurations, as with several seeds. Needed where the source does not say it.
    minimize : bool, optional
        Whether lower scores are better; by default what the source records, else that they are.
    categorical, keep : iterable of str
        As for `Landscape`.
    order : mapping of str to sequence, optional
        As for `Landscape`.
    drop : iterable of str
        Columns that are no hyperparameters.
    where : str or sequence of str, optional
        Conditions that rows must fulfil.

    Returns
    -------
    Landscape

    Raises
    ------
    InputError
        As for `nqjax.read_study` and `Landscape`.

    Examples
    --------
    >>> import nqjax
    >>> rows = [{"lr": lr, "loss_0": (lr - 0.2) ** 2, "loss_1": (lr - 0.2) ** 2 + 0.01} for lr in (0.1, 0.2, 0.3)]
    >>> land = nqjax.read_landscape(rows, "loss_*")
    >>> land, land.num_seeds, land.optima()[0].configuration
    (Landscape(3 configurations, all of the grid; 1 hyperparameter), 2, {'lr': 0.2})
    """
    study, names = read_columns(source, metric, minimize=minimize, where=where)
    scores = np.stack([column_scores(study, name) for name in names], axis=1)
    return landscape_of(study, scores, names, categorical=categorical, order=order, drop=drop, keep=keep)


def read_columns(
    source: Any,
    metric: str | Sequence[str] | None,
    *,
    minimize: bool | None,
    where: str | Sequence[str] | None,
    per_trial: str | None = None,
    study: str | None = None,
) -> tuple[StudyTable, list[str]]:
    """Return the study of a source and the names of the columns that hold scores; patterns match several."""
    given = [metric] if isinstance(metric, str) else list(metric or [])
    first = next((name for name in given if not _is_pattern(name)), None)
    if first is None and given:  # the names must be known before a metric is chosen
        source = source if isinstance(source, StudyTable) else read_table(source, study)
        first = _first_match(source, given[0])
    conditions = [where] if isinstance(where, str) else list(where or [])
    found = read_or_minimize(
        source, first, minimize=minimize, where=conditions, per_trial=per_trial, study=study, doubted=False
    )
    return found, expand(found, given) or [found.metric]


def expand(study: StudyTable, given: Sequence[str]) -> list[str]:
    """Return the names of columns, in which patterns are replaced by what they match."""
    names: list[str] = []
    for name in given:
        found = fnmatch.filter(study.columns, name) if _is_pattern(name) and name not in study.columns else [name]
        if not found or (found == [name] and name not in study.columns and name != study.metric):
            raise InputError(
                f"{study.source} has no column {visible(name)!r}; the columns: {listed_names(list(study.columns))}"
            )
        names += found
    return list(dict.fromkeys(names))


def _is_pattern(name: str) -> bool:
    return any(mark in name for mark in "*?[")


def _first_match(table: Table | StudyTable, pattern: str) -> str:
    found = [pattern] if pattern in table.columns else fnmatch.filter(table.columns, pattern)
    if not found:
        raise InputError(f"no column matches {visible(pattern)!r}; the columns: {listed_names(list(table.columns))}")
    return found[0]


def column_scores(study: StudyTable, name: str) -> Floats:
    """Return the scores of a column; NaN for trials that did not finish."""
    if name == study.metric:
        return study.scores
    column = study.columns[name]
    if column.dtype != np.float64:
        raise InputError(f"column {visible(name)!r} of {study.source} does not hold numbers; choose a column of scores")
    return np.where(study.status == FINISHED, column, np.nan)


def scores_at(study: StudyTable, epoch: int) -> Floats:
    """Return the best score of each learning curve up to an epoch, counted from 1; NaN where there is none.

    Raises
    ------
    InputError
        If there are no learning curves, or none is as long.
    """
    if study.curves is None:
        raise InputError(f"{study.source} has no learning curves: name columns of scores instead of epochs")
    longest = max(map(len, study.curves), default=0)
    if epoch > longest:
        raise InputError(f"the learning curves of {study.source} have {longest} epochs: there is no epoch {epoch}")
    sign = -1 if study.direction == "maximize" else 1
    best = np.full(len(study), np.inf)
    for place, curve in enumerate(study.curves):
        known = curve[:epoch][np.isfinite(curve[:epoch])]
        if len(known):
            best[place] = (sign * known).min()
    return np.where(np.isfinite(best), sign * best, np.nan)


def landscape_of(
    study: StudyTable,
    scores: Floats,
    metrics: Sequence[str],
    *,
    categorical: Iterable[str] = (),
    order: Mapping[str, Sequence[Any]] | None = None,
    drop: Iterable[str] = (),
    keep: Iterable[str] = (),
) -> Landscape:
    """Return the landscape of a study's configurations with some scores, shape (rows,) or (rows, runs)."""
    drop = set(drop)
    if unknown := sorted(drop - set(study.columns)):
        raise InputError(f"{study.source} has no column {visible(unknown[0])!r} to leave out")
    keep = checks.as_names("keep", keep)
    # A column that looks like a name or a comment is none of the study's hyperparameters; the caller knows better.
    named = {name: study.columns[name] for name in keep if name in study.columns}
    config = {name: one for name, one in {**study.config, **named}.items() if name not in drop and name not in metrics}
    if not config:
        raise InputError(f"{study.source} has no hyperparameters: no other column varies, or all are left out")
    minimize = study.direction != "maximize"
    return Landscape(config, scores, minimize=minimize, categorical=categorical, order=order, keep=keep)


def cautions(study: StudyTable) -> tuple[str, ...]:
    """Return the warnings about a study that concern a landscape: most of the others are about random searches."""
    if study.direction_from not in ("given", "default") or study.direction is None:
        return ()
    doubt = direction_doubt(study.metric, study.direction_hints, study.direction)
    return () if doubt is None else (doubt,)
