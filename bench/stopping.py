"""Does a search that follows the stopping rule gain no more than it was promised by going on?

    python -m bench stopping [--quick]

Searches are those of ``python -m bench thresholds``, with known noise-free scores. The rule (`nqjax.may_stop`, risk
10 %) is asked after 20, 30, 45, 70, 100 and 150 trials, and the search stops when it first allows that. The promise is
broken if the next 50 trials gain more, noise-free, than what was called worth having: a quarter of the estimated sigma,
or 5 % of the regime's width. Finished cells are kept as by ``python -m bench thresholds``.
"""

import numpy as np

import nqjax
from bench.common import table
from bench.thresholds import Cell, draw_with_truth, place, rows_of

SEARCHES = 100
QUICK = 30

#: Numbers of trials after which the rule is asked, and of further trials.
LOOKS = (20, 30, 45, 70, 100, 150)
FURTHER = 50

#: What is worth having, in units of the regime's width; None for a quarter of sigma.
WORTHS = (None, 0.05)

CELLS = tuple(Cell(gamma, 0.6, LOOKS[-1], s) for gamma in (1, 2, 3) for s in (0.02, 0.1))


def measure(cell: Cell, number: int) -> dict[str, float]:
    """Return, for each worth, after how many trials the search stops (0 for never) and whether it lost more."""
    end, sigma = place(cell)
    seed = [37, cell.gamma, round(1000 * cell.s), number]
    v, y = draw_with_truth(np.random.default_rng(seed), cell, LOOKS[-1] + FURTHER, end, sigma)
    row: dict[str, float] = {}
    for look in LOOKS:
        answer = nqjax.fit(y[:look])
        for worth in WORTHS:
            if row.get(f"stopped {worth}"):
                continue
            rule = nqjax.may_stop(answer, FURTHER, worth=None if worth is None else worth * end)
            gain = v[np.argmin(y[:look])] - v[np.argmin(y[: look + FURTHER])]
            row[f"stopped {worth}"] = look if rule.stop else 0
            row[f"broken {worth}"] = bool(rule.stop and gain > rule.worth)
    return row


def main(*, quick: bool) -> None:
    """Print the table."""
    count = QUICK if quick else SEARCHES
    lines = []
    for cell in CELLS:
        rows = rows_of(cell, count, measure, "stopping")
        line = [f"{cell.gamma}, {cell.s:g}"]
        for worth in WORTHS:
            stopped = np.array([row[f"stopped {worth}"] for row in rows])
            broken = np.array([row[f"broken {worth}"] for row in rows])[stopped > 0]
            after = f"{np.median(stopped[stopped > 0]):.0f}" if len(broken) else ""
            line += [f"{100 * np.mean(stopped > 0):.0f}", after, f"{broken.sum()} of {len(broken)}"]
        lines.append(line)
        print(" | ".join(lines[-1]), flush=True)
    header = ["gamma, s"]
    for name in ("a quarter of sigma", "5 % of the width"):
        header += [f"{name}: stopped, %", "after (median)", "gained more"]
    table(f"The stopping rule, {count} searches a cell", header, lines)
