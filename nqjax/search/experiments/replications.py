"""Many searches of one objective by several methods: the table, and its file."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from nqjax.errors import InputError
from nqjax.runtime.files import lock
from nqjax.trials.json_lines import JSON_ENDINGS, json_object

Floats = NDArray[np.float64]

#: Key of the header's line.
HEADER = "nqjax_replications"

#: One search: its method, its number, the scores of its trials and, where they are known, the noise-free ones.
Line = dict[str, Any]


@dataclass(frozen=True)
class Replications:
    """Searches by several methods, of one length.

    Attributes
    ----------
    scores : mapping
        From the names of methods to arrays of shape (replications, trials); lower is better, infinite for failed runs.
    true : mapping
        The same without noise, for objectives where that is known; empty for others.
    settings : mapping
        The objective, the methods with their settings, and the numbers of searches and trials.
    minimize : bool
        Whether lower scores are better for the user; if not, those here are the negative ones.
    """

    scores: Mapping[str, Floats] = field(repr=False)
    true: Mapping[str, Floats] = field(repr=False)
    settings: Mapping[str, Any]
    minimize: bool = True


class ReplicationsFile:
    """The file of replications: a header with the settings, and a line for each finished search.

    Use it in a `with` statement, which holds the lock. Lines are on the disk when `add` returns; an incomplete last
    line is removed when the file is continued. Without a path nothing is written.

    Raises
    ------
    InputError
        The file has other settings, is of another kind, or cannot be written.
    """

    def __init__(self, path: str | Path | None, settings: Mapping[str, Any]) -> None:
        self.path = None if path is None else Path(path)
        if self.path is not None and self.path.suffix not in JSON_ENDINGS:
            raise InputError(f"{self.path} must end in {' or '.join(JSON_ENDINGS)}, the format that is written")
        self.settings = json.loads(json.dumps(settings))
        self.lines: dict[tuple[str, int], Line] = {}

    def __enter__(self) -> Self:
        if self.path is None:
            return self
        try:
            self._file = self.path.open("a+b")
            lock(self._file, self.path)
        except OSError as error:
            raise InputError(f"{self.path} cannot be written: {error.strerror}; give another --out") from error
        try:
            self._read(self.path)
        except BaseException:
            self._file.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self.path is not None:
            self._file.close()

    def _read(self, path: Path) -> None:
        self._file.seek(0)
        whole = [line for line in self._file.readlines() if line.endswith(b"\n")]
        self._file.truncate(sum(map(len, whole)))
        if not whole:
            self._write([{HEADER: self.settings}])
            return
        header = json_object(whole[0], path, 1)
        if HEADER not in header:
            raise InputError(f"{path} holds no replications: give another --out")
        then = _settings(header, path)
        other = [name for name in self.settings if then.get(name) != self.settings[name] and name != "methods"]
        if other:
            now, before = (json.dumps(settings.get(other[0])) for settings in (self.settings, then))
            raise InputError(f"{path} was made with {other[0]} = {before} (now {now}): give another --out")
        for number, text in enumerate(whole[1:], start=2):
            line = json_object(text, path, number)
            if HEADER in line:  # a later call added methods
                then = {**then, "methods": {**then["methods"], **_settings(line, path)["methods"]}}
                continue
            self.lines[_place(line, path, number, then)] = line
        for name, settings in self.settings["methods"].items():
            before = then["methods"].get(name)
            if before not in (None, settings):
                raise InputError(f"{path} was made with {json.dumps(before)} for {name}: give another --out")
        if any(name not in then["methods"] for name in self.settings["methods"]):
            self._write([{HEADER: self.settings}])

    def add(self, lines: Iterable[Line]) -> None:
        """Append finished searches."""
        new = list(lines)
        if self.path is not None:
            self._write(new)
        self.lines |= {(line["method"], line["replication"]): line for line in new}

    def _write(self, lines: list[Line]) -> None:
        try:
            self._file.write(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise InputError(
                f"{self.path} cannot be written: {error.strerror}; its {len(self.lines):,} finished searches are safe"
            ) from error

    def table(self, methods: Iterable[str], numbers: Sequence[int] | None, minimize: bool) -> Replications:
        """Return the searches with these numbers by each method; all of them by default."""
        scores, true = {}, {}
        for name in methods:
            own = sorted(n for other, n in self.lines if other == name) if numbers is None else numbers
            rows = [self.lines[name, number] for number in own]
            scores[name] = np.array([[np.inf if v is None else v for v in row["scores"]] for row in rows])
            if all(row.get("true") is not None for row in rows):
                true[name] = np.array([[np.inf if v is None else v for v in row["true"]] for row in rows])
        return Replications(scores, true, self.settings, minimize)


def _settings(line: Line, path: Path) -> dict[str, Any]:
    """Return the settings of a header; raise InputError for a header that was changed."""
    settings = line[HEADER]
    if isinstance(settings, dict):
        kinds = {"objective": str, "num_trials": int, "batch": int, "methods": dict}
        if all(isinstance(settings.get(name), kind) for name, kind in kinds.items()):
            return settings
    raise InputError(f"{path} has a header that was changed: give another file")


def _place(line: Line, path: Path, number: int, settings: Mapping[str, Any]) -> tuple[str, int]:
    """Return the method and the number of a finished search; raise InputError for an invalid line."""
    name, place = line.get("method"), line.get("replication")
    rows = [line.get("scores"), *([line["true"]] if line.get("true") is not None else [])]
    if isinstance(name, str) and isinstance(place, int) and all(_are_scores(row, settings) for row in rows):
        return name, place
    raise InputError(f"{path}, line {number}: not a finished search; remove the line, and the same command runs it")


def _are_scores(row: Any, settings: Mapping[str, Any]) -> bool:
    known = isinstance(row, list) and len(row) == settings["num_trials"]
    return known and all(value is None or isinstance(value, int | float) for value in row)


def line_of(method: str, number: int, scores: Floats, true: Floats | None) -> Line:
    """Return the line of one search, with None for failed trials."""

    def plain(values: Floats) -> list[float | None]:
        return [float(value) if np.isfinite(value) else None for value in values]

    return {
        "method": method,
        "replication": number,
        "scores": plain(scores),
        "true": None if true is None else plain(true),
    }


def read_replications(path: str | Path) -> Replications:
    """Read a file of replications.

    Raises
    ------
    InputError
        The file cannot be read, or holds something else.
    """
    path = Path(path)
    try:
        whole = [line for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    lines = [json_object(text, path, number) for number, text in enumerate(whole, start=1)]
    if not lines or HEADER not in lines[0]:
        raise InputError(f"{path} holds no replications: nqjax worth TASK --out FILE writes them")
    file = ReplicationsFile(None, _settings(lines[0], path))
    for number, line in enumerate(lines, start=1):
        if HEADER not in line:
            file.lines[_place(line, path, number, file.settings)] = line
    names = list(dict.fromkeys(name for name, _ in file.lines))
    if not names:
        raise InputError(f"{path} has no finished search yet: run the same command again")
    return file.table(names, None, file.settings.get("minimize", True))
