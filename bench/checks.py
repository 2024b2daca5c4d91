"""Measure the honesty checks of `nqjax analyze`: the share of faulty searches that is warned of, and false alarms.

    python -m bench checks [--quick]

Each kind of search has one fault; plain ones are random, without a fault. Scores are a quadratic of three
hyperparameters with noise. Studies of Optuna are run by Optuna itself: TPE and random search, each with a pruner and
without, on three functions, 200 trials each. They are read as a study, which records its sampler, and as a bare table.
"""

import itertools
import math
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import nqjax
from bench.common import table
from nqjax.analysis.cautions import cautions_of
from nqjax.checks.failures import failing_parts
from nqjax.checks.influence import edges
from nqjax.estimation.fit import fit_prepared
from nqjax.estimation.study import Study, prepare

SEARCHES = 200
QUICK = 100

#: Studies of Optuna of each kind.
STUDIES = 120
QUICK_STUDIES = 60

#: Trials of a search.
SIZES = (48, 200)

#: Trials of a study of Optuna.
TRIALS = 200

#: Noise of a score; scores without noise are between 0 and about 2.
SIGMA = 0.05

Columns = dict[str, Any]

#: Words by which the warnings of each check are told.
WORDS = {
    "learns": "not those of a random search",
    "pruned": "pruned",
    "early": "stopped early",
    "repeated": "configurations,",
    "ties": "different scores among",
    "odd": "one score decides the fit",
    "failures": "runs failed where",
    "edge": "a wider range",
}


def plain(rng: np.random.Generator, n: int) -> Columns:
    """A random search without a fault: the optimum is inside the space."""
    x = rng.random((n, 3))
    v = np.sum(((x - 0.5) * (2, 1, 0.3)) ** 2, axis=1)
    names = {f"params_{name}": x[:, i] for i, name in enumerate("abc")}
    return {"number": np.arange(n), **names, "loss": v + SIGMA * rng.normal(size=n)}


def trend(rng: np.random.Generator, n: int) -> Columns:
    """Scores that fall by one standard deviation of theirs from the first trial to the last."""
    found = plain(rng, n)
    found["loss"] = found["loss"] - np.std(found["loss"]) * np.arange(n) / n
    return found


def narrowing(rng: np.random.Generator, n: int) -> Columns:
    """Proposals within a third of the range of one hyperparameter in the second half."""
    found = plain(rng, n)
    late = np.arange(n) >= n // 2
    found["params_b"] = np.where(late, 0.5 + (found["params_b"] - 0.5) / 3, found["params_b"])
    return found


def repeated(rng: np.random.Generator, n: int) -> Columns:
    """Each configuration runs three times."""
    found = plain(rng, n)
    first = np.arange(n) // 3 * 3
    for name in ("params_a", "params_b", "params_c"):
        found[name] = found[name][first]
    v = sum((scale * (found[f"params_{name}"] - 0.5)) ** 2 for name, scale in zip("abc", (2, 1, 0.3), strict=True))
    return found | {"loss": v + SIGMA * rng.normal(size=n)}


def stopped(rng: np.random.Generator, n: int) -> Columns:
    """Trials worse than the median end at a third of the epochs."""
    found = plain(rng, n)
    bad = found["loss"] > np.median(found["loss"])
    return {"trial_id": found["number"], **found, "training_iteration": np.where(bad, 30, 90)}


def failing(rng: np.random.Generator, n: int) -> Columns:
    """Half of the runs fail in the upper quarter of one hyperparameter, and a twentieth elsewhere."""
    found = plain(rng, n)
    chance = np.where(found["params_a"] > 0.75, 0.5, 0.05)
    return found | {"loss": np.where(rng.random(n) < chance, math.nan, found["loss"])}


def at_edge(rng: np.random.Generator, n: int) -> Columns:
    """The optimum lies half of the range outside the space, in one hyperparameter."""
    found = plain(rng, n)
    return found | {"loss": (found["params_a"] + 0.5) ** 2 + found["params_b"] * 0.1 + SIGMA * rng.normal(size=n)}


def ties(rng: np.random.Generator, n: int) -> Columns:
    """Scores that are rounded to a tenth."""
    found = plain(rng, n)
    return found | {"loss": np.round(found["loss"], 1)}


def outlying(rng: np.random.Generator, n: int) -> Columns:
    """One run logs a score that is better than all others by the range of the better half of them."""
    found = plain(rng, n)
    y = found["loss"]
    y[rng.integers(n)] = y.min() - (np.median(y) - y.min())
    return found


#: Kinds of searches, the warning that each is to get, and the function that makes them.
KINDS: tuple[tuple[str, str, Callable[[np.random.Generator, int], Columns]], ...] = (
    ("scores that fall by one standard deviation", "learns", trend),
    ("proposals that narrow to a third", "learns", narrowing),
    ("configurations that run three times", "repeated", repeated),
    ("bad trials that end early", "early", stopped),
    ("half of the runs fail in a quarter of the space", "failures", failing),
    ("optimum outside the space", "edge", at_edge),
    ("scores rounded to a tenth", "ties", ties),
    ("one outlying best score", "odd", outlying),
)


