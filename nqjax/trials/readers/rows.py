"""Leave out rows that are not trials: empty ones, totals, repeated headers, repetitions, folds of a parent."""

import math
from collections.abc import Mapping
from typing import Any

from nqjax.trials.readers.cells import status_of, to_number
from nqjax.trials.readers.roles import CONFIG, EPOCH, OTHER, PARENT, STATUS, TRIAL, first_of
from nqjax.trials.readers.table import Table
from nqjax.trials.reruns import names_configuration
from nqjax.trials.study import WAITING

#: First words of rows that summarize the others, in lower case.
_SUMMARIES = (
    *("total", "totals", "sum", "average", "averages", "avg", "mean", "median", "std", "stdev", "min", "max", "count"),
    *("overall", "summary", "grand total", "best", "all", "minimum", "maximum", "mean ± std", "std. dev."),
)

#: At least this many trials without a parent, if rows with a parent are folds of a trial.
_FEWEST_PARENTS = 5


def only_trials(table: Table, roles: Mapping[str, str], metric: str, *, reruns: bool = False) -> Table:
    """Return the rows that are trials, with notes that say how many others were left out, and why.

    Where ``reruns`` holds, the name of a configuration is not that of a trial: its runs may have equal scores.
    """
    named = {name: OTHER if reruns and names_configuration(name) else role for name, role in roles.items()}
    for step in (_without_headers, _without_empty, _without_summaries):
        table = step(table, roles)
    return _without_families(_without_waiting(_each_once(table, named), roles), roles, metric)


def _left_out(table: Table, bad: list[int], what: str) -> Table:
    """Return a table without some rows, with a note."""
    if not bad or len(bad) == len(table):
        return table
    drop = set(bad)
    kept = table.take([row for row in range(len(table)) if row not in drop])
    one = "1 row is" if len(bad) == 1 else f"{len(bad)} rows are"
    return kept.noted(f"{one} left out: {what}")


def _without_headers(table: Table, _: Mapping[str, str]) -> Table:
    """Leave out rows that repeat the names of the columns: files that were joined end to end."""
    names = tuple(table.columns)
    if table.recorded.delimiter is None or len(names) < 2:
        return table
    repeated = list(range(len(table)))
    for name, values in table.columns.items():
        repeated = [row for row in repeated if values[row] == name]
    return _left_out(table, repeated, "they repeat the names of the columns")


def _is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _without_empty(table: Table, _: Mapping[str, str]) -> Table:
    if len(table.columns) < 2:
        return table
    empty = list(range(len(table)))
    for values in table.columns.values():
        empty = [row for row in empty if _is_empty(values[row])]
    return _left_out(table, empty, "they are empty")


def _without_summaries(table: Table, roles: Mapping[str, str]) -> Table:
    """Leave out the last rows if their first cell is a word such as ``total`` in a column of something else."""
    names = [name for name in table.columns if roles[name] != OTHER or not table.recorded.roles]
    last: list[int] = []
    for row in reversed(range(len(table))):
        name = next((name for name in names if not _is_empty(table.columns[name][row])), None)
        cell = None if name is None else table.columns[name][row]
        word = cell.strip().rstrip(":").casefold() if isinstance(cell, str) else ""
        if word not in _SUMMARIES or (name is not None and cell in table.columns[name][:row]):
            break
        last.append(row)
    words = sorted({str(next(v[row] for v in table.columns.values() if not _is_empty(v[row]))) for row in last})
    return _left_out(table, last, f"they summarize the others ({', '.join(words)})")


def _each_once(table: Table, roles: Mapping[str, str]) -> Table:
    """Leave out files of which another one has all rows, and rows that come twice in a file.

    Within a file, equal rows are one trial only if its name, or that and its epoch, is otherwise unique: two runs of a
    configuration may have the same rounded score.
    """
    rows: dict[str, list[int]] = {}
    for row, place in enumerate(table.places):
        rows.setdefault(place.source, []).append(row)
    if len(rows) == 1:
        return _without_repetitions(table, roles)
    keys = [tuple(map(repr, table.row(row))) for row in range(len(table))]
    contents = {source: {keys[row] for row in some} for source, some in rows.items()}
    copies: list[str] = []
    for source in sorted(rows, key=lambda one: len(contents[one])):
        if any(contents[source] <= contents[other] for other in rows if other != source and other not in copies):
            copies.append(source)
    table_of_files = _left_out(
        table,
        [row for source in copies for row in rows[source]],
        "another file has them, too (" + ", ".join(copies) + ")",
    )
    return _without_repetitions(table_of_files, roles)


def _without_repetitions(table: Table, roles: Mapping[str, str]) -> Table:
    names = [name for name, role in roles.items() if role in (TRIAL, EPOCH) and name in table.columns]
    trials = [name for name in names if roles[name] == TRIAL]
    if not trials or any(len(set(map(repr, table.columns[name]))) == len(table) for name in trials):
        return table
    seen: dict[tuple[str, ...], int] = {}
    repeated = []
    for row in range(len(table)):
        key = (table.places[row].source, *map(repr, table.row(row)))
        if seen.setdefault(key, row) != row:
            repeated.append(row)
    different = {
        (table.places[row].source, *(repr(table.columns[name][row]) for name in names)) for row in seen.values()
    }
    return (
        _left_out(table, repeated, "they repeat another row in every column") if len(different) == len(seen) else table
    )


def _without_waiting(table: Table, roles: Mapping[str, str]) -> Table:
    """Leave out trials that have not begun: they are neither scores nor failures."""
    column = first_of(STATUS, roles)
    if column is None:
        return table
    values = table.columns[column]
    waiting = [row for row, value in enumerate(values) if status_of(value) == WAITING]
    words = ", ".join(sorted({str(values[row]) for row in waiting}))
    return _left_out(table, waiting, f"they have not begun ({column} {words})")


def _without_families(table: Table, roles: Mapping[str, str], metric: str) -> Table:
    """Leave out the folds of trials, or the one parent of all trials."""
    parent = first_of(PARENT, roles)
    if parent is None:
        return table
    children = [row for row, value in enumerate(table.columns[parent]) if not _is_empty(value) and not _is_nan(value)]
    above = [row for row in range(len(table)) if row not in set(children)]
    scored = [row for row in above if not _is_nan(table.columns[metric][row])]
    if children and len(scored) >= _FEWEST_PARENTS:
        return _left_out(table, children, f"{parent} names their parent, so they are parts of a trial, such as folds")
    if children and above and not scored:
        return _left_out(table, above, f"they are parents of the trials ({parent}) and have no {metric}")
    return table


def _is_nan(value: Any) -> bool:
    number = to_number(value)
    return number is not None and math.isnan(number)


def repeated_configurations(table: Table, roles: Mapping[str, str]) -> dict[tuple[str, ...], list[int]]:
    """Return the rows of each configuration, by the text of its hyperparameters; empty without hyperparameters."""
    names = [name for name, role in roles.items() if role == CONFIG and name in table.columns]
    found: dict[tuple[str, ...], list[int]] = {}
    if not names or EPOCH in {roles[name] for name in names}:
        return found
    texts = [list(map(str, table.columns[name])) for name in names]
    for row, key in enumerate(zip(*texts, strict=True)):
        found.setdefault(key, []).append(row)
    return found
