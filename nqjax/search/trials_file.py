"""The file of a search: JSON Lines with a header, which has the settings and versions, and a line for each trial.

Lines are appended as trials end and flushed to the disk, so that every counted trial is safe. An incomplete last line
(the process was killed, the disk was full) is removed when the search is continued. The file is locked while a search
writes it.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from nqjax.errors import InputError
from nqjax.runtime.files import lock, remove_drafts, written_whole
from nqjax.trials.json_lines import HEADER, JSON_ENDINGS
from nqjax.trials.table import Row


class TrialsFile:
    """The file of one search; use it in a `with` statement, which holds the lock.

    Parameters
    ----------
    path : str or Path
        The file, ending in .jsonl or .ndjson.
    settings : mapping
        The settings that identify the search, for JSON; a file with other settings is refused.
    made_by : mapping
        Versions and other facts, which are recorded and may change when a search is continued.
    resume : bool
        Whether to continue a file that exists; if not, one with trials is refused.

    Attributes
    ----------
    rows : dict
        The finished trials, by number.
    made_by : mapping
        The facts in the file's first header.

    Raises
    ------
    InputError
        If the file has other settings, was not written by a search, or cannot be read or written.
    """

    def __init__(
        self, path: str | Path, settings: Mapping[str, Any], made_by: Mapping[str, Any], *, resume: bool = True
    ) -> None:
        self.path = Path(path)
        if self.path.suffix not in JSON_ENDINGS:
            raise InputError(f"{self.path} must end in {' or '.join(JSON_ENDINGS)}, the format that is written")
        self.settings = json.loads(json.dumps(settings))
        self.made_by = json.loads(json.dumps(made_by))
        self.rows: dict[int, Row] = {}
        self._resume = resume
        self._headers: list[bytes] = []
        self._header_due = True
        self._size = 0

    def __enter__(self) -> Self:
        try:
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
        except OSError as error:
            raise InputError(f"{self.path} cannot be written: {error.strerror}; give another --out") from error
        try:
            lock(self._file, self.path)
            self._read()
        except BaseException:
            os.close(self._file)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._file)

    def add(self, rows: Iterable[Row]) -> None:
        """Append finished trials; they are on the disk when this returns."""
        new = {row["trial"]: row for row in rows}
        self._append(b"".join(map(_line, new.values())), new)

    def finish(self) -> None:
        """Sort the trials by number, so that the same search gives the same file."""
        if list(self.rows) == sorted(self.rows):
            return
        with contextlib.suppress(OSError):  # unsorted trials are safe, too
            remove_drafts(self.path)
            with written_whole(self.path, "wb") as file:
                file.write(b"".join([*self._headers, *(_line(self.rows[number]) for number in sorted(self.rows))]))

    def _read(self) -> None:
        try:
            text = self.path.read_bytes()
        except OSError as error:
            raise InputError(f"{self.path} cannot be read: {error.strerror}; give another --out") from error
        lines = text.splitlines(keepends=True)
        if lines and not _whole(lines[-1]):
            lines.pop()
        self._size = sum(map(len, lines))
        parsed = [self._parse(line, number) for number, line in enumerate(lines, start=1)]
        if text and (not parsed or HEADER not in parsed[0]) and not _cut_header(text):
            raise InputError(f"{self.path} was not written by this command; give another --out")
        for line, value in zip(lines, parsed, strict=True):
            if HEADER in value:
                self._check(value[HEADER].get("settings", {}))
                self._headers.append(line)
            else:
                self.rows[value["trial"]] = value
        if self.rows and not self._resume:
            raise InputError(f"{self.path} holds {len(self.rows):,} trials already; give another --out, or resume")
        if self._size < len(text):
            os.ftruncate(self._file, self._size)
        if self._headers:
            first, last = (json.loads(self._headers[i])[HEADER]["made_by"] for i in (0, -1))
            self.made_by["lanes"] = first["lanes"]
            self._header_due = last != self.made_by

    def begin(self, lanes: int) -> None:
        """Write the header, unless the file's last one is the same."""
        self.made_by["lanes"] = lanes
        if self._header_due:
            header = _line({HEADER: {"settings": self.settings, "made_by": self.made_by}})
            self._append(header)
            self._headers.append(header)
            self._header_due = False

    def _parse(self, line: bytes, number: int) -> Row:
        try:
            value = json.loads(line)
        except ValueError as error:
            raise InputError(f"{self.path}, line {number}: not a JSON object; mend it or give another --out") from error
        if not isinstance(value, dict) or (HEADER not in value and not isinstance(value.get("trial"), int)):
            raise InputError(f"{self.path}, line {number}: not a trial of a search; give another --out")
        return value

    def _check(self, theirs: Mapping[str, Any]) -> None:
        found, wanted = _flat(theirs), _flat(self.settings)
        names = [name for name in {**wanted, **found} if found.get(name) != wanted.get(name)]
        if names:
            differences = ", ".join(f"{name} = {json.dumps(found.get(name))}" for name in names[:4])
            more = f" and {len(names) - 4} more differences" if len(names) > 4 else ""
            now = json.dumps(wanted.get(names[0]))
            raise InputError(
                f"{self.path} was made with {differences}{more} (now {names[0]} = {now}); give another --out"
            )

    def _append(self, text: bytes, rows: Mapping[int, Row] | None = None) -> None:
        safe = len(self.rows)
        try:
            os.lseek(self._file, self._size, os.SEEK_SET)
            rest = memoryview(text)
            while rest:
                rest = rest[os.write(self._file, rest) :]
            # Before the flush, which Ctrl-C may interrupt: the next append must not overwrite these lines.
            self.rows.update(rows or {})
            self._size += len(text)
            os.fsync(self._file)
        except BaseException as error:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self._size)
            if not isinstance(error, OSError):
                raise
            raise InputError(
                f"{self.path} cannot be written: {error.strerror}; its {safe:,} finished trials are safe: make room "
                "and run the same again"
            ) from error


def _line(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, allow_nan=False, separators=(", ", ": ")).encode() + b"\n"


def _whole(line: bytes) -> bool:
    if not line.endswith(b"\n"):
        return False
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


def _cut_header(text: bytes) -> bool:
    """Return whether a text is the beginning of a header and nothing else."""
    beginning = _line({HEADER: None})[: len(HEADER) + 5]
    return b"\n" not in text and (text.startswith(beginning) or beginning.startswith(text))


def _flat(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, inner in value.items():
        flat.update(_flat(inner, f"{prefix}{name}.") if isinstance(inner, dict) else {prefix + name: inner})
    return flat
