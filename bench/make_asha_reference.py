"""Make decisions of Syne Tune's promotion-type ASHA, to which those of `nqjax.search` are compared.

    python bench/make_asha_reference.py > tests/data/asha_syne_tune.json

Takes a few seconds, in an environment of its own without nqjax. Syne Tune 0.16 only stops trials; 0.13 is the last
release whose promotion type is not in a module for old code:

    python -m venv syne
    syne/bin/pip install --no-deps syne-tune==0.13.0
    syne/bin/pip install numpy pandas sortedcontainers typing-extensions dill

A trace has scores (a row for each trial, a column for each rung), the time that a job takes, and events in their order:
a free worker takes a job, ``[trial, rung]``, or the job that has the earliest end ends, ``[trial, rung, "end"]``.
"""

import datetime as dt
import heapq
import json
import logging
import sys
from collections.abc import Iterator
from importlib import metadata
from typing import Any

import numpy as np

#: Each trace: eta, rungs, workers, jobs, and whether higher scores are better.
TRACES = ((3, 4, 1, 120, False), (3, 4, 8, 120, False), (4, 3, 5, 100, True), (2, 5, 16, 120, False))


def learning_curves(rng: np.random.Generator, trials: int, rounds: list[int]) -> np.ndarray:
    """Return scores at the rungs, shape (trials, rungs): power laws that cross, with noise, no two of them equal."""
    level, gain, rate = rng.uniform(0, 1, trials), rng.exponential(1, trials), rng.uniform(0.3, 1.2, trials)
    curves = level[:, None] + gain[:, None] * np.array(rounds) ** -rate[:, None]
    return np.round(curves + 0.02 * rng.normal(size=curves.shape), 6)


def events(scheduler: Any, scores: np.ndarray, rounds: list[int], speed: np.ndarray, workers: int) -> Iterator[list]:
    """Yield the jobs that workers begin and end, by Syne Tune's decisions."""
    from syne_tune.backend.trial_status import Trial

    trials: dict[int, Trial] = {}
    running: list[tuple[float, int, int, int]] = []
    now, order = 0.0, 0
    while True:
        while len(running) < workers:
            asked = scheduler.suggest(len(trials))
            if asked.spawn_new_trial_id:
                number = len(trials)
                trials[number] = Trial(number, asked.config, dt.datetime.now(tz=dt.UTC))
                scheduler.on_trial_add(trials[number])
            else:
                number = int(asked.checkpoint_trial_id)
            rung = rounds.index(asked.config["epochs"])
            begin = rounds[rung - 1] if rung else 0
            heapq.heappush(running, (now + (rounds[rung] - begin) * speed[number], order, number, rung))
            order += 1
            yield [number, rung]
        now, _, number, rung = heapq.heappop(running)
        decision = scheduler.on_trial_result(trials[number], {"score": scores[number, rung], "epoch": rounds[rung]})
        if decision != ("STOP" if rung == len(rounds) - 1 else "PAUSE"):
            raise RuntimeError(f"Syne Tune decided {decision} for trial {number} at rung {rung}")
        yield [number, rung, "end"]


def trace(seed: int, eta: int, rungs: int, workers: int, jobs: int, maximize: bool) -> dict[str, Any]:
    """Return one trace."""
    from syne_tune.config_space import uniform
    from syne_tune.optimizer.schedulers import HyperbandScheduler

    rng = np.random.default_rng(seed)
    rounds = [eta**k for k in range(rungs)]
    scores, speed = learning_curves(rng, jobs, rounds), np.round(rng.uniform(0.5, 2, jobs), 3)
    scores = -scores if maximize else scores
    scheduler = HyperbandScheduler(
        {"x": uniform(0.0, 1.0), "epochs": rounds[-1]},
        type="promotion",
        searcher="random",
        metric="score",
        mode="max" if maximize else "min",
        resource_attr="epoch",
        max_resource_attr="epochs",
        grace_period=1,
        reduction_factor=eta,
        random_seed=seed,
    )
    found, begun = [], 0
    for event in events(scheduler, scores, rounds, speed, workers):
        begun += len(event) == 2
        if begun > jobs:
            break
        found.append(event)
    trials = 1 + max(event[0] for event in found)
    return {
        "eta": eta,
        "rounds": rounds,
        "workers": workers,
        "maximize": maximize,
        "scores": scores[:trials].tolist(),
        "speed": speed[:trials].tolist(),
        "events": found,
    }


def main() -> None:
    """Print the traces as JSON."""
    logging.disable(logging.WARNING)
    standard, sys.stdout = sys.stdout, sys.stderr  # Syne Tune prints what is not installed
    traces = [trace(seed, *settings) for seed, settings in enumerate(TRACES)]
    sys.stdout = standard
    made_by = {"syne-tune": metadata.version("syne-tune"), "numpy": np.__version__}
    print(json.dumps({"made_by": made_by, "traces": traces}, separators=(",", ":")))


if __name__ == "__main__":
    main()
