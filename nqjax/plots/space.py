"""The picture of the scores against each hyperparameter."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nqjax.analysis.record import Analysis
from nqjax.errors import InputError
from nqjax.plots.drawing import cannot_draw, say_number, several_axes
from nqjax.plots.drawn import Drawn
from nqjax.plots.style import BLUE, GREY, ORANGE, new_figure, plain
from nqjax.trials.study import StudyTable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Most hyperparameters of a picture, and most categories that are named on an axis.
MOST = 8
_MOST_CATEGORIES = 12

#: Positive values have a logarithmic axis if they span more than this factor, and half of them are below this share of
#: the largest one: half of uniform values are below half of it, however small the smallest one is.
_WIDE = 50.0
_LOW_SHARE = 0.25

#: More points than this are an image within the picture, which would be large otherwise.
_MOST_SHAPES = 300

#: Scores worse than this quantile lie outside the picture: losses of failed runs may be far off.
_SHOWN_SHARE = 0.9


def hyperparameters(
    result: Any,
    names: Sequence[str] | None = None,
    *,
    name: str | None = None,
    limits: tuple[float, float] | None = None,
    ax: "Axes | Sequence[Axes] | None" = None,
) -> Drawn:
    """Draw the scores against each hyperparameter, those of the regime in another colour.

    The worst tenth of the scores is left out of the picture.

    Parameters
    ----------
    result : Analysis or StudyTable
        From `nqjax.analyze` or `nqjax.read_study`; a fit has no hyperparameters, only scores.
    names : sequence of str, optional
        Hyperparameters to draw; by default those that explain most, or all that vary, at most eight.
    name : str, optional
        The score's name and unit, for the axes; by default that of the study.
    limits : pair of float, optional
        The regime; by default that of the most probable threshold of an analysis.
    ax : matplotlib.axes.Axes or sequence of them, optional
        Where to draw, one for each hyperparameter; a new figure by default.

    Returns
    -------
    Drawn
        The axes, one for each hyperparameter; artists ``trials``, ``regime`` and ``best``, each a dictionary by
        hyperparameter.

    Raises
    ------
    InputError
        Matplotlib is missing, something else was given, an unknown name, or another number of axes.

    Examples
    --------
    >>> import nqjax
    >>> study = nqjax.read_study([{"lr": 0.1 * i, "loss": (i - 3) ** 2 + 0.1} for i in range(9)], "loss")
    >>> drawn = nqjax.plots.hyperparameters(study, limits=(0, 2))
    >>> drawn.ax[0].get_xlabel(), drawn.ax[0].get_ylabel()
    ('lr', 'loss')
    """
    study, varied, regime, minimize = _table_of(result)
    names = varied[:MOST] if names is None else _known(names, study)
    if not names:
        raise InputError("there is no hyperparameter to draw: none of them varies, or none was given")
    limits = regime if limits is None else limits
    if ax is None:
        columns = min(2, len(names))
        rows = (len(names) + columns - 1) // columns
        parts = new_figure((6.4, max(4.0, 2.6 * rows))).subplots(rows, columns, squeeze=False).ravel()
        for part in parts[len(names) :]:
            part.set_visible(False)
        axes = tuple(parts[: len(names)])
    else:
        axes = several_axes(ax, len(names))  # type: ignore[arg-type]
    artists: dict[str, Any] = {"trials": {}, "regime": {}, "best": {}}
    for part, one in zip(axes, names, strict=True):
        found = _draw(part, study, one, minimize, limits)
        part.set_ylabel(plain((name or study.metric)[:40]))
        for key, artist in found.items():
            artists[key][one] = artist
    say_number(axes[min(1, len(axes) - 1)], len(study), study.num_failed)
    if ax is None:
        handles, labels = axes[0].get_legend_handles_labels()
        axes[0].figure.legend(handles, labels, loc="outside upper center", ncols=3, frameon=False, fontsize="small")
    return Drawn(axes, artists)


def _table_of(result: Any) -> tuple[StudyTable, list[str], tuple[float, float], bool]:
    """Return the trials, the hyperparameters that vary, the most important first, the regime and the direction."""
    if isinstance(result, Analysis):
        post = result.fit.posterior
        return result.study, [one.name for one in result.influences], post.limits, post.minimize
    if isinstance(result, StudyTable):
        varied = [name for name, values in result.config.items() if len(set(values.astype(str).tolist())) > 1]
        return result, varied, (math.nan, math.nan), result.minimize is not False
    raise cannot_draw("hyperparameters", result, "an analysis, or the result of nqjax.read_study")


def _known(names: Sequence[str], study: StudyTable) -> list[str]:
    names = [names] if isinstance(names, str) else list(names)
    for name in names:
        if name not in study.config:
            raise InputError(f"there is no hyperparameter {name!r}; there are: {', '.join(study.config)}")
    return names


def _draw(ax: "Axes", study: StudyTable, name: str, minimize: bool, limits: tuple[float, float]) -> dict[str, Any]:
    y, values = study.scores, study.config[name]
    known = np.isfinite(y)
    inside = known & (y >= limits[0]) & (y <= limits[1])
    if np.issubdtype(values.dtype, np.number):
        x = values.astype(float)
        largest = np.nanmax(x)
        if np.nanmin(x) > 0 and largest > _WIDE * np.nanmin(x) and np.nanmedian(x) < _LOW_SHARE * largest:
            ax.set_xscale("log")
    else:
        texts = values.astype(str)
        different, x = np.unique(texts, return_inverse=True)
        x = x + np.random.default_rng(0).uniform(-0.2, 0.2, len(x))
        shown = different[:_MOST_CATEGORIES]
        ax.set_xticks(range(len(shown)), [plain(str(text)[:12]) for text in shown], rotation=30, ha="right")
    artists: dict[str, Any] = {}
    others = known & ~inside
    many = bool(np.sum(others) > _MOST_SHAPES)
    look: dict[str, Any] = {"color": GREY, "markersize": 3, "label": "other trials", "rasterized": many}
    (artists["trials"],) = ax.plot(x[others], y[others], ".", **look)
    if np.any(inside):
        (artists["regime"],) = ax.plot(x[inside], y[inside], ".", color=BLUE, markersize=4, label="near the optimum")
    best = np.argmin(np.where(known, y if minimize else -y, np.inf))
    (artists["best"],) = ax.plot(x[best], y[best], "*", color=ORANGE, markersize=9, label="best score")
    ends = np.quantile(y[known], [0.0, _SHOWN_SHARE] if minimize else [1 - _SHOWN_SHARE, 1.0])
    room = 0.05 * (ends[1] - ends[0]) or 1.0
    ax.set(xlabel=plain(name[:40]), ylim=(ends[0] - room, ends[1] + room))
    return artists
