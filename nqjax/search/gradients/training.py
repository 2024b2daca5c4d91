"""Trainings that can be differentiated: a user's own functions, or a task of the search."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nqjax.errors import InputError
from nqjax.inputs import as_count, as_number
from nqjax.search import space as spaces
from nqjax.search.engine.population import Program
from nqjax.search.engine.programs import programs_of
from nqjax.search.sources import Arrays, blocks
from nqjax.search.space import Config, LogUniform, Uniform, plain_number
from nqjax.search.task import Task, check_task


def _whole(state: Any) -> Any:
    return state


@dataclass(frozen=True, eq=False)
class Training:
    """A training of one's own, as pure functions in JAX: what `nqjax.search.hypergradient` differentiates.

    Hyperparameters that are floats are traced; whole numbers and texts are Python values, so that shapes may depend on
    them. All functions must work under `jax.vmap`, which runs the seeds side by side. Schedules may read the number of
    the step.

    Parameters
    ----------
    space : mapping
        From names to distributions (`nqjax.search.space`). Those that are `LogUniform` or `Uniform` are differentiated,
        the former on the logarithmic scale.
    num_steps : int
        Steps of the training.
    init : callable
        ``init(config, key)`` returns the state before training: any pytree.
    step : callable
        ``step(state, config, key, number)`` returns the state after step ``number``, from 0; every step has its own
        key.
    score : callable
        ``score(state, config)`` returns the score at the end, a scalar: the loss on validation data.
    objective : callable, optional
        ``objective(params, config)`` returns what the training minimises, over all training data and with the penalties
        of all regularisers: a scalar. ``method="implicit"`` needs it.
    regularizers : tuple of str, optional
        The hyperparameters that the objective depends on.
    params : callable, optional
        ``params(state)`` returns the part of the state that is trained; by default the whole state.

    Raises
    ------
    InputError
        The space is invalid, a function cannot be called, or a regulariser is not in the space.

    Examples
    --------
    Gradient descent on a parabola, from a random start:

    >>> import jax
    >>> from nqjax.search import LogUniform, Training, hypergradient
    >>> training = Training(
    ...     space={"rate": LogUniform(0.01, 1)},
    ...     num_steps=10,
    ...     init=lambda config, key: 2 + 0.1 * jax.random.normal(key),
    ...     step=lambda w, config, key, number: w - config["rate"] * w,
    ...     score=lambda w, config: w**2,
    ... )
    >>> found = hypergradient(training, {"rate": 0.1}, key=jax.random.key(0))
    >>> bool(abs(found["rate"].mean / (-20 * 0.1 / 0.9 * found.scores.mean()) - 1) < 1e-5)
    True
    """

    space: Mapping[str, Any]
    num_steps: int
    init: Callable[[Config, jax.Array], Any]
    step: Callable[[Any, Config, jax.Array, jax.Array], Any]
    score: Callable[[Any, Config], jax.Array]
    objective: Callable[[Any, Config], jax.Array] | None = None
    regularizers: tuple[str, ...] = ()
    params: Callable[[Any], Any] = _whole
    _steps: dict[Any, Steps] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        spaces.check(self.space)
        as_count("num_steps", self.num_steps)
        for name in ("init", "step", "score", "params"):
            if not callable(getattr(self, name)):
                raise InputError(f"{name} of the training is not a function: see nqjax.search.Training")
        if not isinstance(self.regularizers, tuple):
            raise InputError("regularizers must be a tuple of names")
        unknown = [name for name in self.regularizers if name not in self.space]
        if unknown:
            raise InputError(f"the regulariser {unknown[0]!r} is not in the space: add it")


@dataclass(frozen=True, eq=False)
class Steps:
    """A training in the form that is differentiated.

    Attributes
    ----------
    init : callable
        ``init(config, key)`` returns the state.
    inputs : callable
        ``inputs(key)`` returns what each step gets: arrays whose leading axis is the steps.
    step : callable
        ``step(state, config, input, data)`` returns the state.
    score : callable
        ``score(state, config, data)``.
    objective : callable or None
        ``objective(params, config, data)``.
    params : callable
        ``params(state)``.
    data : pytree
        The examples.
    num_steps : int
    programs : dict
        Compiled programs.
    """

    init: Callable[..., Any]
    inputs: Callable[..., Any]
    step: Callable[..., Any]
    score: Callable[..., Any]
    objective: Callable[..., Any] | None
    params: Callable[..., Any]
    data: Any
    num_steps: int
    programs: dict[Any, Any] = field(default_factory=dict)


def differentiable(training: Task | Training) -> dict[str, bool]:
    """Return the hyperparameters that can be differentiated, and whether each is on the logarithmic scale."""
    space = spaces.check(training.space)
    named = getattr(training, "differentiable", None)
    allowed = list(space) if named is None else list(named)
    static = getattr(training, "static", ())
    return {
        name: isinstance(one, LogUniform)
        for name, one in space.items()
        if isinstance(one, LogUniform | Uniform) and name in allowed and name not in static
    }


def regularizers(training: Task | Training) -> tuple[str, ...]:
    """Return the hyperparameters that the objective of the training depends on."""
    return tuple(getattr(training, "regularizers", ()))


def split(training: Task | Training, config: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the configuration's values that are traced, and those that are Python values.

    Raises
    ------
    InputError
        A hyperparameter is missing or has an invalid value; the message names it.
    """
    if not isinstance(config, Mapping):
        raise InputError("config must be a mapping from hyperparameters to values, such as {'learning_rate': 0.1}")
    missing = [name for name in training.space if name not in config]
    if missing:
        raise InputError(f"the configuration lacks {missing[0]!r}: give a value for each hyperparameter of the space")
    plain, space = {}, spaces.check(training.space)
    for name, value in config.items():
        try:
            plain[name] = plain_number(value)
        except InputError as error:
            raise InputError(f"{name}: {error}") from None
        if isinstance(space.get(name), LogUniform | Uniform):
            plain[name] = as_number(name, value)  # a float, also where it is given as a whole number
    if isinstance(training, Training):
        fixed = {name: value for name, value in plain.items() if not isinstance(value, float)}
    else:
        fixed = {name: plain[name] for name in training.static}
    return {name: value for name, value in plain.items() if name not in fixed}, fixed


