"""Open SQLite databases for reading, and find out which tool wrote them."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from nqjax.errors import InputError
from nqjax.trials.readers import mlflow, optuna
from nqjax.trials.readers.table import Table

#: First bytes of an SQLite database.
_MAGIC = b"SQLite format 3\0"


def is_database(path: Path) -> bool:
    """Return whether a file is an SQLite database."""
    with contextlib.suppress(OSError), path.open("rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC
    return False


def read_database(path: Path, study: str | None) -> Table:
    """Return the table of a study of Optuna or an experiment of MLflow in a database.

    Raises
    ------
    InputError
        If the file is no database, or that of another program.
    """
    if not path.exists():
        raise InputError(f"{path} does not exist; check the file's name")
    try:
        with _opened(path) as connection:
            names = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if {"studies", "trials", "trial_values"} <= names:
                return optuna.read_database(connection, str(path), study)
            if {"experiments", "runs", "metrics", "params"} <= names:
                return mlflow.read_database(connection, str(path), study)
    except (sqlite3.Error, KeyError) as error:
        raise InputError(f"{path} cannot be read as a database: {error}") from error
    raise InputError(f"{path} is a database, but not one of Optuna or MLflow: write its trials to a CSV file")


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Yield a connection that cannot write."""
    connection = sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", uri=True)
    try:
        yield connection
    finally:
        connection.close()
