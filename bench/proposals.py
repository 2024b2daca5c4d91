"""Measure the proposals of the response surface: trials after 20 random ones until random search's score of 200 trials.

python -m bench proposals [--quick]

All methods share the 20 random trials and the noise. Finished searches are kept in ``$NQJAX_BENCH_CACHE`` (default
``build/bench``).
"""

import math

import jax
import numpy as np

from bench.common import cache_folder, table
from bench.worth import objectives
from nqjax.search import TPE, GaussianProcess, SurfaceSearch, replicate

#: Searches by each method.
SEARCHES = 200
QUICK = 24

#: Searches by the surface without the process, which is fitted twice as often.
ALONE = 40

#: Random trials at the start, trials of a search, and random trials whose median best score is the target.
STARTUP = 20
TRIALS = 60
TARGET = 200

#: Random trials from which the target is known, and those of one search.
BASELINE = 20_000
BASELINE_TRIALS = 80

METHODS = {
    "random": "random",
    "tpe": TPE(startup=STARTUP),
    "gp": GaussianProcess(startup=STARTUP),
    "surface": SurfaceSearch(startup=STARTUP),
    "surface alone": SurfaceSearch(startup=STARTUP, partner="none"),
}


def main(*, quick: bool) -> None:
    """Print the table."""
    searches = QUICK if quick else SEARCHES
    lines = []
    for objective in objectives():
        key = jax.random.key(11)
        folder = cache_folder("proposals")
        base = replicate(
            objective, ["random"], replications=BASELINE // BASELINE_TRIALS, num_trials=BASELINE_TRIALS, key=key,
            first=1_000_000,
            out=folder / f"{objective.name}-baseline.jsonl",
        )  # fmt: skip
        target = float(np.quantile(base.scores["random"], -math.expm1(math.log(0.5) / TARGET)))
        out = folder / f"{objective.name}-{TRIALS}.jsonl"
        for name, method in METHODS.items():
            count = min(searches, ALONE) if name == "surface alone" else searches
            runs = replicate(objective, {name: method}, replications=count, num_trials=TRIALS, key=key, out=out)
            reached = np.minimum.accumulate(runs.scores[name], axis=1) <= target
            first = np.where(reached.any(axis=1), np.argmax(reached, axis=1) + 1, np.inf)
            # A start that is as good already needs no more trials.
            more = np.maximum(first - STARTUP, 0)
            quartiles = [f"{q:.0f}" if math.isfinite(q) else f"> {TRIALS - STARTUP}" for q in _quartiles(more)]
            line = [objective.name, name, str(count), quartiles[1], f"{quartiles[0]} to {quartiles[2]}"]
            lines.append([*line, f"{100 * np.mean(first <= STARTUP + 40):.0f}"])
            print(" | ".join(lines[-1]), flush=True)
    header = ["objective", "method", "searches", "median of further trials", "quartiles", "within 40, %"]
    table(f"Trials after {STARTUP} random ones to the score of {TARGET}", header, lines)


def _quartiles(more: np.ndarray) -> np.ndarray:
    """Return quartiles as order statistics, which may be infinite."""
    ordered = np.sort(more)
    return ordered[[len(ordered) // 4, len(ordered) // 2, 3 * len(ordered) // 4]]
