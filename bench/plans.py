"""Measure whether plans and comparisons by averaged answers hold.

    python -m bench plans [--quick]

Searches are those of `bench.thresholds`: the noisy quadratic inside a regime, other scores beyond it. Three tables:
whether the intervals of the next trials' chances and of numbers of trials hold the true ones; how the interval of the
tuning curve narrows with the number of trials; and how often two halves of one search are said to differ.
"""

import math
import warnings
from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np

import nqjax
from bench.common import column, table
from bench.thresholds import Cell, draw, place
from nqjax.data import digits_mlp_path
from nqjax.report.comparison import BETTER
from nqjax.trials import read_scores

#: Searches of a cell.
SEARCHES = 100
QUICK = 20

CELLS = (
    Cell(2, 0.2, 48),
    Cell(2, 0.6, 48),
    Cell(3, 0.35, 128),
    Cell(1, 0.6, 48),
    Cell(2, 0.2, 128),
)

#: Sizes of searches whose widths are compared, and the number of trials at which.
SIZES = (48, 96, 192, 384, 768)
AT = (24, 48, 200, 480)
WIDTHS = (Cell(1, 0.6, 768), Cell(2, 0.6, 768), Cell(2, 0.2, 768), Cell(3, 0.35, 768), Cell(2, 0.6, 768, 0.4))

#: The score to reach is the median best score of this many times the trials of the search.
TIMES = 4
PROBABILITY = 0.9


class Plan(NamedTuple):
    """A plan for one search, and whether what it says holds."""

    again: float  # probability that as many trials again are better
    again_holds: bool  # whether its interval holds the true probability
    count_holds: bool
    out_of_reach: bool
    error: float  # logarithm of the number of trials, relative to the true one


def plan(cell: Cell, number: int) -> Plan:
    """Plan for one search whose law is known."""
    end, sigma = place(cell)
    y = draw(np.random.default_rng([12, cell.gamma, round(100 * cell.share), cell.n, number]), cell, end, sigma)
    with jax.enable_x64(True):
        law = nqjax.NoisyQuadratic(0.0, 1.0, float(cell.gamma), sigma)
        score = float(law.quantile_tuning_curve(TIMES * cell.n))
        expected = -math.expm1(cell.n * math.log1p(-float(law.cdf(float(y.min())))))
    truth = float(nqjax.required_trials(law, score=score, probability=PROBABILITY))
    post = averaged(y)
    gains = nqjax.expected_gains(post, cell.n)
    assert gains.intervals is not None
    low, high = gains.intervals.probability
    count = float(nqjax.required_trials(post, score=score, probability=PROBABILITY))
    first, last = nqjax.required_trials_interval(post, score=score, probability=PROBABILITY)
    holds = bool(first <= truth <= last)
    return Plan(
        float(gains.probability), bool(low <= expected <= high), holds, math.isinf(count), math.log(count / truth)
    )


def averaged(y: np.ndarray, *, maximize: bool = False, key: int = 0) -> nqjax.AveragedPosterior:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        post = nqjax.confidence_region(y, maximize=maximize, key=jax.random.key(key))
    assert isinstance(post, nqjax.AveragedPosterior)
    return post


def plans(count: int) -> None:
    lines = []
    for cell in CELLS:
        rows = [plan(cell, i) for i in range(count)]
        errors = np.array([row.error for row in rows if not row.out_of_reach])
        lines.append(
            [
                f"{cell.gamma}, {100 * cell.share:.0f} %, {cell.n}, {cell.s:g}",
                f"{100 * np.mean([row.again for row in rows]):.0f}",
                f"{100 * np.mean([row.again_holds for row in rows]):.0f}",
                f"{100 * np.mean([row.count_holds for row in rows]):.0f}",
                f"{math.exp(np.median(errors)):.2f} ({math.exp(np.sqrt(np.mean(errors**2))):.1f})",
                f"{100 * np.mean([row.out_of_reach for row in rows]):.0f}",
            ]
        )
        print(" | ".join(lines[-1]), flush=True)
    header = [
        *("gamma, regime, n, s", "as many again are better, % (50)", "its 95 % interval", "95 % interval of the count"),
        *("count / true one, where given (spread)", "out of reach, %"),
    ]
    table(f"Plans by averaged answers, {count} searches a cell", header, lines)


def widths(count: int) -> None:
    lines = []
    for cell in WIDTHS:
        end, sigma = place(cell)
        found = np.empty((count, len(SIZES), len(AT)))
        for number in range(count):
            y = draw(np.random.default_rng([13, cell.gamma, round(100 * cell.share), number]), cell, end, sigma)
            for i, n in enumerate(SIZES):
                curve = averaged(y[:n]).curve(AT)
                found[number, i] = (curve.high - curve.low) / end
        middle = np.median(found, axis=0)
        powers = np.log(middle[0] / middle[-1]) / math.log(SIZES[-1] / SIZES[0])
        lines.append(
            [
                f"{cell.gamma}, {100 * cell.share:.0f} %, {cell.s:g}",
                *(f"{', '.join(f'{w:.2f}' for w in row)}" for row in middle),
                ", ".join(f"{p:.2f}" for p in powers),
            ]
        )
        print(" | ".join(lines[-1]), flush=True)
    header = ["gamma, regime, s", *(f"n = {n}" for n in SIZES), "power of n"]
    table(f"Widths of 95 % intervals of the curve at {', '.join(map(str, AT))} trials", header, lines)


def searches() -> "dict[str, tuple[Callable[[np.random.Generator], np.ndarray], bool]]":
    """Return searches to be halved, as functions of a generator, and whether they are maximised."""

    def simulated(cell: Cell) -> "Callable[[np.random.Generator], np.ndarray]":
        return lambda rng: draw(rng, cell, *place(cell))

    found = {
        f"gamma {c.gamma}, {100 * c.share:.0f} %, n = {c.n}": (simulated(c), False)
        for c in (Cell(2, 0.2, 96), Cell(1, 0.6, 96), Cell(3, 0.35, 256))
    }
    found["digits_mlp"] = (lambda _: read_scores(digits_mlp_path(), "val_loss"), False)
    for file, metric in (("convnext_tiny_imagenet", "top_1"), ("deberta_v3_multinli", "accuracy_matched")):
        found[file] = (lambda _, file=file, metric=metric: column(f"{file}.csv", metric), True)
    return found


def halves(count: int) -> None:
    """Print how often random halves of a search are said to differ, at the number of trials of a half."""
    lines = []
    for name, (make, maximize) in searches().items():
        sure = []
        for number in range(count):
            rng = np.random.default_rng([14, number])
            y = rng.permutation(make(rng))
            size = len(y) // 2
            posts = [averaged(part, maximize=maximize, key=i) for i, part in enumerate((y[:size], y[size:]))]
            share = float(nqjax.compare(*posts, size).probability_median)
            sure.append(max(share, 1 - share))
        lines.append([name, *(f"{np.sum(np.array(sure) >= level)} of {count}" for level in (BETTER, 0.975, 0.9))])
        print(" | ".join(lines[-1]), flush=True)
    table("Halves that are said to differ", ["search", f"at {BETTER:g}, as said", "at 0.975", "at 0.9"], lines)


def main(*, quick: bool) -> None:
    """Print the tables."""
    plans(QUICK if quick else SEARCHES)
    widths(QUICK // 2 if quick else QUICK)
    halves(QUICK if quick else SEARCHES)
