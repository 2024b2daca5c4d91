"""The box of a search: each hyperparameter as a coordinate from -1 to 1, on the scale on which it was drawn."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nqjax.errors import InputError
from nqjax.trials.ranges import Range
from nqjax.types import Floats

#: Hyperparameters with fewer different numbers are categories: a curvature needs three.
_FEWEST_VALUES = 3

#: Most categories of all hyperparameters.
_MOST_CATEGORIES = 12

#: A range must span this factor before a logarithm is considered.
_LEAST_RATIO = 8.0

#: The value of a numeric hyperparameter that a configuration does not have.
ABSENT = ""

#: A hyperparameter that is a function of another's rank, up to this, is left out.
_SAME = 1 - 1e-9


def bend(z: Floats, amount: float) -> Floats:
    """Return a coordinate from -1 to 1 bent by an exponential: its slope rises by ``exp(2 * amount)`` along it."""
    if not amount:
        return z
    return np.asarray(2 * np.expm1(amount * (z + 1)) / np.expm1(2 * amount) - 1)


def unbend(z: Floats, amount: float) -> Floats:
    """Return the coordinate of which `bend` makes z."""
    if not amount:
        return z
    return np.asarray(np.log1p((z + 1) / 2 * np.expm1(2 * amount)) / amount - 1)


class Axis(NamedTuple):
    """A numeric hyperparameter: its name, the scale on which it is a coordinate, and its ends in the user's units."""

    name: str
    scale: str  # "linear", "log", or "log of 1 - x"
    low: float
    high: float
    whole: bool
    stated: bool  # by a search space; else the ends and the scale are those of the values
    bend: float = 0.0  # see `bend`

    def to_box(self, values: Floats) -> Floats:
        """Return coordinates in [-1, 1]; NaN where a value is missing or has no logarithm."""
        low, high = self.warp(np.array([self.low, self.high]))
        return bend(np.asarray(2 * (self.warp(values) - low) / (high - low) - 1), self.bend)

    def from_box(self, z: Floats) -> Floats:
        """Return values in the user's units."""
        low, high = self.warp(np.array([self.low, self.high]))
        place = low + (unbend(np.clip(z, -1, 1), self.bend) + 1) / 2 * (high - low)
        if self.scale == "log":
            place = np.exp(place)
        elif self.scale == "log of 1 - x":
            place = 1 - np.exp(-place)
        values = np.clip(place, self.low, self.high)
        return np.rint(values) if self.whole else np.asarray(values)

    def warp(self, values: Floats) -> Floats:
        """Return values on the scale of the coordinate, which rises with them."""
        with np.errstate(divide="ignore", invalid="ignore"):
            if self.scale == "log":
                return np.asarray(np.where(values > 0, np.log(values), np.nan))
            if self.scale == "log of 1 - x":
                return np.asarray(np.where(values < 1, -np.log1p(-values), np.nan))
        return np.asarray(values, float)


class Points(NamedTuple):
    """Configurations in the box."""

    points: Floats  # (trials, axes), 0 where absent
    present: Floats  # (trials, axes), 1 or 0
    groups: Floats  # (trials, categories), 1 or 0


