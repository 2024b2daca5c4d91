"""Labels of trials, such as the configuration that a run repeats; numbers are read as text."""

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from nqjax.errors import InputError
from nqjax.trials.csv_files import csv_texts, delimiter_of
from nqjax.trials.json_lines import JSON_ENDINGS, json_values
from nqjax.trials.parquet import parquet_values
from nqjax.trials.scores import checked_ending


def read_labels(path: str | Path, column: str, missing: str | None = None) -> list[str]:
    """Read one label for each trial from a file, in the order of `nqjax.trials.read_scores`.

    Parameters
    ----------
    path : str or Path
        The file, as `nqjax.trials.read_scores` takes it.
    column : str
        The name of the column that holds the labels.
    missing : str, optional
        The label of a trial without one; by default that is an error.

    Returns
    -------
    list of str
        A label that is a number is written as `as_label` does.

    Raises
    ------
    InputError
        If the file cannot be read, has no such column, or a trial has no label.
    """
    path = Path(path)
    with checked_ending(path) as ending:
        if ending == ".parquet":
            values: Iterable[Any] = parquet_values(path, column)
        elif ending in JSON_ENDINGS:
            values = (value for _, value in json_values(path, column))
        else:
            values = csv_texts(path, column, delimiter_of(ending))[0]
        return as_labels(values, column, f"{path}, ", missing)


def as_labels(values: Iterable[Any], column: str, where: str = "", missing: str | None = None) -> list[str]:
    """Return labels from texts and numbers, one for each trial.

    Parameters
    ----------
    values : iterable
        Texts, whole or other numbers.
    column : str
        The name of the column, for messages.
    where : str
        The text before the row's number in messages.
    missing : str, optional
        The label where a value is missing.

    Raises
    ------
    InputError
        If a value is missing, or is neither text nor a finite number.
    """
    labels = []
    for row, value in enumerate(values, start=1):
        label = as_label(value)
        if label is None and is_missing(value):
            label = missing
        if label is None:
            raise InputError(f"{where}row {row}: {column} is {_quote(value)}; give each run a name or a number")
        labels.append(label)
    return labels


def as_label(value: Any) -> str | None:
    """Return the text of a label, or None for an invalid one; 3 and 3.0 give the same text."""
    value = value.item() if hasattr(value, "item") and getattr(value, "ndim", 0) == 0 else value
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool | int | str) or (isinstance(value, float) and math.isfinite(value)):
        return str(value).strip() or None
    return None


def is_missing(value: Any) -> bool:
    """Return whether a value that is no label stands for none: None, NaN or an empty text."""
    return value is None or isinstance(value, float | str)


def _quote(value: Any) -> str:
    return "missing" if is_missing(value) else f"a {type(value).__name__}"
