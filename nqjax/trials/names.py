"""Read the names of a file's columns."""

from pathlib import Path

from nqjax.trials.columns import dotted_names
from nqjax.trials.csv_files import csv_names, delimiter_of
from nqjax.trials.json_lines import JSON_ENDINGS, json_lines
from nqjax.trials.parquet import parquet_names
from nqjax.trials.scores import checked_ending


def read_names(path: str | Path) -> list[str]:
    """Read the names of the columns of a file that `nqjax.trials.read_scores` takes, dotted where they are nested.

    Raises
    ------
    InputError
        If the file cannot be read.
    """
    path = Path(path)
    with checked_ending(path) as ending:
        if ending == ".parquet":
            return parquet_names(path)
        if ending in JSON_ENDINGS:
            return list(dict.fromkeys(name for _, trial in json_lines(path) for name in dotted_names(trial)))
        return csv_names(path, delimiter_of(ending))
