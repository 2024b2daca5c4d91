"""The numbers of trials that a file has in a column, and what gaps between them say."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def trial_numbers(ids: Sequence[str] | None) -> NDArray[np.int64] | None:
    """Return the number of each trial if its name is one: different whole numbers from 0 up; else None."""
    if ids is None or not all(name.isdecimal() and len(name) < 16 for name in ids):
        return None
    numbers = np.array([int(name) for name in ids], np.int64)
    return numbers if len(np.unique(numbers)) == len(numbers) else None


def missing_trials(numbers: NDArray[np.int64]) -> list[int]:
    """Return the numbers that are missing between the first and the last one; none where gaps are the rule."""
    count = int(numbers.max() - numbers.min() + 1)
    if count > 2 * len(numbers) or len(numbers) < 3:
        return []
    return sorted(set(range(int(numbers.min()), int(numbers.max()) + 1)) - set(numbers.tolist()))
