"""The numbers of trials that a file has in a column, and what gaps between them say."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Names of columns that number the trials in the order in which they began.
_NAMES = ("trial", "number", "trial_id", "Trial Number", "trial_number", "Trial", "Number")


def trial_numbers(columns: Mapping[str, Iterable[Any]]) -> NDArray[np.int64] | None:
    """Return the number of each trial if a column has them: different whole numbers from 0 up; else None."""
    for name in _NAMES:
        try:
            found = np.array([float(value) for value in columns.get(name, ())], np.float64)
        except (TypeError, ValueError, OverflowError):
            continue
        if len(found) and np.all((found >= 0) & (found < 2**53)) and np.all(found == np.rint(found)):
            numbers = found.astype(np.int64)
            if len(np.unique(numbers)) == len(numbers):
                return numbers
    return None


def name_places(sentences: Iterable[str], rows: Sequence[str], numbers: NDArray[np.int64] | None) -> list[str]:
    """Return sentences whose ``(row 3)`` is the place in the source, with the trial's number where it has one.

    Parameters
    ----------
    sentences : iterable of str
    rows : sequence of str
        The place of each trial, such as ``"row 3 (line 4)"``.
    numbers : ndarray, shape (trials,), optional
        The number of each trial.
    """
    found = list(sentences)
    for i, sentence in enumerate(found):
        row = sentence.partition("(row ")[2].partition(")")[0]
        if row:
            place = rows[int(row) - 1].partition(" (line")[0]
            trial = "" if numbers is None else f", trial {numbers[int(row) - 1]}"
            found[i] = sentence.replace(f"(row {row})", f"({place}{trial})")
    return found


def missing_trials(numbers: NDArray[np.int64]) -> list[int]:
    """Return the numbers that are missing between the first and the last one; none where gaps are the rule."""
    count = int(numbers.max() - numbers.min() + 1)
    if count > 2 * len(numbers) or len(numbers) < 3:
        return []
    return sorted(set(range(int(numbers.min()), int(numbers.max()) + 1)) - set(numbers.tolist()))
