"""Configurations of a search that stops trials early, proposed by TPE from the trials so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jax import Array

from nqjax.search.optimizers.cube import Cube, EncodedSpace
from nqjax.search.optimizers.lockstep import Lockstep, search_keys
from nqjax.search.optimizers.method import KeyedHistory, random_point
from nqjax.search.optimizers.tpe import TPE
from nqjax.search.space import Config


@dataclass(frozen=True)
class MixedTPE(TPE):
    """TPE with a share of random trials."""

    random_share: float = 1 / 3

    def point(self, cube: Cube, state: KeyedHistory, first: Array, key: Array) -> Array:
        """Return a random point or that of TPE."""
        coin, other = jax.random.split(key)
        return jax.lax.cond(
            jax.random.uniform(coin) < self.random_share,
            lambda: random_point(cube, other),
            lambda: super(MixedTPE, self).point(cube, state, first, key),
        )


class Proposals:
    """The proposals of one search, from trials that reached different rungs.

    Parameters
    ----------
    space : mapping
    num_trials : int
        Trials of the search.
    startup : int
        Random trials at the start.
    random_share : float
    key : key
    """

    def __init__(self, space: Mapping[str, Any], num_trials: int, startup: int, random_share: float, key: Any) -> None:
        method = MixedTPE(startup=startup, random_share=random_share)
        self._search = Lockstep(method, EncodedSpace(space), num_trials, search_keys(key, [0]))

    def ask(self, count: int) -> list[Config]:
        """Return the next configurations; one by one, so that brackets of all sizes share a program."""
        return [self._search.ask(1)[0][0] for _ in range(count)]

    def tell(self, reached: Sequence[tuple[int, float]]) -> None:
        """Give the rung that each trial reached, and its score there, infinite if it failed."""
        self._search.tell_again(ranks(reached)[None])


def ranks(reached: Sequence[tuple[int, float]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the places of trials: those that reached a higher rung first, then by their scores; failed ones infinite.

    Examples
    --------
    >>> from nqjax.search.fidelity.proposals import ranks
    >>> ranks([(0, 0.1), (1, 0.5), (0, float("inf")), (1, 0.2)]).tolist()
    [2.0, 1.0, inf, 0.0]
    """
    keys = [(-rung, score) for rung, score in reached]
    order = sorted(range(len(keys)), key=keys.__getitem__)
    found = np.empty(len(keys))
    found[order] = np.arange(len(keys))
    return np.where(np.isinf([score for _, score in reached]), np.inf, found)
