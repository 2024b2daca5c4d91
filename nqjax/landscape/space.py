"""The space of a landscape: its hyperparameters, the cell of each configuration, and how much of the grid there is."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nqjax.errors import InputError, visible
from nqjax.landscape.levels import Axis, Codes, find_levels

#: Kinds of data, by what is valid on them.
COMPLETE = "complete"
MISSING = "missing"
SAMPLE = "sample"
CONTINUOUS = "continuous"

#: A grid that lacks more than this share of its rows is a sample.
_MOST_MISSING = 0.5

#: A numeric hyperparameter of a sample with more levels than this share of the rows is continuous.
_CONTINUOUS_SHARE = 0.5

#: From this number of rows on, whole numbers or texts that never repeat are taken for names of the rows.
_ROWS_OF_NAMES = 20

#: The largest number of cells whose numbers fit in 64 bits.
_MOST_CELLS = 2**62

#: A look-up array has at most this many cells for each configuration.
_DENSE = 64


@dataclass(frozen=True, eq=False)
class Space:
    """The hyperparameters that vary, and the level of each configuration on each of them.

    Attributes
    ----------
    axes : tuple of Axis
        Hyperparameters with more than one level.
    codes : ndarray of int32, shape (hyperparameters, configurations)
    constant : tuple of str
        Names of the hyperparameters that have one value.
    """

    axes: tuple[Axis, ...]
    codes: Codes
    constant: tuple[str, ...] = ()

    def __len__(self) -> int:
        return self.codes.shape[1]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the hyperparameters that vary."""
        return tuple(axis.name for axis in self.axes)

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of levels of each hyperparameter."""
        return tuple(len(axis.levels) for axis in self.axes)

    @property
    def is_conditional(self) -> bool:
        """Whether some configurations do not have some hyperparameter."""
        return any(axis.has_inactive for axis in self.axes)

    @cached_property
    def strides(self) -> NDArray[np.int64]:
        """The step of the cell's number for a step of each hyperparameter; the last one varies fastest."""
        return np.array([math.prod(self.shape[h + 1 :]) for h in range(len(self.axes))], np.int64)

    @cached_property
    def num_cells(self) -> int:
        """The number of cells of the full product of all levels."""
        return math.prod(self.shape)

    @cached_property
    def cells(self) -> NDArray[np.int64]:
        """The number of the cell of each configuration."""
        cells = np.zeros(len(self), np.int64)
        for stride, codes in zip(self.strides.tolist(), self.codes, strict=True):
            cells += stride * codes.astype(np.int64) if stride > 1 else codes
        return cells

    @property
    def is_numbered(self) -> bool:
        """Whether the numbers of the cells fit in 64 bits."""
        return self.num_cells < _MOST_CELLS

    @property
    def is_dense(self) -> bool:
        """Whether an array over all cells is no larger than what is known of the configurations."""
        return self.num_cells <= _DENSE * len(self)

    @cached_property
    def expected(self) -> int:
        """The number of configurations of the whole grid.

        With conditional hyperparameters it is the sum over the sets of hyperparameters that occur together of the
        products of the levels that they have there.
        """
        if not self.is_conditional:
            return self.num_cells
        active = np.stack([codes < axis.num_active for axis, codes in zip(self.axes, self.codes, strict=True)], axis=1)
        patterns, group = np.unique(active, axis=0, return_inverse=True)
        sizes = [
            [len(np.unique(self.codes[h, group.ravel() == k])) for h in range(len(self.axes))]
            for k in range(len(patterns))
        ]
        return sum(math.prod(size) for size in sizes)

    @property
    def missing(self) -> float:
        """The share of the grid that has no configuration."""
        return 1 - len(self) / self.expected

    @cached_property
    def kind(self) -> str:
        """A complete grid, one with rows missing, a sample of a grid, or a sample of a continuous space."""
        if len(self) == self.expected:
            return COMPLETE
        if self.missing <= _MOST_MISSING:
            return MISSING
        many = _CONTINUOUS_SHARE * len(self)
        is_continuous = any(axis.ordered and axis.num_active > many for axis in self.axes)
        return CONTINUOUS if is_continuous else SAMPLE

    def values(self, node: int) -> dict[str, Any]:
        """Return the configuration of a node; a hyperparameter that it does not have is None."""
        return {
            axis.name: axis.levels[code] for axis, code in zip(self.axes, self.codes[:, node].tolist(), strict=True)
        }


def find_space(
    config: Mapping[str, Any],
    *,
    categorical: Iterable[str] = (),
    order: Mapping[str, Sequence[Any]] | None = None,
    keep: Iterable[str] = (),
) -> tuple[Space, NDArray[np.int64]]:
    """Return the space of a table of configurations, and the configuration of each row.

    Rows of equal configurations are one; configurations are in the order of their first rows.

    Parameters
    ----------
    config : mapping of str to array-like, each of shape (rows,)
        Hyperparameters.
    categorical : iterable of str
        Hyperparameters whose numbers have no order.
    order : mapping of str to sequence
        The order of the values of a hyperparameter that holds texts.
    keep : iterable of str
        Hyperparameters that are kept although no value occurs twice.

    Raises
    ------
    InputError
        If no hyperparameter varies, if one looks like a name of the rows, or if a name is unknown.
    """
    categorical, order, keep = set(categorical), dict(order or {}), set(keep)
    if unknown := sorted((categorical | set(order) | keep) - set(config)):
        raise InputError(
            f"there is no hyperparameter {visible(unknown[0])!r}; the hyperparameters: "
            f"{', '.join(visible(name) for name in config)}"
        )
    axes, codes, constant = [], [], []
    for name, values in config.items():
        axis, code = find_levels(name, values, categorical=name in categorical, order=order.get(name, ()))
        if len(axis.levels) == 1:
            constant.append(name)
            continue
        axes.append(axis)
        codes.append(code)
    if not axes:
        raise InputError("no hyperparameter varies: a landscape needs configurations that differ")
    table = np.stack(codes)
    for axis in axes:
        if axis.name not in keep:
            _refuse_names(axis, table.shape[1], len(axes))
    first, group = _distinct(Space(tuple(axes), table, tuple(constant)))
    return Space(tuple(axes), np.ascontiguousarray(table[:, first]), tuple(constant)), group


def _refuse_names(axis: Axis, rows: int, num_axes: int) -> None:
    """Raise InputError for a column that names the rows: a landscape has no neighbours along it."""
    if num_axes == 1 or rows < _ROWS_OF_NAMES or len(axis.levels) < rows:
        return
    if axis.ordered and not all(value is None or float(value).is_integer() for value in axis.levels):
        return
    what = "whole number" if axis.ordered else "value"
    raise InputError(
        f"{visible(axis.name)!r} has another {what} in each of {rows:,} rows, as a seed or a name has: leave the "
        f"column out (drop), or say that it is a hyperparameter (keep)"
    )


def _distinct(space: Space) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first row of each configuration, and the configuration of each row."""
    rows = len(space)
    if space.is_numbered:
        cells = space.cells
        if (np.diff(cells) > 0).all():
            return np.arange(rows), np.arange(rows)
        _, first, inverse = np.unique(cells, return_index=True, return_inverse=True)
    else:
        _, first, inverse = np.unique(space.codes, axis=1, return_index=True, return_inverse=True)
    inverse = inverse.ravel()
    if len(first) == rows:
        return np.arange(rows), np.arange(rows)
    order = np.argsort(first)
    place = np.empty(len(first), np.int64)
    place[order] = np.arange(len(first))
    return first[order], place[inverse]
