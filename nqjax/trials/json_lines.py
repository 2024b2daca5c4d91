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
    LONGEST_LINE,
    dotted_names,
    find_keys,
    first_line,
    long_line,
    missing_column,
    nested_value,
    open_binary,
)
from nqjax.trials.numbers import parse_number, raise_not_a_number
from nqjax.trials.search_lines import HEADER, SearchLines, has_pauses

JSON_ENDINGS = (".jsonl", ".ndjson")


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
    """Yield the line number and the object of each trial.

    In the file of a search, headers are left out, and each trial comes once.
    """
    lines = SearchLines(path)
    if not _has_paused(path):
        for line, value in json_objects(path):
            trial = lines.read(line, value)
            if trial is not None:
                yield line, trial
        return
    last: dict[Any, tuple[int, dict[str, Any]]] = {}  # a trial that was paused has a line for each pause
    for line, value in json_objects(path):
        trial = lines.read(line, value)
        if trial is not None:
            last[trial.get("trial")] = line, trial
    yield from last.values()


def _has_paused(path: Path) -> bool:
    """Return whether this is the file of a search that pauses trials, by its first line."""
    _, first = next(json_objects(path), (0, {}))
    header = first.get(HEADER)
    return isinstance(header, dict) and has_pauses(header.get("settings"))


def json_objects(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the line number and the object of each line that is not blank."""
    with open_binary(path) as file:
        for line, text in enumerate(iter(lambda: file.readline(LONGEST_LINE + 1), b""), start=1):
            if len(text) > LONGEST_LINE:
                raise long_line(path, line)
            if text.strip():
                yield line, json_object(text, path, line)


def json_object(text: bytes, path: Path, line: int) -> dict[str, Any]:
    """Return the object of one line, or raise InputError."""
    try:
        value = json.loads(text.removeprefix(b"\xef\xbb\xbf"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}, line {line}: not a JSON object ({first_line(error)})") from error
    if not isinstance(value, dict):
        raise InputError(f"{path}, line {line}: a {type(value).__name__}; each line must be one JSON object")
    return value


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
