"""Finding a column by its name, and the error where it is missing."""

import difflib
import gzip
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from nqjax.errors import InputError


def open_binary(path: Path) -> gzip.GzipFile | io.BufferedReader:
    """Return an open file, unpacked where its name ends in .gz."""
    return gzip.open(path, "rb") if path.suffix.lower() == ".gz" else path.open("rb")


def missing_column(path: Path, metric: str, names: list[str]) -> InputError:
    """Return the error for a column that is not there: name those that are, and the closest one."""
    wanted = metric.casefold()
    same = [name for name in names if wanted in (name.casefold(), name.casefold().rsplit(".", 1)[-1])]
    close = same or difflib.get_close_matches(metric, names, n=1)
    hint = f" (did you mean {close[0]!r}?)" if close else ""
    if len(names) > 30:
        names = [*names[:30], f"and {len(names) - 30} more"]
    return InputError(f"{path} has no column {metric!r}{hint}; its columns: {', '.join(names)}")


def first_line(error: Exception) -> str:
    """Return the first line of an exception's message."""
    return (str(error).splitlines() or [""])[0]


def find_keys(value: dict[str, Any], name: str) -> list[str]:
    """Return the keys that spell a dotted name, empty where it is not there; a key may itself hold dots."""
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
