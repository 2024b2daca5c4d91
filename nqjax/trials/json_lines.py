"""Reading JSON Lines files."""

import json
import math
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nqjax.errors import InputError
from nqjax.trials.numbers import number, raise_not_a_number, to_numpy

if TYPE_CHECKING:  # pyarrow is imported inside the readers: the command line must be able to start without it
    pass
from nqjax.trials.columns import dotted_names, find_keys, first_line, missing_column, open_binary
from nqjax.trials.parquet import descend

JSON_ENDINGS = (".jsonl", ".ndjson")


#: The only key of a line of JSON that is no trial, but says what made those after it (see `nqjax.search`).
HEADER = "nqjax_search"


def read_json_lines(path: Path, metric: str) -> np.ndarray:
    """Return one metric of a JSON Lines file as numbers."""
    import pyarrow as pa
    from pyarrow import json as arrow_json

    parts = json_path(path, metric)
    # Only the metric is parsed, so that learning curves and keys that change their type from line to line cost nothing.
    field = pa.field(parts[-1], pa.float64())
    for part in reversed(parts[:-1]):
        field = pa.field(part, pa.struct([field]))
    header = pa.field(HEADER, pa.struct([]))
    options = arrow_json.ParseOptions(explicit_schema=pa.schema([field, header]), unexpected_field_behavior="ignore")
    try:
        with pa.input_stream(str(path), compression="detect") as file:
            table = arrow_json.read_json(file, arrow_json.ReadOptions(block_size=1 << 24), options)
    except pa.ArrowInvalid:  # scores written as text, or a malformed line: Python reads the one and names the other
        return _read_jsonl_slowly(path, metric, parts)
    if table.column(1).null_count < len(table):
        table = table.filter(table.column(1).is_null())
    return to_numpy(descend(table.column(0), parts[1:]))


def json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield each trial's line in the file and its object; a search's header is no trial."""
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


def json_path(path: Path, metric: str) -> list[str]:
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


def _read_jsonl_slowly(path: Path, metric: str, parts: list[str]) -> np.ndarray:
    scores = array("d")
    for row, (line, trial) in enumerate(json_lines(path)):
        value: Any = trial
        for part in parts:
            value = value.get(part) if isinstance(value, dict) else None
        score = number(value) if isinstance(value, str) else math.nan if value is None else value
        if isinstance(score, bool) or not isinstance(score, int | float):
            raise_not_a_number(path, metric, row, line, value)
        try:
            scores.append(score)
        except OverflowError:  # an integer beyond float64's range
            scores.append(math.inf if score > 0 else -math.inf)
    return np.array(scores)
