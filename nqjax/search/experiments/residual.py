"""The residual experiment: configurations from good to bad, each retrained with many seeds.

The theory takes a run's score to be its configuration's mean plus normal noise, of one standard deviation inside the
asymptotic regime (Lourie, He, Cho 2025, "Hyperparameter Loss Surfaces Are Simple Near their Optima"). Its table goes
into `nqjax.noise_diagnostics`, with the columns ``config_id`` and the score.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Unpack

import jax
import numpy as np

from nqjax.errors import InputError
from nqjax.search.run_options import RunOptions
from nqjax.search.runner import as_trials, check_trials, execute, key_words, trial_words
from nqjax.search.task import Task, check_task
from nqjax.trials.table import Row, Trials

#: Before a seed's number is folded in, so that no run repeats a trial of the search.
_RESIDUAL = 0x72657369


def at_quantiles(trials: Trials, count: int) -> list[Row]:
    """Return the trials at the quantiles 1/count, 2/count, ..., 1 of the scores, the best first.

    Raises
    ------
    InputError
        If there are fewer trials with a score.
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
    """Retrain configurations at even quantiles of a search's scores, with many seeds each.

    Parameters
    ----------
    task : Task
        What the search trained.
    trials : Trials
        The search.
    num_seeds, num_quantiles : int
        Runs of a configuration, and how many configurations.
    key : key, optional
        What the seeds are drawn from; by default the search's own key, with seeds that its trials did not use.
    out, **options
        As for `nqjax.search.run`.

    Returns
    -------
    Trials
        A run a row, with the columns ``config_id``, the trial whose configuration it repeats, and ``seed``.

    Raises
    ------
    InputError
        If the trials are of another task, or are fewer than the quantiles.
    """
    check_task(task)
    check_trials(task, trials)
    if num_seeds < 1:
        raise InputError(f"{num_seeds} seeds are none: give 1 or more")
    names = list(trials.settings["space"])
    if key is None:
        with jax.enable_x64(False):
            words = np.array(trials.settings["key"], np.uint32)
            key = jax.random.fold_in(jax.random.wrap_key_data(words, impl="threefry2x32"), _RESIDUAL)  # type: ignore[arg-type]
    rows = at_quantiles(trials, num_quantiles)
    configs = [{name: row[name] for name in row if name in names} for row in rows]
    runs = []
    for place, (row, config) in enumerate(zip(rows, configs, strict=True)):
        # A run depends on its configuration's trial and its seed alone, not on how many there are of either.
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
