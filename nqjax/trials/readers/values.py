"""Turn columns of values into arrays, and texts of durations into seconds."""

import datetime as dt
import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nqjax.trials.readers.cells import Numbers, numbers_of
from nqjax.types import Floats

_DURATION = re.compile(r"(?:(?P<days>\d+) days?,? ?)?(?P<hours>\d+):(?P<minutes>\d\d):(?P<seconds>\d\d(?:\.\d+)?)")


def column_array(values: Sequence[Any], delimiter: str | None = None) -> NDArray[Any]:
    """Return a column as float64 if all its values are numbers or missing, else as objects with None where missing."""
    numbers: Numbers = numbers_of(values, delimiter)
    is_number = None not in numbers.values and not any(numbers.words)
    if is_number and not all(isinstance(value, bool) for value in values if value is not None):
        return np.array(numbers.values, np.float64)
    found = np.empty(len(values), object)
    found[:] = [None if value == "" else value for value in values]
    return found


def seconds_of(values: Sequence[Any], delimiter: str | None = None) -> Floats | None:
    """Return costs as numbers, durations in seconds; None if the column holds something else."""
    plain = [_seconds(value) for value in values]
    numbers = numbers_of(plain, delimiter).values
    found = np.array([math.nan if number is None else number for number in numbers], np.float64)
    return found if np.isfinite(found).any() else None


def _seconds(value: Any) -> Any:
    if isinstance(value, dt.timedelta):
        return value.total_seconds()
    if isinstance(value, np.timedelta64):
        return float(value / np.timedelta64(1, "s")) if not np.isnat(value) else math.nan
    if isinstance(value, str) and (match := _DURATION.fullmatch(value.strip())):
        days, hours, minutes = (float(match[name] or 0) for name in ("days", "hours", "minutes"))
        return ((days * 24 + hours) * 60 + minutes) * 60 + float(match["seconds"])
    return value
