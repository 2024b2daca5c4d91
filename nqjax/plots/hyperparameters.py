"""Scores against each hyperparameter."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nqjax.plots.posterior import plain
from nqjax.plots.style import BLUE, GREY, ORANGE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from nqjax.trials.study import StudyTable

#: Most hyperparameters of a picture, and most categories that are named on an axis.
MOST = 8
_MOST_CATEGORIES = 12

#: Positive values that span more than this factor have a logarithmic axis.
_WIDE = 50.0

#: Scores worse than this quantile lie outside the picture: losses of failed runs may be far off.
_SHOWN_SHARE = 0.9


def draw_hyperparameters(
    figure: "Figure", study: "StudyTable", names: Sequence[str], minimize: bool, limits: tuple[float, float]
) -> None:
    """Draw the scores against each hyperparameter, those of the regime in another colour."""
    columns = min(2, len(names))
    rows = (len(names) + columns - 1) // columns
    axes = figure.subplots(rows, columns, squeeze=False)
    for ax, name in zip(axes.ravel(), names, strict=False):
        _draw(ax, study, name, minimize, limits)
    for ax in axes.ravel()[len(names) :]:
        ax.set_visible(False)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3, frameon=False, fontsize="small")


def _draw(ax: "Axes", study: "StudyTable", name: str, minimize: bool, limits: tuple[float, float]) -> None:
    y, values = study.scores, study.config[name]
    known = np.isfinite(y)
    inside = known & (y >= limits[0]) & (y <= limits[1])
    if np.issubdtype(values.dtype, np.number):
        x = values.astype(float)
        if np.nanmin(x) > 0 and np.nanmax(x) > _WIDE * np.nanmin(x):
            ax.set_xscale("log")
    else:
        texts = values.astype(str)
        different, x = np.unique(texts, return_inverse=True)
        x = x + np.random.default_rng(0).uniform(-0.2, 0.2, len(x))
        shown = different[:_MOST_CATEGORIES]
        ax.set_xticks(range(len(shown)), [plain(str(text)[:12]) for text in shown], rotation=30, ha="right")
    ax.plot(x[known & ~inside], y[known & ~inside], ".", color=GREY, markersize=3, label="other trials")
    ax.plot(x[inside], y[inside], ".", color=BLUE, markersize=4, label="near the optimum")
    best = np.argmin(np.where(known, y if minimize else -y, np.inf))
    ax.plot(x[best], y[best], "*", color=ORANGE, markersize=9, label="best score")
    ends = np.quantile(y[known], [0.0, _SHOWN_SHARE] if minimize else [1 - _SHOWN_SHARE, 1.0])
    room = 0.05 * (ends[1] - ends[0]) or 1.0
    ax.set(xlabel=plain(name[:40]), ylabel=plain(study.metric[:40]), ylim=(ends[0] - room, ends[1] + room))
