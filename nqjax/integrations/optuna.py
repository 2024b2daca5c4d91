"""Optuna, in both directions: its samplers on our tasks, many trials side by side; and our methods as a sampler.

    pip install 'nqjax[optuna]'

With a storage that several processes share, such as ``sqlite:///study.db``, several machines work on one study.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Unpack

import jax
import jax.numpy as jnp
import numpy as np

from nqjax.errors import InputError
from nqjax.inputs import as_count
from nqjax.runtime.compiled import power_of_two
from nqjax.runtime.extras import require
from nqjax.search.configurations import resolve
from nqjax.search.optimizers.cube import EncodedSpace
from nqjax.search.optimizers.method import FromHistory, History, KeyedHistory, Method
from nqjax.search.optimizers.registry import as_method
from nqjax.search.optimizers.surface_search import SurfaceSearch
from nqjax.search.run_options import RunOptions
from nqjax.search.runner import as_trials, checked_space, execute, search_settings, trial_words
from nqjax.search.space import Choice, Config, DiscreteUniform, Distribution, LogUniform, Uniform
from nqjax.search.task import Task

if TYPE_CHECKING:
    import optuna
else:
    optuna = require("optuna", "optuna", "nqjax.integrations.optuna")

#: Room for trials in a sampler's programs: a study with more has the next power of two.
_CAPACITY = 128


def optimize(
    study: optuna.Study,
    task: Task,
    num_trials: int,
    *,
    key: Any,
    space: Mapping[str, Any] | None = None,
    batch: int = 16,
    **options: Unpack[RunOptions],
) -> None:
    """Run trials of an Optuna study on a task, a batch of them side by side.

    Optuna is asked for a batch of configurations, they are trained as lanes of one program, and it is told the scores.
    A trial has the metrics of its best round, and its number of rounds, as user attributes.

    Parameters
    ----------
    study : optuna.Study
        Of one objective, in the task's direction; with any sampler and storage.
    task : Task
    num_trials : int
        How many trials to add.
    key : key
        The key of the trainings; a trial's own follows from its number.
    space : mapping, optional
        From names to distributions or values; the task's own by default.
    batch : int, optional
        Trials that are asked for before their scores are known.
    **options
        As for `nqjax.search.run`.

    Raises
    ------
    InputError
        The study's direction is not the task's, or the task or the space is invalid.

    Examples
    --------
    >>> import jax, optuna
    >>> from nqjax import search
    >>> from nqjax.integrations.optuna import optimize
    >>> optuna.logging.set_verbosity(optuna.logging.WARNING)
    >>> study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0))
    >>> optimize(study, search.load("digits-mlp"), 4, key=jax.random.key(0), batch=4)
    >>> len(study.trials), study.best_trial.user_attrs["rounds"]
    (4, 30)
    """
    space = checked_space(task, space)
    count, batch = as_count("num_trials", num_trials), as_count("batch", batch)
    directions = [direction.name.lower() for direction in study.directions]
    wanted = "minimize" if task.minimize else "maximize"
    if directions != [wanted]:
        raise InputError(f"the study is to {' and '.join(directions)}, but {task.score} of {task.name} is to {wanted}")
    settings = search_settings(task, space, key, "optuna")
    for first in range(0, count, batch):
        asked = [study.ask() for _ in range(min(batch, count - first))]
        try:
            configs = [(trial.number, _suggest(trial, space)) for trial in asked]
            trials = as_trials(task, configs, trial_words(key, [trial.number for trial in asked]))
            found = execute(task, trials, settings, **options)
        except BaseException:  # Ctrl-C included: no trial is left running in the storage
            for trial in asked:
                study.tell(trial, state=optuna.trial.TrialState.FAIL)
            raise
        rows = {row["trial"]: row for row in found.rows}
        for trial in asked:
            _tell(study, trial, rows[trial.number], task.score, space)


def _suggest(trial: optuna.Trial, space: Mapping[str, Distribution]) -> Config:
    """Return the configuration that a trial suggests; conditional hyperparameters are asked for where they are read."""

    def pick(name: str, leaf: Distribution) -> Any:
        if isinstance(leaf, Uniform | LogUniform):
            return trial.suggest_float(name, leaf.low, leaf.high, log=isinstance(leaf, LogUniform))
        if isinstance(leaf, DiscreteUniform):
            return trial.suggest_int(name, leaf.low, leaf.high)
        if isinstance(leaf, Choice):
            return trial.suggest_categorical(name, leaf.values)
        return leaf.quantile(0.0)  # fixed

    return resolve(space, pick)


def _tell(
    study: optuna.Study, trial: optuna.Trial, row: Mapping[str, Any], score: str, space: Mapping[str, Any]
) -> None:
    for name, value in row.items():
        if name not in space and name not in ("trial", "curve", score):
            trial.set_user_attr(name, value)
    if row[score] is None:
        study.tell(trial, state=optuna.trial.TrialState.FAIL)
    else:
        study.tell(trial, row[score])


class NqjaxSampler(optuna.samplers.BaseSampler):
    """A sampler of Optuna that chooses by a method of `nqjax.search`.

    Parameters
    ----------
    method : str or Method
        One that chooses from the trials so far: "gp" by default, "tpe", "sobol", "random" or "surface".
    seed : int, optional
        0 by default. A trial's configuration follows from the seed, its number and the trials before it.

    Raises
    ------
    InputError
        The method has a state of its own, as CMA-ES has, or the study has several objectives.

    Examples
    --------
    >>> import optuna
    >>> from nqjax.integrations.optuna import NqjaxSampler
    >>> optuna.logging.set_verbosity(optuna.logging.WARNING)
    >>> study = optuna.create_study(sampler=NqjaxSampler("tpe"))
    >>> study.optimize(lambda trial: (trial.suggest_float("x", -1, 1) - 0.3) ** 2, n_trials=20)
    >>> bool(abs(study.best_params["x"] - 0.3) < 0.3)
    True
    """

    def __init__(self, method: str | Method = "gp", seed: int = 0) -> None:
        self._method = as_method(method)
        if not isinstance(self._method, FromHistory | SurfaceSearch):
            raise InputError(f"{self._method.name} keeps a state of its own: give gp, tpe, sobol, random or surface")
        self._seed = seed
        self._shared = optuna.search_space.IntersectionSearchSpace(include_pruned=True)

    def infer_relative_search_space(
        self,
        study: optuna.Study,
        trial: optuna.trial.FrozenTrial,  # noqa: ARG002
    ) -> dict[str, Any]:
        """Return the hyperparameters that all trials so far have."""
        shared = self._shared.calculate(study)
        return {name: kind for name, kind in shared.items() if not kind.single()}

    def sample_relative(
        self, study: optuna.Study, trial: optuna.trial.FrozenTrial, search_space: dict[str, Any]
    ) -> dict[str, Any]:
        """Return the next configuration."""
        if len(study.directions) > 1:
            raise InputError("the study has several objectives, which nqjax's methods cannot search")
        if not search_space:
            return {}
        space = EncodedSpace({name: _ours(name, kind) for name, kind in search_space.items()})
        states = optuna.trial.TrialState
        told = [one for one in study.get_trials(deepcopy=False) if one.number < trial.number]
        told = [one for one in told if search_space.keys() <= one.params.keys() and one.state != states.WAITING]
        configs = [{name: one.params[name] for name in search_space} for one in told]
        sign = -1.0 if study.direction.name == "MAXIMIZE" else 1.0
        scores = [None if one.state == states.RUNNING else sign * _score(one) for one in told]
        key = jax.random.fold_in(jax.random.key(self._seed), trial.number)
        if isinstance(self._method, SurfaceSearch):
            found = self._from_surface(self._method, space, configs, scores, key)
            return found or self._from_history(self._method.companion, space, configs, scores, key)
        return self._from_history(self._method, space, configs, scores, key)

    @staticmethod
    def _from_surface(
        method: SurfaceSearch, space: EncodedSpace, configs: list[Config], scores: Sequence[float | None], key: Any
    ) -> dict[str, Any]:
        known = [i for i, score in enumerate(scores) if score is not None]
        if len(known) < max(method.startup, method.fitted_from) or not method.proposes(len(configs)):
            return {}
        finished = np.array([scores[i] for i in known], np.float64)
        return next(iter(method.propose(space, [configs[i] for i in known], finished, 1, key)), {})

    @staticmethod
    def _from_history(
        method: Method, space: EncodedSpace, configs: list[Config], scores: Sequence[float | None], key: Any
    ) -> dict[str, Any]:
        count = len(configs)
        if count < getattr(method, "startup", 0):
            return {}
        room = max(_CAPACITY, power_of_two(count + 1))
        places = [space.encode(config) for config in configs]
        u, active = np.full((room, space.cube.dimension), 0.5), np.ones((room, space.cube.dimension), bool)
        values, told = np.full(room, np.inf), np.zeros(room, bool)
        for i, ((point, mask), score) in enumerate(zip(places, scores, strict=True)):
            u[i], active[i] = point, mask
            if score is not None:
                values[i], told[i] = (np.inf if np.isnan(score) else score), True
        with jax.enable_x64(True):
            arrays = (jnp.asarray(array) for array in (u, active, values, told))
            point = _ask(method, space.cube, room, key, History(*arrays), jnp.asarray(count))
        (config,), _ = space.decode(np.asarray(point))
        return config

    def sample_independent(
        self, study: optuna.Study, trial: optuna.trial.FrozenTrial, param_name: str, param_distribution: Any
    ) -> Any:
        """Return a random value, for hyperparameters that not all trials have."""
        # By the trial's number: processes that share a study have samplers with one seed.
        words = [self._seed % 2**64, trial.number, zlib.crc32(param_name.encode())]
        seed = int(np.random.SeedSequence(words).generate_state(1)[0])
        sampler = optuna.samplers.RandomSampler(seed=seed)
        return sampler.sample_independent(study, trial, param_name, param_distribution)


def _ask_once(method: Any, cube: Any, room: int, key: Any, history: History, count: Any) -> Any:
    memory = method.memory_of(method.start(cube, room), history, count)
    state = KeyedHistory(key, history, memory)
    return method.ask(cube, state, count, 1)[1]


_ask = jax.jit(_ask_once, static_argnums=(0, 1, 2))


def _score(trial: optuna.trial.FrozenTrial) -> float:
    return float("nan") if trial.value is None else float(trial.value)


def _ours(name: str, kind: Any) -> Distribution:
    """Return a distribution of Optuna as one of ours."""
    kinds = optuna.distributions
    if isinstance(kind, kinds.FloatDistribution) and kind.step is None:
        return (LogUniform if kind.log else Uniform)(kind.low, kind.high)
    if isinstance(kind, kinds.IntDistribution) and kind.step == 1 and not kind.log:
        return DiscreteUniform(kind.low, kind.high)
    if isinstance(kind, kinds.CategoricalDistribution):
        return Choice(*kind.choices)
    raise InputError(f"{name} is {kind}, which nqjax's methods cannot search: leave out step and log of whole numbers")
