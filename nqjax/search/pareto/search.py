"""A search with several objectives, by generations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from numpy.typing import ArrayLike, NDArray

from nqjax.errors import InputError
from nqjax.inputs import as_count, as_flag
from nqjax.runtime.progress import Progress
from nqjax.search.optimizers.cube import EncodedSpace
from nqjax.search.optimizers.lockstep import Lockstep, search_keys
from nqjax.search.optimizers.nsga2 import NSGA2
from nqjax.search.pareto.front import hypervolume, pareto_front
from nqjax.search.runner import key_words
from nqjax.search.space import Config

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class ParetoSearch:
    """The trials of a search with several objectives: see `nqjax.search.pareto_search`.

    Attributes
    ----------
    configs : tuple of dict
    values : ndarray, shape (trials, objectives)
        As the function returned them.
    constraints : ndarray, shape (trials, constraints)
        0 or less where they are kept.
    minimize : tuple of bool
        Whether lower is better, for each objective.
    """

    configs: tuple[Config, ...]
    values: Floats
    constraints: Floats
    minimize: tuple[bool, ...]

    @property
    def feasible(self) -> NDArray[np.bool_]:
        """Whether each trial keeps all constraints; shape (trials,)."""
        return np.asarray((self.constraints <= 0).all(axis=1))

    @property
    def front(self) -> NDArray[np.int64]:
        """The numbers of the feasible trials that no other one dominates, the best in the first objective first."""
        free = np.flatnonzero(pareto_front(self.values, minimize=self.minimize, feasible=self.feasible))
        first = self.values[free, 0] * (1 if self.minimize[0] else -1)
        return free[np.argsort(first, kind="stable")]

    @property
    def front_configs(self) -> tuple[Config, ...]:
        """The configurations of the front."""
        return tuple(self.configs[number] for number in self.front)

    def hypervolume(self, reference: ArrayLike) -> float:
        """Return the hypervolume of the front: see `nqjax.search.hypervolume`."""
        return hypervolume(self.values[self.front], reference, minimize=self.minimize)


def pareto_search(
    function: Callable[[Any], Any],
    space: Mapping[str, Any],
    *,
    num_trials: int,
    key: Any,
    method: NSGA2 | None = None,
    minimize: bool | Sequence[bool] = True,
    vectorized: bool = False,
    progress: bool = False,
) -> ParetoSearch:
    """Search for the configurations that no other one beats in all of several objectives.

    Parameters
    ----------
    function : callable
        Called with a configuration; returns the objectives, then the constraints, which are kept where they are 0 or
        less: a sequence of numbers. With ``vectorized`` it is called with a mapping from names to arrays, for a
        generation, and returns an array of shape (configurations, objectives + constraints). NaN is a failed trial.
    space : mapping
        From names to distributions or values (`nqjax.search.space`).
    num_trials : int
        Trials in all; a whole number of generations makes use of all of them.
    key : key
        A JAX key.
    method : NSGA2, optional
        With the numbers of objectives and constraints; two objectives without constraints by default.
    minimize : bool or sequence of bool, optional
        Whether lower is better, in all objectives or in each.
    vectorized : bool, optional
        Whether the function takes a generation at once.
    progress : bool, optional
        Whether to show progress.

    Returns
    -------
    ParetoSearch

    Raises
    ------
    InputError
        The space is invalid, or the function does not return numbers of this shape.

    Examples
    --------
    >>> import jax
    >>> from nqjax.search import NSGA2, Uniform, pareto_search
    >>> found = pareto_search(
    ...     lambda config: (config["x"] ** 2, (config["x"] - 1) ** 2),
    ...     {"x": Uniform(-2, 2)},
    ...     num_trials=200,
    ...     key=jax.random.key(0),
    ...     method=NSGA2(population=20),
    ... )
    >>> all(-0.1 < config["x"] < 1.1 for config in found.front_configs)
    True
    """
    method = NSGA2() if method is None else method
    if not isinstance(method, NSGA2):
        raise InputError(f"method is {method!r}: give NSGA2(), the method for several objectives")
    if not callable(function):
        raise InputError(f"the function {function!r} cannot be called")
    count = as_count("num_trials", num_trials)
    each = (minimize,) * method.objectives if isinstance(minimize, bool | np.bool_) else tuple(minimize)
    if len(each) != method.objectives:
        raise InputError(f"minimize has {len(each)} values: give one for each of {method.objectives} objectives")
    lower = tuple(as_flag("minimize", one) for one in each)
    signs = np.append(np.where(lower, 1.0, -1.0), np.ones(method.constraints))
    key_words(key)
    search = Lockstep(method, EncodedSpace(space), count, search_keys(jax.random.fold_in(key, 0), [0]))
    configs: list[Config] = []
    parts = []
    with Progress("trials", count, show=progress) as bar:
        for start in range(0, count, method.population):
            (asked,) = search.ask(method.population)
            own = asked[: count - start]
            parts.append(_values(function, own, method.score_shape[0], vectorized=as_flag("vectorized", vectorized)))
            configs += own
            if len(own) == method.population:
                search.tell((signs * parts[-1])[None])
            bar.advance(len(own))
    values = np.concatenate(parts)
    return ParetoSearch(tuple(configs), values[:, : method.objectives], values[:, method.objectives :], lower)


def _values(function: Callable[[Any], Any], configs: list[Config], columns: int, *, vectorized: bool) -> Floats:
    """Return the function's values, of shape (configurations, columns)."""
    if vectorized:
        found = function({name: np.array([config[name] for config in configs]) for name in configs[0]})
    else:
        found = [function(config) for config in configs]
    try:
        numbers = np.asarray(found, np.float64)
    except (TypeError, ValueError):
        numbers = np.empty(0)
    if numbers.shape != (len(configs), columns):
        raise InputError(
            f"the function must return {columns} numbers for each configuration: the objectives, then the constraints "
            f"(NSGA2(objectives=..., constraints=...)); the shape for {len(configs)} of them is {np.shape(numbers)}"
        )
    return numbers