@dataclass(frozen=True)
class Box:
    """The coordinates of a search, as `find_box` infers them.

    Attributes
    ----------
    axes : tuple of Axis
        Numeric hyperparameters.
    categories : tuple of (str, str)
        A hyperparameter and one of its values; the most frequent value of each is the reference, and not listed. A
        numeric hyperparameter that some configurations lack has one with the value `ABSENT`.
    references : dict of str to str
    notes : tuple of str
        What was inferred and left out, in sentences.
    """

    axes: tuple[Axis, ...]
    categories: tuple[tuple[str, str], ...]
    references: Mapping[str, str]
    notes: tuple[str, ...]

    def bent(self, name: str, amount: float) -> Box:
        """Return the box with one coordinate bent, and a note that says so."""
        steep, factor = ("larger" if amount > 0 else "smaller"), np.exp(2 * abs(amount))
        note = f"{name} is bent: the loss is steeper towards {steep} values, by up to {factor:.2g} along the range"
        axes = tuple(axis._replace(bend=amount) if axis.name == name else axis for axis in self.axes)
        return replace(self, axes=axes, notes=(*self.notes, note))

    def cloud(self, count: int, seed: int) -> Floats:
        """Return random points of the box, uniform on the scales of the hyperparameters: shape (count, axes)."""
        z = np.random.default_rng(seed).uniform(-1, 1, (count, len(self.axes)))
        for j, axis in enumerate(self.axes):
            z[:, j] = bend(z[:, j], axis.bend)
        return z

    def place(self, config: Mapping[str, Any]) -> Points:
        """Return configurations in the box; raise InputError where a hyperparameter is missing from the mapping."""
        columns = {name: np.atleast_1d(np.asarray(values)) for name, values in config.items()}
        wanted = [*(axis.name for axis in self.axes), *self.references]
        if missing := [name for name in wanted if name not in columns]:
            raise InputError(f"the configuration has no {missing[0]!r}: it needs {', '.join(wanted)}")
        z = np.stack([self._coordinate(axis, _numbers(columns[axis.name])) for axis in self.axes], axis=1)
        groups = [self._is(columns[name], name, value).astype(float) for name, value in self.categories]
        present = np.isfinite(z)
        count = len(z)
        return Points(
            np.where(present, z, 0.0), present.astype(float), np.reshape(groups, (len(self.categories), count)).T
        )

    def _coordinate(self, axis: Axis, values: Floats) -> Floats:
        """Return the coordinates of a hyperparameter; raise InputError for values that have none."""
        z = axis.to_box(values)
        if np.any(no_place := np.isfinite(values) & ~np.isfinite(z)):
            value, side = values[no_place][0], "above 0" if axis.scale == "log" else "below 1"
            raise InputError(f"{axis.name} is {value:g}: its scale is {axis.scale}, give numbers {side}")
        if not np.all(np.isfinite(values)) and (axis.name, ABSENT) not in self.categories:
            raise InputError(f"{axis.name} is missing or no number, which it was in no trial: give a finite number")
        return z

    def present(self, groups: Floats) -> Floats:
        """Return which numeric hyperparameters rows of categories have, 1 or 0: shape (rows, axes)."""
        found = np.ones((len(groups), len(self.axes)))
        for j, axis in enumerate(self.axes):
            if (axis.name, ABSENT) in self.categories:
                found[:, j] -= groups[:, self.categories.index((axis.name, ABSENT))]
        return found

    def _is(self, column: NDArray[Any], name: str, value: str) -> NDArray[np.bool_]:
        if name in self.references:
            return np.asarray(_texts(column) == value)
        return ~np.isfinite(_numbers(column))

    def values(self, z: Floats, groups: Floats) -> list[dict[str, Any]]:
        """Return points of the box, shape (points, axes), as configurations in the user's units."""
        columns: dict[str, list[Any]] = {}
        for j, axis in enumerate(self.axes):
            found: list[Any] = axis.from_box(z[:, j]).tolist()
            found = [int(v) for v in found] if axis.whole else found
            if (axis.name, ABSENT) in self.categories:
                absent = groups[:, self.categories.index((axis.name, ABSENT))]
                found = [None if gone else v for v, gone in zip(found, absent, strict=True)]
            columns[axis.name] = found
        for name, reference in self.references.items():
            mine = [(k, value) for k, (other, value) in enumerate(self.categories) if other == name]
            columns[name] = [next((v for k, v in mine if row[k]), reference) for row in groups]
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def find_box(config: Mapping[str, Any], space: Mapping[str, Any] | None = None) -> Box:
    """Return the box of a search.

    Parameters
    ----------
    config : mapping of str to array, each of shape (trials,)
    space : mapping of str to Distribution or Range, optional
        Distributions of `nqjax.search`, or ranges that a study records. Without one, the ends are those of the values,
        and the scale is the one on which they are the most uniform.

    Raises
    ------
    InputError
        No hyperparameter is a number with three values or more.
    """
    axes: list[Axis] = []
    references: dict[str, str] = {}
    categories: list[tuple[str, str]] = []
    notes: list[str] = []
    seen: list[tuple[str, Floats]] = []
    for name, column in config.items():
        numbers = _numbers(np.asarray(column))
        finite = numbers[np.isfinite(numbers)]
        texts = _texts(np.asarray(column))
        if len(np.unique(texts)) < 2:
            notes.append(f"{name} has one value and is left out")
        elif len(np.unique(finite)) >= _FEWEST_VALUES and len(finite) >= np.sum(texts != "") and np.ptp(finite) > 0:
            twin = next((other for other, values in seen if _same(values, numbers)), None)
            if twin:
                notes.append(f"{name} says the same as {twin} and is left out")
                continue
            seen.append((name, numbers))
            axes.append(_axis(name, finite, (space or {}).get(name)))
            if len(finite) < len(numbers):
                categories.append((name, ABSENT))
        else:
            values, counts = np.unique(texts, return_counts=True)
            if len(categories) + len(values) > _MOST_CATEGORIES + 1:
                notes.append(f"{name} has {len(values)} texts, which are too many, and is left out")
                continue
            references[name] = str(values[np.argmax(counts)])
            categories += [(name, str(value)) for value in values if value != references[name]]
    if not axes:
        raise InputError(
            "no hyperparameter is a number with three different values or more: a surface needs at least one"
        )
    inferred = [axis for axis in axes if not axis.stated]
    if inferred:
        notes.insert(0, "coordinates: " + ", ".join(_words(axis) for axis in inferred))
    return Box(tuple(axes), tuple(categories), references, tuple(notes))


