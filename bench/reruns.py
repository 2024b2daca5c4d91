"""Reruns of the best trial, and gains of more trials: what `nqjax analyze` says against what simulated searches do.

    python -m bench reruns [--quick]

The searches are those of `python -m bench thresholds`, whose noise-free scores are known. The error is that of the
expected rerun of the best trial, in units of sigma, next to that of its own score. Intervals of one rerun, of the
noise-free score and of the gain of 50 more trials should hold at their rates. The probability that the ranking gives to
its truly best trial should on average be what the ranking expects.
"""

import jax
import numpy as np

import nqjax
from bench.common import table
from bench.thresholds import Cell, draw_with_truth, place
from nqjax.runtime.parallel import in_parallel

SEARCHES = 200
QUICK = 40

#: Number of further trials.
FURTHER = 50

CELLS = tuple(
    Cell(gamma, share, n, s) for gamma in (1, 2, 4) for s in (0.02, 0.1) for n in (32, 128) for share in (0.2, 0.6)
)


def measure(cell: Cell, number: int) -> list[float]:
    """Return errors, and whether intervals hold, for one search."""
    end, sigma = place(cell)
    seed = [19, cell.gamma, round(100 * cell.share), cell.n, round(1000 * cell.s), number]
    rng = np.random.default_rng(seed)
    v, y = draw_with_truth(rng, cell, cell.n + FURTHER, end, sigma)
    post = nqjax.confidence_region(y[: cell.n])
    wide, narrow = (nqjax.rank_trials(post, confidence=share) for share in (0.95, 0.8))
    first = int(wide.index[0])
    again, score = v[first] + sigma * rng.normal(), y[first]
    gain = v[first] - v[int(np.argmin(y))]
    next_ones = nqjax.next_trials(post, FURTHER)
    slack = 1e-9 * sigma
    return [
        (wide.rerun[0] - v[first]) / sigma,
        (score - v[first]) / sigma,
        narrow.rerun_low[0] <= again <= narrow.rerun_high[0],
        wide.rerun_low[0] <= again <= wide.rerun_high[0],
        narrow.noise_free_low[0] <= v[first] <= narrow.noise_free_high[0],
        wide.noise_free_low[0] <= v[first] <= wide.noise_free_high[0],
        float(wide.probability_best[np.argmin(v[wide.index])]),
        float(np.sum(wide.probability_best**2)),
        float(next_ones.kept_low) - slack <= gain <= float(next_ones.kept_high) + slack,
        float(post.tells_parameters),
    ]


def main(*, quick: bool) -> None:
    """Print the table."""
    count = QUICK if quick else SEARCHES
    lines = []
    for cell in CELLS:
        found = dict(in_parallel(lambda i, _, cell=cell: (i, measure(cell, i)), range(count), jax.local_devices()))  # type: ignore[misc]
        m = np.mean(np.array([found[i] for i in range(count)], float), axis=0)
        lines.append(
            [
                f"{cell.gamma}, {100 * cell.share:.0f} %, {cell.n}, {cell.s:g}",
                f"{m[0]:+.2f} ({m[1]:+.2f})",
                f"{100 * m[2]:.0f} / {100 * m[3]:.0f}",
                f"{100 * m[4]:.0f} / {100 * m[5]:.0f}",
                f"{100 * m[6]:.0f} / {100 * m[7]:.0f}",
                f"{100 * m[8]:.0f}",
                f"{100 * (1 - m[9]):.0f}",
            ]
        )
        print(" | ".join(lines[-1]), flush=True)
    header = [
        "gamma, regime, n, s",
        "error of the rerun (as shown)",
        "rerun: 80 / 95",
        "noise-free: 80 / 95",
        "P(best) of the best / expected, %",
        "gain of 50: 80",
        "too few, %",
    ]
    table(f"Reruns of the best trial, {count} searches a cell", header, lines)
