"""Numbers from the texts and columns that trials are kept in."""

import itertools
import math
import re
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from nqjax.errors import InputError

if TYPE_CHECKING:  # pyarrow is imported inside the functions: the command line must be able to start without it
    import pyarrow as pa


# What people and loggers write for a run without a score, compared in lower case.
_MISSING = ("", "-", "na", "n/a", "#n/a", "<na>", "nan", "+nan", "-nan", "null", "none")


# A row, counted from 0 -> its line in the file, for messages; None where a file has no lines.
LineOf = Callable[[int], int | None]


def raise_not_a_number(path: Path, metric: str, row: int, line: int | None, value: object) -> NoReturn:
    """Raise the error for a score that is no number; `row` counts from 0."""
    where = f"row {row + 1}" if line is None else f"row {row + 1} (line {line})"
    if isinstance(value, bool | str):
        text = repr(value if len(str(value)) <= 40 else str(value)[:37] + "...")
    else:
        text = f"a {type(value).__name__}"
    raise InputError(f"{path}, {where}: {metric} is {text}, not a number; for a failed run leave it empty or write nan")


def number(text: str) -> float | None:
    """Return the number that a text stands for, NaN for a missing one, None where it stands for none."""
    if text.strip().lower() in _MISSING:
        return math.nan
    try:
        return None if "_" in text else float(text)  # Python alone reads 1_000 as a number
    except ValueError:
        return None


def parse_texts(texts: "pa.ChunkedArray", path: Path, metric: str, line_of: LineOf) -> np.ndarray:
    """Return the numbers that the texts of a column spell."""
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        return to_numpy(texts.cast(pa.float64()))
    except pa.ArrowInvalid:
        pass
    trimmed = pc.utf8_trim_whitespace(texts)
    missing = "|".join(re.escape(word) for word in _MISSING)
    try:
        return to_numpy(pc.replace_substring_regex(trimmed, f"(?i)^({missing})$", "nan").cast(pa.float64()))
    except pa.ArrowInvalid:  # the texts one by one: Python reads a little more, and finds the first that is no number
        scores = array("d")
        for row, text in enumerate(itertools.chain.from_iterable(chunk.to_pylist() for chunk in texts.chunks)):
            value = math.nan if text is None else number(text)
            if value is None:
                raise_not_a_number(path, metric, row, line_of(row), text)
            scores.append(value)
        return np.array(scores)


def to_numpy(column: "pa.ChunkedArray") -> np.ndarray:
    """Return a column as a NumPy array, nulls as NaN."""
    import pyarrow as pa

    # Read from arrow's buffers, because its to_numpy(), scalar() and fill_null() import pandas where that is installed,
    # which takes longer than reading a million rows.
    scores = np.empty(len(column))
    start = 0
    for chunk in column.cast(pa.float64(), safe=False).chunks:
        part = scores[start : start + len(chunk)]
        part[:] = np.frombuffer(chunk.buffers()[1], np.float64)[chunk.offset : chunk.offset + len(chunk)]
        if chunk.null_count:
            part[np.frombuffer(chunk.is_null().cast(pa.uint8()).buffers()[1], np.uint8)[: len(chunk)] != 0] = np.nan
        start += len(chunk)
    return scores
