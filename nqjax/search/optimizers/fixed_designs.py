"""Designs that are fixed before the first score: a grid in random order, and scrambled Sobol points."""

import math
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from nqjax.search.optimizers.cube import Cube
from nqjax.search.optimizers.method import FromHistory, KeyedHistory

#: Bits of a Sobol coordinate.
_BITS = 30


@dataclass(frozen=True)
class GridSearch(FromHistory):
    """The cells of a grid in random order.

    The grid has as few values of each continuous hyperparameter as give a configuration for every trial, evenly spaced
    from end to end; separate hyperparameters have all of their values.

    Attributes
    ----------
    points : int, optional
        Values of each continuous hyperparameter. A grid that is too small begins again.
    """

    points: int | None = None

    name = "grid"

    def init(self, cube: Cube, capacity: int, key: Array) -> KeyedHistory:
        """Return the state, whose memory is the order of the cells."""
        state = super().init(cube, capacity, key)
        size = math.prod(self._levels(cube, capacity))
        order = jax.random.choice(jax.random.fold_in(key, capacity), size, (min(capacity, size),), replace=False)
        return state._replace(memory=jnp.resize(order, (capacity,)))

    def _levels(self, cube: Cube, capacity: int) -> list[int]:
        points = self.points or 1
        while True:
            levels = [count or points for count in cube.counts]
            if self.points or 0 not in cube.counts or math.prod(levels) >= capacity:
                return levels
            points += 1

    def suggest(self, cube: Cube, state: KeyedHistory, first: Array, key: Array) -> tuple[Any, Array]:  # noqa: ARG002
        """Return the next cell's point."""
        rest, u = state.memory[first], []
        for levels, count in zip(self._levels(cube, len(state.memory)), cube.counts, strict=True):
            digit, rest = rest % levels, rest // levels
            ends = digit / max(levels - 1, 1) if levels > 1 else 0.5
            u.append((digit + 0.5) / levels if count else ends)
        return state.memory, jnp.stack([jnp.asarray(place, float) for place in u])


@dataclass(frozen=True)
class SobolSearch(FromHistory):
    """Points of a Sobol sequence with a random digital shift, which keeps their even spread (Owen 1998)."""

    name = "sobol"

    def start(self, cube: Cube, capacity: int) -> Array:
        """Return the points before the shift, as whole numbers of `_BITS` bits."""
        from scipy.stats import qmc

        whole = 1 << max(capacity - 1, 0).bit_length()  # Sobol points are balanced in powers of two
        points = qmc.Sobol(cube.dimension, scramble=False, bits=_BITS).random(whole)[:capacity]
        return jnp.asarray(np.rint(points * 2**_BITS).astype(np.uint32))

    def suggest(self, cube: Cube, state: KeyedHistory, first: Array, key: Array) -> tuple[Any, Array]:  # noqa: ARG002
        """Return the next point."""
        shift = jax.random.bits(state.key, (cube.dimension,), jnp.uint32) >> (32 - _BITS)
        return state.memory, (jnp.bitwise_xor(state.memory[first], shift) + 0.5) / 2.0**_BITS
