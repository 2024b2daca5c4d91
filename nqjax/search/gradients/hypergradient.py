"""The gradient of a training's score with respect to its hyperparameters, over seeds."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nqjax.errors import InputError
from nqjax.inputs import as_choice, as_count, as_flag, as_key, as_number, shortened
from nqjax.search import space as spaces
from nqjax.search.gradients.differences import central_differences
from nqjax.search.gradients.implicit import implicit
from nqjax.search.gradients.result import Hypergradient, summarize
from nqjax.search.gradients.training import Training, differentiable, regularizers, split, steps_of
from nqjax.search.gradients.unrolled import unrolled
from nqjax.search.runner import key_words
from nqjax.search.task import Task

#: The fewest seeds whose median says anything.
_FEWEST_SEEDS = 4


def hypergradient(
    task: Task | Training,
    config: Mapping[str, Any],
    *,
    key: Any,
    method: str = "unrolled",
    names: Sequence[str] | None = None,
    seeds: int = 16,
    damping: float = 1e-6,
    check: bool = False,
    progress: bool = False,
) -> Hypergradient:
    """Differentiate the score at the end of training by continuous hyperparameters, averaged over seeds.

    Seed ``i`` trains as trial ``i`` of a search with the same key and this configuration. The score is that after the
    last round (a search takes the best round's).

    **unrolled** differentiates the training itself, step by step in reverse (Maclaurin, Duvenaud and Adams 2015, with
    stored states). It is exact, also for the learning rate and momentum, and costs three to four trainings for all
    hyperparameters together. In an unstable training it is a huge number without meaning. Then a few seeds dominate,
    and it is refused. Where a step of training jumps, as with rectified units that switch on, it misses the jumps:
    some percent for a small network (docs/hypergradients.md); ``check`` finds out.

    **implicit** differentiates the optimum that the training has reached (Lorraine, Vicol and Duvenaud 2020, with
    conjugate gradients): for regularisers alone, because the optimum does not depend on how it was reached. It is
    refused where the training has not converged.

    Parameters
    ----------
    task : Task or Training
        A task whose examples are `Arrays`, such as ``load("digits-mlp")``, or functions of your own.
    config : mapping
        A value for each hyperparameter: where to differentiate.
    key : key
        A JAX key.
    method : str, optional
        "unrolled" or "implicit".
    names : sequence of str, optional
        The hyperparameters to differentiate by. By default those that are `LogUniform` or `Uniform` in the space (if
        the task says which of them can be differentiated, in `Task.differentiable`, those); for "implicit", those of
        them that are regularisers. `LogUniform` ones are differentiated on the scale of the natural logarithm.
    seeds : int, optional
        Trainings, 4 or more, with different initial values and batches.
    damping : float, optional
        Added to the curvature in every direction, for "implicit", in units of the objective's second derivatives.
    check : bool, optional
        Whether to compare with central differences of the same seeds, over 1 % of each hyperparameter's range on either
        side, and to refuse what is far off. This costs two trainings more for each hyperparameter.
    progress : bool, optional
        Whether to show progress.

    Returns
    -------
    Hypergradient

    Raises
    ------
    InputError
        The configuration does not fit the space, a hyperparameter cannot be differentiated by this method, or the
        examples are not in memory.

    Examples
    --------
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
    >>> found["rate"].scale, found["rate"].reliable, found["rate"].gradient < 0
    ('log', True, True)
    """
    if not isinstance(task, Task | Training):
        raise InputError(
            f"the task is {shortened(task)}: give one such as nqjax.search.load('digits-mlp'), or a Training"
        )
    as_choice("method", method, ["unrolled", "implicit"])
    seeds, damping = as_count("seeds", seeds, _FEWEST_SEEDS), as_number("damping", damping)
    if damping < 0:
        raise InputError(f"damping is {damping:g}: give 0 or more")
    key_words(as_key(key))
    # The search trains in single precision; a training of the caller's has the caller's precision.
    with contextlib.nullcontext() if isinstance(task, Training) else jax.enable_x64(False):
        steps = steps_of(task, config)
        logs = differentiable(task)
        traced, _ = split(task, config)
        chosen = _chosen(task, logs, names, method)
        for name in chosen:
            if logs[name] and not traced[name] > 0:
                raise InputError(f"{name} is {traced[name]:g}: its logarithm needs a value above 0")
        keys = jax.vmap(lambda number: jax.random.fold_in(as_key(key), number))(jnp.arange(seeds, dtype=jnp.uint32))
        if method == "implicit":
            found = implicit(steps, traced, chosen, keys, damping)
        else:
            found = unrolled(steps, traced, chosen, keys, progress=progress)
        central = [None] * len(chosen)
        if as_flag("check", check):
            central = list(central_differences(steps, traced, spaces.check(task.space), chosen, keys).T)
    units = np.array([traced[name] if logs[name] else 1.0 for name in chosen])
    by_seed = found.slopes * units
    notes = found.notes or [""] * len(chosen)
    scales = ["log" if logs[name] else "linear" for name in chosen]
    derivatives = tuple(map(summarize, chosen, scales, by_seed.T, notes, central))
    return Hypergradient(method, _score(task), derivatives, by_seed, found.scores, found.cost)


def _score(task: Task | Training) -> str:
    return "the score" if isinstance(task, Training) else task.score


def _chosen(
    task: Task | Training, logs: Mapping[str, bool], names: Sequence[str] | None, method: str
) -> tuple[str, ...]:
    """Return the hyperparameters to differentiate by."""
    possible = list(logs)
    if method == "implicit":
        penalties = regularizers(task)
        if not penalties or getattr(task, "objective", None) is None:
            raise InputError(
                "method='implicit' needs the objective that training minimises and the names of its regularizers: "
                "see nqjax.search.Training, or use method='unrolled'"
            )
        possible = [name for name in possible if name in penalties]
    if isinstance(names, str):
        names = (names,)
    for name in possible if names is None else names:
        if name in possible:
            continue
        if name in logs:
            raise InputError(
                f"the optimum does not depend on {name}, so method='implicit' has no derivative by it (only by "
                f"{', '.join(possible)}): use method='unrolled'"
            )
        known = ", ".join(possible) or "none"
        raise InputError(f"the training cannot be differentiated by {name!r}: choose among {known}")
    chosen = tuple(possible if names is None else names)
    if not chosen:
        raise InputError("there is no hyperparameter to differentiate by: the space has no LogUniform or Uniform one")
    return chosen
