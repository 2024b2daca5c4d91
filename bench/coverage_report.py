"""The tables and the picture of the coverage study."""

import itertools
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bench.common import table

LEVELS = (0.8, 0.95)
THRESHOLDS = ("known", "auto")
QUANTITIES = ("alpha", "gamma", "curve at 2n", "curve at 10n")
METHODS = ("profile", "bootstrap", "consonance", "posterior")
_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7")
#: Positions in `QUANTITIES` of those with a column of median widths.
_WIDTHS = (0, 2, 3)
_WORDS = {"known": "the true threshold", "auto": "the threshold that find_regime chooses"}
Part = dict[str, Any]


class Cell(NamedTuple):
    gamma: int
    s: float
    n: int

    @property
    def name(self) -> str:
        return f"gamma {self.gamma}, s {self.s:g}, n {self.n}"


Parts = dict[tuple[str, Cell], list[Part]]


class Found(NamedTuple):
    """Coverage and widths of one cell, at one level."""

    searches: int
    covered: np.ndarray  # (quantities,), shares
    width: np.ndarray  # (quantities,), medians; infinite where there is no end


def tables(parts: Parts, size: int) -> None:
    """Print the thresholds found and, a row for each method and n, what the intervals hold; then every cell."""
    _thresholds(parts, size)
    settings = list(itertools.product(THRESHOLDS, enumerate(LEVELS)))
    for threshold, (j, level) in settings:
        rows = []
        for method, n in itertools.product(METHODS, sorted({cell.n for _, cell in parts})):
            found = [
                _found(parts, size, method, cell, threshold, j) for _, cell in parts if _ == method and cell.n == n
            ]
            found = [one for one in found if one is not None]
            if found:
                rows.append([method, str(n), str(len(found)), str(min(one.searches for one in found)), *_over(found)])
        head = ["method", "n", "cells", "searches", *QUANTITIES, *(f"width, {QUANTITIES[i]}" for i in _WIDTHS)]
        table(f"Confidence {level:g}, {_WORDS[threshold]}: coverage in %, mean (lowest) over cells", head, rows)
    for method in METHODS:
        rows = []
        for name, cell in parts:
            if name == method:
                found = [_found(parts, size, method, cell, threshold, j) for threshold, (j, _) in settings]
                rows.append([cell.name, *(_shares(one) for one in found)])
        head = [f"{level:g}, {threshold}" for threshold, (_, level) in settings]
        table(f"{method}: coverage in % of {', '.join(QUANTITIES)}", ["cell", *head], rows)


def _thresholds(parts: Parts, size: int) -> None:
    rows = []
    for (name, cell), chunks in parts.items():
        if name == "regimes":
            shares = [100 * float(np.mean([one[key] for one in chunks])) for key in ("too large", "none")]
            used = float(np.mean([one["used"] for one in chunks]))
            rows.append([cell.name, str(size * len(chunks)), *(f"{x:.0f}" for x in (*shares, used))])
    table("Thresholds found", ["cell", "searches", "beyond the regime, %", "none, %", "scores used"], rows)


def _found(parts: Parts, size: int, method: str, cell: Cell, threshold: str, j: int) -> Found | None:
    chunks = [chunk[threshold] for chunk in parts[method, cell] if chunk[threshold]["answers"]]
    if not chunks:
        return None
    count = sum(chunk["answers"] for chunk in chunks)
    covered = np.sum([chunk["covered"] for chunk in chunks], axis=0)[j] / count
    width = np.nanmedian(np.concatenate([np.array(chunk["width"]) for chunk in chunks])[:, j], axis=0)
    if method == "consonance" and threshold == "known":
        # A region that holds the true parameters holds all quantities that follow from them.
        regimes = parts["regimes", cell]
        count = size * len(regimes)
        covered = np.full(len(QUANTITIES), sum(one["member"][j] for one in regimes) / count)
    return Found(count, covered, width)


def _over(found: list[Found]) -> list[str]:
    covered = 100 * np.array([one.covered for one in found])
    widths = np.median([one.width for one in found], axis=0)
    shares = [f"{column.mean():.0f} ({column.min():.0f})" for column in covered.T]
    return [*shares, *(f"{widths[i]:.2g}" for i in _WIDTHS)]


def _shares(found: Found | None) -> str:
    return "" if found is None else " ".join(f"{100 * share:.0f}" for share in found.covered)


def figure(parts: Parts, size: int, path: Path) -> None:
    """Draw the coverage of every cell as a dot, and the promised one as a line."""
    from matplotlib.figure import Figure

    picture = Figure(figsize=(9.6, 6.4), dpi=110, layout="constrained")
    axes = picture.subplots(len(LEVELS), len(THRESHOLDS), sharey="row")
    there = {name for name, _ in parts}
    methods = [(method, color) for method, color in zip(METHODS, _COLORS, strict=True) if method in there]
    for (j, level), (k, threshold) in itertools.product(enumerate(LEVELS), enumerate(THRESHOLDS)):
        ax = axes[j, k]
        for m, (method, color) in enumerate(methods):
            found = [_found(parts, size, method, cell, threshold, j) for name, cell in parts if name == method]
            covered = np.array([one.covered for one in found if one is not None]).reshape(-1, len(QUANTITIES))
            spread = np.linspace(-0.08, 0.08, len(covered))[:, None]
            places = np.arange(len(QUANTITIES)) + 0.22 * (m - (len(methods) - 1) / 2) + spread
            ax.plot(places.ravel(), 100 * covered.ravel(), ".", color=color, alpha=0.7, label=method)
        ax.axhline(100 * level, color="#8C8C8C", linestyle="--", label="promised")
        ax.set_xticks(range(len(QUANTITIES)), QUANTITIES)
        ax.set_title(f"confidence {level:g}, {_WORDS[threshold]}", fontsize="medium")
        if k == 0:
            ax.set_ylabel("coverage, %")
    picture.legend(*axes[0, 0].get_legend_handles_labels(), frameon=False, ncols=5, loc="outside lower center")
    picture.savefig(path)
    print(f"\nThe picture is {path}.")
