"""TPE: the tree-structured Parzen estimator (Bergstra, Bardenet, Bengio and Kégl 2011), with joint kernels."""

import math
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from nqjax.search.optimizers.cube import Cube
from nqjax.search.optimizers.method import FromHistory, History, KeyedHistory, random_point
from nqjax.search.optimizers.parzen import draw, log_density, parzen_estimator


@dataclass(frozen=True)
class TPE(FromHistory):
    """The candidate with the largest ratio of two densities: that of the good trials, and that of the others.

    The defaults are those of Optuna 5: the best tenth of the trials are good, at most 25; 24 candidates are drawn from
    their density; trials that are running count as bad, so a batch spreads.

    Attributes
    ----------
    startup : int
        Random trials at the start.
    candidates : int
    good_share : float
        Share of the trials that are good.
    """

    startup: int = 10
    candidates: int = 24
    good_share: float = 0.1

    name = "tpe"

    #: Most good trials.
    _MOST_GOOD = 25

    def start(self, cube: Cube, capacity: int) -> Array:
        """Return the order of no points; see `memory_of`."""
        return jnp.broadcast_to(jnp.arange(capacity, dtype=jnp.int32)[:, None], (capacity, cube.dimension))

    def memory_of(self, memory: Any, history: History, count: Array) -> Array:  # noqa: ARG002
        """Return the numbers of the first ``count`` trials, sorted by each coordinate; those of the others follow."""
        known = jnp.arange(len(history.scores)) < count
        order = jnp.argsort(jnp.where(known[:, None], history.u, jnp.inf), axis=0, stable=True)
        return order.astype(jnp.int32)

    def suggest(self, cube: Cube, state: KeyedHistory, first: Array, key: Array) -> tuple[Any, Array]:
        """Return the order of the trials with this one, and its point."""
        point = cube.snap(self.point(cube, state, first, key))
        return _inserted(state.memory, state.history.u, first, point), point

    def point(self, cube: Cube, state: KeyedHistory, first: Array, key: Array) -> Array:
        """Return a random point at the start, then the best candidate."""
        return jax.lax.cond(
            first < self.startup,
            lambda: random_point(cube, key),
            lambda: self._best_candidate(cube, state, first, key),
        )

    def _best_candidate(self, cube: Cube, state: KeyedHistory, first: Array, key: Array) -> Array:
        u, active, scores, told = state.history
        number = jnp.arange(len(scores))
        most = min(self._MOST_GOOD, math.ceil(self.good_share * len(scores)))
        # Loops are as long as the search is: it is the same for all that run side by side, how many are told is not.
        stop = jnp.minimum(jnp.ceil(self.good_share * first), most).astype(int)
        good_count = jnp.minimum(jnp.ceil(self.good_share * jnp.sum(told)), most)
        good = told & _lowest(jnp.where(told, scores, jnp.inf), good_count, stop)
        above = parzen_estimator(u, active, (number < first) & ~good, state.memory, first)
        # The good trials are few: they have arrays of their own, in the order of their numbers.
        place = jnp.where(good, jnp.cumsum(good) - 1, most)
        few = jnp.full(most, len(scores)).at[place].set(number, mode="drop")
        chosen = jnp.minimum(few, len(scores) - 1)
        below = parzen_estimator(u[chosen], active[chosen], few < len(scores))
        x = draw(cube, below, key, self.candidates)
        return x[jnp.argmax(log_density(cube, below, x, stop) - log_density(cube, above, x, first))]


def _inserted(order: Array, u: Array, first: Array, point: Array) -> Array:
    """Return the order of trials with trial ``first`` at its place in each coordinate, after those that are equal."""
    position = jnp.arange(len(u))[:, None]
    place = jnp.sum((position < first) & (u <= point), axis=0)
    moved = jnp.where(position <= first, jnp.roll(order, 1, axis=0), order)
    return jnp.where(position < place, order, jnp.where(position == place, first.astype(order.dtype), moved))


def _lowest(scores: Array, count: Array, most: Any) -> Array:
    """Return which ``count`` scores, at most ``most``, are the lowest; of equal ones those with lower numbers."""
    number = jnp.arange(len(scores))

    def take(step: Array, taken: Array) -> Array:
        lowest = jnp.min(jnp.where(taken, jnp.inf, scores))
        next_one = jnp.min(jnp.where(~taken & (scores == lowest), number, len(scores)))
        return taken | ((number == next_one) & (step < count))

    return jax.lax.fori_loop(0, most, take, jnp.zeros(len(scores), bool))
