"""The graph of a landscape: which configurations are neighbours, as a table."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from nqjax.errors import InputError
from nqjax.landscape.space import Space
from nqjax.types import Floats

#: The largest table, in cells of four bytes.
_MOST_ENTRIES = 2**28


@dataclass(frozen=True, eq=False)
class Graph:
    """Neighbours of each configuration.

    Attributes
    ----------
    table : ndarray of int32, shape (most neighbours, configurations)
        Neighbours; the number of configurations stands for none.
    """

    table: NDArray[np.int32]

    def __len__(self) -> int:
        return self.table.shape[1]

    @cached_property
    def degree(self) -> NDArray[np.int64]:
        """The number of neighbours of each configuration."""
        degree = np.zeros(len(self), np.int64)
        for row in self.table:
            degree += row < len(self)
        return degree

    @cached_property
    def num_edges(self) -> int:
        """The number of pairs of neighbours."""
        return int(self.degree.sum()) // 2

    def neighbour_sums(self, values: Floats) -> Floats:
        """Return for each configuration the sum of its neighbours' values, shape (configurations,)."""
        extended = np.append(values, 0.0)
        total = np.zeros(len(self))
        for row in self.table:
            total += extended[row]
        return total

    def edges(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Return both ends of every edge, each edge once."""
        node = np.arange(len(self), dtype=np.int32)
        pairs = [(node[keep], row[keep]) for row in self.table for keep in [(row > node) & (row < len(self))]]
        return np.concatenate([a for a, _ in pairs]), np.concatenate([b for _, b in pairs])


def find_neighbours(space: Space) -> Graph:
    """Return the graph in which configurations that differ in one step of one hyperparameter are neighbours.

    Raises
    ------
    InputError
        If the table of neighbours would be too large.
    """
    count = len(space)
    moves = [axis.moves() for axis in space.axes]
    width = sum(move.shape[1] for move in moves)
    if width * count > _MOST_ENTRIES:
        raise InputError(
            f"{count:,} configurations with up to {width:,} neighbours each need a table of {width * count:,} cells: "
            f"at most {_MOST_ENTRIES:,} are possible; take fewer rows (where) or hyperparameters"
        )
    if not space.is_numbered:
        return _by_hashes(space, moves)
    table = np.empty((width, count), np.int32)
    find = _finder(space)
    at = 0
    for move, codes, stride in zip(moves, space.codes, space.strides.tolist(), strict=True):
        for targets in move.T:
            shift = (targets - np.arange(len(targets))) * stride
            table[at] = find(shift[codes], (targets < 0)[codes] if (targets < 0).any() else None)
            at += 1
    return Graph(table)


def _finder(space: Space):  # type: ignore[no-untyped-def]
    """Return a function of shifts of the cells' numbers that finds the configurations there."""
    count, cells = len(space), space.cells
    is_whole_and_sorted = count == space.num_cells and bool((np.diff(cells) > 0).all())
    if space.is_dense:
        where = np.full(space.num_cells, count, np.int32)
        where[cells] = np.arange(count, dtype=np.int32)
    else:
        order = np.argsort(cells)
        ordered = cells[order]

    def find(shift: NDArray[np.int64], none: NDArray[np.bool_] | None) -> NDArray[np.int32]:
        target = cells + shift
        if none is not None:
            target[none] = 0
        if is_whole_and_sorted:
            found = target.astype(np.int32)
        elif space.is_dense:
            found = where[target]
        else:
            place = np.minimum(np.searchsorted(ordered, target), count - 1)
            found = np.where(ordered[place] == target, order[place], count).astype(np.int32)
        if none is not None:
            found[none] = count
        return found

    return find


def _by_hashes(space: Space, moves: list[NDArray[np.int64]]) -> Graph:
    """Return the graph of a space with more cells than 64 bits can number: hashes find neighbours, levels confirm."""
    count = len(space)
    weights = np.random.default_rng(0).integers(1, 2**63, len(space.axes), dtype=np.uint64) | np.uint64(1)
    hashes = (weights[:, None] * space.codes.astype(np.uint64)).sum(axis=0, dtype=np.uint64)
    order = np.argsort(hashes)
    ordered = hashes[order]
    rows = []
    for h, (move, codes) in enumerate(zip(moves, space.codes, strict=True)):
        others = np.delete(space.codes, h, axis=0)
        for targets in move.T:
            target = targets[codes]
            sought = hashes + weights[h] * (target - codes).astype(np.uint64)
            place = order[np.minimum(np.searchsorted(ordered, sought), count - 1)]
            good = (target >= 0) & (space.codes[h, place] == target) & (others[:, place] == others).all(axis=0)
            rows.append(np.where(good, place, count).astype(np.int32))
    return Graph(np.stack(rows))
