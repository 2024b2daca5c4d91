"""Measure what earlier trials are worth to TPE and a Gaussian process: 50 random ones of the same task or another.

    python -m bench warm_start [--quick]

Each search has earlier trials of its own. *Shifted*: the earlier task's optimum lies 0.1 away in every coordinate, and
its scores are 10 times as large plus 5, so they are compared by ranks. *Unrelated*: the coordinates are mirrored.
Without earlier trials the first ten trials are random, as always. *Above the optimum* is the median of the noise-free
score of the trial that looks best after 30.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import jax
import numpy as np

import nqjax
from bench.common import table
from nqjax.search import EarlierTrials, Function, replicate
from nqjax.search.objectives import FUNCTIONS, OPTIMA

SEARCHES = 100
QUICK = 24
EARLIER = 50
TRIALS = 30
BUDGETS = (10, 30)
BASELINE = 100_000
OBJECTIVES = ("noisy-bowl", "branin", "hartmann6")
METHODS = ("tpe", "gp")
CASES = ("none", "same", "same, by ranks", "shifted", "unrelated")


def _moved(case: str, config: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the point at which the earlier task is what the new one is at ``config``."""
    if case == "unrelated":
        return {name: 1 - value for name, value in config.items()}
    shift = 0.1 if case == "shifted" else 0.0
    return {name: np.abs(value - shift) for name, value in config.items()}


def prior_of(objective: Function, case: str, number: int) -> EarlierTrials | None:
    """Return the earlier trials of one search."""
    if case == "none":
        return None
    rng = np.random.default_rng([11, number])
    points = rng.random((EARLIER, len(objective.space)))
    config = dict(zip(objective.space, points.T, strict=True))
    scores = np.asarray(objective.function(_moved(case, config))) + objective.noise * rng.normal(size=EARLIER)
    rows = [dict(zip(objective.space, point.tolist(), strict=True)) for point in points]
    if case in ("shifted", "unrelated"):
        scores = 10 * scores + 5
    return EarlierTrials(rows, scores.tolist(), scale="values" if case == "same" else "ranks")


def _searches(objective: Function, case: str, method: str, count: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    options: dict[str, Any] = {"num_trials": TRIALS, "key": jax.random.key(3)}
    if case == "none":
        runs = replicate(objective, [method], replications=count, **options)
        yield from zip(runs.scores[method], runs.true[method], strict=True)
        return
    for number in range(count):
        prior = prior_of(objective, case, number)
        runs = replicate(objective, [method], replications=1, first=number, prior=prior, **options)
        yield runs.scores[method][0], runs.true[method][0]


def main(*, quick: bool) -> None:
    """Print the table."""
    count = QUICK if quick else SEARCHES
    lines = []
    for name in OBJECTIVES:
        objective = FUNCTIONS[name]
        base = replicate(
            objective, ["random"], replications=BASELINE // 100, num_trials=100, key=jax.random.key(4), first=1_000_000
        )
        known = base.scores["random"].ravel()
        for method in METHODS:
            for case in CASES:
                scores, free = map(np.array, zip(*_searches(objective, case, method, count), strict=True))
                found = nqjax.worth(scores, known, list(BUDGETS), minimize=True)
                cells = [f"{found.estimate[k]:,.0f} ({found.lower[k]:,.0f} to {found.upper[k]:,.0f})" for k in (0, 1)]
                regret = free[np.arange(count), np.argmin(scores, axis=1)] - OPTIMA[name]
                cells.append(f"{np.median(regret):.2g}")
                line = [name, method, case, *cells]
                lines.append(line)
                print(" | ".join(line), flush=True)
    header = ["objective", "method", "earlier trials", *(f"after {n}" for n in BUDGETS), "above the optimum"]
    table(f"Worth in random trials, {count} searches, {EARLIER} earlier random trials", header, lines)
