"""Evolution: CMA-ES and differential evolution, whose generations are those of evosax (extra `optimize`)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from nqjax.runtime.extras import require
from nqjax.search.optimizers.cube import Cube

#: A point outside the cube is drawn anew at most this often.
_ATTEMPTS = 10


class Generation(NamedTuple):
    """The generation under way.

    Attributes
    ----------
    key : Array
    points, scores : Array, shape (population, dimension), (population,)
        Points before separate values are moved to their cells; NaN where a score is not known or the trial failed.
    inner : Any
        The state of evosax.
    number : Array
        The number of the generation.
    """

    key: Array
    points: Array
    scores: Array
    inner: Any
    number: Array


class _Generations:
    """A method whose points come in generations."""

    population: int | None
    name: str

    def __post_init__(self) -> None:
        require("evosax", "optimize", f"the method {self.name}")

    def size(self, cube: Cube) -> int:
        """Return the number of points in a generation."""
        raise NotImplementedError

    def first_generation(self, cube: Cube, key: Array) -> tuple[Any, Array]:
        """Return evosax's state and the points of the first generation."""
        raise NotImplementedError

    def next_generation(self, cube: Cube, state: Generation, number: Array, key: Array) -> tuple[Any, Array]:
        """Return evosax's state and the points of generation ``number``, given the scores of the one before."""
        raise NotImplementedError

    def init(self, cube: Cube, capacity: int, key: Array) -> Generation:  # noqa: ARG002
        """Return the state of a search that has not begun."""
        inner, points = self.first_generation(cube, jax.random.fold_in(key, 0))
        return Generation(key, points, jnp.full(len(points), jnp.nan), inner, jnp.asarray(0))

    def ask(self, cube: Cube, state: Generation, first: Array, count: int) -> tuple[Generation, Array]:
        """Return the state and the next points of the generation; a new one begins where it ends."""
        size = self.size(cube)

        def renew(state: Generation, number: Array) -> Generation:
            inner, points = self.next_generation(cube, state, number, jax.random.fold_in(state.key, number))
            return Generation(state.key, points, jnp.full(size, jnp.nan), inner, number)

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


@dataclass(frozen=True)
class CMAES(_Generations):
    """Covariance matrix adaptation (Hansen and Ostermeier 2001) from the middle of the cube.

    A point outside the cube is drawn anew, up to ten times, and then moved to the border.

    Attributes
    ----------
    population : int, optional
        Points of a generation; 4 + 3 log(dimension) by default.
    spread : float
        Standard deviation of the first generation, in units of the cube.
    """

    population: int | None = None
    spread: float = 0.25

    name = "cma_es"

    def size(self, cube: Cube) -> int:
        """Return the number of points in a generation."""
        return self.population or 4 + int(3 * math.log(cube.dimension))

    def first_generation(self, cube: Cube, key: Array) -> tuple[Any, Array]:
        """Return the state and points around the middle."""
        engine, params = _cma_es(cube.dimension, self.size(cube), self.spread)
        inner = engine.init(key, jnp.full(cube.dimension, 0.5), params)
        return self._draw(cube, inner, key)

    def next_generation(self, cube: Cube, state: Generation, number: Array, key: Array) -> tuple[Any, Array]:  # noqa: ARG002
        """Return the state after the last generation's scores, and new points."""
        engine, params = _cma_es(cube.dimension, self.size(cube), self.spread)
        inner, _ = engine.tell(key, state.points, state.scores, state.inner, params)
        return self._draw(cube, inner, key)

    def _draw(self, cube: Cube, inner: Any, key: Array) -> tuple[Any, Array]:
        engine, params = _cma_es(cube.dimension, self.size(cube), self.spread)
        points, inner = engine.ask(key, inner, params)
        # Further draws from the same distribution, whose axes are known now.
        shape = _ATTEMPTS, self.size(cube), cube.dimension
        z = jax.random.normal(jax.random.fold_in(key, 1), shape) * inner.D
        more = inner.mean + inner.std * z @ inner.B.T
        draws = jnp.concatenate([points[None], more])
        inside = jnp.all((draws >= 0) & (draws <= 1), axis=-1)
        chosen = jnp.take_along_axis(draws, jnp.argmax(inside, axis=0)[None, :, None], axis=0)[0]
        return inner, jnp.clip(chosen, 0.0, 1.0)


@dataclass(frozen=True)
class DifferentialEvolution(_Generations):
    """Differential evolution around the best member (Storn and Price 1997), from random points.

    A point outside the cube is reflected at the border.

    Attributes
    ----------
    population : int, optional
        Points of a generation; twice the dimension by default, at least 8.
    weight, crossover : float
        The weight of differences, and the probability that a coordinate takes part.
    """

    population: int | None = None
    weight: float = 0.7
    crossover: float = 0.9

    name = "evolution"

    def size(self, cube: Cube) -> int:
        """Return the number of points in a generation."""
        return self.population or max(8, 2 * cube.dimension)

    def _engine(self, cube: Cube) -> tuple[Any, Any]:
        return _evolution(cube.dimension, self.size(cube), self.weight, self.crossover)

    def first_generation(self, cube: Cube, key: Array) -> tuple[Any, Array]:
        """Return the state and random points."""
        engine, params = self._engine(cube)
        points = jax.random.uniform(key, (self.size(cube), cube.dimension))
        return engine.init(key, points, jnp.full(len(points), jnp.inf), params), points

    def next_generation(self, cube: Cube, state: Generation, number: Array, key: Array) -> tuple[Any, Array]:
        """Return the state after the last generation's scores, and new points."""
        engine, params = self._engine(cube)
        scores = jnp.where(jnp.isnan(state.scores), jnp.inf, state.scores)
        inner = jax.lax.cond(
            number == 1,
            lambda: engine.init(key, state.points, scores, params),
            lambda: engine.tell(key, state.points, scores, state.inner, params)[0],
        )
        points, inner = engine.ask(key, inner, params)
        points = jnp.abs(points) % 2.0
        return inner, jnp.minimum(points, 2.0 - points)


def _cma_es(dimension: int, population: int, spread: float) -> tuple[Any, Any]:
    with jax.ensure_compile_time_eval():
        engine = _algorithms().CMA_ES(population_size=population, solution=jnp.zeros(dimension))
        return engine, engine.default_params.replace(std_init=jnp.asarray(spread))


def _evolution(dimension: int, population: int, weight: float, crossover: float) -> tuple[Any, Any]:
    with jax.ensure_compile_time_eval():
        engine = _algorithms().DifferentialEvolution(population_size=population, solution=jnp.zeros(dimension))
        return engine, engine.default_params.replace(
            differential_weight=weight,
            differential_weight_min=weight,
            differential_weight_max=weight,
            crossover_rate=crossover,
        )


def _algorithms() -> Any:
    return require("evosax.algorithms", "optimize", "this method")
