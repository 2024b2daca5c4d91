"""Make one row a trial of a table with a row for each report of a trial, such as an epoch."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from nqjax.errors import InputError
from nqjax.trials.readers.cells import to_number
from nqjax.trials.readers.roles import EPOCH, NAMES, TRIAL
from nqjax.trials.readers.table import Table
from nqjax.types import Floats

#: Values of ``per_trial``.
LAST = "last"
BEST = "best"

#: The value for reruns: rows with the same name are runs of one configuration, unless a column counts reports.
EVERY = "every"

#: Names of columns that number the rows whatever the rows are, in lower case.
_ROW_NUMBERS = ("", "unnamed: 0", "index")

#: Columns that name the trial of each row even if there is only one trial, in lower case.
_STRONG_NAMES = ("trial_id", "trial", "trial_number", "run_id")

#: Columns that may name a trial although several trials share the name, in lower case.
_SHARED_NAMES = (
    *("config", "configuration", "config_id", "configuration_id", "config_number", "candidate", "candidate_id"),
    *("id", "name", "run", "run_name", "job_id", "experiment_id"),
)


class Grouped(NamedTuple):
    """One row for each trial."""

    table: Table
    ids: list[str] | None  # the name of each trial, if each has its own
    curves: list[Floats] | None  # the metric after each report
    warnings: list[str]


def from_curves(
    table: Table,
    metric: str,
    scores: Sequence[float | None],
    curves: Sequence[Floats],
    per_trial: str | None,
    sign: int,
) -> Table:
    """Return a table whose scores are the best reports of trials that have their curves in a column, if that is asked.

    A trial without a score keeps that: its best report is the one of a run that failed.
    """
    if per_trial != BEST:
        return table
    if not sign:
        raise _no_direction()
    best: list[Any] = []
    for score, curve in zip(scores, curves, strict=True):
        known = curve[np.isfinite(curve)]
        has_score = score is not None and not math.isnan(score)
        best.append(sign * float(np.min(sign * known)) if has_score and len(known) else score)
    kept = replace(table, columns={**table.columns, metric: best})
    return kept.noted(f"the best {metric} of each trial is its score")


def _no_direction() -> InputError:
    return InputError("--per-trial best needs the direction: give --minimize or --maximize (minimize=True)")


class _Groups(NamedTuple):
    """The reports of each trial, in their order."""

    column: str
    epoch: str | None
    rows: list[list[int]]


def grouped(
    table: Table,
    roles: Mapping[str, str],
    metric: str,
    scores: Sequence[float | None],
    per_trial: str | None,
    sign: int,
) -> Grouped:
    """Return one row for each trial.

    Parameters
    ----------
    table : Table
    roles : mapping
        The role of each column.
    metric : str
    scores : sequence
        The metric of each row.
    per_trial : str or None
        ``"last"`` or ``"best"`` report of a trial; None takes the last if a column counts the reports, and so does
        ``"every"``, which leaves other rows as they are.
    sign : int
        1 if lower scores are better, -1 if higher ones are, 0 if that is not known.
    """
    found = _groups(table, roles)
    if isinstance(found, list | None):
        if per_trial not in (None, EVERY) and not found:
            raise InputError(f"{table.source}: no column names the trial of each row, so --per-trial does not apply")
        return Grouped(table, found, None, [])
    most = max(map(len, found.rows))
    repeats = f"{found.column} repeats {most} times" if _same_length(found.rows) else f"{found.column} repeats"
    if per_trial == EVERY:
        if found.epoch is None:
            return Grouped(table, None, None, [])
        per_trial = LAST
    if found.epoch is None and per_trial is None:
        return Grouped(
            table,
            None,
            None,
            [f"{repeats}: one row an epoch? --per-trial last (or best) takes one score of each trial"],
        )
    if per_trial == BEST and not sign:
        raise _no_direction()
    last = [_last(table.columns[metric], rows) for rows in found.rows]
    best = [_best(scores, rows, sign or 1) for rows in found.rows]
    chosen = best if per_trial == BEST else last
    curves = [np.array([math.nan if scores[i] is None else scores[i] for i in rows], float) for rows in found.rows]
    ids = [str(table.columns[found.column][row]) for row in chosen]
    each = "the only trial" if len(chosen) == 1 else f"each of {len(chosen)} trials"
    taken = f"the {per_trial or LAST} {metric} of {each} is its score"
    warnings: list[str] = []
    kept = table.take(chosen)
    if per_trial is None:
        better = sum(scores[a] != scores[b] for a, b in zip(last, best, strict=True)) if sign else 0
        were = "was" if better == 1 else "were"
        before = f"{better} of them {were} better before" if better else "say --per-trial last, if that is right"
        how = f"{repeats}: one row an epoch? {found.epoch} counts up, so {taken}"
        warnings.insert(0, f"{how} ({before}; --per-trial best takes the best)")
    else:
        kept = kept.noted(f"{repeats}: {taken}")
    unique = ids if len(set(ids)) == len(ids) else None
    return Grouped(kept, unique, curves, warnings)


def _groups(table: Table, roles: Mapping[str, str]) -> _Groups | list[str] | None:
    """Return the reports of each trial; the trials' names if each row is a trial; None if nothing names them."""
    order = NAMES[TRIAL]
    columns = [name for name, role in roles.items() if role == TRIAL and name in table.columns]
    columns.sort(key=lambda name: order.index(low) if (low := name.casefold().strip()) in order else len(order))
    epochs = [name for name, role in roles.items() if role == EPOCH and name in table.columns]
    weak = []
    for column in columns:
        rows: dict[tuple[str, str], list[int]] = {}
        for row, value in enumerate(table.columns[column]):
            if value not in (None, ""):
                rows.setdefault((table.places[row].source, str(value)), []).append(row)
        if sum(map(len, rows.values())) < len(table):
            continue
        low = column.casefold().strip()
        if len(rows) == len(table):
            names = [str(value) for value in table.columns[column]]
            if low not in _ROW_NUMBERS:
                return (
                    names
                    if len(set(names)) == len(names)
                    else [f"{p.source}: {n}" for p, n in zip(table.places, names, strict=False)]
                )
            weak = names
            continue
        found = list(rows.values())
        epoch = next((name for name in epochs if _counts(table.columns[name], found)), None)
        if epoch is not None:
            by = [to_number(value) or 0.0 for value in table.columns[epoch]]
            if len(found) > 1 or low in _STRONG_NAMES:
                return _Groups(column, epoch, [sorted(one, key=lambda row: by[row]) for one in found])
        if len(rows) > 1 and low not in (*_SHARED_NAMES, *_ROW_NUMBERS):
            return _Groups(column, None, found)
    return weak or None


def _same_length(rows: list[list[int]]) -> bool:
    return len({len(one) for one in rows}) == 1


def _counts(values: Sequence[Any], rows: list[list[int]]) -> bool:
    """Return whether a column has another number in each report of a trial."""
    for one in rows:
        numbers = [to_number(values[row]) for row in one]
        if any(number is None or math.isnan(number) for number in numbers) or len(set(numbers)) < len(numbers):
            return False
    return True


def _last(values: Sequence[Any], rows: list[int]) -> int:
    """Return the last report that has the metric: a trial may report other metrics after it."""
    return next((row for row in reversed(rows) if values[row] not in (None, "")), rows[-1])


def _best(scores: Sequence[float | None], rows: list[int], sign: int) -> int:
    known = [(sign * score, row) for row in rows if (score := scores[row]) is not None and not math.isnan(score)]
    return min(known)[1] if known else rows[-1]
