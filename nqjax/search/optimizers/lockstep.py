"""Many searches by one method, a trial of each at a time: the method's state has a leading axis for the searches."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from nqjax.search.optimizers.cube import Cube, EncodedSpace
from nqjax.search.optimizers.method import Method
from nqjax.search.space import Config

Floats = NDArray[np.float64]


class Lockstep:
    """Searches of one length by one method.

    Parameters
    ----------
    method : Method
    space : EncodedSpace
    num_trials : int
        Trials of each search.
    keys : Array of keys, shape (searches,)
        One for each search.
    """

    def __init__(self, method: Method, space: EncodedSpace, num_trials: int, keys: Any) -> None:
        self._method, self._space, self._count = method, space, len(keys)
        self._asked = self._told = 0
        self._active: NDArray[np.bool_] = np.empty(0, bool)
        with jax.enable_x64(True):
            self._state = _init(method, space.cube, num_trials, keys)

    def ask(self, batch: int = 1) -> list[list[Config]]:
        """Return the next ``batch`` configurations of each search."""
        with jax.enable_x64(True):
            first = jnp.asarray(self._asked)
            self._state, u = _ask(self._method, self._space.cube, batch, self._state, first)
        self._asked += batch
        configs, active = self._space.decode(np.asarray(u).reshape(self._count * batch, -1))
        self._active = active.reshape(self._count, batch, -1)
        return [configs[i * batch : (i + 1) * batch] for i in range(self._count)]

    def tell(self, scores: Floats) -> None:
        """Give the scores of the configurations that were asked last, of shape (searches, batch)."""
        with jax.enable_x64(True):
            values = jnp.asarray(scores, jnp.float64)
            first = jnp.asarray(self._told)
            self._state = _tell(self._method, self._space.cube, self._state, first, self._active, values)
        self._told += scores.shape[1]


# Programs depend on the method's settings, the space's shape and the numbers of searches and of trials, nothing else.


@partial(jax.jit, static_argnums=(0, 1, 2))
def _init(method: Method, cube: Cube, capacity: int, keys: Any) -> Any:
    return jax.vmap(lambda key: method.init(cube, capacity, key))(keys)


@partial(jax.jit, static_argnums=(0, 1, 2))
def _ask(method: Method, cube: Cube, count: int, states: Any, first: Any) -> Any:
    return jax.vmap(lambda state: method.ask(cube, state, first, count))(states)


@partial(jax.jit, static_argnums=(0, 1))
def _tell(method: Method, cube: Cube, states: Any, first: Any, active: Any, scores: Any) -> Any:
    return jax.vmap(lambda state, a, s: method.tell(cube, state, first, a, s))(states, active, scores)


def search_keys(key: Any, numbers: Sequence[int]) -> Any:
    """Return the key of each search, which depends on its number alone."""
    with jax.enable_x64(False):
        return jax.vmap(lambda number: jax.random.fold_in(key, number))(jnp.asarray(list(numbers), jnp.uint32))
