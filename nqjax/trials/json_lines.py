"""Reading JSON Lines files."""

import json
import math
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from nqjax.errors import InputError
from nqjax.trials.columns import dotted_names, find_keys, first_line, missing_column, open_binary
from nqjax.trials.numbers import number, raise_not_a_number

JSON_ENDINGS = (".jsonl", ".ndjson")


#: The only key of the header line that `nqjax search` writes before its trials.
HEADER = "nqjax_search"


def read_json_lines(path: Path, metric: str) -> np.ndarray:
    """Return one metric of a JSON Lines file as numbers."""
    scores = array("d")
    for row, (line, value) in enumerate(json_values(path, metric)):
        score = number(value) if isinstance(value, str) else math.nan if value is None else value
        if isinstance(score, bool) or not isinstance(score, int | float):
            raise_not_a_number(path, metric, row, line, value)
        try:
            scores.append(score)
        except OverflowError:  # an integer beyond float64's range
            scores.append(math.inf if score > 0 else -math.inf)
    return np.array(scores)


def json_values(path: Path, name: str) -> Iterator[tuple[int, Any]]:
    """Yield each trial's line in the file and its value of one metric, None where it has none."""
    parts = _json_path(path, name)
    for line, trial in json_lines(path):
        value: Any = trial
        for part in parts:
            value = value.get(part) if isinstance(value, dict) else None
        yield line, value


def json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield each trial's line in the file and its object, without a search's header."""
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


def _json_path(path: Path, metric: str) -> list[str]:
    """Return the keys that lead to the metric in the first trial that has it."""
    names: dict[str, None] = {}
    trial: dict[str, Any] = {}
    for _, trial in json_lines(path):
        parts = find_keys(trial, metric)
        if parts:
            return parts
        names.update(dict.fromkeys(dotted_names(trial)))
    if not trial:
        raise InputError(f"{path} has no rows; it needs one JSON object per trial")
    raise missing_column(path, metric, list(names))
