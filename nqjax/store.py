"""The file of many fits: a Parquet file that grows while the work goes on, and survives its end at any moment.

While studies are fitted their rows go to small Parquet files in the folder ``<file>.parts``, each written under another
name, flushed to the disk and only then renamed: whatever is there is whole. When all is done they are joined to one
file in the same way, and the folder goes. A study is known by its name; where it is found in both, the file counts.
"""

import json
import os
import uuid
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nqjax.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

_SETTINGS = b"nqjax settings"


def _schema(settings: Mapping[str, Any]) -> "pa.Schema":
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
            *((name, pa.int64()) for name in ("num_scores", "num_used", "num_censored", "num_failed")),
            ("losses_by_gamma", pa.list_(number)),
            ("failure", pa.string()),
        ],
        metadata={_SETTINGS: json.dumps(settings, sort_keys=True).encode()},
    )


class Store:
    """Rows of studies, on the disk.

    Parameters
    ----------
    path : str or Path
        The file, ending in .parquet.
    settings : mapping
        What the fits were made with, for JSON: rows of other settings are not mixed with these.

    Raises
    ------
    InputError
        The file or its parts are of other settings, cannot be read, or cannot be written there.
    """

    def __init__(self, path: str | Path, settings: Mapping[str, Any]) -> None:
        self.path = Path(path)
        if self.path.suffix != ".parquet":
            raise InputError(f"{self.path} must end in .parquet, the format that is written")
        self.folder = self.path.with_name(self.path.name + ".parts")
        self._schema = _schema(settings)

    def studies(self) -> set[str]:
        """The studies that have a row."""
        return {name for path in self._files() for name in self._read(path, ["study"])["study"].to_pylist()}

    def add(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write rows; when this returns, they are safe."""
        import pyarrow as pa

        self._write(pa.Table.from_pylist(list(rows), self._schema), self.folder / f"{uuid.uuid4().hex}.parquet")

    def join(self) -> int:
        """Make one file of everything; return how many rows it has."""
        import pyarrow as pa

        seen: set[str] = set()
        tables = []
        for path in self._files():
            table = self._read(path)
            names = table["study"].to_pylist()
            new = [name not in seen for name in names]
            seen.update(names)
            tables.append(table.filter(pa.array(new)))
        if not tables:
            return 0
        if self.folder.exists():
            self._write(pa.concat_tables(tables).sort_by("study"), self.path)
            for path in self.folder.iterdir():
                path.unlink()
            self.folder.rmdir()
        return len(seen)

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
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{self.folder} cannot be made: {error.strerror}") from error
        draft = self.folder / f"{uuid.uuid4().hex}.draft"
        with draft.open("wb") as file:
            parquet.write_table(table, file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)


def _difference(found: bytes | None, wanted: bytes) -> str:
    if found is None:
        return "was not written by this command"
    theirs, ours = json.loads(found), json.loads(wanted)
    other = [f"{key} = {theirs.get(key)!r}" for key in ours if theirs.get(key) != ours[key]]
    return f"was made with {', '.join(other)}"