def found_in(columns: Mapping[str, Any]) -> set[str]:
    """Return the checks that warn of a search, as `nqjax analyze` does."""
    study = nqjax.read_study(dict(columns), "loss", minimize=True)
    said = list(study.warnings)
    said += [one.sentence for one in failing_parts(study.config, study.scores)]
    said += [WORDS["edge"]] * bool(edges(study.config, study.scores, True))
    # The analysis asks within the most probable threshold; here it is the median.
    finite = study.scores[np.isfinite(study.scores)]
    search = Study.read(study.scores, limits=(-math.inf, float(np.median(finite))))
    said += cautions_of(search, fit_prepared(prepare(search)))
    return {name for name, words in WORDS.items() if any(words in one for one in said)}


def faults(count: int) -> None:
    """Print the shares of searches with a fault, and of plain ones, that are warned of."""
    lines = []
    for n in SIZES:
        alarms = [found_in(plain(np.random.default_rng([41, n, i]), n)) for i in range(count)]
        for what, name, make in KINDS:
            seen = [found_in(make(np.random.default_rng([43, n, i]), n)) for i in range(count)]
            shares = [100 * np.mean([name in one for one in found]) for found in (seen, alarms)]
            lines.append([what, f"{n}", f"{shares[0]:.0f}", f"{shares[1]:.1f}"])
            print(" | ".join(lines[-1]), flush=True)
        lines.append(["plain: any warning", f"{n}", "", f"{100 * np.mean([bool(one) for one in alarms]):.1f}"])
        print(" | ".join(lines[-1]), flush=True)
    table(
        f"Searches that are warned of, {count} of each kind",
        ["fault", "trials", "with the fault, %", "plain searches, %"],
        lines,
    )


def sphere(x: "list[float]") -> float:
    """A quadratic whose optimum is inside."""
    return sum((one - 0.3) ** 2 for one in x)


def rosenbrock(x: "list[float]") -> float:
    """Rosenbrock's function on [-2, 2]."""
    z = [4 * one - 2 for one in x]
    return sum(100 * (b - a * a) ** 2 + (1 - a) ** 2 for a, b in itertools.pairwise(z))


def rastrigin(x: "list[float]") -> float:
    """Rastrigin's function on [-2, 2]."""
    z = [4 * one - 2 for one in x]
    return sum(one * one - 10 * math.cos(2 * math.pi * one) + 10 for one in z)


FUNCTIONS = (sphere, rosenbrock, rastrigin)


def optuna_study(kind: str, seed: int) -> Any:
    """Run a study of Optuna: by TPE, by TPE with a median pruner, by random search with one, or random."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    function, rng = FUNCTIONS[seed % len(FUNCTIONS)], np.random.default_rng([47, seed])
    samplers = optuna.samplers
    sampler = samplers.TPESampler(seed=seed) if "TPE" in kind else samplers.RandomSampler(seed=seed)
    pruner = optuna.pruners.MedianPruner() if "pruned" in kind else optuna.pruners.NopPruner()
    study = optuna.create_study(sampler=sampler, pruner=pruner)

    def objective(trial: Any) -> float:
        value = function([trial.suggest_float(f"x{i}", 0, 1) for i in range(3)])
        for epoch in range(1, 4):
            seen = float(value + 2.0**-epoch + SIGMA * rng.normal())
            trial.report(seen, epoch)
            if trial.should_prune():
                raise optuna.TrialPruned
        return seen

    study.optimize(objective, n_trials=TRIALS)
    return study


#: What marks studies that are not plain random searches.
MARKS = ("not those of a random search", "pruned")


def recognised(count: int) -> None:
    """Print how many studies of Optuna are recognised as adaptive or pruned."""
    lines = []
    for kind in ("TPE", "TPE, pruned", "random, pruned", "random"):
        as_study, as_table = 0, 0
        for seed in range(count):
            study = optuna_study(kind, seed)
            bare = {f"params_x{i}": [one.params[f"x{i}"] for one in study.trials] for i in range(3)}
            bare |= {"number": [one.number for one in study.trials], "value": [one.value for one in study.trials]}
            # What Optuna's table has of a pruned trial: its state, and the last value.
            bare["state"] = [one.state.name for one in study.trials]
            as_study += _is_marked(nqjax.read_study(study))
            as_table += _is_marked(nqjax.read_study(bare, "value", minimize=True))
        lines.append([kind, f"{as_study} of {count}", f"{as_table} of {count}"])
        print(" | ".join(lines[-1]), flush=True)
    table(
        f"Studies of Optuna of {TRIALS} trials that are said to be adaptive or pruned",
        ["kind", "the study", "its bare table"],
        lines,
    )


def _is_marked(study: nqjax.StudyTable) -> bool:
    return any(mark in warning for mark in MARKS for warning in study.warnings)


def main(*, quick: bool) -> None:
    """Print the tables."""
    warnings.filterwarnings("ignore", category=nqjax.FitWarning)
    faults(QUICK if quick else SEARCHES)
    recognised(QUICK_STUDIES if quick else STUDIES)
