"""A search with several objectives, by generations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Unpack

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
from nqjax.search.pareto.training import TrainedGenerations
from nqjax.search.run_options import RunOptions
from nqjax.search.runner import checked_space, key_words
from nqjax.search.space import Config
from nqjax.search.task import Task
from nqjax.trials.table import Trials

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
    trials : Trials or None
        The table of the trials, if a task was trained.
    """

    configs: tuple[Config, ...]
    values: Floats
    constraints: Floats
    minimize: tuple[bool, ...]
    trials: Trials | None = field(default=None, repr=False)

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
    function: Callable[[Any], Any] | Task,
    space: Mapping[str, Any] | None = None,
    *,
    num_trials: int,
    key: Any,
    method: NSGA2 | None = None,
    minimize: bool | Sequence[bool] | None = None,
    vectorized: bool = False,
    objectives: Sequence[str] | None = None,
    constraints: Sequence[str] = (),
    out: str | Path | None = None,
    **options: Unpack[RunOptions],
) -> ParetoSearch:
    """Search for the configurations that no other one beats in all of several objectives.

    Parameters
    ----------
    function : callable or Task
        A task is trained, a generation side by side. A function is called with a configuration; it returns the
        objectives, then the constraints, which are kept where they are 0 or less: a sequence of numbers. With
        ``vectorized`` it is called with a mapping from names to arrays, for a generation, and returns an array of shape
        (configurations, objectives + constraints). NaN is a failed trial.
    space : mapping
        From names to distributions or values (`nqjax.search.space`); the task's own by default.
    num_trials : int
        Trials in all; a whole number of generations makes use of all of them.
    key : key
        A JAX key.
    method : NSGA2, optional
        With the numbers of objectives and constraints; two objectives without constraints by default.
    minimize : bool or sequence of bool, optional
        Whether lower is better, in all objectives or in each; by default it is, except in a task's score that the
        task maximises.
    vectorized : bool, optional
        Whether the function takes a generation at once.
    objectives, constraints : sequence of str, optional
        Of a task: which of the numbers that its ``evaluate`` returns. They are those of the round in which the task's
        score is best. A constraint is kept where it is 0 or less.
    out : str or Path, optional
        Of a task: a .jsonl file to which finished trials are written; one that exists is continued, and a search that
        was stopped goes on as if it had not been.
    **options
        ``progress``, whether to show progress; for a task also the other options of `nqjax.search.run`.

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
    method = _method_of(function, method, objectives, constraints)
    count = as_count("num_trials", num_trials)
    lower = _directions(function, minimize, method, objectives)
    key_words(key)
    show = options.pop("progress", False)
    training: TrainedGenerations | None = None
    if isinstance(function, Task):
        space = checked_space(function, space)
        metrics = [*(objectives or ()), *constraints]
        training = TrainedGenerations(function, space, method, metrics, lower, key, out, **options)
        values_of = training.values
    else:
        if space is None or objectives is not None or constraints or out is not None or options:
            given = (
                "space is missing"
                if space is None
                else "objectives, constraints, out or an option of training is given"
            )
            raise InputError(f"{given}: a function needs a space, and the others are for a task (nqjax.search.Task)")
        values_of = partial(_values, function, method.score_shape[0], as_flag("vectorized", vectorized))
    signs = np.append(np.where(lower, 1.0, -1.0), np.ones(method.constraints))
    search = Lockstep(method, EncodedSpace(space), count, search_keys(jax.random.fold_in(key, 0), [0]))
    configs: list[Config] = []
    parts = []
    with Progress("trials", count, show=show) as bar:
        for start in range(0, count, method.population):
            (asked,) = search.ask(method.population)
            own = asked[: count - start]
            parts.append(values_of(own))
            configs += own
            if len(own) == method.population:
                search.tell((signs * parts[-1])[None])
            bar.advance(len(own))
    values = np.concatenate(parts)
    trials = None if training is None else training.trials
    return ParetoSearch(tuple(configs), values[:, : method.objectives], values[:, method.objectives :], lower, trials)


def _method_of(
    function: Any, method: NSGA2 | None, objectives: Sequence[str] | None, constraints: Sequence[str]
) -> NSGA2:
    """Return the method, by default that for the objectives and constraints of a task, which are named."""
    if method is not None and not isinstance(method, NSGA2):
        raise InputError(f"method is {method!r}: give NSGA2(), the method for several objectives")
    if not isinstance(function, Task):
        if not callable(function):
            raise InputError(f"the function {function!r} cannot be called")
        return NSGA2() if method is None else method
    if not _are_names(objectives) or not _are_names(constraints) or objectives is None:
        raise InputError(
            "the objectives of a task are names of numbers that it reports, such as ['val_loss', 'val_error']: give "
            "two or more, and constraints in the same way"
        )
    counts = {"objectives": len(objectives), "constraints": len(constraints)}
    if method is None:
        return NSGA2(**counts)
    for name, count in counts.items():
        if getattr(method, name) != count:
            raise InputError(f"the method has {getattr(method, name)} {name}, and {count} are named: give as many")
    return method


def _are_names(names: Any) -> bool:
    return isinstance(names, list | tuple) and all(isinstance(name, str) for name in names)


def _directions(
    function: Any, minimize: bool | Sequence[bool] | None, method: NSGA2, objectives: Sequence[str] | None
) -> tuple[bool, ...]:
    """Return whether lower is better in each objective: by default, except in a task's score that is maximised."""
    if minimize is None:
        own = function.score if isinstance(function, Task) and not function.minimize else None
        minimize = [name != own for name in objectives or [""] * method.objectives]
    each = (minimize,) * method.objectives if isinstance(minimize, bool | np.bool_) else tuple(minimize)
    if len(each) != method.objectives:
        raise InputError(f"minimize has {len(each)} values: give one for each of {method.objectives} objectives")
    return tuple(as_flag("minimize", one) for one in each)


def _values(function: Callable[[Any], Any], columns: int, vectorized: bool, configs: list[Config]) -> Floats:
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
