"""A Parquet file of many fits that is written as the work goes on and is valid whenever the process ends.

While studies are fitted, their rows go to small Parquet files in the folder ``<file>.parts``. Each is written under a
temporary name, flushed to the disk and then renamed, so that every file is complete. At the end they are joined in the
same way, and the folder is removed. Studies are identified by name; of several rows the first without a
failure counts. A lock keeps a second process from writing.
"""

import contextlib
import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Self

from nqjax.errors import InputError
from nqjax.runtime.files import lock, remove_drafts, written_whole

if TYPE_CHECKING:
    import pyarrow as pa


_SETTINGS = b"nqjax settings"


_LOCK = "lock"


def _schema(settings: Mapping[str, Any], curve: Sequence[str]) -> "pa.Schema":
    import pyarrow as pa

    number = pa.float64()
    return pa.schema(
        [
            ("study", pa.string()),
            *((name, number) for name in ("alpha", "beta")),
            ("gamma", pa.int64()),
            *((name, number) for name in ("sigma", "loss")),
            ("converged", pa.bool_()),
            *((name, number) for name in ("gradient_norm", "limit_low", "limit_high", "regime_probability")),
            *((name, number) for name in ("threshold", "p_value", "best_score")),
            *((name, pa.int64()) for name in ("num_scores", "num_used", "num_censored", "num_failed")),
            ("losses_by_gamma", pa.list_(number)),
            *((name, number) for name in curve),
            ("failure", pa.string()),
        ],
        metadata={_SETTINGS: json.dumps(settings, sort_keys=True).encode()},
    )


class Store:
    """Rows of studies on the disk; use it in a `with` statement, which holds the lock.

    Parameters
    ----------
    path : str or Path
        The file, ending in .parquet.
    settings : mapping
        Settings of the fits, as JSON can hold them: a file has rows of the same settings only.
    curve : sequence of str
        Names of the columns of the tuning curve.

    Raises
    ------
    InputError
        The file or its parts have other settings, or cannot be read or written.
    """

    def __init__(self, path: str | Path, settings: Mapping[str, Any], curve: Sequence[str] = ()) -> None:
        self.path = Path(path)
        if self.path.suffix != ".parquet":
            raise InputError(f"{self.path} must end in .parquet, the format that is written")
        self.folder = self.path.with_name(self.path.name + ".parts")
        self._schema = _schema(settings, curve)

    def __enter__(self) -> Self:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._lock: IO[bytes] = (self.folder / _LOCK).open("ab")
        except OSError as error:
            raise InputError(f"{self.folder} cannot be written: {error.strerror}; give another --out") from error
        try:
            lock(self._lock, self.path)
        except InputError:
            self._lock.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # A folder with rows stays.
        with contextlib.suppress(OSError):
            if {path.name for path in self.folder.iterdir()} <= {_LOCK}:
                (self.folder / _LOCK).unlink()
                self.folder.rmdir()
        self._lock.close()

    def studies(self) -> dict[str, bool]:
        """Return for each study that has a row whether one of its rows is not a failure."""
        found: dict[str, bool] = {}
        for path in self._files():
            table = self._read(path, ["study", "failure"])
            for name, failure in zip(table["study"].to_pylist(), table["failure"].to_pylist(), strict=True):
                found[name] = found.get(name, False) or failure is None
        return found

    def add(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write rows to the disk before returning."""
        import pyarrow as pa

        self._write(pa.Table.from_pylist(list(rows), self._schema), self.folder / f"{uuid.uuid4().hex}.parquet")

    def join(self) -> None:
        """Join all rows into one file."""
        import pyarrow as pa

        paths = list(self._files())
        if not paths or paths == [self.path]:
            return
        table = pa.concat_tables([self._read(path) for path in paths])
        best: dict[str, int] = {}
        failures = table["failure"].to_pylist()
        for i, name in enumerate(table["study"].to_pylist()):
            if name not in best or (failures[best[name]] is not None and failures[i] is None):
                best[name] = i
        self._write(table.take(pa.array(sorted(best.values()), pa.int64())).sort_by("study"), self.path)
        for path in paths:
            if path != self.path:
                path.unlink()
        remove_drafts(self.path)
        for draft in self.folder.glob("*.draft"):  # left by a killed process
            draft.unlink()

    def _files(self) -> Iterable[Path]:
        parts = sorted(self.folder.glob("*.parquet")) if self.folder.exists() else []
        return [*([self.path] if self.path.exists() else []), *parts]

    def _read(self, path: Path, columns: list[str] | None = None) -> "pa.Table":
        import pyarrow as pa
        from pyarrow import parquet

        try:
            with parquet.ParquetFile(path) as file:
                found = (file.schema_arrow.metadata or {}).get(_SETTINGS)
                if found != self._schema.metadata[_SETTINGS]:
                    difference = _difference(found, self._schema.metadata[_SETTINGS])
                    raise InputError(f"{path} {difference}; give another --out")
                return file.read(columns=columns)
        except (pa.ArrowInvalid, OSError) as error:
            raise InputError(f"{path} cannot be read: {error}; remove it or give another --out") from error

    def _write(self, table: "pa.Table", path: Path) -> None:
        from pyarrow import parquet

        try:
            with written_whole(path, "wb") as file:
                parquet.write_table(table, file)
        except OSError as error:
            raise InputError(
                f"{self.path} cannot be written: {error.strerror or error}; the rows before are safe: make room and "
                "run the same again"
            ) from error


def _difference(found: bytes | None, wanted: bytes) -> str:
    if found is None:
        return "was not written by this command"
    theirs, ours = json.loads(found), json.loads(wanted)
    other = [f"{key} = {theirs.get(key)!r}" for key in ours if theirs.get(key) != ours[key]]
    return f"was made with {', '.join(other)}"