def steps_of(training: Task | Training, config: Mapping[str, Any]) -> Steps:
    """Return the steps of a training, kept for the next call.

    Raises
    ------
    InputError
        The task or its examples are of a kind that cannot be differentiated.
    """
    traced, fixed = split(training, config)
    static = tuple(sorted(fixed.items()))
    if isinstance(training, Training):
        if static not in training._steps:
            training._steps[static] = _own(training, fixed)
        return training._steps[static]
    check_task(training)
    if not (isinstance(training.train, Arrays) and isinstance(training.valid, Arrays)):
        raise InputError(
            f"the examples of the task {training.name} are a stream: hypergradients need them in memory (Arrays)"
        )
    rounds = as_count("num_rounds of the task", training.num_rounds(config))
    dtypes = {name: np.int32 if isinstance(value, int) else np.float32 for name, value in traced.items()}
    kept: dict[Any, Any] = programs_of(training)
    key = "hypergradient", static, tuple(dtypes.items()), rounds
    if key not in kept:
        kept[key] = _from_task(training, fixed, dtypes, rounds)
    found: Steps = kept[key]
    return found


def _own(training: Training, fixed: Mapping[str, Any]) -> Steps:
    """Return the steps of a user's training; ``fixed`` are its Python values."""
    objective = training.objective

    def inputs(key: jax.Array) -> Any:
        keys = jax.vmap(lambda number: jax.random.fold_in(key, number + 1))(jnp.arange(training.num_steps))
        return keys, jnp.arange(training.num_steps)

    def penalized(params: Any, config: Mapping[str, Any], data: Any) -> jax.Array:  # noqa: ARG001
        if objective is None:
            raise InputError("the training has no objective")
        return objective(params, {**config, **fixed})

    return Steps(
        init=lambda config, key: training.init({**config, **fixed}, jax.random.fold_in(key, 0)),
        inputs=inputs,
        step=lambda state, config, x, data: training.step(state, {**config, **fixed}, *x),  # noqa: ARG005
        score=lambda state, config, data: training.score(state, {**config, **fixed}),  # noqa: ARG005
        objective=None if objective is None else penalized,
        params=training.params,
        data=(),
        num_steps=int(training.num_steps),
    )


def _from_task(task: Task, fixed: Mapping[str, Any], dtypes: Mapping[str, Any], rounds: int) -> Steps:
    """Return the steps of a task: those of the search's trial with the same key, to the end of the last round."""
    program = Program(task, dict(fixed), dtypes, 1, jax.default_backend())  # refers to the task weakly
    score, size = task.score, min(task.evaluation_size, len(task.valid))

    def with_rounds(config: Mapping[str, Any]) -> dict[str, Any]:
        return {**config, "num_rounds": jnp.int32(rounds)}

    def inputs(key: jax.Array) -> Any:
        words, numbers = jax.random.key_data(key), jnp.arange(rounds)
        order = jax.vmap(functools.partial(program.order, words))(numbers)
        shape = rounds, program.steps
        each = jnp.broadcast_to(numbers[:, None], shape), jnp.broadcast_to(jnp.arange(program.steps), shape)
        every = jnp.broadcast_to(words, (*shape, *words.shape))
        return jax.tree.map(lambda a: a.reshape(rounds * program.steps, *a.shape[2:]), (every, *each, order))

    def step(state: Any, config: Any, x: Any, data: Any) -> Any:
        words, number, at, index = x
        batch = jax.tree.map(lambda a: a[index], data["train"])
        return program.one_step(state, with_rounds(config), words, number, at, batch)[0]

    def mean_score(state: Any, config: Any, data: Any) -> jax.Array:
        batches, weights = data["valid"]

        @jax.checkpoint
        def one(block: Any) -> jax.Array:
            value: jax.Array = program.metric_sums(state, with_rounds(config), *block)[score]
            return value

        return jax.lax.map(one, (batches, weights)).sum() / weights.sum()

    def objective(params: Any, config: Any, data: Any) -> jax.Array:
        value: jax.Array = program.task.objective(params, {**config, **fixed}, data["train"])  # type: ignore[attr-defined]
        return value

    def params(state: Any) -> Any:
        return program.task.params(state)  # type: ignore[attr-defined]

    return Steps(
        init=lambda config, key: program.initial(with_rounds(config), jax.random.key_data(key)),
        inputs=inputs,
        step=step,
        score=mean_score,
        objective=objective if hasattr(task, "objective") else None,
        params=params if hasattr(task, "params") else _whole,
        data=jax.device_put({"train": task.train.arrays, "valid": blocks(task.valid.arrays, size)}),  # type: ignore[union-attr]
        num_steps=rounds * program.steps,
    )
