"""The picture of what partial trainings tell of whole ones."""

from typing import TYPE_CHECKING

import numpy as np

from nqjax.analysis.fidelity import FidelityReport
from nqjax.plots.drawing import cannot_draw, one_axes, say_number
from nqjax.plots.drawn import Drawn
from nqjax.plots.style import BLUE, GREY, ORANGE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: How far the two kinds of trials are drawn from each other, in per cent of the training.
_APART = 0.8


def fidelity(report: FidelityReport, *, ax: "Axes | None" = None) -> Drawn:
    """Draw rank correlations of partial with whole trainings: over all trials, and among the best.

    Parameters
    ----------
    report : FidelityReport
        From `nqjax.fidelity_report`.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Drawn
        The axes; artists ``all`` and ``best``, containers of error bars.

    Raises
    ------
    InputError
        Matplotlib is missing, or something else was given.

    Examples
    --------
    >>> import numpy as np
    >>> import nqjax
    >>> rng = np.random.default_rng(0)
    >>> curves = [end + rate * np.exp(-np.arange(1, 21) / 4) for end, rate in rng.random((80, 2))]
    >>> drawn = nqjax.plots.fidelity(nqjax.fidelity_report(curves, minimize=True))
    >>> drawn.ax.get_xlabel(), sorted(drawn.artists)
    ('share of the training (%)', ['all', 'best'])
    """
    if not isinstance(report, FidelityReport):
        raise cannot_draw("fidelity", report, "the result of nqjax.fidelity_report")
    axes = one_axes(ax)
    share = 100 * report.fractions
    kinds = {
        "all": (report.correlation, report.lower, report.upper, BLUE, f"all {report.num_trials:,} trials", -_APART),
        "best": (
            *(report.best_correlation, report.best_lower, report.best_upper),
            *(ORANGE, f"the best {report.num_best:,} in the end", _APART),
        ),
    }
    drawn = {}
    for name, (middle, low, high, color, label, shift) in kinds.items():
        known = np.isfinite(middle)
        ends = np.abs([(middle - low)[known], (high - middle)[known]])
        drawn[name] = axes.errorbar(
            share[known] + shift, middle[known], yerr=ends, fmt="o-", color=color, capsize=3, markersize=4, label=label
        )
    axes.axhline(0, color=GREY, linewidth=0.8)
    axes.set(xlim=(0, 100), xlabel="share of the training (%)", ylabel="rank correlation with the end")
    axes.set_ylim(min(-0.05, axes.get_ylim()[0]), 1.05)
    axes.legend(loc="lower right", framealpha=0.8, edgecolor="none", fontsize="small")
    say_number(axes, report.num_trials)
    return Drawn(axes, drawn)
