"""Read a study: the one entry point of all readers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from nqjax.errors import InputError
from nqjax.trials.numbers import raise_not_a_number
from nqjax.trials.readers import doubts, grouping, roles, statuses
from nqjax.trials.readers.cells import Numbers, numbers_of
from nqjax.trials.readers.detect import read_table
from nqjax.trials.readers.drift import drift_doubt
from nqjax.trials.readers.metrics import choose_metric
from nqjax.trials.readers.rows import only_trials
from nqjax.trials.readers.table import Table
from nqjax.trials.readers.values import column_array, seconds_of
from nqjax.trials.readers.where import rows_where
from nqjax.trials.study import FINISHED, StudyTable
from nqjax.types import Floats

#: Roles of which the values of a column are listed as hyperparameters.
_CONFIGURATION = (roles.CONFIG, roles.CONSTANT, roles.DATASET, roles.BUDGET)


class _Direction(NamedTuple):
    """A direction, and where it comes from."""

    name: str | None
    source: str | None
    hints: Mapping[str, str]


def read_study(
    source: Any,
    metric: str | None = None,
    *,
    minimize: bool | None = None,
    maximize: bool | None = None,
    where: str | Sequence[str] | None = None,
    per_trial: str | None = None,
    study: str | None = None,
) -> StudyTable:
    """Read the trials of a search from what its tool left behind.

    Parameters
    ----------
    source : str, Path or object
        A file, several files, a pattern such as ``"shard-*.csv"``, a folder, a database (``sqlite:///study.db``), a
        list of dictionaries, or an object in memory: a data frame, an ``optuna.Study``, a fitted scikit-learn search, a
        Ray ``ResultGrid``, Hyperopt ``Trials``.
    metric : str, optional
        The column that holds the scores; needed where the source does not say it.
    minimize, maximize : bool, optional
        The direction, if it is given; by default what the source says.
    where : str or sequence of str, optional
        Conditions that rows must fulfil, such as ``"State == 'finished' and lr < 0.1"``.
    per_trial : {"last", "best"}, optional
        The report of a trial that counts, where the source has several of each.
    study : str, optional
        The name of the study or experiment, where the source has several.

    Returns
    -------
    StudyTable
        Scores, hyperparameters and statuses, with notes on what was inferred and warnings.

    Raises
    ------
    InputError
        If the source cannot be read, or does not say which column holds the scores.

    Examples
    --------
    >>> import nqjax
    >>> rows = [{"trial": i, "epoch": e, "loss": 1 / (i + e)} for i in (1, 2) for e in (1, 2)]
    >>> study = nqjax.read_study(rows, "loss", per_trial="last")
    >>> study.scores.round(2).tolist(), [curve.round(2).tolist() for curve in study.curves]
    ([0.33, 0.25], [[0.5, 0.33], [0.33, 0.25]])
    """
    return _read(source, metric, _given(minimize, maximize), where, per_trial, study, None)


def read_or_minimize(
    source: Any,
    metric: str | None,
    *,
    minimize: bool | None,
    where: Sequence[str] | None,
    per_trial: str | None,
    study: str | None,
    doubted: bool = True,
) -> StudyTable:
    """Read a study as `read_study` does; lower scores are better unless the caller or the source says otherwise.

    The source may also be a table that was read already. Unless it is ``doubted``, nothing is said against its scores
    being those of one random search.
    """
    return _read(source, metric, _given(minimize, None), where, per_trial, study, "minimize", doubted)


def read_runs(
    source: Any,
    metric: str | None,
    *,
    minimize: bool | None = None,
    where: Sequence[str] | None = None,
    study: str | None = None,
) -> StudyTable:
    """Read runs of which some repeat a configuration or a trial, as `read_study` reads trials.

    Each row is one run, or the last of its rows if a column counts its reports.

    Raises
    ------
    InputError
        As for `read_study`.
    """
    table = read_table(source, study)
    return study_of(table, metric, _given(minimize, None), list(where or []), grouping.EVERY, "minimize")


def _read(
    source: Any,
    metric: str | None,
    direction: str | None,
    where: str | Sequence[str] | None,
    per_trial: str | None,
    study: str | None,
    default: str | None,
    doubted: bool = True,
) -> StudyTable:
    if isinstance(source, StudyTable):
        return source
    if per_trial not in (None, grouping.LAST, grouping.BEST):
        raise InputError(f"per_trial is {per_trial!r}; give 'last', 'best' or None")
    table = source if isinstance(source, Table) else read_table(source, study)
    conditions = [where] if isinstance(where, str) else list(where or [])
    return study_of(table, metric, direction, conditions, per_trial, default, doubted)


def _given(minimize: bool | None, maximize: bool | None) -> str | None:
    """Return the direction that the caller gave, or None."""
    if minimize is not None and maximize is not None and bool(minimize) == bool(maximize):
        raise InputError("minimize and maximize contradict each other: give one of them")
    if minimize is None and maximize is None:
        return None
    return "minimize" if (minimize if minimize is not None else not maximize) else "maximize"


def study_of(
    table: Table,
    metric: str | None,
    direction: str | None,
    where: Sequence[str],
    per_trial: str | None,
    default: str | None = None,
    doubted: bool = True,
) -> StudyTable:
    """Return the study that a table holds; the default is the direction if nothing is given or recorded."""
    kinds = roles.find_roles(table)
    name, note = choose_metric(table, kinds, metric)
    kinds[name] = roles.METRIC if kinds[name] in (roles.CONFIG, roles.OTHER, roles.CONSTANT) else kinds[name]
    table = table if note is None else table.noted(note)
    table = only_trials(table, kinds, name, reruns=per_trial == grouping.EVERY)
    if where:
        kept = rows_where(table, where)
        table = table.take(kept).noted(f"{len(kept)} of {len(table)} rows fulfil {' and '.join(where)}")
    # After the choice of rows, a column may hold one value only.
    numbers = _numbers(table, name)
    hints = doubts.direction_hints(table, kinds, name, _floats(numbers.values))
    recorded = table.recorded.directions.get(name) or (
        table.recorded.direction if name == table.recorded.metric else None
    )
    chosen, chosen_from = _direction(direction, recorded, hints, default)
    sign = {"minimize": 1, "maximize": -1}.get(chosen or "", 0)
    curves = _curves(table, kinds, name)
    if curves is None:
        group = grouping.grouped(table, kinds, name, numbers.values, per_trial, sign)
    elif per_trial == grouping.EVERY:
        group = grouping.Grouped(table, None, curves, [])
    else:
        taken = grouping.from_curves(table, name, numbers.values, curves, per_trial, sign)
        group = grouping.grouped(taken, kinds, name, numbers.values, None, sign)._replace(curves=curves)
    if group.table is not table:
        table = group.table
        numbers = _numbers(table, name)
    status, note_of_status = statuses.find_statuses(table, kinds, name, numbers, reruns=per_trial == grouping.EVERY)
    scores = np.where(np.array(status) == FINISHED, _floats(numbers.values), np.nan)
    if numbers.how:
        table = table.noted(f"{name} holds {numbers.how}")
    table = table.noted(*note_of_status)
    aim = _Direction(chosen, chosen_from, hints)
    found = _against(table, kinds, name, scores, status, group, aim, curves is None) if doubted else []
    return _record(table, kinds, name, scores, status, group, aim, found)


def _against(
    table: Table,
    kinds: Mapping[str, str],
    metric: str,
    scores: Floats,
    status: Sequence[str],
    group: grouping.Grouped,
    direction: _Direction,
    by_rows: bool,
) -> list[str]:
    """Return what speaks against the scores being those of one random search; ``by_rows``: curves are of rows."""
    found = [*group.warnings, *doubts.doubts_of(table, kinds, metric, scores, status, by_rows and bool(group.curves))]
    drift = drift_doubt(table, kinds, metric, scores) if table.recorded.sampler is None else None
    if drift:
        found.append(drift)
    doubt = None
    if direction.source in ("given", "default") and direction.name:
        doubt = doubts.direction_doubt(metric, direction.hints, direction.name)
    return found if doubt is None else [doubt, *found]


def _numbers(table: Table, name: str) -> Numbers:
    """Return the metric of each row; raise InputError for a cell that is no number."""
    numbers = numbers_of(table.columns[name], table.recorded.delimiter)
    for row, number in enumerate(numbers.values):
        if number is None:
            place = table.places[row]
            raise_not_a_number(Path(place.source), name, place.row, place.line, table.columns[name][row])
    return numbers


def _floats(values: Sequence[float | None]) -> Floats:
    return np.array([np.nan if value is None else value for value in values], np.float64)


def _direction(
    given: str | None, recorded: str | None, hints: Mapping[str, str], default: str | None
) -> tuple[str | None, str | None]:
    """Return the direction and where it comes from."""
    if given is not None:
        return given, "given"
    if recorded is not None:
        return recorded, "recorded"
    if default is not None:
        return default, "default"
    if len(set(hints.values())) != 1:
        return None, None
    ranked = [name for name in hints if name != "its name"]
    return next(iter(hints.values())), "rank" if ranked else "name"


def _record(
    table: Table,
    kinds: dict[str, str],
    metric: str,
    scores: Floats,
    status: list[str],
    group: grouping.Grouped,
    direction: _Direction,
    warnings: list[str],
) -> StudyTable:
    """Return the record of a table of trials."""
    delimiter = table.recorded.delimiter
    columns = {name: column_array(values, delimiter) for name, values in table.columns.items()}
    cost_name = roles.first_of(roles.COST, {name: role for name, role in kinds.items() if name != metric})
    cost = None if cost_name is None else seconds_of(table.columns[cost_name], delimiter)
    splits = {
        name: column
        for name, column in columns.items()
        if kinds[name] == roles.SPLIT and column.dtype == np.float64 and _is_part(name, metric)
    }
    return StudyTable(
        scores=scores,
        metric=metric,
        direction=direction.name,
        direction_from=direction.source,
        direction_hints=direction.hints,
        config={name: columns[name] for name, role in kinds.items() if role in _CONFIGURATION and name != metric},
        status=np.array(status),
        cost=cost,
        cost_name=cost_name if cost is not None else None,
        curves=group.curves,
        splits=splits or None,
        sampler=table.recorded.sampler,
        source=table.source,
        tool=table.recorded.tool,
        columns=columns,
        roles=kinds,
        rows=tuple(_place(table, row) for row in range(len(table))),
        ids=None if group.ids is None else tuple(group.ids),
        notes=table.recorded.notes,
        warnings=tuple(warnings),
        ranges={name: one for name, one in table.recorded.ranges.items() if name in columns},
    )


def _place(table: Table, row: int) -> str:
    place = table.places[row]
    return str(place) if place.source == table.source else f"{place.source}, {place}"


def _is_part(split: str, metric: str) -> bool:
    """Return whether a column of a split belongs to the metric: those of another metric or of training do not."""
    if metric.startswith("mean_"):
        return split.endswith("_" + metric.removeprefix("mean_"))
    return "train" not in split.casefold()


def _curves(table: Table, kinds: Mapping[str, str], metric: str) -> list[Floats] | None:
    """Return the learning curve of the metric, if a column holds it as lists."""
    for name in (f"curve.{metric}", "curve", "intermediate_values"):
        if kinds.get(name) == roles.CURVE:
            return [column_array(list(value or [])).astype(float) for value in table.columns[name]]
    return None
