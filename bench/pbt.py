"""Measure population-based training against random search at equal cost, on real trainings of digits-mlp.

python -m bench pbt [--quick]

A search of many trials has many independent populations. A population of 16 costs 16 full trainings; it is worth W if
random search is as good after W trials. Trials are kept in ``$NQJAX_BENCH_CACHE`` (default ``build/bench``), where the
command goes on after Ctrl-C.
"""

import time

import jax
import numpy as np

import nqjax
from bench.common import cache_folder, table
from nqjax import search
from nqjax.search import PopulationBasedTraining

#: Random trials, with which the populations are compared.
BASELINE = 4096
QUICK_BASELINE = 1024

#: Trials in populations, for each setting.
TRIALS = 1920
QUICK_TRIALS = 320

#: The settings, by name. Without exploits it is random search: a check of the measurement.
SETTINGS = {
    "random": PopulationBasedTraining(population=16, interval=3, exploit_probability=0.0),
    "population 16, interval 1": PopulationBasedTraining(population=16, interval=1),
    "population 16, interval 3": PopulationBasedTraining(population=16, interval=3),
    "population 16, interval 10": PopulationBasedTraining(population=16, interval=10),
    "population 16, interval 3, burn-in 9": PopulationBasedTraining(population=16, interval=3, burn_in=9),
    "population 16, interval 3, resample 0": PopulationBasedTraining(population=16, interval=3, resample=0.0),
    "population 8, interval 3": PopulationBasedTraining(population=8, interval=3),
    "population 32, interval 3": PopulationBasedTraining(population=32, interval=3),
}

#: No worth beyond this share of the baseline's trials is given: its best trials are too few.
RESOLVED = 1 / 3


def main(*, quick: bool) -> None:
    """Print the table."""
    task = search.load("digits-mlp")
    folder = cache_folder("pbt")
    size = QUICK_BASELINE if quick else BASELINE
    baseline = search.run(task, num_trials=size, key=jax.random.key(1), out=folder / f"random-{size}.jsonl")
    count = QUICK_TRIALS if quick else TRIALS
    lines = []
    for place, (name, method) in enumerate(SETTINGS.items()):
        file = folder / f"{place}-{count}.jsonl"
        began = time.process_time()
        trials = search.run(task, num_trials=count, key=jax.random.key(0), method=method, out=file, progress=True)
        seconds = time.process_time() - began
        runs = trials.scores.reshape(-1, method.population)
        found = nqjax.worth(runs, baseline.scores, [method.population], minimize=True)
        most = RESOLVED * size
        cells = [_number(value[0], most) for value in (found.estimate, found.lower, found.upper)]
        quartiles = ", ".join(_number(v[0], most) for v in (found.worse_quartile, found.better_quartile))
        best = np.nanmin(runs, axis=1)
        worth = f"{cells[0]} ({cells[1]} to {cells[2]})"
        numbers = [f"{found.speedup[0]:.1f}", f"{np.median(best):.4f}", f"{1000 * seconds / count:.0f}"]
        lines.append([name, str(len(runs)), worth, quartiles, *numbers])
        print(" | ".join(lines[-1]), flush=True)
    header = ["method", "populations", "worth at its cost (95 %)", "worse, better quartile", "speed-up"]
    header += ["median best val_loss", "CPU ms a trial"]
    title = f"Worth in random trials, at a cost of one full training a trial; {size:,} random trials"
    table(title, header, lines)


def _number(worth: float, most: float) -> str:
    return "beyond" if worth > most else f"{worth:.0f}" if worth >= 10 else f"{worth:.1f}"
