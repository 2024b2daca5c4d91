"""Reruns of the best trial, and gains of more trials: what `nqjax analyze` says against what simulated searches do.

    python -m bench reruns [--quick]

The searches are those of `python -m bench thresholds`, whose noise-free scores are known. The error is that of the
expected rerun of the best trial, in units of sigma, next to that of its own score. Intervals of the best score, of one
rerun, of the noise-free score and of the gain of 50 more trials should hold at their rates. The probability that the
ranking gives to its truly best trial should on average be what the ranking expects. Finished searches are kept in
``$NQJAX_BENCH_CACHE`` (default ``build/bench``).
"""

import numpy as np

import nqjax
from bench.common import table
from bench.thresholds import Cell, draw_with_truth, place, rows_of

SEARCHES = 200
QUICK = 40

#: Number of further trials.
FURTHER = 50

CELLS = tuple(
    Cell(gamma, share, n, s) for gamma in (1, 2, 4) for s in (0.02, 0.1) for n in (32, 128) for share in (0.2, 0.6)
)


def measure(cell: Cell, number: int) -> dict[str, float]:
    """Return errors in units of sigma, and whether intervals hold, for one search."""
    end, sigma = place(cell)
    seed = [19, cell.gamma, round(100 * cell.share), cell.n, round(1000 * cell.s), number]
    rng = np.random.default_rng(seed)
    v, y = draw_with_truth(rng, cell, cell.n + FURTHER, end, sigma)
    post = nqjax.confidence_region(y[: cell.n])
    assert isinstance(post, nqjax.AveragedPosterior)
    ranked = {level: nqjax.rank_trials(post, confidence=level / 100) for level in (80, 95)}
    wide = ranked[95]
    first = int(wide.index[0])
    again, score = v[first] + sigma * rng.normal(), y[first]
    gain = v[first] - v[int(np.argmin(y))]
    row = {
        "error": float(wide.rerun[0] - v[first]) / sigma,
        "error as shown": float(score - v[first]) / sigma,
        "sigma": post.estimate("sigma") / sigma,
        "probability of the best": float(wide.probability_best[np.argmin(v[wide.index])]),
        "probability expected": float(np.sum(wide.probability_best**2)),
        "told": bool(post.tells_parameters),
        "gain": float(gain) / sigma,
    }
    slack = 1e-9 * sigma
    for level, one in ranked.items():
        low, high = post.interval("best", level / 100)
        row[f"best {level}"] = bool(low <= 0 <= high)
        row[f"rerun {level}"] = bool(one.rerun_low[0] <= again <= one.rerun_high[0])
        row[f"noise-free {level}"] = bool(one.noise_free_low[0] <= v[first] <= one.noise_free_high[0])
        gains = nqjax.next_trials(post, FURTHER, confidence=level / 100)
        row[f"gain {level}"] = bool(float(gains.kept_low) - slack <= gain <= float(gains.kept_high) + slack)
    return row | {"expected gain": float(gains.kept) / sigma}


def line_of(cell: Cell, rows: list[dict[str, float]]) -> list[str]:
    """Return the cells of the table's row of one kind of search."""
    mean = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
    shares = [f"{100 * mean[f'{x} 80']:.0f} / {100 * mean[f'{x} 95']:.0f}" for x in WHAT]
    return [
        f"{cell.gamma}, {100 * cell.share:.0f} %, {cell.n}, {cell.s:g}",
        f"{mean['error']:+.2f} ({mean['error as shown']:+.2f})",
        f"{np.median([row['error'] for row in rows]):+.2f}",
        *shares,
        f"{100 * mean['probability of the best']:.0f} / {100 * mean['probability expected']:.0f}",
        f"{100 * (1 - mean['told']):.0f}",
    ]


#: What has intervals.
WHAT = ("best", "rerun", "noise-free", "gain")


def main(*, quick: bool) -> None:
    """Print the table."""
    count = QUICK if quick else SEARCHES
    lines, everything = [], []
    for cell in CELLS:
        rows = rows_of(cell, count, measure, "reruns")
        lines.append(line_of(cell, rows))
        everything += rows
        print(" | ".join(lines[-1]), flush=True)
    header = [
        "gamma, regime, n, s",
        "mean error of the rerun, sigma (as shown)",
        "median error",
        *("best score: 80 / 95", "rerun: 80 / 95", "noise-free: 80 / 95", "gain of 50: 80 / 95"),
        *("P(best) of the best / expected, %", "too few, %"),
    ]
    table(f"Reruns of the best trial, {count} searches a cell", header, lines)
    told = [row for row in everything if row["told"]]
    for name, rows in (("all searches", everything), ("searches that tell the parameters", told)):
        shares = [
            f"{x} {100 * np.mean([r[f'{x} 80'] for r in rows]):.1f} / {100 * np.mean([r[f'{x} 95'] for r in rows]):.1f}"
            for x in WHAT
        ]
        print(f"{name} ({len(rows)}): " + ", ".join(shares))
