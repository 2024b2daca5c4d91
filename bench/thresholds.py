"""Coverage where the threshold is unknown, by the default call.

    python -m bench thresholds [--quick]

The noisy quadratic is exact inside a regime that holds a tenth to 60 % of the scores; beyond its end scores run off
exponentially. Widths and errors are in units of the regime's width. The profile with a chosen threshold is measured in
some cells, too. Finished cells are kept in ``$NQJAX_BENCH_CACHE`` (default ``build/bench``), where a second run
finds them.
"""

import json
import math
import time
import warnings
from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np

import nqjax
from bench.common import cache_folder, table
from nqjax.runtime.parallel import in_parallel
from nqjax.special.chunked import standard_quantile

#: Searches of a cell.
SEARCHES = 300
QUICK = 40
LEVELS = (0.8, 0.95)

#: Rate at which scores beyond the threshold grow, in regime widths.
TAIL = 2.0

#: Tails of the intervals whose widths are kept.
TAILS = (0.01, 0.015, 0.02, 0.025, 0.03, 0.04, 0.05, 0.075, 0.1)

#: Searches after which a cell's file is written.
TOGETHER = 20

#: Raised with every change to what is in a cell's file.
VERSION = 4

#: Numbers of trials at which the median tuning curve is compared, in units of those of the search.
CURVES = (1, 2, 10)


class Cell(NamedTuple):
    """A kind of search: gamma, the regime's share of the scores, trials, and sigma in units of the regime's width."""

    gamma: int
    share: float
    n: int
    s: float = 0.1


#: Cells in which the profile with a chosen threshold is measured, too.
COMPARED = (Cell(2, 0.2, 48), Cell(3, 0.2, 48), Cell(2, 0.35, 128), Cell(2, 0.6, 48), Cell(1, 0.35, 48))

CELLS = (
    *COMPARED,
    *(Cell(gamma, share, 128) for gamma in (2, 3) for share in (0.1, 0.2)),
    Cell(3, 0.35, 128),
    *(Cell(gamma, 0.6, n) for gamma in (1, 3) for n in (24, 48)),
    *(Cell(gamma, share, 48) for gamma in (1, 2, 3) for share in (0.1,)),
    *(Cell(1, share, n) for share, n in ((0.2, 48), (0.2, 128), (0.35, 128), (0.6, 128))),
    *(Cell(gamma, 0.6, 128) for gamma in (2, 3)),
    Cell(2, 0.6, 24),
    *(Cell(5, share, n) for share, n in ((0.2, 48), (0.6, 48), (0.35, 128), (0.6, 128))),
    *(Cell(gamma, 0.2, 48, s) for gamma in (2, 3) for s in (0.02, 0.4)),
    *(Cell(1, 0.35, 48, s) for s in (0.02, 0.4)),
    *(Cell(gamma, 0.35, 128, s) for gamma in (1, 2) for s in (0.02, 0.4)),
    *(Cell(gamma, share, 512) for gamma, share in ((2, 0.2), (2, 0.35), (3, 0.35), (1, 0.6))),
)


def place(cell: Cell) -> tuple[float, float]:
    """Return the end of the regime and sigma where alpha is 0 and beta is 1."""
    sigma = 0.05
    for _ in range(60):  # the end depends on sigma, which is a share of it
        end = float(standard_quantile(math.log1p(-cell.share), sigma, float(cell.gamma)))
        sigma = (sigma + cell.s * end) / 2
    return end, sigma


def draw(rng: np.random.Generator, cell: Cell, end: float, sigma: float) -> np.ndarray:
    """Return the scores of a search."""
    return draw_with_truth(rng, cell, cell.n, end, sigma)[1]


