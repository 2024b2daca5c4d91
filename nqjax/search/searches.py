"""Run a search: random, on a grid, or guided by the scores so far."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Unpack, cast

from nqjax.errors import InputError
from nqjax.inputs import as_count
from nqjax.runtime.memory import check_memory
from nqjax.search import configurations
from nqjax.search.fidelity.median import run_median
from nqjax.search.fidelity.methods import FidelityMethod, MedianStopping, as_fidelity_method
from nqjax.search.fidelity.population_based import PopulationBasedTraining
from nqjax.search.fidelity.population_run import run_populations
from nqjax.search.fidelity.run import run_fidelity
from nqjax.search.guided import guided
from nqjax.search.optimizers.method import Method
from nqjax.search.optimizers.registry import as_method, check_learns
from nqjax.search.prior import EarlierTrials
from nqjax.search.run_options import RunOptions
from nqjax.search.runner import as_trials, checked_space, execute, key_words, search_settings, trial_words
from nqjax.search.task import Task
from nqjax.trials.study import StudyTable
from nqjax.trials.table import Trials

#: Bytes that a trial takes at least, before it is trained: its configuration and its key.
_BYTES_PER_TRIAL = 500


def run(
    task: Task,
    space: Mapping[str, Any] | None = None,
    *,
    num_trials: int | None = None,
    key: Any,
    grid: int | None = None,
    method: str | Method | FidelityMethod = "random",
    batch: int = 16,
    prior: Trials | StudyTable | EarlierTrials | str | Path | None = None,
    out: str | Path | None = None,
    **options: Unpack[RunOptions],
) -> Trials:
    """Run a search, many trials side by side: random, on a grid, or by a method that learns from the scores.

    In a random or a grid search trial ``i`` depends on the key and on ``i`` alone, not on how many trials are run, in
    which order, how many at a time or on how many devices: its configuration to the last digit, its training as far as
    one program on one kind of device gives the same numbers again. On a CPU the program is the same unless it does not
    fit the memory, which gives a warning; on accelerators the number of trials in one program follows from the number
    of trials of the search, the population and the memory (a search that is continued keeps the number that its file
    began with).

    Parameters
    ----------
    task : Task
        The task whose trials are trained.
    space : mapping, optional
        From names to distributions or values (`nqjax.search.space`); the task's own by default.
    num_trials : int
        How many trials; for a grid, its first ones, and all of it by default.
    key : key
        A JAX key of the kind "threefry2x32", such as ``jax.random.key(0)``.
    grid : int, optional
        Search a grid instead, with this many values of each continuous hyperparameter.
    method : str or Method, optional
        "random" by default; "grid" (in random order), "sobol", "tpe", "gp", "cma_es" or "evolution", or one of
        `nqjax.search.optimizers` with settings of its own. Its next trials follow from the key and the scores so far,
        so a search that was interrupted goes on as if it had not been. "halving", "hyperband", "asha" and
        "bohb" (`nqjax.search.SuccessiveHalving` and so on) stop poor trials early: trial ``i`` begins as in a random
        search (for "bohb", as TPE proposes), and its row says how far it was trained; so does "median", batch by batch,
        with what is worse than the median of earlier trials. "pbt"
        (`nqjax.search.PopulationBasedTraining`) trains populations whose poor trials take over the weights of good
        ones; without ``num_trials`` it is one population.
    batch : int, optional
        Trials that such a method asks for at a time, which train side by side: with fewer it learns more from each,
        and takes longer. The workers of ASHA; the brackets of halving and Hyperband all train side by side.
    prior : Trials, StudyTable, EarlierTrials, str or Path, optional
        Earlier trials of the same hyperparameters, from which "tpe", "gp" and "surface" learn as from their own, and
        whose best one "cma_es" and "evolution" start from. They are no trials of this search. Scores of another task
        are compared by ranks: see `nqjax.search.EarlierTrials`. A file is one that a search has written, or that
        `nqjax.read_study` can read.
    out : str or Path, optional
        A .jsonl file to which finished trials are written; one that exists is continued. Checkpoints of trials under
        way are in the folder ``<out>.checkpoints``. With `jax.distributed`, a path that all processes share.
    resume : bool
        Whether to continue a file that exists (the default); if not, one with trials is refused.
    population : int, optional
        How many trials to train at once; by default as many as keep the devices busy and fit the memory. On a CPU it
        is rounded up to whole programs of 16 trials (or what the task says).
    memory : int, optional
        Bytes that may be used on each device; by default 70 % of what is available.
    devices : sequence of Device, optional
        All local ones by default.
    checkpoint_every : float
        Seconds of work between checkpoints; 120 by default.
    progress : bool
        Whether to show a bar on a terminal, and lines elsewhere; False by default.

    Returns
    -------
    Trials
        The table of the trials.

    Raises
    ------
    InputError
        If the task or the space is invalid, or the file is of another search, cannot be written, or is being written
        by another process.

    Examples
    --------
    >>> import jax
    >>> import jax.numpy as jnp
    >>> from nqjax.search import Arrays, LogUniform, Task, run
    >>> class Square(Task):
    ...     name, score = "square", "error"
    ...     space = {"rate": LogUniform(0.01, 0.5)}
    ...     train = valid = Arrays(x=[1.0, 2.0])
    ...     def batch_size(self, config):
    ...         return 2
    ...     def num_rounds(self, config):
    ...         return 3
    ...     def init(self, config, key):
    ...         return jnp.float32(0)
    ...     def step(self, state, config, batch, key):
    ...         loss, slope = jax.value_and_grad(lambda w: jnp.mean((w * batch["x"] - 1) ** 2))(state)
    ...         return state - config["rate"] * slope, loss
    ...     def evaluate(self, state, config, batch):
    ...         return {"error": (state * batch["x"] - 1) ** 2}
    >>> trials = run(Square(), num_trials=8, key=jax.random.key(0))
    >>> len(trials), trials.scores.shape
    (8, (8,))
    >>> bool(trials.best["error"] == trials.scores.min())
    True
    """
    space = checked_space(task, space)
    key_words(key)
    if method != "random":
        if grid is not None:
            raise InputError("give a method or grid, not both")
        stopping = as_fidelity_method(method)
        if prior is not None:
            check_learns(method if stopping is None else stopping)
        if isinstance(stopping, PopulationBasedTraining):
            return run_populations(task, space, stopping, num_trials, key, out=out, **options)
        count, batch = as_count("num_trials", num_trials), as_count("batch", batch)
        if isinstance(stopping, MedianStopping):
            return run_median(task, space, stopping, count, batch, key, out=out, **options)
        if stopping is not None:
            return run_fidelity(task, space, stopping, count, batch, key, out=out, **options)
        chosen = as_method(cast("str | Method", method))
        return guided(task, space, chosen, count, batch, key, out=out, prior=prior, **options)
    if prior is not None:
        check_learns("random" if grid is None else "grid")
    configs = _configs(space, key, num_trials, grid)
    trials = as_trials(task, list(enumerate(configs)), trial_words(key, range(len(configs))))
    settings = search_settings(task, space, key, "random" if grid is None else {"grid": grid})
    return execute(task, trials, settings, out=out, **options)


def _configs(space: Mapping[str, Any], key: Any, num_trials: int | None, grid: int | None) -> list[dict[str, Any]]:
    if num_trials is not None and num_trials < 1:
        raise InputError(f"num_trials is {num_trials}: give 1 or more")
    if grid is None:
        if num_trials is None:
            raise InputError("give num_trials, or grid for a grid search")
        check_memory("num_trials", num_trials, _BYTES_PER_TRIAL)
        return list(configurations.samples(space, key, range(num_trials)))
    return list(itertools.islice(configurations.grid(space, grid), num_trials))
