"""The protocol of methods: three pure functions on a state of fixed shapes.

Because they are pure, `jax.vmap` runs many replications of a method side by side, and a search that was killed goes on
from its file: the same key and the same scores give the same state.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
from jax import Array

from nqjax.search.optimizers.cube import Cube


class History(NamedTuple):
    """The trials of one search so far; trials that are not asked yet have no meaning.

    Attributes
    ----------
    u : Array, shape (capacity, dimension)
        The points that were run.
    active : Array of bool, shape (capacity, dimension)
        The coordinates that the configurations read.
    scores : Array, shape (capacity,)
        Lower is better; infinite for failed trials, and NaN never.
    told : Array of bool, shape (capacity,)
        Whether the score is known.
    """

    u: Array
    active: Array
    scores: Array
    told: Array

    @classmethod
    def empty(cls, cube: Cube, capacity: int) -> History:
        """Return the history of a search that has not begun."""
        shape = capacity, cube.dimension
        return cls(jnp.zeros(shape), jnp.ones(shape, bool), jnp.full(capacity, jnp.inf), jnp.zeros(capacity, bool))

    def asked(self, first: Array, u: Array) -> History:
        """Return the history with the points ``u``, of shape (count, dimension), as trials from ``first`` on."""
        told = jax.lax.dynamic_update_slice(self.told, jnp.zeros(len(u), bool), (first,))
        return self._replace(u=jax.lax.dynamic_update_slice(self.u, u, (first, jnp.zeros_like(first))), told=told)

    def scored(self, first: Array, active: Array, scores: Array) -> History:
        """Return the history with the scores of trials from ``first`` on; NaN counts as failed."""
        scores = jnp.where(jnp.isnan(scores), jnp.inf, scores)
        return self._replace(
            active=jax.lax.dynamic_update_slice(self.active, active, (first, jnp.zeros_like(first))),
            scores=jax.lax.dynamic_update_slice(self.scores, scores, (first,)),
            told=jax.lax.dynamic_update_slice(self.told, jnp.ones(len(scores), bool), (first,)),
        )


class Method(Protocol):
    """A method of search: a frozen dataclass with its settings.

    ``first``, the number of the first trial asked for or told, is the same in all replications that run side by side;
    ``count`` and the capacity are fixed when a program is compiled.
    """

    @property
    def name(self) -> str:
        """The name by which the commands know it."""
        ...

    def init(self, cube: Cube, capacity: int, key: Array) -> Any:
        """Return the state of a search of at most ``capacity`` trials."""
        ...

    def ask(self, cube: Cube, state: Any, first: Array, count: int) -> tuple[Any, Array]:
        """Return the state and ``count`` points to run, of shape (count, dimension), where ``first`` trials are asked.

        The points lie in the cube, separate values in the middle of their cells.
        """
        ...

    def tell(self, cube: Cube, state: Any, first: Array, active: Array, scores: Array) -> Any:
        """Return the state with the scores of the trials from ``first`` on, in the order in which they were asked."""
        ...


class KeyedHistory(NamedTuple):
    """The state of methods whose next point depends on the history alone; ``memory`` is what speeds the next step."""

    key: Array
    history: History
    memory: Any = ()


class FromHistory:
    """A method that suggests one point after the other, each from the history and a key of its own."""

    def init(self, cube: Cube, capacity: int, key: Array) -> KeyedHistory:
        """Return the state of a search that has not begun."""
        return KeyedHistory(key, History.empty(cube, capacity), self.start(cube, capacity))

    def start(self, cube: Cube, capacity: int) -> Any:  # noqa: ARG002
        """Return the memory of a search that has not begun; nothing by default."""
        return ()

    def memory_of(self, memory: Any, history: History, count: Array) -> Any:  # noqa: ARG002
        """Return the memory of a search whose history begins with ``count`` trials; by default that at the start."""
        return memory

    def suggest(self, cube: Cube, state: KeyedHistory, first: Array, key: Array) -> tuple[Any, Array]:
        """Return the memory and the point of trial ``first``; trials before it that are not told are still running."""
        raise NotImplementedError

    def ask(self, cube: Cube, state: KeyedHistory, first: Array, count: int) -> tuple[KeyedHistory, Array]:
        """Return the state and the next points; each is chosen knowing that those before it are running."""

        def step(state: KeyedHistory, number: Array) -> tuple[KeyedHistory, Array]:
            memory, point = self.suggest(cube, state, number, jax.random.fold_in(state.key, number))
            point = cube.snap(point)
            history = state.history.asked(number, point[None])
            return KeyedHistory(state.key, history, memory), point

        return jax.lax.scan(step, state, first + jnp.arange(count))

    def replaced(self, state: KeyedHistory, first: Array, u: Array) -> KeyedHistory:
        """Return the state with other points as the trials from ``first`` on, which were asked last."""
        history = state.history.asked(first, u)
        return state._replace(history=history, memory=self.memory_of(state.memory, history, first + len(u)))

    def tell(self, cube: Cube, state: KeyedHistory, first: Array, active: Array, scores: Array) -> KeyedHistory:  # noqa: ARG002
        """Return the state with more scores."""
        return state._replace(history=state.history.scored(first, active, scores))


def random_point(cube: Cube, key: Array) -> Array:
    """Return a uniform point of the cube."""
    return jax.random.uniform(key, (cube.dimension,))
