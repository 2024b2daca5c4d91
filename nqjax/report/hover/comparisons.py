"""Values in pictures that compare: several studies, methods of search, and parts of the training."""

from typing import TYPE_CHECKING

import numpy as np

from nqjax.report.hover.picture import Area, strips
from nqjax.report.hover.words import counted, cut, shown
from nqjax.runtime.text import percent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from nqjax.analysis.fidelity import FidelityReport
    from nqjax.analysis.study_comparison import StudyComparison
    from nqjax.analysis.worth import Worth
    from nqjax.plots.drawn import Drawn


def study_areas(found: "StudyComparison") -> "Callable[[Drawn], list[Area]]":
    """Return the areas of several tuning curves: one for each budget, with all studies that are known there."""
    curves = found.curves

    def areas(drawn: "Drawn") -> list[Area]:
        texts = []
        for place, budget in enumerate(curves.budgets):
            unit = counted(budget) if found.costs is None else f"{cut(found.unit)} {shown(budget)}"
            lines = [
                f"{cut(name)}: {shown(curves.estimate[i, place])} ({shown(curves.low[i, place])} to "
                f"{shown(curves.high[i, place])})"
                for i, name in enumerate(found.names)
                if curves.known[i, place]
            ]
            texts.append("\n".join([unit, *(lines or ["no study is known here"])]))
        return strips(drawn.ax, np.asarray(curves.budgets, np.float64), texts)

    return areas


def worth_areas(found: "Mapping[str, Worth]") -> "Callable[[Drawn], list[Area]]":
    """Return the areas of what methods are worth: one for each number of trials, with all methods."""
    every = np.unique(np.concatenate([one.at for one in found.values()]))
    unit = next(iter(found.values())).unit

    def areas(drawn: "Drawn") -> list[Area]:
        texts = []
        for count in every:
            lines = [f"after {counted(count)}" if unit == "trials" else f"at a cost of {shown(count)} {unit}"]
            for name, one in found.items():
                for place in np.flatnonzero(one.at == count):
                    ends = [one.number(float(end[place])) or "beyond the baseline" for end in (one.lower, one.upper)]
                    middle = one.number(float(one.estimate[place])) or "beyond the baseline"
                    lines.append(f"{cut(name)}: worth {middle} ({ends[0]} to {ends[1]})")
            texts.append("\n".join(lines))
        return strips(drawn.ax, every.astype(np.float64), texts)

    return areas


def fidelity_areas(report: "FidelityReport") -> "Callable[[Drawn], list[Area]]":
    """Return the areas of rank correlations: one for each share of the training."""
    texts = []
    for place, share in enumerate(report.fractions):
        lines = [f"after {percent(share)} of the training"]
        for name, middle, low, high in (
            ("all trials", report.correlation, report.lower, report.upper),
            ("the best", report.best_correlation, report.best_lower, report.best_upper),
        ):
            if np.isfinite(middle[place]):
                lines.append(f"{name}: {middle[place]:.2f} ({low[place]:.2f} to {high[place]:.2f})")
        texts.append("\n".join(lines))

    def areas(drawn: "Drawn") -> list[Area]:
        return strips(drawn.ax, 100 * np.asarray(report.fractions, np.float64), texts)

    return areas
