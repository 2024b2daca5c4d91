"""Does the structure of the noisy quadratic help Bayesian optimisation? The open question of the source paper.

    python -m bench kernel [--quick]

A Gaussian process on scores that are clipped at the regime's threshold, against none, log, rank and power transforms,
and proposals of the response surface; TPE and random search for comparison. All share the first ten trials and the
noise, on five objectives and on real trainings of digits-mlp. Finished searches are kept as by ``python -m bench
worth``.
"""

from typing import Any

import jax
import numpy as np
import scipy.stats

from bench.common import cache_folder, table
from bench.worth import objectives
from nqjax import search
from nqjax.search import TPE, GaussianProcess, SurfaceSearch, replicate
from nqjax.types import Floats

SEARCHES = 200
QUICK = 50
TRIALS = 40
STARTUP = 10

METHODS: dict[str, Any] = {
    "random": "random",
    "tpe": TPE(startup=STARTUP),
    "gp": GaussianProcess(clip="none", startup=STARTUP),
    "gp, clipped": GaussianProcess(startup=STARTUP),
    "gp, log": GaussianProcess(clip="none", transform="log", startup=STARTUP),
    "gp, rank": GaussianProcess(clip="none", transform="rank", startup=STARTUP),
    "gp, power": GaussianProcess(clip="none", transform="power", startup=STARTUP),
    "surface": SurfaceSearch(startup=STARTUP),
    "surface alone": SurfaceSearch(
        startup=STARTUP, fitted_from=STARTUP, every=5, acquisition="thompson", partner="none"
    ),
}

#: Searches by the surface, which takes long: it is compared with as many of the others.
FEW = 50

#: What the others are compared with.
OURS = "gp, clipped"


def found_by(objective: Any, name: str, count: int) -> Floats:
    """Return the noise-free score of the best trial of each search, or its score where that is not known."""
    out = cache_folder("kernel") / f"{objective.name}-{name.replace(', ', '-').replace(' ', '-')}.jsonl"
    key = jax.random.key(23)
    runs = replicate(objective, {name: METHODS[name]}, replications=count, num_trials=TRIALS, key=key, out=out)
    best = np.argmin(runs.scores[name], axis=1)
    values = runs.true.get(name, runs.scores[name])
    return np.asarray(values[np.arange(count), best])


def main(*, quick: bool) -> None:
    """Print the table."""
    count = QUICK if quick else SEARCHES
    lines = []
    for objective in [*objectives(), search.load("digits-mlp")]:
        name_of = getattr(objective, "name", "digits-mlp")
        every = found_by(objective, OURS, count)
        for name in METHODS:
            size = min(count, FEW) if name.startswith("surface") else count
            ours = every[:size]
            values = ours if name == OURS else found_by(objective, name, size)
            line = [name_of, name, str(size), *(f"{q:.4g}" for q in np.quantile(values, [0.5, 0.25, 0.75]))]
            if name == OURS:
                lines.append([*line, "", ""])
            else:
                better = np.mean(ours < values) + 0.5 * np.mean(ours == values)
                p = scipy.stats.wilcoxon(ours, values).pvalue if np.any(ours != values) else 1.0
                lines.append([*line, f"{100 * better:.0f}", f"{p:.1g}"])
            print(" | ".join(lines[-1]), flush=True)
    header = ["objective", "method", "searches", "median of the best trial, noise-free", "quartile", "quartile"]
    header += ["clipped is better, %", "p (Wilcoxon)"]
    table(f"After {TRIALS} trials, paired searches", header, lines)
