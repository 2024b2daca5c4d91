"""Simulation-based calibration of the posterior (Talts et al. 2018), and the coverage of its intervals.

    python -m bench calibration [--quick]

Parameters are drawn from the default prior, a search of 48 trials from them, and the posterior of that search from it.
If everything is right, the rank of each true parameter among the draws is uniform, and so is the (randomised) place of
the true gamma under its posterior probabilities. The prior of the regime's width is flat in its logarithm, so it cannot
be drawn from; it need not: as a change of unit changes nothing, ranks are uniform for any width, and 1 is taken. Sets
with fewer than three scores inside the limits, which have no posterior, or without a censored one, whose limit is no
threshold, are drawn again: that depends on nothing but the scores, and changes nothing.

Chunks are kept in ``$NQJAX_BENCH_CACHE`` (default ``build/bench``) as they are done.
"""

import json
import math
import time
import warnings

import jax
import numpy as np
import scipy.stats

import nqjax
from bench.common import cache_folder, table
from nqjax.posterior.posterior import Posterior

#: Simulated searches of each mode: fewer by NUTS, which takes several times as long and shares the quadrature's
#: probabilities of gamma.
SETS = {"quadrature": 1000, "nuts": 200}
#: Searches in a file of the cache.
CHUNK = 50
#: Trials of a search.
TRIALS = 48
#: Bins of a histogram of ranks.
BINS = 20
#: Draws among which the truth is ranked.
RANKS = 99
LEVELS = (0.8, 0.95)
NAMES = ("alpha", "beta", "sigma")
MODES = ("threshold", "no threshold")
VERSION = 1


def draw(rng: np.random.Generator, mode: str) -> tuple[np.ndarray, tuple[float, float], dict[str, float]]:
    """A search, its limits and the truth."""
    while True:
        gamma, noise = int(rng.integers(1, 6)), math.exp(math.log(0.1) + 1.5 * rng.normal())
        delta = rng.uniform() ** (-2 / gamma) if mode == "threshold" else 1.0
        y = delta * rng.uniform(size=TRIALS) ** (2 / gamma) + noise * rng.normal(size=TRIALS)
        limits = (-math.inf, 1.0 if mode == "threshold" else math.inf)
        inside = int(np.sum(y <= limits[1]))
        if mode == "no threshold" or 3 <= inside < TRIALS:
            return y, limits, {"alpha": 0.0, "beta": delta, "sigma": noise, "gamma": gamma}


def chunk(mode: str, method: str, number: int, count: int) -> list[dict[str, float]]:
    """Ranks and coverages of some sets."""
    rng = np.random.default_rng([7, MODES.index(mode), number])
    sets = [draw(rng, mode) for _ in range(count)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = nqjax.sample_posterior_many(
            [y for y, *_ in sets],
            limits=[limits for _, limits, _ in sets],
            key=jax.random.key(number),
            method=method,  # type: ignore[arg-type]
        )
    rows = []
    for post, (_, _, truth) in zip(found, sets, strict=True):
        if not isinstance(post, Posterior):
            raise RuntimeError(f"a search of the prior has no posterior: {post}")
        row: dict[str, float] = {}
        for name in NAMES:
            x = getattr(post, name).ravel()
            # Draws that are nearly independent, as ranks have to be.
            thin = x[np.linspace(0, len(x) - 1, RANKS).astype(int)]
            row[name] = int(np.sum(thin < truth[name]))
            for level in LEVELS:
                low, high = post.interval(name, level)
                row[f"{name} {level}"] = bool(low <= truth[name] <= high)
        shares = [post.gamma_probabilities[g] for g in range(1, 6)]
        place = int(truth["gamma"]) - 1
        row["gamma"] = sum(shares[:place]) + shares[place] * rng.uniform()
        row["good"] = post.diagnostics.good
        rows.append(row)
    return rows


def collect(mode: str, method: str, total: int, size: int) -> list[dict[str, float]]:
    folder, rows = cache_folder("calibration"), []
    for number in range(total // size):
        path = folder / f"v{VERSION}-{mode.replace(' ', '-')}-{method}-{size}-{number}.json"
        if not path.exists():
            draft = path.with_suffix(".draft")
            draft.write_text(json.dumps(chunk(mode, method, number, size)))
            draft.replace(path)
        rows += json.loads(path.read_text())
    return rows


def main(quick: bool = False) -> None:
    uniform, coverage, pictures = [], [], {}
    for method in ("quadrature",) if quick else ("quadrature", "nuts"):
        total, size = (20, 20) if quick else (SETS[method], CHUNK)
        for mode in MODES:
            began = time.monotonic()
            rows = collect(mode, method, total, size)
            label = f"{method}, {mode}"
            pictures[label] = rows
            pvalues = [f"{scipy.stats.chisquare(_counts(rows, name)).pvalue:.3f}" for name in (*NAMES, "gamma")]
            good = np.mean([row["good"] for row in rows])
            uniform.append(
                [label, str(len(rows)), *pvalues, f"{100 * good:.1f} %", f"{time.monotonic() - began:.0f} s"]
            )
            cells = [f"{100 * np.mean([row[f'{n} {lv}'] for row in rows]):.1f}" for lv in LEVELS for n in NAMES]
            errors = [f"{100 * math.sqrt(lv * (1 - lv) / total):.1f}" for lv in LEVELS]
            coverage.append([label, *cells, ", ".join(errors)])
    header = ["", "sets", *(f"{name}: p" for name in (*NAMES, "gamma")), "draws as wanted", "now"]
    table(f"Uniformity of the ranks: chi-square with {BINS} bins (0.01 each is asked for)", header, uniform)
    table(
        "Coverage of credible intervals, %",
        ["", *(f"{name} at {100 * level:g}" for level in LEVELS for name in NAMES), "standard errors"],
        coverage,
    )
    if not quick:
        draw_ranks(pictures)


def _counts(rows: list[dict[str, float]], name: str) -> np.ndarray:
    """Count the ranks in each bin; for gamma, its places in the cumulative distribution."""
    values = np.array([row[name] for row in rows])
    bins = np.floor(values * BINS) if name == "gamma" else values // ((RANKS + 1) // BINS)
    return np.bincount(np.minimum(bins, BINS - 1).astype(int), minlength=BINS)


def draw_ranks(found: dict[str, list[dict[str, float]]]) -> None:
    """Draw rank histograms, with the band that holds 99 % of the bars of uniform ranks."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 2.3 * len(found)), dpi=110, layout="constrained")
    axes = figure.subplots(len(found), 4, squeeze=False)
    for row, (label, rows) in zip(axes, found.items(), strict=True):
        low, high = scipy.stats.binom.ppf([0.005, 0.995], len(rows), 1 / BINS)
        for ax, name in zip(row, (*NAMES, "gamma"), strict=True):
            ax.axhspan(low, high, color="#8C8C8C", alpha=0.25, linewidth=0)
            ax.stairs(_counts(rows, name), np.linspace(0, 1, BINS + 1), fill=True, color="#0072B2", alpha=0.8)
            ax.set(title=f"{name}: {label}", xlabel="rank", xlim=(0, 1))
            ax.title.set_fontsize(8)
    path = cache_folder("calibration") / "calibration.png"
    figure.savefig(path)
    print(f"\npicture: {path}")
