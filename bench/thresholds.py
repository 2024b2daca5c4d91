"""Coverage where the threshold is unknown: the averaged posterior, and the profile with a chosen threshold.

    python -m bench thresholds [--quick]

The noisy quadratic is exact inside a regime that holds a tenth to 60 % of the scores; beyond its end scores run off
exponentially. Widths and errors are in units of the regime's width. Finished cells are kept in ``$NQJAX_BENCH_CACHE``
(default ``build/bench``).
"""

import json
import math
import time
import warnings
from typing import NamedTuple

import jax
import numpy as np

import nqjax
from bench.common import cache_folder, table
from nqjax.special.chunked import standard_quantile

#: Searches of a cell.
SEARCHES = 100
QUICK = 20
LEVELS = (0.8, 0.95)
#: Rate at which scores beyond the threshold grow, in regime widths.
TAIL = 2.0
#: Raised with every change to what is in a cell's file.
VERSION = 1


class Cell(NamedTuple):
    """A kind of search: gamma, the regime's share of the scores, trials, and sigma in units of the regime's width."""

    gamma: int
    share: float
    n: int
    s: float


CELLS = (
    Cell(2, 0.2, 48, 0.1),
    Cell(3, 0.2, 48, 0.1),
    Cell(2, 0.2, 128, 0.1),
    Cell(3, 0.2, 128, 0.1),
    Cell(2, 0.35, 128, 0.1),
    Cell(3, 0.35, 128, 0.1),
    Cell(1, 0.35, 48, 0.1),
    Cell(2, 0.6, 48, 0.1),
    Cell(5, 0.35, 128, 0.1),
    Cell(2, 0.2, 48, 0.02),
    Cell(2, 0.2, 48, 0.4),
)


def place(cell: Cell) -> tuple[float, float]:
    """Return the end of the regime and sigma where alpha is 0 and beta is 1."""
    sigma = 0.05
    for _ in range(60):  # the end depends on sigma, which is a share of it
        end = float(standard_quantile(math.log1p(-cell.share), sigma, float(cell.gamma)))
        sigma = (sigma + cell.s * end) / 2
    return end, sigma


def draw(rng: np.random.Generator, cell: Cell, end: float, sigma: float) -> np.ndarray:
    y = rng.uniform(size=cell.n) ** (2 / cell.gamma) + sigma * rng.normal(size=cell.n)
    over = np.maximum(y - end, 0) / end
    return np.where(over > 0, end * (1 + np.expm1(TAIL * np.minimum(over, 20.0)) / TAIL), y)


def measure(cell: Cell, count: int) -> dict[str, list[float]]:
    """Return what each search's answers are: for each method the ends at both levels, and more."""
    end, sigma = place(cell)
    with jax.enable_x64(True):
        curve = float(nqjax.NoisyQuadratic(0.0, 1.0, float(cell.gamma), sigma).quantile_tuning_curve(10 * cell.n))
    rows: dict[str, list[float]] = {}

    def keep(**values: float) -> None:
        for name, value in values.items():
            rows.setdefault(name, []).append(float(value))

    for number in range(count):
        rng = np.random.default_rng([11, cell.gamma, round(100 * cell.share), cell.n, round(1000 * cell.s), number])
        y = draw(rng, cell, end, sigma)
        began = time.perf_counter()
        post = nqjax.confidence_region(y, method="averaged", key=jax.random.key(number))
        seconds = time.perf_counter() - began
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                fit = nqjax.fit(y)
                profile = [nqjax.profile_region(y, limits=fit.limits, confidence=c) for c in LEVELS]
        except nqjax.InputError:
            profile = []
        for name, regions in (("averaged", [post, post]), ("profile", profile)):
            if not regions:
                continue
            for level, region in zip(LEVELS, regions, strict=True):
                low, high = region.interval("alpha", level)
                s_low, s_high = region.interval("sigma", level)
                c_low, c_high = (float(x) for x in region.quantile_tuning_curve_band(10 * cell.n, 0.5, level))
                percent = round(100 * level)
                keep(
                    **{
                        f"{name} best {percent}": low <= 0 <= high,
                        f"{name} sigma {percent}": s_low <= sigma <= s_high,
                        f"{name} curve {percent}": c_low <= curve <= c_high,
                        f"{name} width {percent}": (high - low) / end,
                    }
                )
        keep(seconds=seconds, median=np.median(post.alpha) / end, gamma=post.gamma_probabilities.get(cell.gamma, 0.0))
        keep(share=post.mean_used / cell.n)
    return rows


def cell_of(cell: Cell, count: int) -> dict[str, list[float]]:
    """Return a cell from its file, or measure it and write the file."""
    name = f"{VERSION}-{cell.gamma}-{cell.share:g}-{cell.n}-{cell.s:g}-{count}.json"
    path = cache_folder("thresholds") / name
    if path.exists():
        return json.loads(path.read_text())  # type: ignore[no-any-return]
    rows = measure(cell, count)
    path.write_text(json.dumps(rows))
    return rows


def main(*, quick: bool) -> None:
    count = QUICK if quick else SEARCHES
    lines = []
    for cell in CELLS:
        rows = {name: np.array(values) for name, values in cell_of(cell, count).items()}

        def both(name: str, rows: dict[str, np.ndarray] = rows) -> str:
            return " / ".join(f"{100 * np.mean(rows[f'{name} {c}']):.0f}" for c in (80, 95) if f"{name} {c}" in rows)

        median = rows["median"]
        width, other = (
            np.median(rows.get(f"{name} width 95", np.array([math.nan]))) for name in ("averaged", "profile")
        )
        lines.append(
            [
                f"{cell.gamma}, {100 * cell.share:.0f} %, {cell.n}, {cell.s:g}",
                f"{both('profile best')} ({other:.2f})",
                f"{both('averaged best')} ({width:.2f})",
                f"{np.mean(median):+.2f}, {math.sqrt(np.mean(median**2)):.2f}",
                f"{both('profile sigma')}; {both('averaged sigma')}",
                f"{both('profile curve')}; {both('averaged curve')}",
                f"{np.mean(rows['share']):.2f}",
                f"{np.median(rows['seconds']):.2f} s",
            ]
        )
        print(" | ".join(lines[-1]), flush=True)
    header = [
        "gamma, regime, n, s",
        "best score, chosen threshold and profile: 80 / 95 (width)",
        "averaged: 80 / 95 (width)",
        "its median: bias, rms",
        "sigma: profile; averaged",
        "curve at 10 n: profile; averaged",
        "its mean share",
        "time",
    ]
    table(f"Unknown threshold: coverage in per cent, {count} searches a cell", header, lines)
