"""Measure methods that stop trials early in random trials, at equal cost, on tables of real learning curves.

python -m bench fidelity [--quick]

The curves are those of two reference searches, and of digits-mlp, which is trained once and kept in
``$NQJAX_BENCH_CACHE`` (default ``build/bench``). A search draws trials of a table with replacement; the baseline is the
table itself, and each of its trials costs a full training.
"""

import time

import jax
import numpy as np

import nqjax
from bench.common import table
from bench.curves import Curves, all_curves
from bench.worths import cell, number
from nqjax.search import ASHA, curve_table, replay

#: Searches by each method.
SEARCHES = 500
QUICK = 200

#: Costs in full trainings.
BUDGETS = (5, 10, 30)

#: Workers of ASHA.
WORKERS = 8

#: Rungs of each table, the shortest training last: its share of the whole.
RUNGS = {"digits": (4, 3), "DeBERTaV3": (3, 2), "ConvNeXt": (4, 3)}

#: Ends of the names of estimates and their intervals.
_ENDS = ("", "_lower", "_upper")

METHODS = {
    "random": "random",
    "halving": "halving",
    "hyperband": "hyperband",
    "asha, 1 worker": ASHA(workers=1),
    f"asha, {WORKERS} workers": "asha",
}

#: No worth beyond this share of the table's trials is given: its best trials are too few.
RESOLVED = 1 / 3


def main(*, quick: bool) -> None:
    """Print the tables."""
    count = QUICK if quick else SEARCHES
    searches = all_curves()
    lines = [line for own in searches for rungs in RUNGS[own.name] for line in _worth(own, rungs, count)]
    header = ["curves", "rungs, % of training", "method", *(f"cost {b}" for b in BUDGETS)]
    header += [f"worse, better quartile, {BUDGETS[-1]}", f"speed-up, {BUDGETS[-1]}", "searches a minute"]
    title = f"Worth at equal cost in full trainings, {count} searches by each method; a random trial costs one"
    table(title, header, lines)
    _report(searches)
    _parts(searches)


def _worth(own: Curves, rungs: int, count: int) -> list[list[str]]:
    made = curve_table(**own.arguments, rungs=rungs)
    lines = []
    for name, method in METHODS.items():
        began = time.process_time()
        best = replay(
            made, {name: method}, replications=count, budget=BUDGETS[-1], key=jax.random.key(0), workers=WORKERS
        )[name]
        rate = 60 * count / (time.process_time() - began)
        found = nqjax.worth(best, made, BUDGETS, minimize=True, unit="full trainings")
        most = RESOLVED * len(made)
        cells = [cell(found, k, most) for k in range(len(BUDGETS))]
        quartiles = f"{number(found.worse_quartile[-1], most)}, {number(found.better_quartile[-1], most)}"
        speedup = f"{found.speedup[-1]:.1f}" if found.estimate[-1] <= most else "beyond"
        shares = ", ".join(f"{100 / made.eta**above:.0f}" for above in reversed(range(rungs)))
        lines.append([own.name, shares, name, *cells, quartiles, speedup, f"{rate:,.0f}"])
        print(" | ".join(lines[-1]), flush=True)
    return lines


def _report(searches: list[Curves]) -> None:
    """Print how much partial trainings tell of whole ones."""
    lines = []
    for own in searches:
        report = nqjax.fidelity_report(own.values, shares=own.shares, minimize=True)
        cells = [
            f"{report.correlation[k]:.2f}, {report.best_correlation[k]:.2f} "
            f"({report.best_lower[k]:.2f} to {report.best_upper[k]:.2f})"
            for k in range(len(report.fractions))
        ]
        third = report.kept[:, report.factors.index(3)]
        verdict = {True: "level off", False: "do not extrapolate", None: "open"}[report.extrapolates]
        ratio = f"{report.gain_ratio:.2f} ({report.gain_lower:.2f} to {report.gain_upper:.2f}): {verdict}"
        safe = ", ".join(map(str, report.safe_factor.tolist()))
        lines.append([own.name, *cells, ", ".join(map(str, third.tolist())), safe, ratio])
        for sentence in report.sentences:
            print(f"{own.name}: {sentence}")
    shares = [f"{100 * part:g} %" for part in np.array([0.1, 0.25, 0.5, 0.75])]
    header = ["curves", *shares, "best 10 in the best third", "safe factors", "gain ratio, prefixes"]
    table("Spearman's correlation with the final score: all trials, the best quarter", header, lines)


def _parts(searches: list[Curves]) -> None:
    """Print the noisy quadratic after parts of the training, and what a power law predicts."""
    lines = []
    for own in searches:
        found = nqjax.fidelity_report(own.values, shares=own.shares, minimize=True).parts(progress=True)
        for k, part in enumerate(found.fractions):
            cells = [
                _interval(*(getattr(found, name + end)[k] for end in _ENDS)) for name in ("best", "gamma", "sigma")
            ]
            lines.append([own.name, f"{100 * part:g} %", *cells])
        held = found.held_back
        assert held is not None
        law = _interval(found.predicted, found.predicted_lower, found.predicted_upper)
        half, others = _interval(*held[:3]), _interval(*held[3:6])
        print(f"{own.name}: through 75 %: {law}; half: {half}; held back: {others}, agrees: {held.agrees}")
    table("The noisy quadratic after parts of the training", ["curves", "share", "alpha", "gamma", "sigma"], lines)


def _interval(estimate: float, low: float, high: float) -> str:
    return f"{estimate:.3g} ({low:.3g} to {high:.3g})"
