"""The table that every reader returns: columns of values as the source has them, and what the source records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from nqjax.errors import InputError
from nqjax.trials.columns import dotted_names, find_keys, nested_value
from nqjax.trials.ranges import Range


class Place(NamedTuple):
    """The place of a row in its source."""

    source: str  # the file or object
    row: int  # counted from 0
    line: int | None  # in the file, counted from 1

    def __str__(self) -> str:
        return f"row {self.row + 1}" + (f" (line {self.line})" if self.line else "")


@dataclass(frozen=True)
class Recorded:
    """Facts that a source records; None where it is silent."""

    tool: str = "table"
    metric: str | None = None
    direction: str | None = None  # "minimize" or "maximize", of the metric
    directions: Mapping[str, str] = field(default_factory=dict)  # of several metrics
    sampler: str | None = None
    roles: Mapping[str, str] = field(default_factory=dict)  # of columns; see `roles`
    ranges: Mapping[str, Range] = field(default_factory=dict)  # of columns with hyperparameters
    delimiter: str | None = None  # of a text file
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Table:
    """Columns of equal length, with the place of each row."""

    columns: dict[str, list[Any]]
    places: list[Place]
    source: str
    recorded: Recorded = field(default_factory=Recorded)

    def __len__(self) -> int:
        return len(self.places)

    def take(self, rows: Sequence[int]) -> Table:
        """Return the table of some rows, in their order."""
        if len(rows) == len(self) and all(i == row for i, row in enumerate(rows)):
            return self
        columns = {name: [values[row] for row in rows] for name, values in self.columns.items()}
        return replace(self, columns=columns, places=[self.places[row] for row in rows])

    def row(self, row: int) -> tuple[Any, ...]:
        """Return all values of a row."""
        return tuple(values[row] for values in self.columns.values())

    def noted(self, *notes: str) -> Table:
        """Return the table with more notes."""
        return replace(self, recorded=replace(self.recorded, notes=(*self.recorded.notes, *notes)))


def table_of_objects(
    objects: Iterable[tuple[int | None, Mapping[str, Any]]], source: str, recorded: Recorded | None = None
) -> Table:
    """Return the table of objects, one for each trial, with the line of each; nested names become dotted ones.

    Raises
    ------
    InputError
        If there is no object.
    """
    kept, places, names = [], [], dict[str, None]()
    for row, (line, one) in enumerate(objects):
        kept.append(one)
        places.append(Place(source, row, line))
        try:
            names.update(dict.fromkeys(dotted_names(dict(one))))
        except RecursionError:
            raise InputError(f"{source}, {places[-1]}: its objects are nested too deeply") from None
    if not kept:
        raise InputError(f"{source} has no rows; it needs one JSON object per trial")
    columns = {}
    for name in names:
        keys = next(filter(None, (find_keys(dict(one), name) for one in kept)))
        if len(keys) == 1:
            columns[name] = [one.get(name) for one in kept]
        else:
            columns[name] = [nested_value(one, keys) for one in kept]
    return Table(columns, places, source, recorded or Recorded("JSON"))
