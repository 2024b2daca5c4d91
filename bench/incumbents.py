"""Measure what the best trial would score again: by its score, by all scores alone, by the surface, and by both.

    python -m bench incumbents [--quick]

Simulated searches are those of ``python -m bench surface``, with other random numbers. Errors are in units of sigma.
The last table is of real trainings: the best trial of disjoint parts of one random search of ``digits-mlp``, run again
with fresh seeds. Trials of the reference searches cannot be run again: there the expected rerun of the best trial of a
part is compared with the prediction at its place from all other trials, by a random forest and by a surface.
Finished searches are kept as by ``python -m bench thresholds``.
"""

import json
import warnings
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

import nqjax
from bench.common import cache_folder, table
from bench.surface import Cell, draw_truth, search
from bench.surface_data import Reference, fit, reference_searches
from nqjax import search as searches
from nqjax.types import Floats

SEARCHES = 100
QUICK = 24
VERSION = 1

CELLS = (
    *(Cell(d, strong, s, n) for d, strong in ((3, 1), (3, 2), (4, 4)) for s in (0.02, 0.1) for n in (32, 128)),
    Cell(5, 2, 0.1, 48),
    Cell(5, 2, 0.1, 128),
    Cell(3, 1, 0.4, 48),
    Cell(3, 2, 0.1, 128, "TPE"),
)

#: Sizes of the parts of the real search, their number, and reruns of each best trial.
REAL = (48, 128)
PARTS = 30
RERUNS = 32


