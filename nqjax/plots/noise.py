"""The picture of the noise of retrained configurations."""

import math
from typing import TYPE_CHECKING

import numpy as np

from nqjax.plots.style import BLUE, GREY, ORANGE, new_figure
from nqjax.runtime.text import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from nqjax.checks.noise import NoiseDiagnostics


def plot_noise(
    diagnostics: "NoiseDiagnostics", *, name: str = "score", axes: "tuple[Axes, Axes] | None" = None
) -> "tuple[Axes, Axes]":
    """Draw the normal Q-Q plot of the residuals with its band, and the standard deviations over the mean scores.

    Parameters
    ----------
    diagnostics : NoiseDiagnostics
        The result of `nqjax.noise_diagnostics`.
    name : str
        The score's name, for the axes.
    axes : pair of matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    pair of matplotlib.axes.Axes

    Raises
    ------
    InputError
        Matplotlib is missing.

    Examples
    --------
    >>> import numpy as np
    >>> import nqjax
    >>> runs = {"config": np.repeat([1, 2, 3], 16), "loss": np.random.default_rng(0).normal(0.1, 0.01, 48)}
    >>> left, right = nqjax.plot_noise(nqjax.noise_diagnostics(runs, "config", "loss"), name="loss")
    >>> right.get_xlabel()
    'mean loss'
    """
    left, right = new_figure((9.6, 4.2)).subplots(1, 2) if axes is None else axes
    _draw_qq(left, diagnostics)
    _draw_spreads(right, diagnostics, name)
    return left, right


def _draw_qq(ax: "Axes", diagnostics: "NoiseDiagnostics") -> None:
    qq, confidence = diagnostics.qq, percent(1 - diagnostics.level)
    if len(qq.residuals):
        reach = 1.1 * max(3.0, *np.abs(qq.residuals[[0, -1]]))
        # The extreme residuals have no bound on one side: there, the band reaches to the end of the picture.
        low, high = np.clip(qq.low, -reach, reach), np.clip(qq.high, -reach, reach)
        ax.fill_between(qq.theoretical, low, high, color=BLUE, alpha=0.2, linewidth=0, label=f"{confidence} band")
        ax.plot(qq.theoretical, qq.theoretical, color=GREY, linewidth=1, label="normal")
        ax.plot(qq.theoretical, qq.residuals, "o", color=BLUE, markersize=3, label="residuals")
        ax.set_ylim(-reach, reach)
        ax.legend(frameon=False, fontsize="small")
    ax.set(xlabel="normal quantile", ylabel="studentised residual")


def _draw_spreads(ax: "Axes", diagnostics: "NoiseDiagnostics", name: str) -> None:
    confidence = percent(1 - diagnostics.level)
    if math.isfinite(diagnostics.sigma):
        ax.axhspan(*diagnostics.sigma_interval, color=ORANGE, alpha=0.2, linewidth=0)
        ax.axhline(diagnostics.sigma, color=ORANGE, label=f"pooled sigma, {confidence}")
    for used, color, label in ((True, BLUE, f"in the regime, {confidence} each"), (False, GREY, "not judged")):
        rows = [row for row in diagnostics.configurations if row.used == used and math.isfinite(row.sd)]
        if rows:
            sds = np.array([row.sd for row in rows])
            ends = np.array([row.sd_interval for row in rows])
            bars = np.abs(ends - sds[:, None]).T
            ax.errorbar([row.mean for row in rows], sds, bars, fmt="o", color=color, markersize=4, label=label)
    worse = diagnostics.limits[1 if diagnostics.minimize else 0]
    if math.isfinite(worse):
        ax.axvline(worse, color=GREY, linestyle="--", linewidth=1, label="threshold")
    ax.set(xlabel=f"mean {name}", ylabel=f"standard deviation of {name}")
    ax.set_ylim(0, 1.3 * ax.get_ylim()[1])  # room for the legend
    if ax.get_legend_handles_labels()[0]:
        ax.legend(frameon=False, fontsize="small")
