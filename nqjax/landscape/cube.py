"""A complete grid as an array with an axis for each hyperparameter, and one more for many landscapes at once.

Neighbours are slices there, so nothing is looked up, and the last axis keeps the values of one configuration together.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nqjax.landscape.space import COMPLETE, Space

Array = NDArray[Any]

#: Landscapes at once: the bits of a number, and few enough for the processor's caches.
WIDTH = 16


class Cube(NamedTuple):
    """The axes of a complete grid.

    Attributes
    ----------
    shape : tuple of int
        The number of levels of each hyperparameter.
    ordered : tuple of bool
    """

    shape: tuple[int, ...]
    ordered: tuple[bool, ...]

    @classmethod
    def of(cls, space: Space) -> Cube | None:
        """Return the cube of a space; None if rows are missing, or some hyperparameter exists in some of them only."""
        if space.kind != COMPLETE or space.is_conditional:
            return None
        return cls(space.shape, tuple(axis.ordered for axis in space.axes))

    def lines(self, values: Array, axis: int) -> Array:
        """Return a view of an array, shape (cells, landscapes), as (cells before, levels of the axis, the rest)."""
        return values.reshape(math.prod(self.shape[:axis]), self.shape[axis], -1)

    def pairs(self, *values: Array) -> Iterator[tuple[tuple[Array, ...], tuple[Array, ...]]]:
        """Yield views of arrays at both ends of edges, each edge once; the levels of the ends are one more axis."""
        for axis, (levels, ordered) in enumerate(zip(self.shape, self.ordered, strict=True)):
            lines = [self.lines(one, axis) for one in values]
            if ordered:
                yield tuple(one[:, :-1] for one in lines), tuple(one[:, 1:] for one in lines)
                continue
            for step in range(1, levels):  # all pairs of levels that differ by the step
                yield tuple(one[:, :-step] for one in lines), tuple(one[:, step:] for one in lines)

    def edge_products(self, values: Array) -> Array:
        """Return the sum over the edges of the products of both ends, each edge twice, for each landscape."""
        count = values.shape[1]
        total = np.zeros(count)
        for axis, ordered in enumerate(self.ordered):
            line = self.lines(values, axis)
            if ordered:
                here, there = line[:, :-1], line[:, 1:]
                shape = (*here.shape[:2], -1, count)
                total += 2 * np.einsum("abcd,abcd->d", here.reshape(shape), there.reshape(shape))
            else:  # the square of a sum is that of all pairs, those of a level with itself included
                sums = line.sum(axis=1).reshape(-1, count)
                total += np.einsum("ad,ad->d", sums, sums) - np.einsum("ad,ad->d", values, values)
        return total

    def neighbour_minima(self, values: Array) -> Array:
        """Return the least value among the neighbours of each cell; the largest possible one without a neighbour."""
        least = np.full_like(values, np.iinfo(values.dtype).max)
        for (here, found), (there, found_there) in self.pairs(values, least):
            np.minimum(found, there, out=found)
            np.minimum(found_there, here, out=found_there)
        return least

    def close_neighbours(self, values: Array, tolerances: tuple[float, ...]) -> list[Array]:
        """Return for each tolerance how many neighbours of each cell differ by no more."""
        most = sum(2 if ordered else levels - 1 for levels, ordered in zip(self.shape, self.ordered, strict=True))
        kind = np.uint8 if most < 2**8 else np.uint32
        counts = [np.zeros(values.shape, kind) for _ in tolerances]
        for (here, *found), (there, *found_there) in self.pairs(values, *counts):
            difference = here - there
            np.abs(difference, out=difference)
            for tolerance, one, other in zip(tolerances, found, found_there, strict=True):
                close = (difference <= tolerance).view(np.uint8)
                np.add(one, close, out=one)
                np.add(other, close, out=other)
        return counts

    def descents(self, rank: Array) -> list[tuple[Array, Array]]:
        """Return for each pair of `pairs` which ends are lower than the other, for `spread`."""
        return [(as_bits(here > there), as_bits(there > here)) for (here,), (there,) in self.pairs(rank)]

    def can_descend(self, descents: list[tuple[Array, Array]]) -> Array:
        """Return for each cell whether any neighbour is lower, as bits."""
        found = np.zeros((math.prod(self.shape), 1), np.uint16)
        for ((here,), (there,)), (down, up) in zip(self.pairs(found), descents, strict=True):
            np.bitwise_or(here, down.reshape(here.shape), out=here)
            np.bitwise_or(there, up.reshape(here.shape), out=there)
        return found

    def spread(self, found: Array, descents: list[tuple[Array, Array]]) -> Array:
        """Return for each cell whether a path of lower and lower ranks leads to one that is found; all as bits.

        The landscapes are the bits of one number, so that a step is one operation for all of them.
        """
        found = found.reshape(-1, 1).copy()
        before = None
        while before is None or not np.array_equal(found, before):
            before = found.copy()
            for ((here,), (there,)), (down, up) in zip(self.pairs(found), descents, strict=True):
                np.bitwise_or(here, there & down.reshape(here.shape), out=here)
                np.bitwise_or(there, here & up.reshape(here.shape), out=there)
        return found


def as_bits(values: Array) -> Array:
    """Return truth values, the last axis of which is that of 16 landscapes, as one number for each cell."""
    return np.packbits(values.reshape(-1)).view(np.uint16)


def from_bits(bits: Array) -> NDArray[np.bool_]:
    """Return the reverse, shape (cells, landscapes)."""
    return np.unpackbits(bits.view(np.uint8)).view(np.bool_).reshape(len(bits), WIDTH)
