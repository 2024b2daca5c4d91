"""Configurations as callers give them: a mapping of names to values, or a mapping for each configuration."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nqjax.errors import InputError
from nqjax.inputs import shortened


def read_configurations(config: Any) -> dict[str, NDArray[Any]]:
    """Return the values of each hyperparameter, arrays of one length.

    Raises
    ------
    InputError
        It is neither, there is none, or a hyperparameter's values are no list of numbers and texts.
    """
    if (
        isinstance(config, Sequence)
        and not isinstance(config, str | bytes)
        and all(isinstance(r, Mapping) for r in config)
    ):
        names = dict.fromkeys(name for row in config for name in row)
        config = {name: [row.get(name) for row in config] for name in names}
    if not isinstance(config, Mapping) or not config:
        what = "give names mapped to values, or one mapping for each configuration"
        raise InputError(f"the configurations are {shortened(config)}: {what}")
    columns = {str(name): _column(str(name), values) for name, values in config.items()}
    counts = {name: len(values) for name, values in columns.items()}
    if len(set(counts.values())) > 1:
        first, *others = counts
        other = next(name for name in others if counts[name] != counts[first])
        raise InputError(
            f"{other} has {counts[other]} values, {first} has {counts[first]}: give one for each configuration"
        )
    return columns


def _column(name: str, values: Any) -> NDArray[Any]:
    try:
        if isinstance(values, np.ma.MaskedArray):
            values = np.ma.filled(values.astype(object), None)
        plain = isinstance(values, int | float | str | bool | None)
        found = np.array([values], dtype=object) if plain else np.asarray(values)
        if found.dtype.kind in "OUS":
            found = np.atleast_1d(np.asarray(found, dtype=object))
            known = int, float, str, bool, np.number, np.bool_, type(None)
            if not all(isinstance(value, known) and not isinstance(value, complex) for value in found):
                raise TypeError
            _ = [float(value) for value in found if isinstance(value, int)]  # none is beyond all floats
    except Exception:  # noqa: BLE001 - objects of other libraries raise errors of their own
        raise InputError(f"{name} is {shortened(values)}: give a number or a text for each configuration") from None
    if found.dtype.kind not in "iufbO" or found.ndim > 1:
        raise InputError(f"{name} is {shortened(values)}: give a number or a text for each configuration")
    return np.atleast_1d(found)


def read_rows(trials: Any, count: int) -> NDArray[np.int_]:
    """Return indices of trials; raise InputError for anything but whole numbers from 0 to ``count - 1``."""
    try:
        found = np.atleast_1d(np.asarray(trials))
        whole = found.ndim == 1 and found.dtype.kind in "iu"
    except Exception:  # noqa: BLE001
        whole = False
    if not whole or not np.all((found >= 0) & (found < count)):
        raise InputError(f"trials is {shortened(trials)}: give indices from 0 to {count - 1}")
    return found.astype(int)


def value_text(value: Any) -> str:
    """Return the value of a hyperparameter."""
    return f"{value:.3g}" if isinstance(value, float) else "none" if value in (None, "") else str(value)
