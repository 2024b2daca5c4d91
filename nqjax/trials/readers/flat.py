"""Read tables from files: CSV and its relatives, JSON, JSON Lines and Parquet, also compressed."""

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nqjax.errors import InputError
from nqjax.runtime.extras import require
from nqjax.trials.columns import first_line, open_binary
from nqjax.trials.csv_files import csv_rows, guess_delimiter
from nqjax.trials.json_lines import JSON_ENDINGS, json_lines
from nqjax.trials.readers.search_files import recorded_of, table_without_header
from nqjax.trials.readers.table import Place, Recorded, Table, table_of_objects
from nqjax.trials.scores import ENDINGS, checked_ending

#: Endings of files that hold a table.
TABLE_ENDINGS = (*ENDINGS, ".json")

#: Most bytes of a file that is one JSON value.
_LARGEST_JSON = 1_000_000_000

#: Names of delimiters in notes.
_NAMES = {";": "semicolons", "\t": "tabs", "|": "vertical bars", ",": "commas"}


def has_table_ending(path: Path) -> bool:
    """Return whether the name of a file says that it holds a table."""
    return path.name.lower().removesuffix(".gz").endswith(TABLE_ENDINGS)


def read_flat(path: Path) -> Table:
    """Read the table that a file holds.

    Raises
    ------
    InputError
        If the file cannot be read, is not valid, or has no rows.
    """
    name = path.name.lower().removesuffix(".gz")
    if path.is_file() and name.endswith(".json"):
        return read_json(path)
    with checked_ending(path) as ending:
        if ending == ".parquet":
            return _read_parquet(path)
        if ending in JSON_ENDINGS:
            return read_json_lines(path)
        return _read_text(path, ending)


def _read_text(path: Path, ending: str) -> Table:
    delimiter = guess_delimiter(path, ending)
    names, rows = csv_rows(path, delimiter)
    if not rows:
        raise InputError(f"{path} has no rows; it needs one row per trial")
    unique = _unique(names)
    cells = zip(*(cells for _, cells in rows), strict=True)
    columns: dict[str, list[Any]] = {name: list(column) for name, column in zip(unique, cells, strict=True)}
    places = [Place(str(path), row, line) for row, (line, _) in enumerate(rows)]
    usual = "\t" if ending == ".tsv" else ","
    notes = () if delimiter == usual else (f"cells are separated by {_NAMES[delimiter]}",)
    return Table(columns, places, str(path), Recorded("CSV", delimiter=delimiter, notes=notes))


def _unique(names: list[str]) -> list[str]:
    """Return names of which the later of equal ones have a number."""
    seen: dict[str, int] = {}
    found = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        found.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return found


def read_json_lines(path: Path) -> Table:
    """Read a file with one JSON object a line; the file of our own search says what it holds."""
    recorded = recorded_of(path)
    table = table_of_objects(json_lines(path), str(path), recorded)
    if recorded is not None:
        return table
    return table_without_header(table)


def read_json(path: Path) -> Table:
    """Read a file with one JSON value: an array of objects, an object of columns, or objects a line.

    Raises
    ------
    InputError
        If the file is not JSON, or holds something else.
    """
    value, is_lines = json_value(path)
    if is_lines:
        return read_json_lines(path)
    objects = _objects_in(value)
    if objects is None:
        raise InputError(_not_a_table(path, value))
    return table_of_objects(((None, one) for one in objects), str(path))


def json_value(path: Path) -> tuple[Any, bool]:
    """Return the value of a JSON file, and whether the file has one value a line instead."""
    try:
        with open_binary(path) as file:
            text = file.read(_LARGEST_JSON + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if len(text) > _LARGEST_JSON:
        raise InputError(f"{path} is larger than 1 GB: write it as JSON Lines, one object a line")
    if not text.strip():
        raise InputError(f"{path} is empty; it needs one row per trial")
    try:
        return json.loads(text.removeprefix(b"\xef\xbb\xbf")), False
    except (ValueError, RecursionError) as error:
        if "Extra data" in str(error):
            return None, True
        raise InputError(f"{path} is not JSON: {first_line(error)}") from error


def _objects_in(value: Any) -> list[Mapping[str, Any]] | None:
    """Return one object for each row of a JSON value, or None if it is not a table."""
    if isinstance(value, list):
        return value if value and all(isinstance(one, dict) for one in value) else None
    if not isinstance(value, dict):
        return None
    lists = {name: inner for name, inner in value.items() if isinstance(inner, list)}
    if {"columns", "data"} <= set(lists) and all(isinstance(row, list) for row in lists["data"]):
        names = [str(name) for name in lists["columns"]]  # pandas, orient="split"
        return [dict(zip(names, row, strict=False)) for row in lists["data"]]
    tables = [one for one in lists.values() if one and all(isinstance(row, dict) for row in one)]
    if len(tables) == 1:  # {"trials": [...]}
        return tables[0]
    sizes = {len(one) for one in lists.values()}
    if len(lists) == len(value) and len(sizes) == 1 and sizes != {0}:  # {"loss": [...], "lr": [...]}
        return [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)]
    inner = list(value.values())
    if len(inner) > 1 and all(isinstance(one, dict) for one in inner):
        first = list(inner[0])
        if all(list(one) == first for one in inner) and all(key.isdecimal() for key in first):
            return [{name: column[key] for name, column in value.items()} for key in first]  # pandas, orient="columns"
        return inner  # {"trial_0": {...}, "trial_1": {...}}
    return None


def _not_a_table(path: Path, value: Any) -> str:
    if isinstance(value, dict) and {"data", "configs"} <= set(value):
        return (
            f"{path} looks like SMAC's run history, which is not read: write one row a trial with the columns of its "
            'configuration, "cost" and "status", as CSV'
        )
    return f"{path} has no table: it needs an array of JSON objects, one for each trial"


def _read_parquet(path: Path) -> Table:
    pa = require("pyarrow", "parquet", f"reading {path}")
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            arrow = file.read()
        return table_of_arrow(arrow, str(path), "Parquet")
    except (pa.ArrowException, UnicodeError) as error:
        raise InputError(f"{path} is not a Parquet file that can be read: {first_line(error)}") from error


def table_of_arrow(arrow: Any, source: str, tool: str) -> Table:
    """Return the table of a pyarrow.Table; fields of structures get dotted names."""
    while any(str(field.type).startswith("struct<") for field in arrow.schema):
        arrow = arrow.flatten()
    if not arrow.num_rows:
        raise InputError(f"{source} has no rows; it needs one row per trial")
    names = _unique([str(name) for name in arrow.column_names])
    columns = {name: column.to_pylist() for name, column in zip(names, arrow.columns, strict=True)}
    columns = {name: values for name, values in columns.items() if not name.startswith("__index_level_")}
    places = [Place(source, row, None) for row in range(arrow.num_rows)]
    return Table(columns, places, source, Recorded(tool))
