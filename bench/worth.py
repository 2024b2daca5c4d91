"""Measure methods in random trials, on functions and on surrogates of real searches.

python -m bench worth [--quick]

Surrogates are small networks fitted to the trials that ship with the package (digits) and to a reference search
(DeBERTaV3), with the noise of a run. Finished searches are kept in ``$NQJAX_BENCH_CACHE`` (default ``build/bench``).
"""

import time
import warnings
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

import nqjax
from bench.common import cache_folder, reference_folder, table
from nqjax.data import digits_mlp_path
from nqjax.search import GaussianProcess, Surrogate, replicate, surrogate
from nqjax.search.experiments.replications import Replications
from nqjax.search.objectives import FUNCTIONS
from nqjax.trials.table import read_trials

#: Searches by each method, trials of a search, and budgets.
SEARCHES = 200
QUICK = 50
TRIALS = 100
BUDGETS = (10, 20, 30, 40, 100)

#: Trials of the methods that cost more each.
SHORT = 40

#: Random trials that scores are measured against.
BASELINE = 100_000

#: Raised with every change to what is measured.
VERSION = 1

LONG_METHODS: Mapping[str, Any] = {
    "random": "random",
    "sobol": "sobol",
    "tpe": "tpe",
    "cma_es": "cma_es",
    "evolution": "evolution",
}
SHORT_METHODS: Mapping[str, Any] = {"gp": "gp", "gp, not clipped": GaussianProcess(clip="none")}


def objectives() -> list[Any]:
    """Return the functions, and the surrogates whose data are there."""
    found: list[Any] = [FUNCTIONS[name] for name in ("noisy-bowl", "branin", "hartmann6")]
    if reference_folder() is not None:
        found.append(_deberta())
    found.append(digits_surrogate())
    return found


def digits_surrogate() -> Surrogate:
    """Return the surrogate of the trials of digits-mlp that ship with the package."""
    from nqjax.search.tasks.digits_mlp import DigitsMLP

    trials = read_trials(digits_mlp_path())
    configs = [{name: row[name] for name in DigitsMLP.space} for row in trials.rows]
    sigma = _sigma(trials.scores)
    return surrogate(configs, trials.scores, DigitsMLP.space, noise=sigma, key=jax.random.key(0), name="digits")


def _deberta() -> Surrogate:
    from nqjax.search.space import DiscreteUniform, LogUniform, Uniform

    study = nqjax.read_study(f"{reference_folder()}/deberta_v3_multinli.csv", "accuracy_matched", maximize=True)
    # The warm-up is at most six tenths of the steps, which depend on the other two; here it is in their units.
    size, epochs = study.config["train_batch_size"], study.config["num_train_epochs"]
    warmup = study.config["warmup_steps"] * size / epochs
    columns = {
        "learning_rate": study.config["learning_rate"],
        "batch_size": size.astype(int),
        "epochs": epochs.astype(int),
        "warmup": warmup / np.max(warmup),
        "dropout": study.config["cls_drop_out"],
    }
    space = {
        "learning_rate": LogUniform(1e-6, 1e-3),
        "batch_size": DiscreteUniform(16, 64),
        "epochs": DiscreteUniform(1, 4),
        "warmup": Uniform(0.0, 1.0),
        "dropout": Uniform(0.0, 0.3),
    }
    error = 1 - study.scores
    configs = [{name: column[i].item() for name, column in columns.items()} for i in range(len(error))]
    return surrogate(configs, error, space, noise=_sigma(error), key=jax.random.key(1), name="DeBERTaV3")


def _sigma(scores: np.ndarray) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(nqjax.confidence_region(scores).estimate("sigma"))


def runs_of(objective: Any, count: int) -> tuple[Replications, np.ndarray, np.ndarray, dict[str, float]]:
    """Return the searches, the scores of random trials with noise and without, and CPU seconds a search."""
    key = jax.random.key(7)
    scores, true, cost = {}, {}, {}
    for methods, trials in ((LONG_METHODS, TRIALS), (SHORT_METHODS, SHORT)):
        path = cache_folder("worth") / f"{VERSION}-{objective.name}-{trials}.jsonl"
        for name, method in methods.items():
            began = time.process_time()
            made = replicate(objective, {name: method}, replications=count, num_trials=trials, key=key, out=path)
            cost[name] = (time.process_time() - began) / count
            scores |= made.scores
            true |= made.true
    path = cache_folder("worth") / f"{VERSION}-{objective.name}-baseline.jsonl"
    searches = BASELINE // TRIALS
    base = replicate(
        objective, ["random"], replications=searches, num_trials=TRIALS, key=key, first=1_000_000, out=path
    )
    known = base.true["random"].ravel()
    return Replications(scores, true, {}), base.scores["random"].ravel(), known, cost


def main(*, quick: bool) -> None:
    """Print the tables."""
    count = QUICK if quick else SEARCHES
    lines = []
    for objective in objectives():
        runs, observed, known, cost = runs_of(objective, count)
        for name, scores in runs.scores.items():
            at = [n for n in BUDGETS if n <= scores.shape[1]]
            found = nqjax.worth(scores, observed, at, minimize=True)
            noisy = bool(objective.noise)
            best = nqjax.worth(scores, observed, at, minimize=True, true=(runs.true[name], known)) if noisy else None
            cells = [
                f"{_number(found.estimate[k])} ({_number(found.lower[k])} to {_number(found.upper[k])})"
                for k in range(len(at))
            ]
            cells += [""] * (len(BUDGETS) - len(cells))
            without = _number(best.estimate[at.index(SHORT)]) if best is not None else ""
            line = [
                objective.name,
                name,
                *cells,
                _number(found.worse_quartile[at.index(SHORT)]),
                without,
                f"{cost[name]:.3f}",
            ]
            lines.append(line)
            print(" | ".join(line), flush=True)
    header = [
        "objective",
        "method",
        *(f"after {n}" for n in BUDGETS),
        f"worse quartile, {SHORT}",
        f"no noise, {SHORT}",
        "CPU s",
    ]
    table(f"Worth in random trials, {count} searches by each method", header, lines)


def _number(worth: float) -> str:
    """Return a number of random trials, as far as the baseline tells it."""
    return f"{worth:,.0f}" if worth <= BASELINE else "beyond"