def draw_with_truth(
    rng: np.random.Generator, cell: Cell, count: int, end: float, sigma: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return noise-free scores, as they are inside the regime, and the scores."""
    noise_free = rng.uniform(size=count) ** (2 / cell.gamma)
    y = noise_free + sigma * rng.normal(size=count)
    over = np.maximum(y - end, 0) / end
    # Far out they grow with the tenth power only, so that no two of them are equal in floating point.
    growth = np.expm1(TAIL * np.minimum(over, 20.0)) * np.maximum(over / 20.0, 1.0) ** 10
    return noise_free, np.where(over > 0, end * (1 + growth / TAIL), y)


def truth(cell: Cell, sigma: float) -> dict[str, float]:
    """Return what the intervals should hold."""
    found = {"n": float(cell.n), "best": 0.0, "sigma": sigma, "gamma": float(cell.gamma)}
    with jax.enable_x64(True):
        law = nqjax.NoisyQuadratic(0.0, 1.0, float(cell.gamma), sigma)
        for times in CURVES:
            found[f"curve {times} n"] = float(law.quantile_tuning_curve(times * cell.n))
    return found


def measure(cell: Cell, number: int) -> dict[str, float]:
    """Return what the answer to one search is: what its intervals hold, widths and errors."""
    end, sigma = place(cell)
    expected = truth(cell, sigma)
    y = draw(np.random.default_rng(_seed(cell, number)), cell, end, sigma)
    began = time.perf_counter()
    post = nqjax.confidence_region(y, key=jax.random.key(number))
    row = {"seconds": time.perf_counter() - began}
    assert isinstance(post, nqjax.AveragedPosterior)
    for level in LEVELS:
        ends = {name: post.interval(name, level) for name in ("best", "sigma", "gamma")}
        curve = post.curve([times * cell.n for times in CURVES], level)
        ends |= {f"curve {t} n": (curve.low[i], curve.high[i]) for i, t in enumerate(CURVES)}
        for name, (low, high) in ends.items():
            row[f"{name} {round(100 * level)}"] = bool(low <= expected[name] <= high)
        low, high = ends["gamma"]  # the set of whole numbers
        row[f"gamma {round(100 * level)}"] = bool(round(low) <= cell.gamma <= round(high))
    row |= _places(post, expected, end)
    low, high = post.interval("best")
    row |= {"width": (high - low) / end, "bias": post.estimate("best") / end, "used": post.mean_used / cell.n}
    row |= {"told": bool(post.tells_parameters)}
    ten = expected["curve 10 n"]
    row |= {
        "curve error": float(post.curve(10 * cell.n).estimate - ten) / end,
        "best error": float(y.min() - ten) / end,
    }
    return row


def measure_profile(cell: Cell, number: int) -> dict[str, float]:
    """Return whether the intervals of the profile within one chosen threshold hold the best score, and their width."""
    end, sigma = place(cell)
    y = draw(np.random.default_rng(_seed(cell, number)), cell, end, sigma)
    row: dict[str, float] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for level in LEVELS:
            try:
                low, high = nqjax.confidence_region(y, method="profile", confidence=level).interval("alpha")
            except nqjax.InputError:
                continue
            row |= {f"profile {round(100 * level)}": bool(low <= 0 <= high), "profile width": (high - low) / end}
    return row


def _seed(cell: Cell, number: int) -> list[int]:
    return [11, cell.gamma, round(100 * cell.share), cell.n, round(1000 * cell.s), number]


def _places(post: nqjax.AveragedPosterior, expected: dict[str, float], end: float) -> dict[str, float]:
    """Return the shares of the draws below the truth, and quantiles of draws, from which other intervals follow."""
    curves = post.quantile_tuning_curves([expected["n"] * times for times in CURVES])
    draws = {"best": post.alpha, "sigma": post.sigma} | {f"curve {t} n": curves[..., i] for i, t in enumerate(CURVES)}
    row = {f"{name} place": float(np.mean(values < expected[name])) for name, values in draws.items()}
    row |= {f"gamma place {step:+}": float(np.mean(post.gamma < expected["gamma"] + step)) for step in (-0.5, 0.5)}
    for tail in TAILS:
        low, high = np.quantile(post.alpha, [tail, 1 - tail])
        row |= {f"width {tail}": float(high - low) / end, f"sigma {tail}": float(np.quantile(post.sigma, tail)) / end}
    return row


def rows_of(
    cell: Cell, count: int, measured: Callable[[Cell, int], dict[str, float]] = measure, name: str = "thresholds"
) -> list[dict[str, float]]:
    """Return the rows of a cell, from its file as far as it goes; it is written after every few more."""
    path = cache_folder(name) / f"{VERSION}-{cell.gamma}-{cell.share:g}-{cell.n}-{cell.s:g}.json"
    rows: list[dict[str, float]] = json.loads(path.read_text()) if path.exists() else []
    while len(rows) < count:
        more = range(len(rows), min(len(rows) + TOGETHER, count))
        found = dict(in_parallel(lambda i, _: (i, measured(cell, i)), more, jax.local_devices()))
        rows += [found[i] for i in more]
        path.write_text(json.dumps(rows))
    return rows[:count]


def main(*, quick: bool) -> None:
    """Print the table."""
    count = QUICK if quick else SEARCHES
    lines = []
    for cell in CELLS:
        rows = rows_of(cell, count)

        def share(name: str, rows: list[dict[str, float]] = rows) -> str:
            return " / ".join(
                f"{100 * np.mean([row[f'{name} {c}'] for row in rows if f'{name} {c}' in row]):.0f}" for c in (80, 95)
            )

        def column(name: str, rows: list[dict[str, float]] = rows) -> np.ndarray:
            return np.array([row[name] for row in rows if name in row])

        other = ""
        if cell in COMPARED:
            profiles = rows_of(cell, QUICK, measure_profile, "profiles")
            other = f"{share('profile', profiles)} ({np.median(column('profile width', profiles)):.2f})"
        bias = column("bias")
        errors = [math.sqrt(np.mean(column(name) ** 2)) for name in ("curve error", "best error")]
        lines.append(
            [
                f"{cell.gamma}, {100 * cell.share:.0f} %, {cell.n}, {cell.s:g}",
                f"{share('best')} ({np.median(column('width')):.2f})",
                other,
                f"{np.median(bias):+.2f}",
                share("sigma"),
                share("gamma"),
                *(share(f"curve {times} n") for times in CURVES),
                f"{errors[0]:.3f} / {errors[1]:.3f}",
                f"{np.mean(column('used')):.2f}",
                f"{100 * np.mean(~column('told').astype(bool)):.0f}",
                f"{np.median(column('seconds')):.2f} s",
            ]
        )
        print(" | ".join(lines[-1]), flush=True)
    header = [
        "gamma, regime, n, s",
        "best score: 80 / 95 (width)",
        "profile, chosen threshold",
        "median bias",
        "sigma",
        "gamma set",
        *(f"curve at {times} n" for times in CURVES),
        "error at 10 n: answer / best so far",
        "mean share",
        "too few, %",
        "time",
    ]
    table(f"Unknown threshold: coverage in per cent, {count} searches a cell", header, lines)