def _words(axis: Axis) -> str:
    scale = "" if axis.scale == "linear" else f", {axis.scale}"
    return f"{axis.name} {axis.low:.4g} to {axis.high:.4g}{scale}"


def _axis(name: str, values: Floats, distribution: Any) -> Axis:
    whole = bool(np.all(values == np.rint(values)))
    stated = _stated(distribution)
    if stated:
        # Values that have no place on the scale are refused when they are placed.
        usable = values[values > 0] if stated[0] == "log" else values
        low, high = (float(end(usable, initial=first)) for end, first in ((np.min, stated[1]), (np.max, stated[2])))
        return Axis(name, stated[0], low, high, whole, True)
    low, high = float(values.min()), float(values.max())
    candidates = [Axis(name, "linear", low, high, whole, False)]
    if low > 0 and high / low >= _LEAST_RATIO:
        candidates.append(candidates[0]._replace(scale="log"))
    if not whole and high < 1 and low >= 0 and (1 - low) / (1 - high) >= _LEAST_RATIO:
        candidates.append(candidates[0]._replace(scale="log of 1 - x"))
    return min(candidates, key=lambda axis: _unevenness(axis.to_box(values)))


def _stated(distribution: Any) -> tuple[str, float, float] | None:
    """Return scale and ends of a distribution of `nqjax.search` or of a recorded range, None where it has none."""
    if isinstance(distribution, Range):
        return distribution
    if not hasattr(distribution, "describe"):
        return None
    kind, ends = next(iter(distribution.describe().items()))
    scales = {"uniform": "linear", "log_uniform": "log", "discrete_uniform": "linear"}
    return (scales[kind], float(ends[0]), float(ends[1])) if kind in scales else None


def _unevenness(z: Floats) -> float:
    """Return the largest distance of the distribution function from that of the uniform law."""
    return float(np.max(np.abs(np.sort(z) - (2 * (np.arange(len(z)) + 0.5) / len(z) - 1))))


def _same(a: Floats, b: Floats) -> bool:
    """Return whether one is a monotone function of the other, as far as the trials tell."""
    both = np.isfinite(a) & np.isfinite(b)
    if both.sum() < len(a) or both.sum() < _FEWEST_VALUES:
        return False
    ranks = [np.unique(values, return_inverse=True)[1].astype(float) for values in (a, b)]
    if len(set(ranks[0])) != len(set(ranks[1])):
        return False
    return bool(abs(np.corrcoef(ranks[0], ranks[1])[0, 1]) > _SAME)


def _numbers(column: NDArray[Any]) -> Floats:
    if column.dtype.kind in "iuf":
        return np.asarray(column, float)
    found = np.full(len(column), math.nan)
    for i, value in enumerate(column):
        if isinstance(value, int | float | np.number) and not isinstance(value, bool | np.bool_):
            found[i] = float(value)
    return found


def _texts(column: NDArray[Any]) -> NDArray[np.str_]:
    plain: Sequence[Any] = column.tolist()
    missing = [v is None or (isinstance(v, float) and math.isnan(v)) for v in plain]
    return np.array(["" if gone else str(v) for v, gone in zip(plain, missing, strict=True)], dtype=np.str_)
