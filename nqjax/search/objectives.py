"""Functions on which methods are measured, whose noise-free score is known.

An objective gives scores to configurations. Here it costs nothing, so thousands of searches can be run.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from nqjax.errors import InputError
from nqjax.search.space import Config, Uniform

Floats = NDArray[np.float64]


class Objective(Protocol):
    """Noise-free scores of configurations, and the noise that a run adds."""

    name: str
    space: Mapping[str, Any]
    noise: float

    def values(self, configs: Sequence[Config]) -> Floats:
        """Return the noise-free score of each configuration; lower is better, NaN where a run fails."""
        ...


@dataclass(frozen=True)
class Function:
    """An objective from a Python function.

    Parameters
    ----------
    function : callable
        Called with a configuration; with ``vectorized``, with a mapping from names to arrays of one length.
    space : mapping
        From names to distributions or values (`nqjax.search.space`).
    noise : float, optional
        Standard deviation of normal noise that is added to each score.
    name : str, optional
        By default the function's name.
    minimize : bool, optional
        Whether lower scores are better, as they are by default.
    vectorized : bool, optional
        Whether the function takes all configurations at once.

    Examples
    --------
    >>> from nqjax.search import Function, Uniform
    >>> square = Function(lambda config: config["x"] ** 2, {"x": Uniform(-1, 1)}, noise=0.1)
    >>> square.values([{"x": 0.5}, {"x": -1.0}]).tolist()
    [0.25, 1.0]
    """

    function: Callable[[Any], Any]
    space: Mapping[str, Any]
    noise: float = 0.0
    name: str = ""
    minimize: bool = True
    vectorized: bool = False

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise InputError(f"the objective {self.function!r} is not a function")
        if not (isinstance(self.noise, int | float) and math.isfinite(self.noise) and self.noise >= 0):
            raise InputError(f"noise is {self.noise!r}: give a standard deviation of 0 or more")
        if not self.name:
            object.__setattr__(self, "name", getattr(self.function, "__name__", "function"))

    def values(self, configs: Sequence[Config]) -> Floats:
        """Return the function's value at each configuration, turned so that lower is better."""
        if self.vectorized:
            found = self.function({name: np.array([c[name] for c in configs]) for name in configs[0]})
        else:
            found = [self.function(config) for config in configs]
        try:
            numbers = np.asarray(found, np.float64)
        except (TypeError, ValueError):
            numbers = np.empty(0)
        if numbers.shape != (len(configs),):
            raise InputError(f"the objective {self.name} must return a number for each configuration")
        return numbers if self.minimize else -numbers


def _unit(*names: str) -> dict[str, Any]:
    return {name: Uniform(0.0, 1.0) for name in names}


def _points(config: Mapping[str, Floats]) -> Floats:
    return np.stack(list(config.values()), axis=-1)


def _bowl(config: Mapping[str, Floats]) -> Floats:
    x = _points(config) - np.array([0.35, 0.6, 0.5, 0.45, 0.55])
    return np.sum(np.array([1.0, 0.6, 0.01, 0.003, 0.001]) * x**2, axis=-1)


def _branin(config: Mapping[str, Floats]) -> Floats:
    x, y = 15 * config["x"] - 5, 15 * config["y"]
    bend = y - 5.1 / (4 * np.pi**2) * x**2 + 5 / np.pi * x - 6
    return np.asarray(bend**2 + 10 * (1 - 1 / (8 * np.pi)) * np.cos(x) + 10)


#: Hartmann's function of six variables: weights, scales and centres.
_HARTMANN_WEIGHT = np.array([1.0, 1.2, 3.0, 3.2])
_HARTMANN_SCALE = np.array(
    [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]
)
_HARTMANN_CENTRE = 1e-4 * np.array(
    [
        [1312, 1696, 5569, 124, 8283, 5886],
        [2329, 4135, 8307, 3736, 1004, 9991],
        [2348, 1451, 3522, 2883, 3047, 6650],
        [4047, 8828, 8732, 5743, 1091, 381],
    ]
)


def _hartmann6(config: Mapping[str, Floats]) -> Floats:
    away = (_points(config)[..., None, :] - _HARTMANN_CENTRE) ** 2
    return -np.sum(_HARTMANN_WEIGHT * np.exp(-np.sum(_HARTMANN_SCALE * away, axis=-1)), axis=-1)


def _rosenbrock(config: Mapping[str, Floats]) -> Floats:
    x = 4 * _points(config) - 2
    return np.sum(100 * (x[..., 1:] - x[..., :-1] ** 2) ** 2 + (1 - x[..., :-1]) ** 2, axis=-1)


def _sphere(config: Mapping[str, Floats]) -> Floats:
    return np.sum((_points(config) - 0.4) ** 2, axis=-1)


_FIVE = ("a", "b", "c", "d", "e")

#: Functions with a known optimum, by name.
FUNCTIONS: dict[str, Function] = {
    "noisy-bowl": Function(_bowl, _unit(*_FIVE), 0.01, "noisy-bowl", vectorized=True),
    "branin": Function(_branin, _unit("x", "y"), 0.0, "branin", vectorized=True),
    "hartmann6": Function(_hartmann6, _unit(*_FIVE, "f"), 0.0, "hartmann6", vectorized=True),
    "rosenbrock": Function(_rosenbrock, _unit(*_FIVE), 0.0, "rosenbrock", vectorized=True),
    "sphere": Function(_sphere, _unit(*_FIVE), 0.0, "sphere", vectorized=True),
}

#: Lowest values of the functions, for their regret.
OPTIMA = {"noisy-bowl": 0.0, "branin": 0.39788735772973816, "hartmann6": -3.322368011415515, "rosenbrock": 0.0}
OPTIMA["sphere"] = 0.0
