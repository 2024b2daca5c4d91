"""Read values of JSON Lines files."""

import json
import math
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from nqjax.errors import InputError
from nqjax.trials.columns import (
    dotted_names,
    find_keys,
    first_line,
    missing_column,
    nested_value,
    open_binary,
)
from nqjax.trials.numbers import parse_number, raise_not_a_number

JSON_ENDINGS = (".jsonl", ".ndjson")

#: Key of the header line that `nqjax.search` writes before its trials; the line has no other key.
HEADER = "nqjax_search"


def read_json_lines(path: Path, metric: str) -> np.ndarray:
    """Return one metric of a JSON Lines file as numbers."""
    scores = array("d")
    for row, (line, value) in enumerate(json_values(path, metric)):
        score = parse_number(value) if isinstance(value, str) else math.nan if value is None else value
        if isinstance(score, bool) or not isinstance(score, int | float):
            raise_not_a_number(path, metric, row, line, value)
        try:
            scores.append(score)
        except OverflowError:  # an integer beyond the range of float64
            scores.append(math.inf if score > 0 else -math.inf)
    return np.array(scores)


def json_values(path: Path, metric: str) -> Iterator[tuple[int, Any]]:
    """Yield the line number and the metric of each trial, None for a trial without it."""
    keys = _find_metric(path, metric)
    for line, trial in json_lines(path):
        yield line, nested_value(trial, keys)


def json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the line number and the object of each trial; a search's header is left out."""
    with open_binary(path) as file:
        for line, text in enumerate(file, start=1):
            if not text.strip():
                continue
            try:
                value = json.loads(text.removeprefix(b"\xef\xbb\xbf"))
            except (ValueError, RecursionError) as error:
                raise InputError(f"{path}, line {line}: not a JSON object ({first_line(error)})") from error
            if not isinstance(value, dict):
                raise InputError(f"{path}, line {line}: a {type(value).__name__}; each line must be one JSON object")
            if value.keys() != {HEADER}:
                yield line, value


def _find_metric(path: Path, metric: str) -> list[str]:
    """Return the keys that lead to the metric in the first trial that has it."""
    names: dict[str, None] = {}
    trial: dict[str, Any] = {}
    for _, trial in json_lines(path):
        keys = find_keys(trial, metric)
        if keys:
            return keys
        names.update(dict.fromkeys(dotted_names(trial)))
    if not trial:
        raise InputError(f"{path} has no rows; it needs one JSON object per trial")
    raise missing_column(path, metric, list(names))
