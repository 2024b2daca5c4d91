"""Levels of one hyperparameter: its distinct values, in order if they have one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nqjax.errors import InputError, visible

Codes = NDArray[np.int32]

#: Numbers that differ relatively by less are one level: files round them.
_SAME_NUMBER = 1e-9

#: Values that are looked at first, and the number of different ones up to which each is compared with all.
_LOOKED_AT = 1000

_FEW = 20

#: What stands for a hyperparameter that a configuration does not have.
INACTIVE = None


@dataclass(frozen=True)
class Axis:
    """A hyperparameter and its levels.

    Attributes
    ----------
    name : str
    ordered : bool
        Whether neighbouring levels are one step apart; levels of a categorical hyperparameter are all one step apart.
    levels : tuple
        Numbers or texts; None is last where some configurations do not have the hyperparameter.
    """

    name: str
    ordered: bool
    levels: tuple[Any, ...]

    @property
    def has_inactive(self) -> bool:
        """Whether some configurations do not have this hyperparameter."""
        return self.levels[-1] is INACTIVE

    @property
    def num_active(self) -> int:
        """The number of levels, without that of a missing hyperparameter."""
        return len(self.levels) - self.has_inactive

    def moves(self) -> NDArray[np.int64]:
        """Return the neighbouring levels of each level, shape (levels, most neighbours), -1 for none.

        A missing hyperparameter is one step from every level.
        """
        count, active = len(self.levels), self.num_active
        if not self.ordered:
            return (np.arange(count)[:, None] + np.arange(1, count)) % count
        level = np.arange(active)
        up = np.where(level + 1 < active, level + 1, -1)
        if not self.has_inactive:
            return np.stack([up, level - 1], axis=1)
        found = np.full((count, max(3, active)), -1)
        found[:active, 0], found[:active, 1], found[:active, 2] = up, level - 1, active
        found[active, :active] = level
        return found

    def distances(self) -> NDArray[np.int32]:
        """Return the number of steps between any two levels, shape (levels, levels)."""
        level = np.arange(len(self.levels))
        if not self.ordered:
            return (level[:, None] != level).astype(np.int32)
        steps = np.abs(level[:, None] - level)
        if self.has_inactive:
            steps[-1, :-1] = steps[:-1, -1] = 1
        return steps.astype(np.int32)


def find_levels(name: str, values: Any, *, categorical: bool = False, order: Sequence[Any] = ()) -> tuple[Axis, Codes]:
    """Return the axis of a hyperparameter and the level of each value.

    Numbers are ordered unless they are said to be categorical; texts and truth values are categorical unless an order
    is given. NaN and None stand for a configuration without this hyperparameter.

    Raises
    ------
    InputError
        If the order that was given lacks a value, or a number is infinite.
    """
    column = np.asarray(values)
    numbers = None if order else _as_numbers(column)
    if numbers is None:
        return _find_choices(name, column, order)
    if np.isinf(numbers).any():
        raise InputError(f"{visible(name)!r} holds infinite values: give numbers, texts, or None for a missing one")
    codes = np.empty(len(numbers), np.int32)
    known = ~np.isnan(numbers)
    found, inverse = _distinct(numbers[known])
    starts = np.ones(len(found), bool)
    with np.errstate(invalid="ignore"):
        starts[1:] = np.diff(found) > _SAME_NUMBER * np.maximum(np.abs(found[1:]), np.abs(found[:-1]))
    codes[known] = (np.cumsum(starts) - 1)[inverse]
    levels: tuple[Any, ...] = tuple(found[starts].tolist())
    if not known.all():
        codes[~known] = len(levels)
        levels = (*levels, INACTIVE)
    return Axis(name, not categorical, levels), codes


def _distinct(values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """Return the different values in order, and the place of each value among them, as `numpy.unique` does.

    That sorts everything; in a grid a few values that are seen early are all, and comparisons are faster.
    """
    found = np.unique(values[:: max(len(values) // _LOOKED_AT, 1)])
    if len(found) <= _FEW:
        inverse = np.full(len(values), -1, np.intp)
        for place, value in enumerate(found):
            inverse[values == value] = place
        if (inverse >= 0).all():
            return found, inverse
    found, inverse = np.unique(values, return_inverse=True)
    return found, inverse.ravel()


def _as_numbers(column: NDArray[Any]) -> NDArray[np.float64] | None:
    """Return the values as numbers, NaN for missing ones; None if they are texts or truth values."""
    if column.dtype.kind in "iuf":
        return column.astype(np.float64)
    if column.dtype.kind == "b":
        return None
    if column.dtype.kind == "U":
        try:
            return column.astype(np.float64)
        except ValueError:
            return None
    found = np.empty(len(column))
    for place, value in enumerate(column.tolist()):
        if isinstance(value, bool):
            return None
        try:
            found[place] = math.nan if value is None else float(value)
        except (TypeError, ValueError, OverflowError):
            return None
    return found


def _find_choices(name: str, column: NDArray[Any], order: Sequence[Any]) -> tuple[Axis, Codes]:
    """Return the axis of choices, and the level of each value."""
    if column.dtype.kind == "U" and not order:  # no value is missing
        found, inverse = _distinct(column)
        return Axis(name, ordered=False, levels=tuple(found.tolist())), inverse.astype(np.int32)
    texts = [None if _is_missing(value) else str(value) for value in column.tolist()]
    known = {text for text in texts if text is not None}
    levels: list[Any] = [str(value) for value in order] or sorted(known)
    if lacking := sorted(known - set(levels)):
        raise InputError(f"the order of {visible(name)!r} lacks {visible(lacking[0])!r}: list all of its values")
    levels = [level for level in levels if level in known]
    if None in texts:
        levels.append(INACTIVE)
    place = {level: index for index, level in enumerate(levels)}
    codes = np.array([place[text] for text in texts], np.int32)
    return Axis(name, bool(order), tuple(levels)), codes


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))
