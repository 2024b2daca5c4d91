"""TPE: the tree-structured Parzen estimator (Bergstra, Bardenet, Bengio and Kégl 2011), with joint kernels."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from nqjax.search.optimizers.cube import Cube
from nqjax.search.optimizers.method import FromHistory, KeyedHistory, random_point
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

    def suggest(self, cube: Cube, state: KeyedHistory, first: Array, key: Array) -> tuple[Any, Array]:
        """Return a random point at the start, then the best candidate."""
        point = jax.lax.cond(
            first < self.startup,
            lambda: random_point(cube, key),
            lambda: self._best_candidate(cube, state, first, key),
        )
        return (), point

    def _best_candidate(self, cube: Cube, state: KeyedHistory, first: Array, key: Array) -> Array:
        u, active, scores, told = state.history
        number = jnp.arange(len(scores))
        finished = jnp.sum(told)
        good_count = jnp.minimum(jnp.ceil(self.good_share * finished), self._MOST_GOOD)
        order = jnp.argsort(jnp.where(told, scores, jnp.inf), stable=True)
        rank = jnp.zeros(len(scores), int).at[order].set(number)
        good = told & (rank < good_count)
        bad = (number < first) & ~good
        above = parzen_estimator(u, active, bad)
        # The good trials are few: they have arrays of their own, in the order of their numbers.
        few = jnp.sort(jnp.where(good, number, len(scores)))[: self._MOST_GOOD]
        chosen = jnp.minimum(few, len(scores) - 1)
        below = parzen_estimator(u[chosen], active[chosen], few < len(scores))
        x = draw(cube, below, key, self.candidates)
        return x[jnp.argmax(log_density(cube, below, x) - log_density(cube, above, x))]
