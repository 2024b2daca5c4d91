"""Compare methods of search with other libraries: differential evolution, CMA-ES and TPE.

python -m bench references [--quick]

Evaluations until a target is reached, by our methods through ask and tell and by SciPy's `differential_evolution` and
pycma with the same settings; and the best score of searches by our TPE and by Optuna's, as distributions. Finished
searches are kept in ``$NQJAX_BENCH_CACHE`` (default ``build/bench``); Optuna takes about half a CPU second each.
"""

import dataclasses
import importlib.util
import json
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import scipy.optimize
import scipy.stats

from bench.common import cache_folder, table, verdict
from nqjax.search import LogUniform, Uniform, replicate
from nqjax.search.objectives import FUNCTIONS, Function
from nqjax.search.optimizers.cube import EncodedSpace
from nqjax.search.optimizers.evolution import CMAES, DifferentialEvolution
from nqjax.search.optimizers.lockstep import Lockstep, search_keys

#: Raised with every change to what is measured.
VERSION = 1

#: Searches by each side: of evolution, and of TPE.
EVOLUTION = 100
TPE = 600
QUICK = 20

#: Trials of a search by TPE, and after how many the best scores are compared.
TRIALS = 100
BUDGETS = (30, 100)

#: The least p value of Kolmogorov and Smirnov's test that counts as the same distribution.
LEAST_P = 0.001

Floats = np.ndarray


class Case(NamedTuple):
    """A comparison of evaluations until a target.

    Attributes
    ----------
    method : str
        "evolution" or "cma_es".
    function : str
        A name in `FUNCTIONS`; the coordinates are in [0, 1].
    dimension, population : int
    target : float
    most : int
        Evaluations of a search at most.
    tolerance : float
        The largest relative difference of the medians.
    """

    method: str
    function: str
    dimension: int
    population: int
    target: float
    most: int
    tolerance: float

    @property
    def name(self) -> str:
        """The name of the file with its results."""
        return f"{VERSION}-{self.method}-{self.function}-{self.dimension}-{self.population}-{self.target:g}"


CASES = (
    Case("evolution", "sphere", 5, 10, 1e-3, 2_000, 0.2),
    Case("evolution", "sphere", 5, 20, 1e-3, 4_000, 0.2),
    Case("evolution", "sphere", 5, 20, 1e-6, 4_000, 0.2),
    Case("evolution", "sphere", 5, 40, 1e-6, 8_000, 0.2),
    Case("evolution", "sphere", 10, 40, 1e-6, 20_000, 0.2),
    Case("cma_es", "sphere", 10, 10, 1e-9, 6_000, 0.15),
    Case("cma_es", "rosenbrock", 10, 10, 1e-9, 16_000, 0.15),
)

#: Differential evolution's weight of differences, and its probability of crossover.
WEIGHT = 0.7
CROSSOVER = 0.9

#: CMA-ES's standard deviation at the start.
SPREAD = 0.25


def objective_of(case: Case) -> Function:
    """Return the function of a case."""
    space = {f"x{i}": Uniform(0.0, 1.0) for i in range(case.dimension)}
    return dataclasses.replace(FUNCTIONS[case.function], space=space)


def our_evaluations(case: Case, count: int) -> Floats:
    """Return the evaluations until the target of searches by our method; infinite where it was not reached."""
    method: Any = CMAES(case.population, SPREAD)
    if case.method == "evolution":
        method = DifferentialEvolution(case.population, WEIGHT, CROSSOVER)
    objective = objective_of(case)
    keys = search_keys(jax.random.key(0), range(count))
    searches = Lockstep(method, EncodedSpace(objective.space), case.most, keys)
    needed = np.full(count, np.inf)
    for done in range(0, case.most, case.population):
        asked = searches.ask(case.population)
        scores = objective.values([config for own in asked for config in own]).reshape(count, -1)
        searches.tell(scores)
        first = done + 1 + np.argmax(scores <= case.target, axis=1)
        needed = np.where(np.isinf(needed) & (scores <= case.target).any(axis=1), first, needed)
        if np.isfinite(needed).all():
            break
    return needed


