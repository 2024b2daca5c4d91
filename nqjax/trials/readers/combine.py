"""Join the tables of several files into one study."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from nqjax.trials.readers.table import Table


def combined(tables: Sequence[Table], source: str) -> Table:
    """Return the rows of all tables, with the columns of all; a value that a table does not have is None."""
    if len(tables) == 1:
        return tables[0]
    names = list(dict.fromkeys(name for table in tables for name in table.columns))
    columns: dict[str, list[Any]] = {
        name: [value for table in tables for value in table.columns.get(name, [None] * len(table))] for name in names
    }
    first = tables[0].recorded
    roles = {name: role for table in tables for name, role in table.recorded.roles.items()}
    notes = list(dict.fromkeys(note for table in tables for note in table.recorded.notes))
    same = all(table.recorded.direction == first.direction for table in tables)
    delimiters = {table.recorded.delimiter for table in tables}
    recorded = replace(
        first,
        roles=roles,
        direction=first.direction if same else None,
        metric=first.metric if all(table.recorded.metric == first.metric for table in tables) else None,
        delimiter=first.delimiter if len(delimiters) == 1 else None,
        notes=(*notes, f"{len(tables)} files are one study: {_numbered(tables)}"),
    )
    return Table(columns, [place for table in tables for place in table.places], source, recorded)


def _numbered(tables: Sequence[Table]) -> str:
    counts = [len(table) for table in tables]
    each = f"{counts[0]} rows each" if len(set(counts)) == 1 else f"{min(counts)} to {max(counts)} rows each"
    return f"{sum(counts)} rows, {each}"
