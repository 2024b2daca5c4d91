"""Ray Tune: the trials of a task as its trainables, so that its schedulers and its cluster run them.

    pip install 'nqjax[ray]'

On one machine `nqjax.search.run` is faster, because it trains many trials side by side in one program; here each trial
has a process of its own.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from nqjax.errors import InputError
from nqjax.runtime.extras import require
from nqjax.search.configurations import resolve
from nqjax.search.engine.population import Program
from nqjax.search.engine.programs import programs_of
from nqjax.search.engine.scheduler import dtypes_of, static_of
from nqjax.search.engine.tile import Tile
from nqjax.search.engine.trial import Lane, Trial
from nqjax.search.runner import checked_space, key_words, trial_words
from nqjax.search.space import (
    Choice,
    Config,
    Derived,
    DiscreteUniform,
    Distribution,
    Fixed,
    LogUniform,
    Uniform,
    When,
    check,
)
from nqjax.search.task import Task
from nqjax.trials.columns import listed_names

if TYPE_CHECKING:
    from ray import tune
else:
    tune = require("ray.tune", "ray", "nqjax.integrations.ray")

#: A hyperparameter of this name chooses the random numbers of a trial.
SEED = "seed"


def trainable(
    task: Task | Callable[[], Task], *, key: Any = None, space: Mapping[str, Any] | None = None
) -> type[tune.Trainable]:
    """Return a class of Ray Tune's trainables whose steps are the rounds of a task's trials.

    A step reports ``train_loss`` and the task's metrics after a round, and ``done`` after the last. A trial that fails
    (its loss or a metric is no longer finite) reports ``failed``, the worst score there is, and ends. Checkpoints have
    the whole state, so schedulers may pause trials and exchange them; a trial that goes on from one has the numbers
    that it would have had without the pause.

    Parameters
    ----------
    task : Task or callable
        A task, which Ray sends to its workers, or a function without arguments that makes it there: better for one
        with much data.
    key : key, optional
        ``jax.random.key(0)`` by default. A trial's own key follows from it and from the configuration, so a
        configuration that comes twice gives the same numbers, unless it has another ``"seed"``, a whole number.
    space : mapping, optional
        The task's own by default: its fixed and derived hyperparameters need not be in Ray's configurations.

    Returns
    -------
    type
        For `ray.tune.Tuner`.

    Raises
    ------
    InputError
        The task or the space is invalid.

    Examples
    --------
    >>> from nqjax import search
    >>> from nqjax.integrations.ray import param_space, trainable
    >>> task = search.load("digits-mlp")
    >>> one = trainable(task)({"learning_rate": 0.1, "momentum": 0.9, "weight_decay": 1e-4, "dropout": 0.1,
    ...                        "init_scale": 1.0})
    >>> one.train()["val_loss"] < 2.3
    True
    """
    words = key_words(jax.random.key(0) if key is None else key)
    if isinstance(task, Task):
        checked_space(task, space)

    class Trials(_Trainable):
        make = staticmethod((lambda: task) if isinstance(task, Task) else task)
        own_space = None if space is None else dict(space)
        search_key = words

    name = task.name if isinstance(task, Task) else getattr(task, "__name__", "task")
    Trials.__name__ = Trials.__qualname__ = "".join(part if part.isalnum() else "_" for part in name)
    return Trials


class _Trainable(tune.Trainable):
    """Trials in a program with one lane; a subclass says of which task."""

    make: Callable[[], Task]
    own_space: Mapping[str, Any] | None
    search_key: tuple[int, ...]

    def setup(self, config: dict[str, Any]) -> None:
        """Make the task, and the first trial of this process."""
        self._task = type(self).make()
        self._space = checked_space(self._task, self.own_space)
        self._begin(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Begin another trial, without compiling anything again unless static hyperparameters have changed."""
        self._begin(new_config)
        return True

    def _begin(self, config: Mapping[str, Any]) -> None:
        chosen = complete(self._space, config)
        text = json.dumps([chosen, config.get(SEED, 0)], sort_keys=True)
        (words,) = trial_words(self.search_key, [zlib.crc32(text.encode())])
        rounds = int(self._task.num_rounds(chosen))
        if rounds < 1:
            raise InputError(f"the task {self._task.name} has {rounds} rounds for {chosen}: it needs 1 or more")
        self._lane = Lane(Trial(0, chosen, words, rounds))
        device = jax.local_devices()[0]
        with jax.enable_x64(False):
            self._tile = Tile(_program(self._task, self._lane.trial, device.platform), device)
            waiting = [self._lane]
            self._tile.fill(lambda: waiting.pop() if waiting else None)

    def step(self) -> dict[str, Any]:
        """Train for a round and return the metrics."""
        with jax.enable_x64(False):
            self._tile.advance(lambda: False)
        lane, score = self._lane, self._task.score
        found: dict[str, Any] = {name: values[-1] for name, values in lane.curve.items()}
        if score not in found:
            raise InputError(f"the score is {score!r}, but the metrics are {', '.join(sorted(found))}")
        if lane.failed:  # schedulers compare scores: NaN is neither better nor worse
            found[score] = math.inf if self._task.minimize else -math.inf
        return {**found, "failed": lane.failed, "done": lane.failed or lane.round >= lane.trial.rounds}

    def save_checkpoint(self, checkpoint_dir: str) -> dict[str, Any]:  # noqa: ARG002
        """Return the state of the training and its learning curves."""
        return {
            "leaves": [np.asarray(leaf) for leaf in jax.tree.leaves(self._tile.state)],
            "round": self._lane.round,
            "curve": self._lane.curve,
        }

    def load_checkpoint(self, checkpoint: dict[str, Any] | None) -> None:
        """Go on from a state, which may be that of another trial; the hyperparameters stay this one's.

        Raises
        ------
        InputError
            The state is that of a trial with other static hyperparameters, whose arrays have other shapes.
        """
        if checkpoint is None:
            return
        self._lane.round = int(checkpoint["round"])
        self._lane.curve = {name: list(values) for name, values in checkpoint["curve"].items()}

        def state(like: Any) -> Any:
            leaves, structure = jax.tree.flatten(like)
            shapes = [np.shape(leaf) for leaf in leaves]
            if shapes != [np.shape(leaf) for leaf in checkpoint["leaves"]]:
                raise InputError(
                    "the checkpoint is of a trial with other shapes: leave static hyperparameters out of what the "
                    "scheduler changes"
                )
            return jax.tree.unflatten(structure, checkpoint["leaves"])

        with jax.enable_x64(False):
            self._tile.restore([self._lane], state)


