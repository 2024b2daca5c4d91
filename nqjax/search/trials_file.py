"""The file of a search: JSON Lines with a header, which has the settings and versions, and a line for each trial.

Lines are appended as trials end and flushed to the disk, so that every counted trial is safe. An incomplete last line
(the process was killed, the disk was full) is removed when the search is continued. The file is locked while a search
writes it. Programs that do not ask for the lock may still replace it; then the search stops, and writes its trials to
another file.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from nqjax.errors import InputError
from nqjax.runtime.files import lock, remove_drafts, written_whole
from nqjax.trials.json_lines import JSON_ENDINGS, json_object
from nqjax.trials.search_lines import (
    HEADER,
    Row,
    SearchLines,
    header_line,
    row_line,
    settings_problem,
    trial_problem,
)


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
        If the file has other settings, was not written by a search, was changed since, or cannot be read or written.
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
        self._is_in_order = True
        self._size = 0
        self._rescue: Path | None = None  # the file to which trials go after this one was replaced

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
        if new.keys() & self.rows.keys():  # trained further
            self._is_in_order = False
        self._append(b"".join(map(row_line, new.values())), new)

    def finish(self) -> None:
        """Sort the trials by number, so that the same search gives the same file."""
        if self._is_in_order and list(self.rows) == sorted(self.rows):
            return
        self._check_unchanged()
        with contextlib.suppress(OSError):  # unsorted trials are safe, too
            remove_drafts(self.path)
            with written_whole(self.path, "wb") as file:
                file.writelines(self._sorted())

    def _sorted(self) -> Iterator[bytes]:
        yield from dict.fromkeys(self._headers)
        yield from (row_line(self.rows[number]) for number in sorted(self.rows))

    def _read(self) -> None:
        try:
            text = self.path.read_bytes()
        except OSError as error:
            raise InputError(f"{self.path} cannot be read: {error.strerror}; give another --out") from error
        lines = io.BytesIO(text).readlines()
        if lines and not lines[-1].endswith(b"\n"):
            lines.pop()
        self._size = sum(map(len, lines))
        if text and not lines and not _cut_header(text):
            raise InputError(f"{self.path} was not written by this command; give another --out")
        checks = SearchLines(self.path)
        for number, line in enumerate(lines, start=1):
            self._read_line(number, line, checks)
        self._is_in_order = not checks.has_repetitions
        if self.rows and not self._resume:
            raise InputError(f"{self.path} holds {len(self.rows):,} trials already; give another --out, or resume")
        if self._size < len(text):
            os.ftruncate(self._file, self._size)
        if self._headers:
            if "lanes" not in checks.made_by:
                raise checks.error(1, "the header of the search lacks 'lanes': restore the line, or give another --out")
            self.made_by["lanes"] = checks.made_by["lanes"]
            last = json.loads(self._headers[-1])[HEADER]["made_by"]
            self._header_due = last != self.made_by or not checks.has_check_sums

    def _read_line(self, number: int, line: bytes, checks: SearchLines) -> None:
        value = json_object(line, self.path, number)
        if HEADER in value:
            checks.read(number, value)
            settings = value[HEADER]["settings"]
            if not settings:
                raise checks.error(number, "the header has no settings of the search: give another --out")
            self._check(settings)
            if problem := settings_problem(settings):
                raise checks.error(number, problem)
            self._headers.append(line)
            return
        if not self._headers:
            raise checks.error(number, "not the header of a search: give another --out")
        row = checks.read(number, value)
        if row is not None:
            if problem := trial_problem(row, self.settings):
                raise checks.error(number, problem)
            self.rows[row["trial"]] = row

    def begin(self, lanes: int) -> None:
        """Write the header, unless the file's last one is the same."""
        self.made_by["lanes"] = lanes
        if self._header_due:
            header = header_line(self.settings, self.made_by)
            self._append(header)
            self._headers.append(header)
            self._header_due = False

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
        self._check_unchanged(rows)
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

    def _check_unchanged(self, rows: Mapping[int, Row] | None = None) -> None:
        """Raise InputError if another program has replaced the file, removed it, or changed its length.

        What is written from then on would be lost with the old file, so all trials go to another one.
        """
        own = os.fstat(self._file)
        with contextlib.suppress(OSError):  # removed
            if os.path.samestat(own, self.path.stat()) and own.st_size == self._size:
                return
        self.rows.update(rows or {})
        found = f"{self.path} was replaced or changed by another program, so the search has stopped"
        if not self.rows:
            raise InputError(f"{found}: give another --out")
        try:
            self._rescue = self._rescue or next(path for path in _names_beside(self.path) if not path.exists())
            with written_whole(self._rescue, "wb") as file:
                file.writelines(self._sorted())
        except OSError as error:
            raise InputError(f"{found}, and its trials cannot be written to another file: {error.strerror}") from error
        raise InputError(
            f"{found}; its {len(self.rows):,} trials are safe in {self._rescue}: go on with one of the two"
        )


def _names_beside(path: Path) -> Iterator[Path]:
    """Yield paths in the folder of a file, to which its trials may be written when it was replaced."""
    for number in itertools.count(1):
        yield path.with_name(f"{path.stem}.rescued{number}{path.suffix}")


def _cut_header(text: bytes) -> bool:
    """Return whether a text is the beginning of a header and nothing else."""
    beginning = header_line({}, {})[: len(HEADER) + 5]
    return b"\n" not in text and (text.startswith(beginning) or beginning.startswith(text))


def _flat(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, inner in value.items():
        flat.update(_flat(inner, f"{prefix}{name}.") if isinstance(inner, dict) else {prefix + name: inner})
    return flat
