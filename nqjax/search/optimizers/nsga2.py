"""NSGA-II: evolution towards the whole Pareto front of several objectives (Deb et al. 2002)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from nqjax.errors import InputError
from nqjax.inputs import as_count, as_number
from nqjax.search.optimizers.cube import Cube
from nqjax.search.optimizers.dominance import best
from nqjax.search.optimizers.generations import Generation, Generations
from nqjax.search.optimizers.variation import crossed, mutated, tournaments


class Parents(NamedTuple):
    """The best points so far.

    Attributes
    ----------
    points : Array, shape (population, dimension)
    scores : Array, shape (population, objectives + constraints)
        NaN before the first generation has scores.
    """

    points: Array
    scores: Array


@dataclass(frozen=True)
class NSGA2(Generations):
    """NSGA-II (Deb, Pratap, Agarwal and Meyarivan 2002), for `nqjax.search.pareto_search`.

    A state and its three functions are pure, as those of the methods with one objective. Its scores have a column for
    each objective, lower being better, then one for each constraint, which is kept where it is 0 or less. A point that
    keeps all constraints is better than any that does not; of two that do not, the one with the smaller sum of what
    exceeds 0 is better. A trial with a number that is not finite has failed and is worse than all.

    Separate values, also those without an order, are varied as cells of the cube.

    Attributes
    ----------
    objectives : int
    constraints : int
    population : int
        Points of a generation; an even number.
    crossover : float
        The probability that a pair of parents is crossed.
    crossover_index, mutation_index : float
        The larger, the closer children are to their parents.
    mutation : float, optional
        The probability that a coordinate of a child is mutated; 1 / dimension by default.

    Raises
    ------
    InputError
        A setting is out of range.

    Examples
    --------
    >>> from nqjax.search import NSGA2
    >>> NSGA2(population=40).score_shape
    (2,)
    """

    objectives: int = 2
    constraints: int = 0
    population: int = 100
    crossover: float = 0.9
    crossover_index: float = 15.0
    mutation: float | None = None
    mutation_index: float = 20.0

    name = "nsga2"

    def __post_init__(self) -> None:
        as_count("objectives", self.objectives, 2)
        as_count("constraints", self.constraints, 0)
        if as_count("population", self.population, 4) % 2:
            raise InputError(f"population is {self.population}: give an even number, because parents come in pairs")
        for name in ("crossover", "mutation"):
            value = getattr(self, name)
            if value is not None and not 0 <= as_number(name, value) <= 1:
                raise InputError(f"{name} is {value}: give a probability between 0 and 1")
        for name in ("crossover_index", "mutation_index"):
            if as_number(name, getattr(self, name)) < 0:
                raise InputError(f"{name} is {getattr(self, name)}: give 0 or more")

    @property
    def score_shape(self) -> tuple[int, ...]:  # type: ignore[override]
        """The shape of a trial's scores: a column for each objective and each constraint."""
        return (self.objectives + self.constraints,)

    def size(self, cube: Cube) -> int:  # noqa: ARG002
        """Return the number of points in a generation."""
        return self.population

    def first_generation(self, cube: Cube, key: Array) -> tuple[Parents, Array]:
        """Return no parents, and random points."""
        points = jax.random.uniform(key, (self.population, cube.dimension))
        return Parents(points, jnp.full((self.population, *self.score_shape), jnp.nan)), points

    def next_generation(self, cube: Cube, state: Generation, number: Array, key: Array) -> tuple[Parents, Array]:
        """Return the best of the parents and their children, and new children of these."""
        points = jnp.concatenate([state.points, state.inner.points])
        scores = jnp.concatenate([state.scores, state.inner.scores])
        values, violations = self.split(scores)
        # Before the second generation there are no parents: they are worse than points that failed.
        absent = jnp.arange(len(points)) >= jnp.where(number == 1, self.population, len(points))
        violations = jnp.where(absent, jnp.inf, violations)
        places, rank, distance = best(values, violations, self.population)
        parents = Parents(points[places], scores[places])
        choose, cross, mutate = jax.random.split(key, 3)
        chosen = parents.points[tournaments(choose, rank, distance)]
        children = crossed(cross, chosen[0::2], chosen[1::2], self.crossover, self.crossover_index)
        probability = 1 / cube.dimension if self.mutation is None else self.mutation
        return parents, mutated(mutate, jnp.concatenate(children), probability, self.mutation_index)

    def split(self, scores: Array) -> tuple[Array, Array]:
        """Return objectives and the sum of violations, from scores of shape (points, objectives + constraints).

        Failed points have a violation that is larger than any other, and finite.
        """
        failed = jnp.isnan(scores).any(axis=-1)
        clean = jnp.where(failed[:, None], 0.0, scores)
        excess = jnp.maximum(clean[:, self.objectives :], 0.0).sum(axis=-1)
        largest = jnp.finfo(scores.dtype).max
        return clean[:, : self.objectives], jnp.where(failed, largest, jnp.minimum(excess, largest / 2))