class Counted:
    """A function of points in [0, 1] that counts its calls until it reaches the target."""

    def __init__(self, case: Case) -> None:
        self._function, self._target = objective_of(case).function, case.target
        self.calls, self.needed = 0, math.inf

    def __call__(self, points: Floats) -> Floats:
        """Return the values at points, of shape (points, dimension)."""
        values = np.asarray(self._function({f"x{i}": column for i, column in enumerate(points.T)}))
        good = np.flatnonzero(values <= self._target)
        if len(good) and math.isinf(self.needed):
            self.needed = self.calls + int(good[0]) + 1
        self.calls += len(values)
        return values


def scipy_evaluations(case: Case, seed: int) -> float:
    """Return the evaluations that SciPy's differential evolution needs, with a strategy, a population as ours."""
    counted = Counted(case)
    scipy.optimize.differential_evolution(
        lambda x: counted(x.T) if x.ndim == 2 else counted(x[None])[0],
        [(0.0, 1.0)] * case.dimension,
        strategy="best1bin",
        maxiter=case.most // case.population,
        popsize=case.population // case.dimension,
        tol=0.0,
        atol=-1.0,  # never converged
        mutation=WEIGHT,
        recombination=CROSSOVER,
        rng=seed,
        polish=False,
        init="random",
        updating="deferred",
        vectorized=True,
        callback=lambda intermediate_result: math.isfinite(counted.needed),
    )
    return counted.needed


def pycma_evaluations(case: Case, seed: int) -> float:
    """Return the evaluations that pycma needs from the middle of the cube, with a population as ours."""
    import cma

    counted = Counted(case)
    never = {"tolfun": 0, "tolfunhist": 0, "tolx": 0, "tolstagnation": 10**9, "tolflatfitness": 10**9}
    options = {"seed": seed + 1, "verbose": -9, "popsize": case.population, "bounds": [0, 1], **never}
    search = cma.CMAEvolutionStrategy([0.5] * case.dimension, SPREAD, options)
    while counted.calls < case.most and math.isinf(counted.needed):
        points = search.ask()
        search.tell(points, counted(np.array(points)).tolist())
    return counted.needed


def _kept(path: Path, count: int, make: Callable[[int], Any]) -> list[Any]:
    """Return the results of searches 0 to ``count - 1``, a line of JSON each; those that are missing are made."""
    lines = path.read_text().splitlines() if path.exists() else []
    found = [json.loads(line) for line in lines[:count]]
    with path.open("a") as file:
        for number in range(len(found), count):
            found.append(make(number))
            print(json.dumps(found[-1]), file=file, flush=True)
            if (number + 1) % 20 == 0:
                print(f"{path.stem}: {number + 1} of {count} searches", flush=True)
    return found


def ratio_interval(ours: Floats, theirs: Floats) -> tuple[float, float, float]:
    """Return the ratio of two medians, and the ends of its 95 % bootstrap interval."""
    rng = np.random.default_rng(0)
    draws = [_median(ours[rng.integers(len(ours), size=len(ours))]) for _ in range(2000)]
    others = [_median(theirs[rng.integers(len(theirs), size=len(theirs))]) for _ in range(2000)]
    with np.errstate(invalid="ignore"):
        low, high = np.nanquantile(np.divide(draws, others), [0.025, 0.975], method="inverted_cdf")
    return _median(ours) / _median(theirs), float(low), float(high)


