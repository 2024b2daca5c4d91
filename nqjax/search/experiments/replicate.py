"""Run many searches by several methods side by side, on the same objective with the same luck."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nqjax.errors import InputError
from nqjax.inputs import as_count
from nqjax.runtime.progress import Progress
from nqjax.search import space as spaces
from nqjax.search.configurations import key_words
from nqjax.search.engine.scheduler import LANES
from nqjax.search.experiments.replications import Line, Replications, ReplicationsFile, line_of
from nqjax.search.objectives import Objective
from nqjax.search.optimizers.cube import EncodedSpace
from nqjax.search.optimizers.lockstep import Lockstep, search_keys
from nqjax.search.optimizers.method import Method
from nqjax.search.optimizers.registry import as_method, check_learns, method_settings
from nqjax.search.optimizers.surface_search import SurfaceSearch
from nqjax.search.optimizers.warm_start import Earlier
from nqjax.search.prior import EarlierTrials, as_prior, fingerprint
from nqjax.search.prior import encoded as encoded_prior
from nqjax.search.runner import as_trials, checked_space, execute, search_settings, trial_words
from nqjax.search.space import Config
from nqjax.search.task import Task
from nqjax.trials.study import StudyTable
from nqjax.trials.table import Trials

Floats = NDArray[np.float64]

#: Searches that run side by side. What is finished is written after each group, and groups of one size share a program.
GROUP = 100

#: The same for tasks, and for searches by the surface, which take seconds each on the host.
TASK_GROUP = 50
SURFACE_GROUP = 10


def replicate(
    objective: Objective | Task,
    methods: Sequence[str | Method] | Mapping[str, str | Method],
    *,
    replications: int,
    num_trials: int,
    key: Any,
    space: Mapping[str, Any] | None = None,
    batch: int = 1,
    first: int = 0,
    prior: Trials | StudyTable | EarlierTrials | str | Path | None = None,
    out: str | Path | None = None,
    progress: bool = False,
) -> Replications:
    """Run each method many times on an objective.

    Search ``r`` has a key of its own, so it is the same however many there are; the noise of its trial ``i`` is the
    same for all methods.

    Parameters
    ----------
    objective : Objective or Task
        A function (`nqjax.search.Function`), a table or a surrogate of trials, or a task, which is trained.
    methods : sequence, or mapping from names
        Names or instances of methods (`nqjax.search.optimizers`).
    replications : int
        Searches by each method.
    num_trials : int
        Trials of each search.
    key : key
        A JAX key.
    space : mapping, optional
        The objective's own by default.
    batch : int, optional
        Trials that are asked for before their scores are known.
    first : int, optional
        The number of the first search; searches with other numbers have other random numbers.
    prior : Trials, StudyTable, EarlierTrials, str or Path, optional
        Earlier trials that every search knows at its start; as for `nqjax.search.run`.
    out : str or Path, optional
        A .jsonl file to which finished searches are written; one that exists is continued.
    progress : bool, optional
        Whether to show progress.

    Returns
    -------
    Replications

    Raises
    ------
    InputError
        A method is unknown or cannot search the space; the file is of other settings.

    Examples
    --------
    >>> import jax
    >>> from nqjax.search import Function, Uniform, replicate
    >>> square = Function(lambda config: config["x"] ** 2, {"x": Uniform(-1, 1)})
    >>> runs = replicate(square, ["random", "tpe"], replications=3, num_trials=15, key=jax.random.key(0))
    >>> runs.scores["tpe"].shape
    (3, 15)
    """
    named = _named(methods)
    count, length = as_count("replications", replications), as_count("num_trials", num_trials)
    batch, first = as_count("batch", batch), as_count("first", first, least=0)
    numbers = range(first, first + count)
    if length % batch:
        raise InputError(f"num_trials is {length}, which batches of {batch} do not fill: give a multiple")
    if isinstance(objective, Task):
        space = checked_space(objective, space)
    space = spaces.check(objective.space if space is None else space)
    encoded = EncodedSpace(space)
    words = key_words(key)
    settings: dict[str, Any] = {
        "objective": objective.name,
        "space": spaces.describe(space),
        "num_trials": length,
        "batch": batch,
        "key": list(words),
        "minimize": bool(getattr(objective, "minimize", True)),
        "methods": {name: method_settings(method) for name, method in named.items()},
    }
    earlier = None
    if prior is not None:
        known = search_settings(objective, space, key, None) if isinstance(objective, Task) else settings
        earlier = encoded_prior(as_prior(prior, known), encoded)
        for method in named.values():
            check_learns(method, len(earlier.u))
    settings["prior"] = fingerprint(earlier, encoded)
    scoring = _task_scores(objective, key, length) if isinstance(objective, Task) else _scores(objective, words)
    with (
        ReplicationsFile(out, settings) as file,
        Progress("searches", count * len(named), done=_done(file, named, numbers), show=progress) as bar,
    ):
        for name, method in named.items():
            missing = [number for number in numbers if (name, number) not in file.lines]
            size = group_size(objective, method, batch)
            for begin in range(0, len(missing), size):
                group = missing[begin : begin + size]
                file.add(_run(name, method, encoded, length, batch, search_keys(key, group), group, scoring, earlier))
                bar.advance(len(group), name)
        return file.table(named, numbers, bool(settings["minimize"]))


def group_size(objective: Objective | Task, method: Method, batch: int) -> int:
    """Return how many searches run side by side; for tasks, so that their batches fill the lanes."""
    if not isinstance(objective, Task):
        return SURFACE_GROUP if isinstance(method, SurfaceSearch) else GROUP
    lanes = objective.lanes or LANES
    whole = lanes // math.gcd(lanes, batch)
    return TASK_GROUP - TASK_GROUP % whole or TASK_GROUP


#: Given configurations of each search, their searches' numbers and the first trial's number: scores, and true ones.
_Scoring = Callable[[list[list[Config]], Sequence[int], int], tuple[Floats, Floats | None]]


def _run(
    name: str,
    method: Method,
    space: EncodedSpace,
    length: int,
    batch: int,
    keys: Any,
    group: Sequence[int],
    scoring: _Scoring,
    earlier: Earlier | None,
) -> list[Line]:
    searches = Lockstep(method, space, length, keys, earlier)
    observed, noise_free = [], []
    for first in range(0, length, batch):
        scores, true = scoring(searches.ask(batch), group, first)
        searches.tell(scores)
        observed.append(scores)
        if true is not None:
            noise_free.append(true)
    scores, true = np.concatenate(observed, axis=1), np.concatenate(noise_free, axis=1) if noise_free else None
    return [line_of(name, number, scores[i], None if true is None else true[i]) for i, number in enumerate(group)]


def _scores(objective: Objective, words: tuple[int, ...]) -> _Scoring:
    def scoring(configs: list[list[Config]], group: Sequence[int], first: int) -> tuple[Floats, Floats | None]:
        batch = len(configs[0])
        values = objective.values([config for own in configs for config in own]).reshape(len(group), batch)
        if not objective.noise:
            return values, values
        noise = [np.random.default_rng([*words, number, first]).normal(size=batch) for number in group]
        return values + objective.noise * np.array(noise), values

    return scoring


def _task_scores(task: Task, key: Any, length: int) -> _Scoring:
    def scoring(configs: list[list[Config]], group: Sequence[int], first: int) -> tuple[Floats, None]:
        numbers = [
            number * length + first + i for number, own in zip(group, configs, strict=True) for i in range(len(own))
        ]
        flat = list(zip(numbers, (config for own in configs for config in own), strict=True))
        trials = as_trials(task, flat, trial_words(key, numbers))
        found = execute(task, trials, search_settings(task, task.space, key, "replications"))
        place = dict(zip(found["trial"].tolist(), found.scores, strict=True))
        scores = np.array([place[number] for number in numbers]).reshape(len(group), -1)
        return (scores if task.minimize else -scores), None

    return scoring


def _named(methods: Sequence[str | Method] | Mapping[str, str | Method]) -> dict[str, Method]:
    if isinstance(methods, str):
        raise InputError(f"methods is {methods!r}: give a list of names, such as ['random', {methods!r}]")
    if isinstance(methods, Mapping):
        return {str(name): as_method(method) for name, method in methods.items()}
    named: dict[str, Method] = {}
    for method in map(as_method, methods):
        if method.name in named:
            raise InputError(f"the method {method.name} is given twice: give a mapping from names of your own")
        named[method.name] = method
    if not named:
        raise InputError("there is no method: give some, such as ['random', 'tpe']")
    return named


def _done(file: ReplicationsFile, named: Mapping[str, Method], numbers: Sequence[int]) -> int:
    return sum((name, number) in file.lines for name in named for number in numbers)
