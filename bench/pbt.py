"""Measure population-based training against random search at equal cost, on real trainings of digits-mlp.

python -m bench pbt [--quick]

A search of many trials has many independent populations. A population of 16 costs 16 full trainings; it is worth W if
random search is as good after W trials. Every second validation image decides, about the comparisons and the best
round; the others have not been seen by any decision, and the loss of the best trial on them is compared with that of
the same trials without exploits. Trials are kept in ``$NQJAX_BENCH_CACHE`` (default ``build/bench``), where the command
goes on after Ctrl-C.
"""

import time
from typing import Any

import jax
import numpy as np
from scipy.stats import wilcoxon

import nqjax
from bench.common import cache_folder, table
from bench.worths import cell, number
from nqjax import search
from nqjax.search import Arrays, PopulationBasedTraining
from nqjax.search.tasks.digits_mlp import DigitsMLP
from nqjax.types import Floats

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


class Halves(DigitsMLP):
    """The search digits-mlp, whose score is that of every second image; the others give ``unseen_loss``."""

    name = "digits-mlp-halves"

    def __init__(self) -> None:
        super().__init__()
        count = len(self.valid)
        seen = np.arange(count) % 2 == 0
        parts = {"seen": seen / seen.mean(), "unseen": ~seen / (~seen).mean()}
        weights = {name: part.astype(np.float32) for name, part in parts.items()}
        self.valid = Arrays(**self.valid.arrays, **weights)

    def evaluate(self, state: Any, config: Any, batch: dict[str, jax.Array]) -> dict[str, jax.Array]:
        """Return each image's loss, weighted so that the means are those of the two halves."""
        loss = super().evaluate(state, config, batch)["val_loss"]
        return {"val_loss": loss * batch["seen"], "unseen_loss": loss * batch["unseen"]}


def main(*, quick: bool) -> None:
    """Print the table."""
    task = Halves()
    folder = cache_folder("pbt")
    size = QUICK_BASELINE if quick else BASELINE
    baseline = search.run(task, num_trials=size, key=jax.random.key(1), out=folder / f"random-{size}.jsonl")
    count = QUICK_TRIALS if quick else TRIALS
    lines: list[list[str]] = []
    plain = baseline
    for place, (name, method) in enumerate(SETTINGS.items()):
        file = folder / f"{place}-{count}.jsonl"
        began = time.process_time()
        trials = search.run(task, num_trials=count, key=jax.random.key(0), method=method, out=file, progress=True)
        seconds = time.process_time() - began
        runs = trials.scores.reshape(-1, method.population)
        found = nqjax.worth(runs, baseline.scores, [method.population], minimize=True)
        plain = plain if lines else trials
        own, others = (_unseen(one, method.population) for one in (trials, plain))
        most = RESOLVED * size
        quartiles = ", ".join(number(v[0], most) for v in (found.worse_quartile, found.better_quartile))
        best = np.nanmin(runs, axis=1)
        shares = f"{100 * np.mean(own < others):.0f}, {100 * np.mean(own > others):.0f} %"
        better = f"{shares} (p {wilcoxon(own, others).pvalue:.2g})" if lines else ""
        losses = f"{np.median(own):.4f}, {np.median(others):.4f}"
        numbers = [f"{np.median(best):.4f}", losses, better, f"{1000 * seconds / count:.0f}"]
        lines.append([name, str(len(runs)), cell(found, 0, most), quartiles, *numbers])
        print(" | ".join(lines[-1]), flush=True)
    header = ["method", "populations", "worth at its cost (95 %)", "worse, better quartile", "median loss"]
    header += ["on unseen images, and without exploits", "better, worse than without", "CPU ms a trial"]
    title = f"Worth in random trials, at a cost of one full training a trial; {size:,} random trials"
    table(title, header, lines)


def _unseen(trials: search.Trials, size: int) -> Floats:
    """Return the loss on unseen images of the best trial of each population."""
    runs, unseen = (trials[name].reshape(-1, size) for name in ("val_loss", "unseen_loss"))
    found: Floats = unseen[np.arange(len(runs)), np.nanargmin(runs, axis=1)]
    return found