def _median(values: Floats) -> float:
    """Return the lower median, an order statistic, which may be infinite."""
    return float(np.sort(values)[(len(values) - 1) // 2])


def _evolution(quick: bool) -> None:
    lines = []
    for case in CASES:
        library = "cma" if case.method == "cma_es" else "scipy"
        if importlib.util.find_spec(library) is None:
            print(f"{library} is not installed, so {case.method} is not compared.")
            continue
        count = QUICK if quick else EVOLUTION
        make = pycma_evaluations if library == "cma" else scipy_evaluations
        path = cache_folder("references") / f"{case.name}.jsonl"
        theirs = np.array(_kept(path, count, lambda seed, case=case, make=make: make(case, seed)), float)
        ours = our_evaluations(case, count)
        ratio, low, high = ratio_interval(ours, theirs)
        lines.append(
            [
                f"{case.method}, {case.function} {case.dimension}-D, population {case.population}, to {case.target:g}",
                *(_quartiles(values) for values in (ours, theirs)),
                f"{ratio:.3f} ({low:.3f} to {high:.3f})",
                f"{case.tolerance:.0%}: {verdict(abs(ratio - 1), case.tolerance, at_least=False)}",
                f"{np.isinf(ours).sum()}, {np.isinf(theirs).sum()}",
            ]
        )
        print(" | ".join(lines[-1]), flush=True)
    header = ["search", "ours", "SciPy or pycma", "ratio of medians (95 %)", "within", "target not reached"]
    table("Evaluations until the target: median (quartiles)", header, lines)


def _quartiles(values: Floats) -> str:
    low, middle, high = np.sort(values)[[len(values) // 4, (len(values) - 1) // 2, 3 * len(values) // 4]]
    return f"{middle:,.0f} ({low:,.0f} to {high:,.0f})"


def optuna_scores(objective: Any, seed: int, trials: int = TRIALS) -> list[float]:
    """Return the scores of one search by Optuna's TPE with its defaults, in the order of its trials."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    noise = np.random.default_rng([21, seed]).normal(size=trials) * objective.noise

    def score(trial: optuna.Trial) -> float:
        config = {name: _suggested(trial, name, entry) for name, entry in objective.space.items()}
        return float(objective.values([config])[0] + noise[trial.number])

    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
    study.optimize(score, n_trials=trials)
    return [trial.value for trial in study.trials]


def _suggested(trial: Any, name: str, entry: Uniform | LogUniform) -> float:
    return float(trial.suggest_float(name, entry.low, entry.high, log=isinstance(entry, LogUniform)))


def _tpe(objectives: Sequence[Any], count: int) -> Iterator[list[str]]:
    for objective in objectives:
        folder = cache_folder("references")
        path = folder / f"{VERSION}-optuna-{objective.name}.jsonl"
        theirs = np.array(_kept(path, count, lambda seed, one=objective: optuna_scores(one, seed)))
        runs = replicate(
            objective, ["tpe"], replications=count, num_trials=TRIALS, key=jax.random.key(21),
            out=folder / f"{VERSION}-tpe-{objective.name}.jsonl",
        )  # fmt: skip
        for budget in BUDGETS:
            best = [np.min(scores[:, :budget], axis=1) for scores in (runs.scores["tpe"], theirs)]
            found = scipy.stats.ks_2samp(*best)
            cells = [f"{middle:.4g} ({low:.4g} to {high:.4g})" for low, middle, high in map(_ends, best)]
            met = verdict(found.pvalue, LEAST_P, at_least=True)
            yield [objective.name, f"{budget}", *cells, f"{found.statistic:.3f}", f"{found.pvalue:.2g}", met]


def _ends(values: Floats) -> Floats:
    return np.quantile(values, [0.25, 0.5, 0.75])


def main(*, quick: bool) -> None:
    """Print the tables."""
    _evolution(quick)
    if importlib.util.find_spec("optuna") is None:
        print("Optuna is not installed, so TPE is not compared.")
        return
    from bench.worth import digits_surrogate

    lines = []
    objectives = [FUNCTIONS["noisy-bowl"], FUNCTIONS["branin"], digits_surrogate()]
    for line in _tpe(objectives, QUICK if quick else TPE):
        lines.append(line)
        print(" | ".join(line), flush=True)
    header = ["objective", "trials", "ours: median (quartiles)", "Optuna", "distance", "p", f"p > {LEAST_P}"]
    table("Best scores by TPE, Kolmogorov and Smirnov's test", header, lines)
