"""Search by the response surface: random trials first, then what a quadratic inside the regime proposes, and others."""

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
from nqjax.inputs import as_choice, as_count
from nqjax.search.optimizers.cube import Cube, EncodedSpace
from nqjax.search.optimizers.gaussian_process import GaussianProcess
from nqjax.search.optimizers.method import KeyedHistory
from nqjax.search.optimizers.random_search import RandomSearch
from nqjax.search.space import Config

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class SurfaceSearch:
    """Proposals of `nqjax.fit_surface`, and between them those of a Gaussian process.

    Where the loss is one bowl, the surface needs few trials; where it has several basins, no quadratic holds, and the
    process finds the best one. The process begins after the random trials at the start; from ``fitted_from`` on, every
    second trial is from the surface. It is fitted on the host, a search after the other, so the method is for single
    searches and small experiments.

    Attributes
    ----------
    startup : int
        Random trials at the start.
    fitted_from : int
        Trials before the first one that may be from the surface, which needs more of them than the process does.
    every : int
        Trials that are proposed from one fit.
    acquisition : {"ei", "thompson"}
        How the surface proposes: see `nqjax.ResponseSurface.propose`.
    partner : {"gp", "none"}
        "gp": the other trials are proposed by `GaussianProcess`; "none": all from ``fitted_from`` on are from the
        surface, and those before it random.
    """

    startup: int = 10
    fitted_from: int = 20
    every: int = 3
    acquisition: Literal["ei", "thompson"] = "ei"
    partner: Literal["gp", "none"] = "gp"

    name = "surface"

    def __post_init__(self) -> None:
        """Check the settings: `propose` takes an error for a surface that cannot be fitted."""
        as_choice("acquisition", self.acquisition, ("ei", "thompson"))
        as_choice("partner", self.partner, ("gp", "none"))
        for name in ("startup", "fitted_from", "every"):
            as_count(name, getattr(self, name))

    @property
    def companion(self) -> GaussianProcess | RandomSearch:
        """The method of the trials at the start, and of those that the surface leaves to it."""
        return RandomSearch() if self.partner == "none" else GaussianProcess(startup=self.startup)

    def proposes(self, number: int) -> bool:
        """Whether the trial with this number, counted with earlier ones, is from the surface."""
        return number >= max(self.startup, self.fitted_from) and (self.partner == "none" or number % 2 == 0)

    def init(self, cube: Cube, capacity: int, key: Array) -> KeyedHistory:
        """Return the state of the companion."""
        return self.companion.init(cube, capacity, key)

    def ask(self, cube: Cube, state: KeyedHistory, first: Array, count: int) -> tuple[KeyedHistory, Array]:
        """Return the points of the companion; `propose` replaces some of them after the start."""
        return self.companion.ask(cube, state, first, count)

    def tell(self, cube: Cube, state: KeyedHistory, first: Array, active: Array, scores: Array) -> KeyedHistory:
        """Return the state with more scores."""
        return self.companion.tell(cube, state, first, active, scores)

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
