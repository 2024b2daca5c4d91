"""The best score from 100 trials of Optuna's TPE on real trainings, by the surface and by the scores alone.

    python -m bench surface_tpe [--quick]

The task is ``digits-mlp``, whose scores of 1,024 random trials say what the best score is. The configuration that each
surface calls the best is trained again with fresh seeds. Finished searches are kept as by ``python -m bench
thresholds``.
"""

import warnings

import jax
import numpy as np

import nqjax
from bench.common import cache_folder, table
from bench.incumbents import rows_of
from nqjax import search
from nqjax.types import Floats

SEARCHES = 20
QUICK = 6
TRIALS = 100
RANDOM = 1024
RERUNS = 32


def answers(config: dict[str, Floats], y: Floats, space: dict[str, object], key: int) -> dict[str, float]:
    """Return the best score by both views, with 95 % intervals, and the mean of reruns at the surface's optimum."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", nqjax.FitWarning)
        surface = nqjax.fit_surface(config, y, space, key=jax.random.key(key))
        post = nqjax.confidence_region(y, key=jax.random.key(key))
    task = search.load("digits-mlp")
    fixed = {name: float(value) for name, value in surface.optimum.items()}
    again = search.run(task, fixed, num_trials=RERUNS, key=jax.random.key(20_000 + key))
    best = surface.interval("best", 0.95)
    low, high = post.interval("best", 0.95)
    return {
        "surface": best.estimate, "surface low": best.low, "surface high": best.high, "surface sigma": surface.sigma,
        "alone": post.estimate("best"), "alone low": low, "alone high": high, "alone sigma": post.estimate("sigma"),
        "shown": float(np.nanmin(y)), "at the optimum": float(np.nanmean(np.asarray(again[task.score], float))),
    }  # fmt: skip


def random_search() -> dict[str, float]:
    """Return the answers of the random search."""
    task = search.load("digits-mlp")
    out = cache_folder("incumbents") / "digits-mlp.jsonl"
    trials = search.run(task, num_trials=3840, key=jax.random.key(777), out=out)
    config = {name: np.asarray(trials[name], float)[:RANDOM] for name in task.space}
    return answers(config, np.asarray(trials[task.score], float)[:RANDOM], dict(task.space), 0)


def tpe_search(number: int) -> dict[str, float]:
    """Return the answers of one search by Optuna's TPE."""
    import optuna

    from nqjax.integrations import optuna as ours

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    task = search.load("digits-mlp")
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=number))
    ours.optimize(study, task, TRIALS, key=jax.random.key(number), batch=4)
    done = [trial for trial in study.trials if trial.value is not None]
    config = {name: np.array([trial.params[name] for trial in done]) for name in task.space}
    return answers(config, np.array([trial.value for trial in done]), dict(task.space), number + 1)


def main(*, quick: bool) -> None:
    """Print the table."""
    whole = rows_of("tpe-random", 1, lambda _: random_search())[0]
    rows = rows_of("tpe", QUICK if quick else SEARCHES, tpe_search)

    def shown(row: dict[str, float], name: str) -> str:
        return f"{row[name]:.4f} ({row[f'{name} low']:.4f} to {row[f'{name} high']:.4f})"

    lines = []
    for label, row in ((f"{RANDOM} random trials", whole), *((f"TPE, seed {i}", row) for i, row in enumerate(rows))):
        sigmas = f"{row['surface sigma']:.4f} / {row['alone sigma']:.4f}"
        lines.append([label, shown(row, "surface"), shown(row, "alone"), f"{row['shown']:.4f}"])
        lines[-1] += [sigmas, f"{row['at the optimum']:.4f}"]
    header = [
        "search",
        "best: surface (95 %)",
        "scores alone (95 %)",
        "best trial",
        "sigma: both views",
        "optimum, run again",
    ]
    table(f"The best val_loss of digits-mlp, {TRIALS} trials of TPE a search", header, lines)
    for name in ("surface", "alone"):
        errors = np.array([row[name] - whole["surface"] for row in rows])
        held = np.mean([row[f"{name} low"] <= whole["surface"] <= row[f"{name} high"] for row in rows])
        meets = np.mean(
            [
                row[f"{name} low"] <= whole["surface high"] and whole["surface low"] <= row[f"{name} high"]
                for row in rows
            ]
        )
        print(
            f"{name}: less random's {errors.mean():+.4f} (standard deviation {errors.std(ddof=1):.4f}); holds "
            f"it in {100 * held:.0f} %, intervals meet in {100 * meets:.0f} %"
        )
