"""The numbers of trials that a file has in a column, and what gaps between them say."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nqjax.errors import InputError
from nqjax.trials.scores import read_scores

#: Names of columns that number the trials.
_NAMES = ("trial", "number", "trial_id", "Trial Number", "trial_number", "Trial", "Number")


def read_trial_numbers(path: str | Path) -> NDArray[np.int64] | None:
    """Return the number of each trial if a column has them: different whole numbers from 0 up; else None."""
    for name in _NAMES:
        try:
            found = read_scores(path, name)
        except InputError:
            continue
        if np.all(np.isfinite(found)) and np.all(found == np.rint(found)) and np.all((found >= 0) & (found < 2**53)):
            numbers = found.astype(np.int64)
            if len(np.unique(numbers)) == len(numbers):
                return numbers
    return None


def missing_trials(numbers: NDArray[np.int64]) -> list[int]:
    """Return the numbers that are missing between the first and the last one; none where gaps are the rule."""
    count = int(numbers.max() - numbers.min() + 1)
    if count > 2 * len(numbers) or len(numbers) < 3:
        return []
    return sorted(set(range(int(numbers.min()), int(numbers.max()) + 1)) - set(numbers.tolist()))
