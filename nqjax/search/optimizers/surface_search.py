"""Search by the response surface: random trials first, then what a quadratic inside the regime proposes."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import jax
import numpy as np
from jax import Array
from numpy.typing import NDArray

from nqjax.errors import FitWarning, InputError
from nqjax.search.optimizers.cube import Cube, EncodedSpace
from nqjax.search.optimizers.random_search import RandomSearch
from nqjax.search.space import Config

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class SurfaceSearch:
    """Proposals of `nqjax.fit_surface`, which is fitted again and again.

    It runs on the host, a search after the other, so it is for single searches and small experiments.

    Attributes
    ----------
    startup : int
        Random trials at the start.
    every : int
        Trials that are proposed from one fit.
    acquisition : {"thompson", "ei"}
    """

    startup: int = 20
    every: int = 5
    acquisition: Literal["thompson", "ei"] = "thompson"

    name = "surface"

    def init(self, cube: Cube, capacity: int, key: Array) -> Any:
        """Return the state of the random trials at the start."""
        return RandomSearch().init(cube, capacity, key)

    def ask(self, cube: Cube, state: Any, first: Array, count: int) -> tuple[Any, Array]:
        """Return random points; `propose` replaces them after the start."""
        return RandomSearch().ask(cube, state, first, count)

    def tell(self, cube: Cube, state: Any, first: Array, active: Array, scores: Array) -> Any:
        """Return the state with more scores."""
        return RandomSearch().tell(cube, state, first, active, scores)

    def propose(self, space: EncodedSpace, configs: list[Config], scores: Floats, count: int, key: Any) -> list[Config]:
        """Return the next configurations; fewer, or none, where no surface can be fitted."""
        from nqjax.surface.fit import fit_surface

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FitWarning)
            try:
                surface = fit_surface(configs, scores, space.space, minimize=True, key=key)
                found = surface.propose(count, method=self.acquisition, key=key)
            except InputError:
                return []
        return [_within(space, config) for config in found]


def _within(space: EncodedSpace, config: Mapping[str, Any]) -> Config:
    """Return a proposal as a configuration of the space: rounding may put it outside by a digit."""
    u, _ = space.encode(dict(config))
    (found,), _ = space.decode(np.asarray(space.cube.snap(jax.numpy.asarray(u)))[None])
    return found
