"""The picture of a response surface: along the hyperparameters that matter, and over the two strongest."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nqjax.plots.drawing import cannot_draw, say_number, several_axes
from nqjax.plots.drawn import Drawn
from nqjax.plots.style import BLUE, DARK, ORANGE, new_figure, plain
from nqjax.plots.surface_slices import Slice, find_slice, strongest
from nqjax.plots.surface_trials import draw_along, draw_over, losing_end_of, name_scale
from nqjax.runtime.text import as_sure
from nqjax.surface.surface import ResponseSurface

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from nqjax.types import Floats

#: Points of a line, and of each side of the plane.
_STEPS = 121
_SIDE = 61

#: Room beyond the threshold, as a share of the distance from the best score to the threshold.
_ROOM = 0.6

#: Heights of contours between the best score and the threshold: at equal distances from the optimum of a quadratic.
_HEIGHTS = np.array([1, 4, 9]) / 16


def surface(
    surface: ResponseSurface,
    confidence: float = 0.9,
    *,
    name: str = "score",
    ax: "Axes | Sequence[Axes] | None" = None,
) -> Drawn:
    """Draw trials and surface along the hyperparameters that matter most, and the plane of the two strongest.

    Each line goes through the optimum, along one hyperparameter; all others stay at their optimum. So most trials are
    worse than the line; some are better where hyperparameters make up for each other, as the plane shows. Trials beyond
    the picture are triangles at its edge, failed runs crosses.

    Parameters
    ----------
    surface : ResponseSurface
        From `nqjax.fit_surface`.
    confidence : float, optional
        Of the band, and of the interval of the optimum.
    name : str, optional
        The score's name and unit, for the axes.
    ax : matplotlib.axes.Axes or sequence of them, optional
        Where to draw: one for each numeric hyperparameter, at most three, and one for the plane if there are two or
        more; a new figure by default.

    Returns
    -------
    Drawn
        The axes, those of the plane last; artists ``inside``, ``worse``, ``beyond``, ``failed``, ``median``, ``band``,
        ``threshold``, ``optimum`` and ``interval``, each a dictionary by hyperparameter, and by the pair of them for
        the plane.

    Raises
    ------
    InputError
        Matplotlib is missing, something else was given, or another number of axes.

    Examples
    --------
    >>> import numpy as np
    >>> import nqjax
    >>> lr = 10 ** np.random.default_rng(1).uniform(-5, -1, 48)
    >>> scores = 0.1 + 0.05 * (np.log10(lr) + 3) ** 2 + 0.002 * np.random.default_rng(2).normal(size=48)
    >>> drawn = nqjax.plots.surface(nqjax.fit_surface({"lr": lr}, scores), name="loss")
    >>> drawn.ax[0].get_xlabel(), drawn.ax[0].get_xscale(), drawn.ax[0].get_ylabel()
    ('lr', 'log', 'loss')
    """
    if not isinstance(surface, ResponseSurface):
        raise cannot_draw("surface", surface, "the result of nqjax.fit_surface")
    names = strongest(surface)
    wanted = len(names) + (len(names) > 1)
    axes = _new_axes(wanted) if ax is None else several_axes(ax, wanted)  # type: ignore[arg-type]
    artists: dict[str, Any] = {}
    for part, one in zip(axes, names, strict=False):
        for key, artist in _draw_line(part, surface, one, confidence, name).items():
            artists.setdefault(key, {})[one] = artist
    if len(names) > 1:
        pair = names[0], names[1]
        for key, artist in _draw_plane(axes[-1], surface, pair, confidence, name).items():
            artists.setdefault(key, {})[pair] = artist
    for part in axes:
        say_number(part, len(surface.scores), int(np.sum(~np.isfinite(surface.scores))))
    if ax is None:
        _explain(axes)
    return Drawn(axes, artists)


def _new_axes(wanted: int) -> "tuple[Axes, ...]":
    """Return the axes of a new figure: two in a row, and a last one without a neighbour over the whole row."""
    if wanted == 1:
        return (new_figure((6.4, 4.4)).subplots(),)
    rows = (wanted + 1) // 2
    figure = new_figure((7.2, 0.6 + 2.9 * rows))
    grid = figure.add_gridspec(rows, 2)
    places = [(number // 2, number % 2) for number in range(wanted)]
    alone = wanted % 2 == 1
    parts = [figure.add_subplot(grid[row, column]) for row, column in (places[:-1] if alone else places)]
    return (*parts, figure.add_subplot(grid[rows - 1, :])) if alone else tuple(parts)


def _explain(axes: "tuple[Axes, ...]") -> None:
    """Draw one legend for all parts, above them."""
    found: dict[str, Any] = {}
    for part in axes:
        handles, labels = part.get_legend_handles_labels()
        found = {**dict(zip(labels, handles, strict=True)), **found}
    words = list(found)
    axes[0].figure.legend(
        [found[one] for one in words], words, loc="outside upper center", ncols=4, frameon=False, fontsize="small"
    )


def _draw_line(ax: "Axes", surface: ResponseSurface, one: str, confidence: float, name: str) -> dict[str, Any]:
    """Draw the scores of trials against a hyperparameter, and the surface through the optimum."""
    cut = find_slice(surface, (one,), _STEPS)
    low, middle, high = cut.bounds(confidence)
    end = losing_end_of(surface)
    limits = _limits(surface, end, low, high)
    name_scale(ax, "x", cut.axes[0])
    artists = draw_along(ax, surface, cut, limits)
    artists["band"] = ax.fill_between(
        cut.values[0], low, high, color=BLUE, alpha=0.25, linewidth=0, label=f"{100 * confidence:.3g} % band"
    )
    (artists["median"],) = ax.plot(cut.values[0], middle, color=BLUE, label="surface through the optimum")
    artists["threshold"] = ax.axhline(end, color=DARK, linestyle="--", linewidth=1, label="threshold")
    _draw_optimum(ax, surface, cut, middle, confidence, artists)
    ax.set(ylim=limits, ylabel=plain(name[:30]))
    return artists


def _draw_optimum(
    ax: "Axes", surface: ResponseSurface, cut: Slice, middle: "Floats", confidence: float, artists: dict[str, Any]
) -> None:
    """Draw the optimum on a line, and its interval at the winning edge."""
    axis = cut.axes[0]
    ends = surface.optimum_region(confidence)[axis.name]
    edge = 0.03 if surface.minimize else 0.97
    (artists["interval"],) = ax.plot(
        ends,
        (edge, edge),
        color=ORANGE,
        marker="|",
        linewidth=4,
        solid_capstyle="butt",
        transform=ax.get_xaxis_transform(),
        label=f"optimum, {100 * confidence:.3g} %",
    )
    place = surface.optimum[axis.name]
    if place is not None:  # None: the best configuration does without this hyperparameter
        height = np.interp(axis.to_box(np.array([place], float)), axis.to_box(cut.values[0]), middle)
        (artists["optimum"],) = ax.plot(place, height, "*", color=ORANGE, markersize=11, label="optimum")


def _limits(surface: ResponseSurface, end: float, low: "Floats", high: "Floats") -> tuple[float, float]:
    """Return the limits of the scores: from the best of scores and band to some way beyond the threshold."""
    known = surface.scores[np.isfinite(surface.scores)]
    best = min(known.min(), low.min()) if surface.minimize else max(known.max(), high.max())
    reach = end - best or float(np.ptp(known)) or 1.0
    first, last = best - 0.15 * reach, end + _ROOM * reach
    return (first, last) if surface.minimize else (last, first)


def _draw_plane(
    ax: "Axes", surface: ResponseSurface, pair: tuple[str, str], confidence: float, name: str
) -> dict[str, Any]:
    """Draw trials in the plane of two hyperparameters, with contours of the surface through the optimum."""
    cut = find_slice(surface, pair, _SIDE)
    middle = cut.bounds(confidence)[1].reshape(_SIDE, _SIDE)
    for which, axis in zip("xy", cut.axes, strict=True):
        name_scale(ax, which, axis)
    artists = draw_over(ax, surface, cut)
    end = losing_end_of(surface)
    best = middle.min() if surface.minimize else middle.max()
    if surface.sign * (end - best) > 0:
        levels = np.sort(best + (end - best) * _HEIGHTS)
        drawn = ax.contour(*cut.values, middle.T, levels, colors=BLUE, linewidths=1)
        words = dict(zip(levels, as_sure([*levels], *sorted((best, end))), strict=True))
        ax.clabel(drawn, fmt=words, fontsize="x-small")
        artists["median"] = drawn
        artists["threshold"] = ax.contour(*cut.values, middle.T, [end], colors=DARK, linestyles="--", linewidths=1)
    region = surface.optimum_region(confidence)
    ends, place = [region[one] for one in pair], [surface.optimum[one] for one in pair]
    if None not in place:
        across = ax.plot(ends[0], (place[1], place[1]), color=ORANGE)
        artists["interval"] = (*across, *ax.plot((place[0], place[0]), ends[1], color=ORANGE))
        (artists["optimum"],) = ax.plot(*place, "*", color=ORANGE, markersize=11)
    ax.set_title(f"contours of {plain(name[:20])}", loc="left", fontsize="small", color=DARK)
    return artists
