"""Read one score for each trial from a CSV, JSON Lines or Parquet file."""

import contextlib
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from nqjax.errors import InputError
from nqjax.trials.csv_files import delimiter_of, read_csv
from nqjax.trials.json_lines import JSON_ENDINGS, read_json_lines
from nqjax.trials.parquet import read_parquet

ENDINGS = (".csv", ".tsv", *JSON_ENDINGS, ".parquet")


def read_scores(path: str | Path, metric: str) -> np.ndarray:
    """Read one score for each trial from a file.

    The ending decides the format: ``.csv``, ``.tsv``, ``.jsonl`` or ``.ndjson`` (one JSON object a line), each also
    followed by ``.gz``, and ``.parquet``. A CSV file has a header line and may begin with comment lines (``#``); blank
    lines are skipped, and so are the headers in a file that `nqjax.search` has written. In JSON Lines and Parquet a
    dotted name such as ``metrics.val_loss`` is a value of a nested object.

    Parameters
    ----------
    path : str or Path
        The file, with one row or line for each trial.
    metric : str
        The name of the column that holds the scores.

    Returns
    -------
    numpy.ndarray, shape (trials,), float64
        The scores in the file's order. A missing score (an empty cell, ``null``, ``nan``, ``None``, an absent key) is
        NaN and an infinite one stays infinite: both are failed runs.

    Raises
    ------
    InputError
        If the file cannot be read, has no rows or no column of this name, or if a score is not a number.

    Examples
    --------
    >>> from nqjax.data import digits_mlp_path
    >>> from nqjax.trials import read_scores
    >>> scores = read_scores(digits_mlp_path(), "val_loss")
    >>> scores.shape, scores.min().round(4).item()
    ((1024,), 0.0314)
    """
    path = Path(path)
    with checked_ending(path) as ending:
        if ending == ".parquet":
            scores = read_parquet(path, metric)
        elif ending in JSON_ENDINGS:
            scores = read_json_lines(path, metric)
        else:
            scores = read_csv(path, metric, delimiter_of(ending))
    if not scores.size:
        raise InputError(f"{path} has no rows; it needs one row per trial")
    return scores


@contextlib.contextmanager
def checked_ending(path: Path) -> Iterator[str]:
    """Check that a file can be read and yield the ending that decides its format.

    If the file turns out to be unreadable inside the block, that is an InputError, too.
    """
    try:
        if path.is_dir():
            raise InputError(f"{path} is a directory; give the file that holds the trials")
        if not path.exists():
            raise InputError(f"{path} does not exist; check the file's name")
        ending = _ending(path)
        if not path.stat().st_size:
            raise InputError(f"{path} is empty; it needs one row per trial")
        yield ending
    except (OSError, EOFError, zlib.error) as error:  # unreadable, or a damaged .gz
        raise InputError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _ending(path: Path) -> str:
    """Return the ending that decides the format, in lower case and without .gz."""
    name = path.name.lower()
    ending = Path(name.removesuffix(".gz")).suffix
    if ending not in ENDINGS or name.endswith(".parquet.gz"):
        raise InputError(
            f"{path} has an unknown file type {ending!r}; supported: {', '.join(ENDINGS)} (text formats also with .gz)"
        )
    return ending
