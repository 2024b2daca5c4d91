"""Ranges in which hyperparameters were searched, where the tool that searched recorded them."""

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple


class Range(NamedTuple):
    """The ends of a numeric hyperparameter, and the scale on which it was searched: "linear" or "log"."""

    scale: str
    low: float
    high: float


#: Numeric distributions of a file of `nqjax search`, and of Optuna before its version 3, by their scale.
_KINDS = {"uniform": "linear", "log_uniform": "log", "discrete_uniform": "linear"}


def range_of(kind: str, low: Any, high: Any) -> Range | None:
    """Return a range, None where its parts are none."""
    ends = [float(end) if isinstance(end, int | float) else math.nan for end in (low, high)]
    if not all(map(math.isfinite, ends)) or ends[0] >= ends[1] or (kind == "log" and ends[0] <= 0):
        return None
    return Range(kind, *ends)


def range_of_description(entry: Any) -> Range | None:
    """Return the range that an entry of a described space says, such as ``{"log_uniform": [1e-4, 1]}``."""
    if not isinstance(entry, Mapping):
        return None
    for name, scale in _KINDS.items():
        ends = entry.get(name)
        if isinstance(ends, list | tuple) and len(ends) == 2:
            return range_of(scale, *ends)
    return None


def union_of(ranges: Iterable[Range | None]) -> Range | None:
    """Return the range that holds all of them; None where one is none, or scales differ."""
    found = list(ranges)
    known = [one for one in found if one is not None]
    if not known or len(known) < len(found) or len({one.scale for one in known}) > 1:
        return None
    return Range(known[0].scale, min(one.low for one in known), max(one.high for one in known))
