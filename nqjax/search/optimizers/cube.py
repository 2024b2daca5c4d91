"""A search space as the unit cube: a coordinate for each hyperparameter that is searched.

A coordinate is the share of a hyperparameter's draws below its value, so a random configuration is a uniform point of
the cube, and the logarithmic scale needs no care. Methods see points only; configurations are made on the host.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from nqjax.errors import InputError
from nqjax.search.configurations import resolve
from nqjax.search.space import Choice, Config, Derived, Distribution, Fixed, When, check

#: The last coordinate of trials of an earlier task.
_EARLIER = 0.25

#: The last coordinate of trials of the task that is searched.
_HERE = 0.75


class Cube(NamedTuple):
    """The part of a space that methods know; hashable, so that a compiled program can depend on it.

    Attributes
    ----------
    counts : tuple of int
        The number of values of each coordinate; 0 for a continuous one.
    categorical : tuple of bool
        Whether the values have no order.
    """

    counts: tuple[int, ...]
    categorical: tuple[bool, ...]

    @property
    def dimension(self) -> int:
        """The number of coordinates."""
        return len(self.counts)

    def snap(self, u: Array) -> Array:
        """Return points, of shape (..., dimension), with separate values moved to the middle of their cells."""
        counts = jnp.asarray(self.counts)
        cells = jnp.maximum(counts, 1)
        middle = (jnp.clip(jnp.floor(u * cells), 0, cells - 1) + 0.5) / cells
        return jnp.where(counts > 0, middle, jnp.clip(u, 0.0, 1.0))

    def here(self, u: Array) -> Array:
        """Return the points of told trials as points of the task that is searched."""
        return u


class TwoTasks(Cube):
    """A cube whose last coordinate says of which task a trial is: an earlier one, or the one that is searched."""

    __slots__ = ()

    @classmethod
    def of(cls, cube: Cube) -> TwoTasks:
        """Return the cube with one more coordinate."""
        return cls((*cube.counts, 2), (*cube.categorical, True))

    def snap(self, u: Array) -> Array:
        """Return points that can be run: they are of the task that is searched."""
        return self.here(super().snap(u))

    def here(self, u: Array) -> Array:
        """Return the same points as ones of the task that is searched."""
        return u.at[..., -1].set(_HERE)

    @staticmethod
    def tasks(is_earlier: Array) -> Array:
        """Return the last coordinate of trials."""
        return jnp.where(is_earlier, _EARLIER, _HERE)


class EncodedSpace:
    """A search space with its cube.

    A conditional hyperparameter (`When`) has a coordinate for each of its branches that is searched; a coordinate is
    active in the configurations that read it.

    Parameters
    ----------
    space : mapping
        From names to distributions or values (`nqjax.search.space`).

    Attributes
    ----------
    cube : Cube
    names : tuple of str
        The hyperparameter of each coordinate.

    Raises
    ------
    InputError
        The space is invalid, or nothing is searched.
    """

    def __init__(self, space: Mapping[str, Any]) -> None:
        self.space = check(space)
        leaves = [(name, leaf) for name, entry in self.space.items() for leaf in _leaves(entry)]
        if not leaves:
            raise InputError("the space has no hyperparameter to search: all are fixed or derived")
        self.names = tuple(name for name, _ in leaves)
        self._places = {(name, id(leaf)): i for i, (name, leaf) in enumerate(leaves)}
        self.cube = Cube(
            tuple(leaf.num_values or 0 for _, leaf in leaves), tuple(isinstance(leaf, Choice) for _, leaf in leaves)
        )
        self._flat = not any(isinstance(entry, When | Derived) for entry in self.space.values())

    def decode(self, u: NDArray[np.float64]) -> tuple[list[Config], NDArray[np.bool_]]:
        """Return the configurations of points, of shape (points, dimension), and which coordinates are active."""
        if self._flat:
            return self._decode_columns(u), np.ones(u.shape, bool)
        active = np.zeros(u.shape, bool)
        configs = [self._decode(point, mask) for point, mask in zip(u.tolist(), active, strict=True)]
        return configs, active

    def _decode_columns(self, u: NDArray[np.float64]) -> list[Config]:
        """Return what `decode` does where no hyperparameter depends on another, several times as fast."""
        columns = []
        for name, leaf in self.space.items():
            place = self._places.get((name, id(leaf)))
            columns.append(
                [leaf.quantile(0.0)] * len(u) if place is None else [*map(leaf.quantile, u[:, place].tolist())]
            )
        return [dict(zip(self.space, row, strict=True)) for row in zip(*columns, strict=True)]

    def _decode(self, point: list[float], active: NDArray[np.bool_]) -> Config:
        def pick(name: str, leaf: Distribution) -> Any:
            place = self._places.get((name, id(leaf)))
            if place is None:
                return leaf.quantile(0.0)  # fixed
            active[place] = True
            return leaf.quantile(point[place])

        return resolve(self.space, pick)

    def encode(self, config: Config) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return the point of a configuration, and which coordinates are active; the others are at the middle.

        Raises
        ------
        InputError
            A value is missing, or none of its distribution; the message names the hyperparameter.
        """
        u, active = np.full(len(self.names), 0.5), np.zeros(len(self.names), bool)

        def pick(name: str, leaf: Distribution) -> Any:
            if name not in config:
                raise InputError(f"the configuration lacks {name!r}")
            place = self._places.get((name, id(leaf)))
            if place is not None:
                u[place], active[place] = _share(name, leaf, config[name]), True
            return config[name]

        resolve(self.space, pick)
        return u, active


def _leaves(entry: Distribution) -> list[Distribution]:
    if isinstance(entry, When):
        return [*_leaves(entry.distribution), *_leaves(entry.otherwise)]
    return [] if isinstance(entry, Fixed | Derived) else [entry]


def _share(name: str, leaf: Distribution, value: Any) -> float:
    try:
        return leaf.share(value)
    except (InputError, TypeError, ValueError) as error:
        raise InputError(f"{name} is {value!r}, which is not in {leaf}: give a value of the space") from error
