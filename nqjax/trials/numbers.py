"""Turn the texts that hold scores into numbers."""

import math
from array import array
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NoReturn

import numpy as np

from nqjax.errors import InputError

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
    try:
        return None if "_" in text else float(text)  # Python reads 1_000 as a number, others do not
    except ValueError:
        return math.nan if text.strip().lower() in _MISSING else None


def parse_texts(texts: Iterable[str | None], path: Path, metric: str, line_of: LineOf) -> np.ndarray:
    """Return the numbers in the texts of a column; None is a missing score."""
    scores = array("d")
    for row, text in enumerate(texts):
        value = math.nan if text is None else parse_number(text)
        if value is None:
            raise_not_a_number(path, metric, row, line_of(row), text)
        scores.append(value)
    return np.array(scores)
