"""Reverse mode through a whole training: exact derivatives of its last score, for many seeds side by side.

The states of all steps are kept, and what happens within a step is computed again on the way back
(`jax.checkpoint`), so the memory is that of the states and the time that of three to four trainings.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from nqjax.errors import InputError
from nqjax.runtime.progress import Progress
from nqjax.search.engine.memory import free
from nqjax.search.gradients.training import Steps

Floats = NDArray[np.float64]

#: A program is timed again until its runs take this many seconds, at most this often: a single short one may have had
#: to wait for the processor.
_SHORT = 0.3
_REPEATS = 20


class Found(NamedTuple):
    """Derivatives by each of some hyperparameters, on their own scale and not on that of the logarithm.

    Attributes
    ----------
    slopes : ndarray, shape (seeds, names)
    scores : ndarray, shape (seeds,)
    cost : float
        The time, in plain trainings.
    notes : list of str, or ()
        For each of the names: why its derivative is refused, or nothing.
    """

    slopes: Floats
    scores: Floats
    cost: float
    notes: tuple[str, ...] = ()


def unrolled(
    steps: Steps, config: Mapping[str, Any], names: tuple[str, ...], keys: jax.Array, *, progress: bool = False
) -> Found:
    """Differentiate the score at the end of training by the values of the hyperparameters.

    Parameters
    ----------
    steps : Steps
    config : mapping
        The values that are traced.
    names : tuple of str
        The hyperparameters to differentiate by.
    keys : Array of keys, shape (seeds,)
    progress : bool, optional
        Whether to show progress.

    Raises
    ------
    InputError
        The states of one training do not fit the memory.
    """
    chosen = {name: jnp.asarray(config[name]) for name in names}
    rest = {name: jnp.asarray(value) for name, value in config.items() if name not in names}
    width = min(len(keys), _fitting(steps, {**chosen, **rest}, keys[0]))
    program = compiled(steps, ("slopes", names, width), _differentiated(steps), chosen, rest, keys[:width])
    plain = compiled(steps, ("scores", names, width), _scores(steps), chosen, rest, keys[:width])
    parts, took = [], 0.0
    with Progress("seeds", len(keys), show=progress) as bar:
        for start in range(0, len(keys), width):
            own = keys[jnp.arange(start, start + width) % len(keys)]  # the last ones are padded
            seconds, part = timed(program, chosen, rest, own, steps.data)
            parts.append(part)
            took += seconds
            bar.advance(min(width, len(keys) - start))
    once, _ = timed(plain, chosen, rest, keys[:width], steps.data)
    scores = np.concatenate([np.asarray(value, np.float64) for value, _ in parts])[: len(keys)]
    slopes = [np.concatenate([np.asarray(slope[name], np.float64) for _, slope in parts]) for name in names]
    return Found(np.stack(slopes, axis=-1)[: len(keys)], scores, took / len(parts) / once)


def scores_of(steps: Steps, config: Mapping[str, Any], keys: jax.Array) -> Floats:
    """Return the score at the end of training for each seed, of shape (seeds,)."""
    values = {name: jnp.asarray(value) for name, value in config.items()}
    program = compiled(steps, ("scores", (), len(keys)), _scores(steps), {}, values, keys)
    return np.asarray(program({}, values, keys, steps.data), np.float64)


def trained(steps: Steps, config: Any, key: jax.Array, data: Any) -> Any:
    """Return the state at the end of training, computed so that derivatives need little memory."""

    def step(state: Any, x: Any) -> tuple[Any, None]:
        return steps.step(state, config, x, data), None

    body = jax.checkpoint(step, prevent_cse=False)  # type: ignore[attr-defined]
    return jax.lax.scan(body, steps.init(config, key), steps.inputs(key))[0]


def _score(steps: Steps, chosen: Any, rest: Any, key: jax.Array, data: Any) -> jax.Array:
    config = {**chosen, **rest}
    score: jax.Array = steps.score(trained(steps, config, key, data), config, data)
    return score


def _scores(steps: Steps) -> Callable[..., Any]:
    return jax.vmap(lambda *values: _score(steps, *values), in_axes=(None, None, 0, None))


def _differentiated(steps: Steps) -> Callable[..., Any]:
    def one(chosen: Any, rest: Any, key: jax.Array, data: Any) -> Any:
        return jax.value_and_grad(lambda values: _score(steps, values, rest, key, data))(chosen)

    return jax.vmap(one, in_axes=(None, None, 0, None))


def compiled(steps: Steps, name: Any, function: Callable[..., Any], *arguments: Any) -> Any:
    """Return the compiled program of this name, made once for each type of its arguments."""
    types = tuple((path, str(leaf.dtype)) for path, leaf in jax.tree.leaves_with_path(arguments[:2]))
    key = name, str(types)
    if key not in steps.programs:
        try:
            steps.programs[key] = jax.jit(function).lower(*arguments, steps.data).compile()
        except TypeError as error:
            raise InputError(f"the training cannot be traced or differentiated: {error}") from error
    return steps.programs[key]


def timed(program: Any, *arguments: Any) -> tuple[float, Any]:
    """Return the seconds that a program takes, and its results as NumPy arrays; short ones are run again."""
    took: list[float] = []
    result = None
    while not took or (sum(took) < _SHORT and len(took) < _REPEATS):
        began = time.perf_counter()
        result = jax.device_get(program(*arguments))
        took.append(time.perf_counter() - began)
    return min(took), result


def _fitting(steps: Steps, config: Any, key: jax.Array) -> int:
    """Return how many trainings, whose states are all kept, fit the memory side by side."""
    state = jax.eval_shape(steps.init, config, key)
    each = steps.num_steps * sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state))
    most = int(free(jax.devices()[0]) // max(2 * each, 1))  # as much again for what is computed on the way back
    if most < 1:
        raise InputError(
            f"the states of {steps.num_steps:,} steps take {each / 1e9:.1f} GB a seed, which the memory does not hold: "
            "train for fewer steps, or use method='implicit'"
        )
    return most
