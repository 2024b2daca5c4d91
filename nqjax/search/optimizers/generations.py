"""Methods whose points come in generations: the part that they share."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from nqjax.search.optimizers.cube import Cube


class Generation(NamedTuple):
    """The generation under way.

    Attributes
    ----------
    key : Array
    points : Array, shape (population, dimension)
        Points before separate values are moved to their cells.
    scores : Array, shape (population,), or (population, columns) for several objectives
        NaN where a score is not known or the trial failed.
    inner : Any
        What the method keeps from the generations before.
    number : Array
        The number of the generation.
    """

    key: Array
    points: Array
    scores: Array
    inner: Any
    number: Array


class Generations:
    """A method whose points come in generations."""

    #: The shape of a trial's score.
    score_shape: tuple[int, ...] = ()

    def size(self, cube: Cube) -> int:
        """Return the number of points in a generation."""
        raise NotImplementedError

    def first_generation(self, cube: Cube, key: Array) -> tuple[Any, Array]:
        """Return what the method keeps, and the points of the first generation."""
        raise NotImplementedError

    def next_generation(self, cube: Cube, state: Generation, number: Array, key: Array) -> tuple[Any, Array]:
        """Return what the method keeps, and the points of generation ``number``, from the scores of the one before."""
        raise NotImplementedError

    def init(self, cube: Cube, capacity: int, key: Array) -> Generation:  # noqa: ARG002
        """Return the state of a search that has not begun."""
        inner, points = self.first_generation(cube, jax.random.fold_in(key, 0))
        return Generation(key, points, jnp.full((len(points), *self.score_shape), jnp.nan), inner, jnp.asarray(0))

    def ask(self, cube: Cube, state: Generation, first: Array, count: int) -> tuple[Generation, Array]:
        """Return the state and the next points of the generation; a new one begins where it ends."""
        size = self.size(cube)

        def renew(state: Generation, number: Array) -> Generation:
            inner, points = self.next_generation(cube, state, number, jax.random.fold_in(state.key, number))
            return Generation(state.key, points, jnp.full_like(state.scores, jnp.nan), inner, number)

        def step(state: Generation, number: Array) -> tuple[Generation, Array]:
            begins = (number % size == 0) & (number > 0)
            state = jax.lax.cond(begins, lambda: renew(state, number // size), lambda: state)
            return state, cube.snap(state.points[number % size])

        return jax.lax.scan(step, state, first + jnp.arange(count))

    def tell(self, cube: Cube, state: Generation, first: Array, active: Array, scores: Array) -> Generation:  # noqa: ARG002
        """Return the state with more scores; those of a generation that has ended are dropped."""
        size = self.size(cube)
        generation, place = jnp.divmod(first + jnp.arange(len(scores)), size)
        scores = jnp.where(jnp.isfinite(scores), scores, jnp.nan)
        place = jnp.where(generation == state.number, place, size)  # beyond the end: not written
        return state._replace(scores=state.scores.at[place].set(scores, mode="drop"))