def predict(
    config: dict[str, Floats], y: Floats, space: dict[str, Any] | None, key: int
) -> dict[str, nqjax.RankedTrials]:
    """Return the ranking by each view."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", nqjax.FitWarning)
        surface = nqjax.fit_surface(config, y, space, key=jax.random.key(key))
        post = nqjax.confidence_region(y, key=jax.random.key(key))
    assert isinstance(post, nqjax.AveragedPosterior)
    return {
        "alone": nqjax.rank_trials(post),
        "surface": surface.rank_trials(),
        "both": surface.rank_trials(post),
    }


def measure(cell: Cell, number: int) -> dict[str, float]:
    """Return errors in units of sigma, and whether intervals hold, for one simulated search."""
    rng = np.random.default_rng([53, cell.d, cell.strong, round(1000 * cell.s), cell.n, len(cell.sampler), number])
    truth = draw_truth(cell, rng)
    z, y = search(cell, truth, rng)
    away = z - truth.optimum
    v = 0.5 * np.sum(away @ truth.curvature * away, axis=1)
    space = {str(j): searches.Uniform(-1.0, 1.0) for j in range(cell.d)}
    again = v[np.argmin(y)] + truth.sigma * rng.normal()
    row = {"shown": float(y.min() - v[np.argmin(y)]) / truth.sigma}
    for name, ranked in predict({str(j): z[:, j] for j in range(cell.d)}, y, space, number).items():
        row |= _row(name, ranked, v, truth.sigma) | {
            f"{name} rerun": bool(ranked.rerun_low[0] <= again <= ranked.rerun_high[0])
        }
    return row


def _row(name: str, ranked: nqjax.RankedTrials, v: Floats, unit: float) -> dict[str, float]:
    first = ranked.index[0]
    return {
        name: float(ranked.rerun[0] - v[first]) / unit,
        f"{name} noise-free": bool(ranked.noise_free_low[0] <= v[first] <= ranked.noise_free_high[0]),
        f"{name} P(best)": float(ranked.probability_best[np.argmin(v[ranked.index])]),
        f"{name} expected P(best)": float(np.sum(ranked.probability_best**2)),
    }


def measure_real(size: int, part: int) -> dict[str, float]:
    """Return errors in units of the standard deviation over reruns, for one part of the real search."""
    task = searches.load("digits-mlp")
    out = cache_folder("incumbents") / "digits-mlp.jsonl"
    trials = searches.run(task, num_trials=PARTS * max(REAL), key=jax.random.key(777), out=out)
    rows = slice(part * size, (part + 1) * size)
    y = np.asarray(trials[task.score], float)[rows]
    config = {name: np.asarray(trials[name], float)[rows] for name in task.space}
    best = int(np.nanargmin(y))
    fixed = {name: float(values[best]) for name, values in config.items()}
    again = searches.run(task, fixed, num_trials=RERUNS, key=jax.random.key(10_000 + part))
    scores = np.asarray(again[task.score], float)
    mean, deviation = float(np.nanmean(scores)), float(np.nanstd(scores, ddof=1))
    row = {"shown": (y[best] - mean) / deviation}
    for name, ranked in predict(config, y, dict(task.space), part).items():
        row[name] = float(ranked.rerun[0] - mean) / deviation
        row[f"{name} rerun"] = float(np.nanmean((ranked.rerun_low[0] <= scores) & (scores <= ranked.rerun_high[0])))
        row[f"{name} noise-free"] = bool(ranked.noise_free_low[0] <= mean <= ranked.noise_free_high[0])
    return row


def measure_reference(one: Reference, size: int, part: int, whole: nqjax.ResponseSurface) -> dict[str, float]:
    """Return the expected reruns of the best of some trials, less predictions from all others, in units of sigma."""
    from sklearn.ensemble import RandomForestRegressor

    rows = np.random.default_rng([8, part]).permutation(len(one.error))[:size]
    y = one.error[rows]
    best = rows[np.argmin(y)]
    good = np.flatnonzero(one.error <= np.median(one.error))
    good = good[good != best]
    points = whole.points
    forest = RandomForestRegressor(300, min_samples_leaf=3, random_state=0).fit(points[good], one.error[good])
    truths = {"forest": float(forest.predict(points[[best]])[0]), "whole": float(whole.rerun([int(best)]).estimate[0])}
    row: dict[str, float] = {}
    ranked = predict({name: values[rows] for name, values in one.config.items()}, y, None, part)
    guesses = {"shown": float(y.min())} | {name: float(found.rerun[0]) for name, found in ranked.items()}
    for name, guess in guesses.items():
        row |= {f"{name} less {what}": (guess - truth) / whole.sigma for what, truth in truths.items()}
    return row


def reference_lines(parts: int) -> list[list[str]]:
    """Return the rows of the table of reference searches."""
    lines = []
    for one in reference_searches():
        whole = fit(one, slice(None))
        for size in REAL:
            rows = rows_of(
                f"{one.name}-{size}",
                parts,
                lambda part, one=one, size=size, whole=whole: measure_reference(one, size, part, whole),
            )
            line = [one.name, str(size)]
            for name in ("shown", "alone", "surface", "both"):
                both = [np.array([row[f"{name} less {what}"] for row in rows]) for what in ("forest", "whole")]
                line += [" / ".join(f"{x.mean():+.2f}" for x in both)]
            spread = [
                np.std([row[f"both less {what}"] for row in rows]) / np.sqrt(len(rows)) for what in ("forest", "whole")
            ]
            lines.append([*line, " / ".join(f"{x:.2f}" for x in spread)])
            print(" | ".join(lines[-1]), flush=True)
    return lines


def rows_of(name: str, count: int, one: Callable[[int], dict[str, float]]) -> list[dict[str, float]]:
    """Return the rows of a cell, from its file as far as it goes."""
    path = cache_folder("incumbents") / f"{VERSION}-{name}.json"
    rows: list[dict[str, float]] = json.loads(path.read_text()) if path.exists() else []
    for number in range(len(rows), count):
        rows.append(one(number))
        path.write_text(json.dumps(rows))
    return rows[:count]


def line_of(label: str, rows: list[dict[str, float]]) -> list[str]:
    """Return the cells of a row: mean errors with standard errors, and what 95 % intervals hold."""
    cells = [label]
    for name in ("shown", "alone", "surface", "both"):
        errors = np.array([row[name] for row in rows])
        cells.append(f"{errors.mean():+.2f} ± {errors.std(ddof=1) / np.sqrt(len(errors)):.2f}")
    for name in ("alone", "surface", "both"):
        shares = [100 * np.mean([row[f"{name} {what}"] for row in rows]) for what in ("rerun", "noise-free")]
        cells.append(" / ".join(f"{share:.0f}" for share in shares))
    return cells


def main(*, quick: bool) -> None:
    """Print the tables."""
    count = QUICK if quick else SEARCHES
    header = [
        "",
        "shown",
        "scores alone",
        "surface",
        "both",
        *(f"{x}: rerun / noise-free" for x in ("alone", "surface", "both")),
    ]
    lines, everything = [], []
    for cell in CELLS:
        name = f"{cell.d}-{cell.strong}-{cell.s:g}-{cell.n}-{cell.sampler}"
        rows = rows_of(name, count, lambda number, cell=cell: measure(cell, number))
        everything += rows if cell.sampler == "random" else []
        lines.append(line_of(f"{cell.d}, {cell.strong}, {cell.s:g}, {cell.n}, {cell.sampler}", rows))
        print(" | ".join(lines[-1]), flush=True)
    lines.append(line_of("all random searches", everything))
    table(
        f"Errors of the best trial's expected rerun, in sigma; 95 % intervals, {count} searches a kind", header, lines
    )
    for name in ("alone", "surface", "both"):
        shares = [np.mean([row[f"{name} {what}"] for row in everything]) for what in ("P(best)", "expected P(best)")]
        print(f"{name}: the best of the first ten has {100 * shares[0]:.0f} %, expected {100 * shares[1]:.0f} %")
    real = []
    for size in REAL:
        rows = rows_of(f"real-{size}", PARTS, lambda part, size=size: measure_real(size, part))
        real.append(line_of(f"digits-mlp, {size} trials", rows))
    table(f"The same of real trainings: {PARTS} searches, {RERUNS} reruns of each best trial", header, real)
    header = ["search", "trials", "shown", "scores alone", "surface", "both", "standard error"]
    lines = reference_lines(QUICK if quick else PARTS)
    table("Less what a forest of all others / the whole search's surface says, in its sigma", header, lines)
