"""Evolution: CMA-ES and differential evolution, whose generations are those of evosax (extra `optimize`)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from nqjax.runtime.extras import require
from nqjax.search.optimizers.cube import Cube
from nqjax.search.optimizers.generations import Generation, Generations

#: A point outside the cube is drawn anew at most this often.
_ATTEMPTS = 10


class _FromEvosax(Generations):
    """A method whose generations are those of evosax, whose state is kept."""

    name: str

    def __post_init__(self) -> None:
        require("evosax", "optimize", f"the method {self.name}")


@dataclass(frozen=True)
class CMAES(_FromEvosax):
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
        inner = engine.init(key, self._centre(cube), params)
        return self._draw(cube, inner, key)

    def started(self, point: tuple[float, ...]) -> CMAES:
        """Return the method with its first generation around a point instead of the middle."""
        return _StartedCMAES(self.population, self.spread, point)

    def _centre(self, cube: Cube) -> Array:
        return jnp.full(cube.dimension, 0.5)

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
class _StartedCMAES(CMAES):
    """CMA-ES from a point that earlier trials recommend."""

    start: tuple[float, ...] = ()

    def _centre(self, cube: Cube) -> Array:  # noqa: ARG002
        return jnp.asarray(self.start)


@dataclass(frozen=True)
class DifferentialEvolution(_FromEvosax):
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

    def started(self, point: tuple[float, ...]) -> DifferentialEvolution:
        """Return the method with a point as the first member of its first generation."""
        return _StartedEvolution(self.population, self.weight, self.crossover, point)

    def _first_points(self, cube: Cube, key: Array) -> Array:
        return jax.random.uniform(key, (self.size(cube), cube.dimension))

    def _engine(self, cube: Cube) -> tuple[Any, Any]:
        return _evolution(cube.dimension, self.size(cube), self.weight, self.crossover)

    def first_generation(self, cube: Cube, key: Array) -> tuple[Any, Array]:
        """Return the state and random points."""
        engine, params = self._engine(cube)
        points = self._first_points(cube, key)
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


@dataclass(frozen=True)
class _StartedEvolution(DifferentialEvolution):
    """Differential evolution with a member that earlier trials recommend."""

    start: tuple[float, ...] = ()

    def _first_points(self, cube: Cube, key: Array) -> Array:
        return super()._first_points(cube, key).at[0].set(jnp.asarray(self.start))


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
