"""Find a column by its name, which may be dotted, and say which columns there are when it is missing."""

import difflib
import gzip
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nqjax.errors import InputError

#: A message lists at most this many columns.
_MOST_LISTED = 30


def open_binary(path: Path) -> gzip.GzipFile | io.BufferedReader:
    """Open a file for reading bytes, unpacked if its name ends in .gz."""
    return gzip.open(path, "rb") if path.suffix.lower() == ".gz" else path.open("rb")


def missing_column(path: Path, column: str, names: list[str]) -> InputError:
    """Return the error for a column that a file does not have; it lists the columns and suggests the closest."""
    wanted = column.casefold()
    same = [name for name in names if wanted in (name.casefold(), name.casefold().rsplit(".", 1)[-1])]
    close = same or difflib.get_close_matches(column, names, n=1)
    hint = f" (did you mean {close[0]!r}?)" if close else ""
    if len(names) > _MOST_LISTED:
        names = [*names[:_MOST_LISTED], f"and {len(names) - _MOST_LISTED} more"]
    return InputError(f"{path} has no column {column!r}{hint}; its columns: {', '.join(names)}")


def first_line(error: Exception) -> str:
    """Return the first line of an exception's message."""
    return (str(error).splitlines() or [""])[0]


def find_keys(value: dict[str, Any], name: str) -> list[str]:
    """Return the keys that lead to a dotted name in nested dictionaries, or an empty list if it is not there.

    A key may itself contain dots.
    """
    if name in value:
        return [name]
    for dot in (i for i, character in enumerate(name) if character == "."):
        inner = value.get(name[:dot])
        rest = find_keys(inner, name[dot + 1 :]) if isinstance(inner, dict) else []
        if rest:
            return [name[:dot], *rest]
    return []


def dotted_names(value: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield the dotted names of all values in nested dictionaries."""
    for key, inner in value.items():
        if isinstance(inner, dict):
            yield from dotted_names(inner, f"{prefix}{key}.")
        else:
            yield prefix + key


def nested_value(value: Any, keys: list[str]) -> Any:
    """Return the value that these keys lead to in nested dictionaries, or None if it is not there."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value
