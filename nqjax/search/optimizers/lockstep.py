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
from nqjax.search.optimizers.registry import check_learns
from nqjax.search.optimizers.surface_search import SurfaceSearch
from nqjax.search.optimizers.warm_start import Earlier, begin, levelled_scores, room_for, warmed
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
    earlier : Earlier, optional
        Trials that each method knows at its start.
    """

    def __init__(
        self, method: Method, space: EncodedSpace, num_trials: int, keys: Any, earlier: Earlier | None = None
    ) -> None:
        if earlier is not None:
            check_learns(method, len(earlier.u))
        self._queues: list[_Queue] = []
        if isinstance(method, SurfaceSearch):
            self._queues = [_Queue(method, space, key, earlier) for key in keys]
            method = method.companion
        if earlier is not None:
            method = warmed(method, earlier)
            num_trials = room_for(method, earlier, num_trials)
        self._method, self._space, self._count = method, space, len(keys)
        self._asked = self._told = 0
        self._active: NDArray[np.bool_] = np.empty(0, bool)
        self._every_active: list[NDArray[np.bool_]] = []
        with jax.enable_x64(True):
            self._state = _init(method, space.cube, num_trials, keys)
            if earlier is not None:
                self._state = begin(method, earlier, self._state)

    def ask(self, batch: int = 1) -> list[list[Config]]:
        """Return the next ``batch`` configurations of each search."""
        with jax.enable_x64(True):
            # Arrays of NumPy: putting each on the device by itself takes longer than the program.
            self._state, u = _ask(self._method, self._space.cube, batch, self._state, np.int64(self._asked))
        configs, active = self._space.decode(np.asarray(u).reshape(self._count * batch, -1))
        asked = [configs[i * batch : (i + 1) * batch] for i in range(self._count)]
        if self._queues:
            asked = [queue.ask(own) for queue, own in zip(self._queues, asked, strict=True)]
            active = self._replace(asked)
        self._asked += batch
        self._active = active.reshape(self._count, batch, -1)
        self._every_active.append(self._active)
        return asked

    def _replace(self, asked: list[list[Config]]) -> NDArray[np.bool_]:
        """Tell the method which configurations are run instead of its own; return which coordinates they have."""
        points, active = zip(*(self._space.encode(config) for own in asked for config in own), strict=True)
        u = np.array(points).reshape(self._count, len(asked[0]), -1)
        with jax.enable_x64(True):
            self._state = _replaced(self._method, self._space.cube, self._state, np.int64(self._asked), u)
        return np.array(active)

    def tell(self, scores: Floats) -> None:
        """Give the scores of the configurations that were asked last, of shape (searches, batch)."""
        for queue, own in zip(self._queues, scores, strict=False):
            queue.tell(own)
        with jax.enable_x64(True):
            values, first = np.asarray(scores, np.float64), np.int64(self._told)
            self._state = _tell(self._method, self._space.cube, self._state, first, self._active, values)
        self._told += scores.shape[1]

    def tell_again(self, scores: Floats) -> None:
        """Give the scores of all configurations that were asked, of shape (searches, trials), which may be new ones."""
        with jax.enable_x64(True):
            active = np.concatenate(self._every_active, axis=1)
            values = np.asarray(scores, np.float64)
            self._state = _tell(self._method, self._space.cube, self._state, np.int64(0), active, values)
        self._told = scores.shape[1]


class _Queue:
    """One search whose proposals come from the host."""

    def __init__(self, method: SurfaceSearch, space: EncodedSpace, key: Any, earlier: Earlier | None) -> None:
        self._method, self._space, self._key, self._earlier = method, space, key, earlier
        self._configs: list[Config] = []
        self._scores: list[float] = []
        self._waiting: list[Config] = []

    def ask(self, given: list[Config]) -> list[Config]:
        """Return the next configurations: those given, and in their place proposals where the surface's turn is."""
        before = 0 if self._earlier is None else len(self._earlier.u)
        for place in range(len(given)):
            number = len(self._configs)
            if self._method.proposes(before + number):
                if not self._waiting:
                    told, scores = self._told()
                    key = jax.random.fold_in(self._key, number)
                    self._waiting = self._method.propose(self._space, told, scores, self._method.every, key)
                if self._waiting:
                    given[place] = self._waiting.pop(0)
            self._configs.append(given[place])
        return given

    def tell(self, scores: Floats) -> None:
        self._scores += scores.tolist()

    def _told(self) -> tuple[list[Config], Floats]:
        told, scores = self._configs[: len(self._scores)], np.array(self._scores, np.float64)
        if self._earlier is None:
            return told, scores
        places = [self._space.encode(config) for config in told]
        scores = levelled_scores(self._earlier, places, scores)
        return [*self._earlier.configs, *told], scores


# Programs depend on the method's settings, the space's shape and the numbers of searches and of trials, nothing else.


@partial(jax.jit, static_argnums=(0, 1, 2))
def _init(method: Method, cube: Cube, capacity: int, keys: Any) -> Any:
    return jax.vmap(lambda key: method.init(cube, capacity, key))(keys)


@partial(jax.jit, static_argnums=(0, 1, 2), donate_argnums=3)
def _ask(method: Method, cube: Cube, count: int, states: Any, first: Any) -> Any:
    return jax.vmap(lambda state: method.ask(cube, state, first, count))(states)


@partial(jax.jit, static_argnums=(0, 1), donate_argnums=2)
def _replaced(method: Any, cube: Cube, states: Any, first: Any, u: Any) -> Any:
    return jax.vmap(lambda state, own: method.replaced(state, first, cube.snap(own)))(states, u)


@partial(jax.jit, static_argnums=(0, 1), donate_argnums=2)
def _tell(method: Method, cube: Cube, states: Any, first: Any, active: Any, scores: Any) -> Any:
    return jax.vmap(lambda state, a, s: method.tell(cube, state, first, a, s))(states, active, scores)


def search_keys(key: Any, numbers: Sequence[int]) -> Any:
    """Return the key of each search, which depends on its number alone."""
    with jax.enable_x64(False):
        return jax.vmap(lambda number: jax.random.fold_in(key, number))(jnp.asarray(list(numbers), jnp.uint32))
