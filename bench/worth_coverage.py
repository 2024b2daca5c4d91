"""Coverage of `nqjax.worth`: random search against itself must be worth its own number of trials.

    python -m bench worth_coverage [--quick]

Scores are uniform, which is no restriction: only their order counts.
"""

import numpy as np

import nqjax
from bench.common import table
from nqjax.types import Floats

SIMULATIONS = 1000
QUICK = 200

BUDGETS = (5, 10, 20, 50, 100)

#: Searches in a simulation, and random trials of the baseline; None: its distribution is known.
KINDS = ((20, None), (50, None), (200, None), (50, 1024), (200, 1024))


class _Uniform:
    """Scores of random trials are uniform."""

    def cdf(self, y: Floats) -> Floats:
        return np.clip(y, 0.0, 1.0)


def main(*, quick: bool) -> None:
    """Print the table."""
    count = QUICK if quick else SIMULATIONS
    lines = []
    for searches, baseline in KINDS:
        rng = np.random.default_rng([17, searches, baseline or 0])
        held, width = [], []
        for _ in range(count):
            reference = _Uniform() if baseline is None else rng.uniform(size=baseline)
            found = nqjax.worth(rng.uniform(size=(searches, BUDGETS[-1])), reference, BUDGETS, minimize=True)
            held.append(bool(np.all((found.lower <= found.at) & (found.at <= found.upper))))
            width.append(found.upper / found.lower)
        known = "known" if baseline is None else f"{baseline:,} trials"
        ratios = ", ".join(f"{one:.2g}" for one in np.median(width, axis=0))
        lines.append([f"{searches}", known, f"{100 * np.mean(held):.1f}", ratios])
        print(" | ".join(lines[-1]), flush=True)
    header = ["searches", "baseline", "intervals hold at all five budgets, %", "upper / lower end, at each budget"]
    table(f"Random search against itself after {BUDGETS} trials, {count} simulations", header, lines)
