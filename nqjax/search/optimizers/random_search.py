"""Random search: the unit in which the others are measured."""

from dataclasses import dataclass
from typing import Any

from jax import Array

from nqjax.search.optimizers.cube import Cube
from nqjax.search.optimizers.method import FromHistory, KeyedHistory, random_point


@dataclass(frozen=True)
class RandomSearch(FromHistory):
    """Independent, uniform points (Bergstra and Bengio 2012)."""

    name = "random"

    def suggest(self, cube: Cube, state: KeyedHistory, first: Array, key: Array) -> tuple[Any, Array]:  # noqa: ARG002
        """Return a uniform point."""
        return (), random_point(cube, key)
