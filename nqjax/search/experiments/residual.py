"""The residual experiment: train configurations of a search, from good to bad ones, with many seeds each.

According to the theory, a run's score is the mean of its configuration plus normal noise, whose standard deviation is
the same for all configurations inside the asymptotic regime (Lourie, He, Cho 2025, "Hyperparameter Loss Surfaces Are
Simple Near their Optima"). `nqjax.noise_diagnostics` tests this on the table of the runs, with the columns
``config_id`` and the score.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Unpack

import jax
import numpy as np

from nqjax.errors import InputError
from nqjax.runtime.memory import check_memory
from nqjax.search.run_options import RunOptions
from nqjax.search.runner import as_trials, check_trials, execute, key_words, trial_words
from nqjax.search.task import Task, check_task
from nqjax.trials.search_lines import Row
from nqjax.trials.table import Trials

#: Bytes that a run takes at least, before it is trained.
_BYTES_PER_RUN = 500

#: Folded into the search's key, so that no run repeats a trial of the search.
_KEY_DOMAIN = 0x72657369


def at_quantiles(trials: Trials, count: int) -> list[Row]:
    """Return the trials at the quantiles 1/count, 2/count, ..., 1 of the scores, the best first.

    Raises
    ------
    InputError
        If fewer trials than ``count`` have a score.
    """
    scored = [row for row in trials.rows if row[trials.score] is not None]
    if not 1 <= count <= len(scored):
        raise InputError(f"{len(scored):,} trials with a score do not have {count:,} quantiles: give fewer")
    scored.sort(key=lambda row: (row[trials.score], row["trial"]), reverse=not trials.minimize)
    return [scored[-(-k * len(scored) // count) - 1] for k in range(1, count + 1)]  # rounded up, in whole numbers


def residual(
    task: Task,
    trials: Trials,
    *,
    num_seeds: int = 128,
    num_quantiles: int = 8,
    key: Any = None,
    out: str | Path | None = None,
    **options: Unpack[RunOptions],
) -> Trials:
    """Train the configurations at evenly spaced quantiles of a search's scores again, with many seeds each.

    Parameters
    ----------
    task : Task
        The task of the search.
    trials : Trials
        The search.
    num_seeds : int
        The number of runs of each configuration.
    num_quantiles : int
        The number of configurations.
    key : key, optional
        The key of the runs; by default it is derived from the search's key and differs from those of its trials.
    out, **options
        As for `nqjax.search.run`.

    Returns
    -------
    Trials
        One row for each run, with the columns ``config_id``, the trial whose configuration it repeats, and ``seed``.

    Raises
    ------
    InputError
        If the trials are of another task, or fewer than the quantiles have a score.
    """
    check_task(task)
    check_trials(task, trials)
    if num_seeds < 1:
        raise InputError(f"num_seeds is {num_seeds}: give 1 or more")
    check_memory("num_seeds * num_quantiles", num_seeds * num_quantiles, _BYTES_PER_RUN)
    names = list(trials.settings["space"])
    if key is None:
        with jax.enable_x64(False):
            words = np.array(trials.settings["key"], np.uint32)
            key = jax.random.fold_in(jax.random.wrap_key_data(words, impl="threefry2x32"), _KEY_DOMAIN)  # type: ignore[arg-type]
    rows = at_quantiles(trials, num_quantiles)
    configs = [{name: row[name] for name in row if name in names} for row in rows]
    runs = []
    for place, (row, config) in enumerate(zip(rows, configs, strict=True)):
        # A run depends only on its configuration's trial and its seed, not on how many of them there are.
        own = jax.random.fold_in(key, row["trial"])
        numbered = [(place * num_seeds + seed, config) for seed in range(num_seeds)]
        for seed, trial in enumerate(as_trials(task, numbered, trial_words(own, range(num_seeds)))):
            labels = {"config_id": row["trial"], "seed": seed}
            runs.append(type(trial)(trial.number, trial.config, trial.words, trial.rounds, labels))
    settings = {
        **trials.settings,
        "key": list(key_words(key)),
        "residual": {"configs": [row["trial"] for row in rows], "seeds": num_seeds, "of": list(trials.settings["key"])},
    }
    return execute(task, runs, settings, out=out, **options)
