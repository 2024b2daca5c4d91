"""Turn the texts and columns that hold scores into numbers."""

import math
import re
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from nqjax.errors import InputError
from nqjax.trials.columns import column_values

if TYPE_CHECKING:  # functions import pyarrow themselves: the command line starts without it
    import pyarrow as pa

#: Texts for a run without a score, in lower case.
_MISSING = ("", "-", "na", "n/a", "#n/a", "<na>", "nan", "+nan", "-nan", "null", "none")

#: A message quotes at most this many characters of a score that is not a number.
_LONGEST_QUOTE = 40

#: A function from a row, counted from 0, to its line in the file; None for files without lines.
LineOf = Callable[[int], int | None]


def raise_not_a_number(path: Path, metric: str, row: int, line: int | None, value: object) -> NoReturn:
    """Raise the error for a score that is not a number; ``row`` counts from 0."""
    where = f"row {row + 1}" if line is None else f"row {row + 1} (line {line})"
    if isinstance(value, bool | str):
        text = repr(value if len(str(value)) <= _LONGEST_QUOTE else str(value)[: _LONGEST_QUOTE - 3] + "...")
    else:
        text = f"a {type(value).__name__}"
    raise InputError(f"{path}, {where}: {metric} is {text}, not a number; for a failed run leave it empty or write nan")


def parse_number(text: str) -> float | None:
    """Return the number in a text, NaN for a text that means a missing score, or None for another text."""
    if text.strip().lower() in _MISSING:
        return math.nan
    try:
        return None if "_" in text else float(text)  # Python reads 1_000 as a number, others do not
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
    except pa.ArrowInvalid:  # Python reads a few more texts, and finds the first that is not a number
        scores = array("d")
        for row, text in enumerate(column_values(texts)):
            value = math.nan if text is None else parse_number(text)
            if value is None:
                raise_not_a_number(path, metric, row, line_of(row), text)
            scores.append(value)
        return np.array(scores)


def to_numpy(column: "pa.ChunkedArray") -> np.ndarray:
    """Return a column as a NumPy array, nulls as NaN."""
    import pyarrow as pa

    # Arrow's own to_numpy(), scalar() and fill_null() import pandas if it is installed, which takes longer than reading
    # a million rows; so the numbers are read from Arrow's buffers.
    scores = np.empty(len(column))
    start = 0
    for chunk in column.cast(pa.float64(), safe=False).chunks:
        part = scores[start : start + len(chunk)]
        part[:] = np.frombuffer(chunk.buffers()[1], np.float64)[chunk.offset : chunk.offset + len(chunk)]
        if chunk.null_count:
            part[np.frombuffer(chunk.is_null().cast(pa.uint8()).buffers()[1], np.uint8)[: len(chunk)] != 0] = np.nan
        start += len(chunk)
    return scores
