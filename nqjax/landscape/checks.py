"""Checks of what callers of landscapes give. They are like those of `nqjax.inputs`, which import JAX."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nqjax.errors import InputError, visible
from nqjax.types import Floats

#: Squares of larger scores would overflow.
_LARGEST_SCORE = 1e150


def shown(value: Any) -> str:
    """Return a value for a message, at most 80 characters of it."""
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - objects of other libraries raise errors of their own
        text = f"a {type(value).__name__}"
    text = " ".join(text.split())
    return text if len(text) <= 80 else f"{text[:77]}..."


def as_losses(scores: Any, minimize: Any) -> Floats:
    """Return losses, one row for each row and one column for each run; raise InputError for anything else."""
    if not isinstance(minimize, bool | np.bool_):
        raise InputError(f"minimize is {shown(minimize)}: give True or False")
    try:
        given = np.ma.asarray(scores)
        if given.dtype.kind not in "iufO" or any(isinstance(one, bool | str | bytes) for one in _first(given)):
            raise TypeError
        array: Floats = np.asarray(np.ma.filled(given.astype(np.float64), np.nan))
    except Exception:  # noqa: BLE001 - as above
        raise InputError("the scores are not numbers: give one for each row, or one row of runs for each") from None
    if array.ndim not in (1, 2) or not array.size:
        raise InputError(f"the scores have shape {array.shape}: give one for each row, or one row of runs for each")
    array = array.reshape(len(array), -1)
    array = np.where(np.isfinite(array), array, np.nan)
    if np.nanmax(np.abs(array), initial=0.0) > _LARGEST_SCORE:
        raise InputError(f"scores are larger than {_LARGEST_SCORE:g}: give NaN or infinity for runs that diverged")
    return array if minimize else -array


def _first(array: NDArray[Any]) -> list[Any]:
    """Return what must be looked at one by one: values of a column of objects."""
    return array.ravel().tolist() if array.dtype == object else []


def as_columns(config: Any, rows: int) -> dict[str, NDArray[Any]]:
    """Return hyperparameters as columns with one value a row; raise InputError, which names one that is not."""
    if not isinstance(config, Mapping) or not config:
        raise InputError("there are no hyperparameters: give a mapping of their names to one value a row")
    found = {}
    for name, values in config.items():
        label = visible(str(name))
        try:
            column = np.asarray(values) if not isinstance(values, str | bytes) else None
            if column is not None and column.dtype.kind not in "biufUO":
                column = np.array([None if one is None else str(one) for one in column.tolist()], object)
        except Exception:  # noqa: BLE001 - as above
            column = None
        if column is None or column.ndim != 1:
            raise InputError(f"{label!r} is {shown(values)}: give one value for each of {rows:,} rows")
        if len(column) != rows:
            raise InputError(f"{label!r} has {len(column):,} values for {rows:,} rows of scores: give one a row")
        try:
            _ = [str(one) for one in _first(column)]
        except Exception:  # noqa: BLE001 - as above
            raise InputError(f"{label!r} holds values that are neither numbers nor texts") from None
        found[str(name)] = column
    return found


def as_names(what: str, names: Any) -> tuple[str, ...]:
    """Return names as a tuple of texts; a single one may be given alone."""
    if isinstance(names, str):
        return (names,)
    if isinstance(names, Iterable) and not isinstance(names, bytes):
        try:
            found = tuple(names)
        except TypeError:  # an array without a dimension
            found = (None,)
        if all(isinstance(name, str) for name in found):
            return found
    raise InputError(f"{what} is {shown(names)}: give names of hyperparameters")


def as_order(order: Any) -> dict[str, list[Any]]:
    """Return the orders of some hyperparameters' values, each as a list."""
    if order is None:
        return {}
    if isinstance(order, Mapping):
        found = {str(name): values for name, values in order.items()}
        plain = str | int | float | np.generic
        if all(isinstance(v, list | tuple) and all(isinstance(one, plain) for one in v) for v in found.values()):
            return {name: list(values) for name, values in found.items()}
    raise InputError(f"order is {shown(order)}: give a mapping of names to lists of values, the lowest first")


def as_number(what: str, value: Any, least: float = -math.inf, hint: str = "") -> float:
    """Return a finite number that is at least ``least``; raise InputError for anything else."""
    try:
        bad = isinstance(value, bool | np.bool_ | str | bytes | complex) or np.ndim(value) > 0
        number = math.nan if bad or value is np.ma.masked else float(value)
    except Exception:  # noqa: BLE001 - as above
        number = math.nan
    if not (math.isfinite(number) and number >= least):
        bound = "a finite number" if least == -math.inf else f"a number that is {least:g} or more"
        raise InputError(f"{what} is {shown(value)}: give {bound}{hint}")
    return number


def as_share(what: str, value: Any) -> float:
    """Return a number strictly between 0 and 1; raise InputError for anything else."""
    try:
        number = as_number(what, value)
    except InputError:
        number = math.nan
    if not 0 < number < 1:
        raise InputError(f"{what} is {shown(value)}: give a share between 0 and 1")
    return number


def as_index(what: str, value: Any, count: int) -> int:
    """Return a whole number from 0 up to, but not including, ``count``; raise InputError for anything else."""
    try:
        number = -1 if isinstance(value, bool | np.bool_) else operator.index(value)
    except Exception:  # noqa: BLE001 - as above
        number = -1
    if not 0 <= number < count:
        raise InputError(f"there is no {what} {shown(value)}: give a whole number from 0 to {count - 1}")
    return number


def as_tolerances(values: Any) -> Floats:
    """Return tolerances as numbers, NaN excluded; raise InputError for anything else."""
    try:
        array = np.asarray(values)
        if array.dtype.kind not in "iuf" or np.isnan(array).any():
            raise TypeError
        return array.astype(np.float64)
    except Exception:  # noqa: BLE001 - as above
        raise InputError(f"the tolerances are {shown(values)}: give numbers") from None
