"""Landscapes for tests: random grids, and slow references that share nothing with the package."""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest


class Grid(NamedTuple):
    """Rows of a complete grid in random order, which hyperparameters are categorical, and losses."""

    config: dict[str, list[Any]]
    categorical: tuple[str, ...]
    losses: np.ndarray

    @property
    def rows(self) -> list[tuple[Any, ...]]:
        return list(zip(*self.config.values(), strict=True))


def random_grid(rng: np.random.Generator, most: int = 60, *, ties: bool = False, axes: int | None = None) -> Grid:
    """Return a grid of at least 3 and at most ``most`` configurations with 1 to 6 hyperparameters."""
    while True:
        count = axes or int(rng.integers(1, 7))
        sizes = rng.integers(2, 6, count)
        if 3 <= np.prod(sizes) <= most:
            break
    names = [f"h{i}" for i in range(count)]
    categorical = tuple(name for name in names if rng.random() < 0.4)
    levels = [
        [f"c{k}" for k in range(size)] if name in categorical else [float(k * k + 1) for k in range(size)]
        for name, size in zip(names, sizes, strict=True)
    ]
    rows = list(itertools.product(*levels))
    rng.shuffle(rows)
    losses = rng.integers(0, 4, len(rows)).astype(float) if ties else rng.permutation(len(rows)) / 7
    return Grid({name: [row[i] for row in rows] for i, name in enumerate(names)}, categorical, losses)


def steps_between(grid: Grid, a: int, b: int) -> int:
    """The distance of two rows by its definition."""
    total = 0
    for name, values in grid.config.items():
        if name in grid.categorical:
            total += values[a] != values[b]
        else:
            order = sorted(set(values))
            total += abs(order.index(values[a]) - order.index(values[b]))
    return total


def neighbours_of(grid: Grid) -> list[list[int]]:
    count = len(grid.losses)
    return [[b for b in range(count) if steps_between(grid, a, b) == 1] for a in range(count)]


def brute_force_prominences(neighbours: list[list[int]], losses: np.ndarray) -> dict[int, float]:
    """Raise a level through all losses, and note at which two components meet: by the definition of prominence.

    The component of a level is found anew each time, by a search from each of its nodes.
    """
    found: dict[int, float] = {}
    alive: set[int] = set()
    for level in sorted(set(losses.tolist())):
        below = {node for node in range(len(losses)) if losses[node] <= level}
        for component in _components(below, neighbours):
            lowest = min(component, key=lambda node: (losses[node], node))
            for dies in sorted((alive & component) - {lowest}):
                found[dies] = level - losses[dies]
                alive.discard(dies)
            alive.add(lowest)
    return {**found, **dict.fromkeys(alive, np.inf)}


def _components(nodes: set[int], neighbours: list[list[int]]) -> Iterator[set[int]]:
    left = set(nodes)
    while left:
        component, front = set(), [left.pop()]
        while front:
            node = front.pop()
            component.add(node)
            for other in neighbours[node]:
                if other in left:
                    left.discard(other)
                    front.append(other)
        yield component


def read(folder: Path, name: str) -> tuple[dict, dict, dict]:
    """The hyperparameters, all columns and the reference values of a grid in the shared data."""
    pytest.importorskip("pyarrow")
    from pyarrow import parquet

    reference = json.loads((folder / "landscape" / "reference" / f"{name}.json").read_text())
    table = parquet.read_table(folder / "landscape" / f"{name}.parquet").to_pydict()
    types = reference.pop("types")
    for axis, kind in types.items():
        assert (kind == "categorical") == isinstance(table[axis][0], str)
    return {axis: table[axis] for axis in types}, table, reference


def runs_of(name: str, table: dict) -> np.ndarray:
    """The losses of all seeds, as `reference/definitions.json` defines them."""
    columns = [column for column in table if column.rstrip("0123456789") in ("val_acc_", "val_loss_")]
    runs = np.array([table[column] for column in columns], float).T
    return runs if name.startswith("fcnet") else 1 - runs / (100 if name.startswith("nb201") else 1)
