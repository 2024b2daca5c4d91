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

#: Most characters of the columns that a message lists.
_LONGEST_LIST = 250

#: Most characters of one column's name in a message.
_LONGEST_NAME = 60

#: Most bytes of a line. A longer one is not read: a small .gz file may hold a line that no memory holds.
LONGEST_LINE = 64_000_000


def open_binary(path: Path) -> gzip.GzipFile | io.BufferedReader:
    """Open a file for reading bytes, unpacked if its name ends in .gz."""
    return gzip.open(path, "rb") if path.suffix.lower() == ".gz" else path.open("rb")


def missing_column(path: Path, column: str, names: list[str]) -> InputError:
    """Return the error for a column that a file does not have; it lists the columns and suggests the closest."""
    wanted = column.casefold()
    same = [name for name in names if wanted in (name.casefold(), name.casefold().rsplit(".", 1)[-1])]
    close = same or difflib.get_close_matches(column, names, n=1)
    hint = f" (did you mean {_cut(close[0])!r}?)" if close else ""
    return InputError(f"{path} has no column {_cut(column)!r}{hint}; its columns: {listed_names(names)}")


def listed_names(names: list[str]) -> str:
    """Return names for a message; if they are many or long, only the first ones, and how many more there are."""
    shown: list[str] = []
    for name in names[:_MOST_LISTED]:
        if shown and sum(len(one) + 2 for one in shown) + len(_cut(name)) > _LONGEST_LIST:
            break
        shown.append(_cut(name))
    more = len(names) - len(shown)
    return ", ".join([*shown, f"and {more} more"] if more else shown)


def _cut(name: str) -> str:
    """Return the beginning of a long name."""
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 3]}..."


def long_line(path: Path, line: int | None = None) -> InputError:
    """Return the error for a line that is too long to be read."""
    where = f"{path}, line {line}: it" if line else f"{path}: a line"
    return InputError(f"{where} is longer than {LONGEST_LINE // 1_000_000} MB; give each trial a line of its own")


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