def _program(task: Task, trial: Trial, platform: str) -> Program:
    programs, static, dtypes = programs_of(task), static_of(task, trial), dtypes_of(task, [trial])
    name = static, tuple(dtypes.items()), 1, platform
    if name not in programs:
        programs[name] = Program(task, dict(static), dtypes, 1, platform)
    return programs[name]


def complete(space: Mapping[str, Any], config: Mapping[str, Any]) -> Config:
    """Return one of Ray's configurations with the fixed and derived hyperparameters of the space.

    Raises
    ------
    InputError
        A hyperparameter is missing, or the space lacks one.
    """
    other = [name for name in config if name not in space and name != SEED]
    if other:
        raise InputError(f"there is no hyperparameter {other[0]!r}; the space has {listed_names(list(space))}")

    def pick(name: str, leaf: Distribution) -> Any:
        if name not in config:
            if isinstance(leaf, Fixed):
                return leaf.value
            raise InputError(f"the configuration lacks {name!r}: add it to Ray's param_space")
        value = config[name]
        value = value.item() if hasattr(value, "item") else value
        if isinstance(leaf, Fixed):
            return leaf.value
        return float(value) if isinstance(leaf, Uniform | LogUniform) else value

    return resolve(check(space), pick)


def param_space(space: Mapping[str, Any]) -> dict[str, Any]:
    """Return a search space in Ray Tune's terms, for `ray.tune.Tuner`.

    Fixed and derived hyperparameters are left out: `trainable` adds them. A conditional hyperparameter is always drawn,
    and read where its condition holds.

    Raises
    ------
    InputError
        A conditional hyperparameter is searched in both of its branches.

    Examples
    --------
    >>> from nqjax.integrations.ray import param_space
    >>> from nqjax.search import Choice, LogUniform
    >>> sorted(param_space({"rate": LogUniform(0.01, 1), "size": Choice(1, 2), "epochs": 3}))
    ['rate', 'size']
    """
    found = {name: _as_rays(name, entry) for name, entry in check(space).items()}
    return {name: entry for name, entry in found.items() if entry is not None}


def _as_rays(name: str, entry: Distribution) -> Any:
    if isinstance(entry, When):
        both = [_as_rays(name, entry.distribution), _as_rays(name, entry.otherwise)]
        if None not in both:
            raise InputError(f"{name} is searched in both branches of a condition, which Ray's space cannot say")
        return both[0] if both[1] is None else both[1]
    if isinstance(entry, Uniform):
        return tune.uniform(entry.low, entry.high)
    if isinstance(entry, LogUniform):
        return tune.loguniform(entry.low, entry.high)
    if isinstance(entry, DiscreteUniform):
        return tune.randint(entry.low, entry.high + 1)
    if isinstance(entry, Choice):
        return tune.choice(list(entry.values))
    if isinstance(entry, Fixed | Derived):
        return None
    raise InputError(f"{name} is {entry}, which Ray's space cannot say")
