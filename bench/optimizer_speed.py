"""Measure the CPU time of methods of search: in ratios to Optuna and to random trials, and searches a minute on tables.

python -m bench optimizer_speed [--quick]

The targets are for one core (``taskset -c 0 python -m bench optimizer_speed``): with more, waiting threads count, too.
All times are CPU seconds of this process. Both sides of a ratio are measured in turns, and a ratio is that of medians;
programs are compiled before, and the time of the first call is given, too.
"""

import importlib.util
import statistics
import time
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from bench.common import table, verdict
from nqjax import search
from nqjax.search import TPE, curve_table, replay, replicate
from nqjax.search.experiments.replicate import group_size
from nqjax.search.objectives import FUNCTIONS
from nqjax.search.optimizers.cube import EncodedSpace
from nqjax.search.optimizers.lockstep import Lockstep, search_keys

#: A function with five hyperparameters, without noise.
OBJECTIVE = FUNCTIONS["rosenbrock"]

#: Each comparison with Optuna: the method, its sampler there, trials, searches here and there, turns, and the target.
COMPARED = (("tpe", "TPESampler", 100, 300, 4, 5, 50), ("gp", "GPSampler", 40, 300, 1, 2, 80))

#: Searches of digits-mlp, trials of each, and the target of the ratio to random trials.
LANES = 100
LANES_QUICK = 20
TRIALS = 30
MOST_TIME = 1.3

#: Searches on a table, their cost in full trainings, and the target of searches a minute.
REPLAYED = 2_000
COST = 30
LEAST_RATE = 2_000


def cpu_seconds(function: Callable[[], object]) -> float:
    """Return the CPU seconds of a call."""
    began = time.process_time()
    function()
    return time.process_time() - began


def _optuna(sampler: str, seed: int, trials: int) -> None:
    """Run one search by Optuna, with the sampler's defaults."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)

    def score(trial: optuna.Trial) -> float:
        return float(OBJECTIVE.values([{name: trial.suggest_float(name, 0.0, 1.0) for name in OBJECTIVE.space}])[0])

    optuna.create_study(sampler=getattr(optuna.samplers, sampler)(seed=seed)).optimize(score, n_trials=trials)


def beside_optuna(method: str, sampler: str, trials: int, count: int, few: int, turns: int, target: float) -> list[str]:
    """Return a row: CPU seconds of a search by Optuna and by ours, side by side, and their ratio."""

    def ours(seed: int) -> float:
        options: dict[str, Any] = {"replications": count, "num_trials": trials, "key": jax.random.key(seed)}
        return cpu_seconds(lambda: replicate(OBJECTIVE, [method], **options)) / count

    first = ours(0)
    _optuna(sampler, 0, min(trials, 12))  # its imports
    here, there = [], []
    for turn in range(1, turns + 1):
        here.append(ours(turn))
        there.append(statistics.median(cpu_seconds(lambda k=k: _optuna(sampler, k, trials)) for k in range(few)))
    ratio = statistics.median(there) / statistics.median(here)
    return [
        f"{method}, {trials} trials, {len(OBJECTIVE.space)} hyperparameters: CPU s a search, {count} side by side",
        f"{statistics.median(here):.4f} (with compilation {first:.4f})",
        f"Optuna {statistics.median(there):.3f}",
        f"{ratio:.0f} x",
        f"{target:g} x: {verdict(ratio, target, at_least=True)}",
    ]


def lanes(count: int) -> list[str]:
    """Return a row: CPU seconds of searches of digits-mlp by TPE as lanes, and of as many random trials."""
    task = search.load("digits-mlp")

    # Compiles what both train with; programs of TPE depend on the number of searches side by side.
    size = group_size(task, TPE(), 1)
    for searches in {min(count, size), count % size} - {0}:
        began = Lockstep(TPE(), EncodedSpace(task.space), TRIALS, search_keys(jax.random.key(1), range(searches)))
        began.ask()
        began.tell(np.zeros((searches, 1)))
    search.run(task, num_trials=64, key=jax.random.key(1))
    options: dict[str, Any] = {"num_trials": TRIALS, "key": jax.random.key(0)}
    guided = cpu_seconds(lambda: replicate(task, ["tpe"], replications=count, **options))
    random = cpu_seconds(lambda: search.run(task, num_trials=count * TRIALS, key=jax.random.key(0)))
    ratio = guided / random
    return [
        f"digits-mlp, {count} searches of {TRIALS} trials by TPE as lanes: CPU s",
        f"{guided:.1f}",
        f"{count * TRIALS:,} random trials {random:.1f}",
        f"{ratio:.2f} x",
        f"{MOST_TIME:g} x: {verdict(ratio, MOST_TIME, at_least=False)}",
    ]


def on_tables(count: int) -> list[str]:
    """Return a row: searches a minute by ASHA on 1,024 learning curves of 27 rounds."""
    rng = np.random.default_rng(0)
    ends, rates = rng.uniform(size=(2, 1024, 1))
    curves = curve_table(list(ends + rates * np.exp(-np.arange(1, 28) / 6)), minimize=True)
    options: dict[str, Any] = {"budget": COST, "key": jax.random.key(0)}
    replay(curves, ["asha"], replications=10, **options)
    rate = 60 * count / cpu_seconds(lambda: replay(curves, ["asha"], replications=count, **options))
    return [
        f"asha, 8 workers, a cost of {COST} full trainings, {curves.rungs} rungs: searches a CPU minute",
        f"{rate:,.0f}",
        "",
        "",
        f"{LEAST_RATE:,}: {verdict(rate, LEAST_RATE, at_least=True)}",
    ]


def main(*, quick: bool) -> None:
    """Print the table."""
    lines = []

    def add(line: list[str]) -> None:
        lines.append(line)
        print(" | ".join(line), flush=True)

    add(on_tables(REPLAYED // 10 if quick else REPLAYED))
    for compared in COMPARED:
        missing = [name for name in ("optuna", "torch") if importlib.util.find_spec(name) is None]
        if "optuna" in missing or (compared[0] == "gp" and missing):
            print(f"{' and '.join(missing)} not installed, so {compared[0]} is not compared.")
            continue
        add(beside_optuna(*compared))
    add(lanes(LANES_QUICK if quick else LANES))
    table("Speed of methods of search", ["what", "ours", "compared with", "ratio", "target"], lines)
