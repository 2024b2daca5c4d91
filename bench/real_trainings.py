"""Measure all methods in random trials on real trainings of digits-mlp, at equal cost.

python -m bench real_trainings [--quick]

Methods that train every trial to its end run for real, all searches side by side. Methods that stop trials early run on
the learning curves of the random trials, which are the baseline of all (`nqjax.search.replay`); their intervals allow
for the error of that table. Populations train for
real: one of 10 trials costs 10, so each cost has populations of its own. Trials and searches are kept in
``$NQJAX_BENCH_CACHE`` (default ``build/bench``), where the command goes on after Ctrl-C.
"""

from collections.abc import Iterator
from itertools import chain
from typing import Any

import jax
import numpy as np

import nqjax
from bench.common import cache_folder, table
from bench.curves import Curves, digits
from bench.worths import cell, number
from nqjax import search
from nqjax.report.replay import replay_worth
from nqjax.search import ASHA, MedianStopping, PopulationBasedTraining, curve_table, replay, replicate, table_error
from nqjax.types import Floats

#: Random trials, with which all are compared.
BASELINE = 8192
QUICK_BASELINE = 1024

#: Searches by each method.
SEARCHES = 200
QUICK = 50

#: Costs in full trainings; the last is the length of the searches.
COSTS = (10, 20, 30)

#: Methods that train each trial to its end.
SEQUENTIAL = ("random", "sobol", "tpe", "gp", "cma_es", "evolution", "surface")

#: Methods that stop trials early, by the name of their line; the shortest training is one epoch, or three.
WORKERS = 8
STOPPING: dict[str, tuple[int, Any]] = {
    "halving": (4, "halving"),
    "halving, from 3 epochs": (3, "halving"),
    "hyperband": (4, "hyperband"),
    "hyperband, from 3 epochs": (3, "hyperband"),
    "asha, 1 worker": (4, ASHA(workers=1)),
    f"asha, {WORKERS} workers": (4, ASHA(workers=WORKERS)),
    "median stopping": (4, MedianStopping(min_rounds=3)),
}

#: Epochs between two comparisons of a population.
INTERVAL = 3

#: No worth beyond this share of the baseline's trials is given: its best trials are too few.
RESOLVED = 1 / 3


def main(*, quick: bool) -> None:
    """Print the table."""
    size, count = (QUICK_BASELINE, QUICK) if quick else (BASELINE, SEARCHES)
    curves = digits(size)
    scores = np.array([np.nanmin(one) if np.isfinite(one).any() else np.inf for one in curves.values])
    lines = []
    runs = chain(_sequential(scores, count), _stopping(curves, count), _populations(scores, count))
    for run in runs:
        lines.append(_line(*run, RESOLVED * size))
        print(" | ".join(lines[-1]), flush=True)
    header = ["method", "trainings", *(f"cost {cost}" for cost in COSTS)]
    header += [f"worse, better quartile, {COSTS[-1]}", f"speed-up, {COSTS[-1]}", f"median loss, {COSTS[-1]}"]
    title = f"Worth in random trials at equal cost, {count} searches by each method; {size:,} random trials"
    table(title, header, lines)


#: The name of a method, how it ran, its worth and the place of each cost in it, and the best scores at the end.
_Run = tuple[str, str, list[tuple[nqjax.Worth, int]], Floats]


def _sequential(scores: Floats, count: int) -> Iterator[_Run]:
    task, folder = search.load("digits-mlp"), cache_folder("real_trainings")
    for name in SEQUENTIAL:
        out, key = folder / f"{name}.jsonl", jax.random.key(31)
        runs = replicate(task, [name], replications=count, num_trials=COSTS[-1], key=key, out=out, progress=True)
        found = nqjax.worth(runs.scores[name], scores, COSTS, minimize=True)
        yield name, "real", [(found, k) for k in range(len(COSTS))], runs.scores[name].min(axis=1)


def _stopping(curves: Curves, count: int) -> Iterator[_Run]:
    for name, (rungs, method) in STOPPING.items():
        made, options = curve_table(**curves.arguments, rungs=rungs), {"key": jax.random.key(31), "workers": WORKERS}
        best = replay(made, {name: method}, replications=count, budget=COSTS[-1], **options)
        errors = table_error(made, {name: method}, COSTS, **options)
        found = replay_worth(best, errors, made, COSTS, len(made))[name]["observed"]
        yield name, "curves", [(found, k) for k in range(len(COSTS))], best[name][:, -1]


def _populations(scores: Floats, count: int) -> Iterator[_Run]:
    task, found, best = search.load("digits-mlp"), [], np.empty(0)
    for size in COSTS:
        method = PopulationBasedTraining(population=size, interval=INTERVAL)
        out, key = cache_folder("real_trainings") / f"pbt-{size}-{count}.jsonl", jax.random.key(37)
        trials = search.run(task, num_trials=size * count, key=key, method=method, out=out, progress=True)
        runs = trials.scores.reshape(-1, size)
        # The confidence is that of all costs at once.
        own = nqjax.worth(runs, scores, [size], minimize=True, confidence=1 - 0.05 / len(COSTS))
        found.append((own, 0))
        best = np.nanmin(runs, axis=1)
    yield f"pbt, a population of that cost, interval {INTERVAL}", "real", found, best


def _line(name: str, kind: str, found: list[tuple[nqjax.Worth, int]], best: Floats, most: float) -> list[str]:
    """Return a line of the table; the interval holds at all costs at once."""
    last, k = found[-1]
    speedup = f"{last.speedup[k]:.1f}" if last.estimate[k] <= most else "beyond"
    quartiles = ", ".join(number(float(value[k]), most) for value in (last.worse_quartile, last.better_quartile))
    cells = [cell(one, place, most) for one, place in found]
    return [name, kind, *cells, quartiles, speedup, f"{np.median(best):.4f}"]
