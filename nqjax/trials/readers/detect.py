"""Find out what a source is, and read its table."""

import glob
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nqjax.errors import InputError
from nqjax.trials.readers.combine import combined
from nqjax.trials.readers.flat import TABLE_ENDINGS, has_table_ending, read_flat
from nqjax.trials.readers.table import Recorded, Table, table_of_objects


def read_table(source: Any, study: str | None = None) -> Table:
    """Return the table of a source, which may be a file, a folder, a pattern, an address, a list or an object."""
    if isinstance(source, str | os.PathLike):
        return _read_place(os.fspath(source), study)
    if isinstance(source, Sequence) and source and all(isinstance(one, str | os.PathLike) for one in source):
        return _read_places([os.fspath(one) for one in source], study)
    return read_object(source)


def _read_places(sources: Sequence[str], study: str | None) -> Table:
    """Return one table of several sources; a file that is named twice is read once."""
    if len(sources) == 1:
        return _read_place(sources[0], study)
    files = [file for source in sources for file in _files_of(source)]
    different = {os.path.realpath(file): file for file in reversed(files)}
    kept = [file for file in files if different[os.path.realpath(file)] is file]
    return combined([_read_place(file, study) for file in dict.fromkeys(kept)], ", ".join(sources))


def _files_of(source: str) -> list[str]:
    """Return the files that a pattern matches, or the source itself."""
    if any(mark in source for mark in "*?[") and "://" not in source and not Path(source).exists():
        found = sorted(glob.glob(source, recursive=True))  # noqa: PTH207
        if not found:
            raise InputError(f"no file matches {source!r}")
        return found
    return [source]


def _read_place(source: str, study: str | None) -> Table:
    """Return the table of one file, folder, pattern or address."""
    if "://" in source:
        return _read_address(source)
    files = _files_of(source)
    if files != [source]:
        return _read_places(files, study) if len(files) > 1 else _read_place(files[0], study)
    path = Path(source)
    if path.is_dir():
        return _read_folder(path, study)
    return read_flat(path)


def _read_address(source: str) -> Table:
    raise InputError(f"{source}: nothing is fetched; give a file, or sqlite:///FILE for a database")


def _read_folder(folder: Path, study: str | None) -> Table:
    """Return the table of a folder: that of a tool, or the tables in it as one study."""
    files = sorted(str(file) for file in folder.iterdir() if file.is_file() and has_table_ending(file))
    if not files:
        raise InputError(
            f"{folder} is a directory without trials: give a file, or a folder with files that end in "
            f"{', '.join(TABLE_ENDINGS)}"
        )
    return combined([_read_place(file, study) for file in files], str(folder))


def read_object(source: Any) -> Table:
    """Return the table of an object in memory."""
    if isinstance(source, list | tuple) and source and all(isinstance(one, Mapping) for one in source):
        return table_of_objects(((None, one) for one in source), "the list", Recorded("list"))
    raise InputError(
        f"a {type(source).__name__} cannot be read as a study: give a file, a folder, a data frame, a list of "
        "dictionaries, or a study of Optuna, scikit-learn, Ray or Hyperopt"
    )
