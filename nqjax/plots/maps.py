"""The map of a landscape: every configuration of a grid is one pixel, hyperparameters are nested."""

import math
import textwrap
from typing import TYPE_CHECKING

import numpy as np

from nqjax.errors import InputError
from nqjax.landscape.assortativity import rank_losses
from nqjax.plots.drawn import Drawn
from nqjax.plots.style import ORANGE, new_figure, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from nqjax.landscape.landscape import Landscape
    from nqjax.landscape.levels import Axis as Hyperparameter
    from nqjax.types import Floats

#: More pixels than this are not drawn: the least important hyperparameters take their best value instead.
_MOST_PIXELS = 10**6

#: Beyond this number of pixels, lines are too many for a vector picture, and become pixels, too.
_MOST_LINES = 2000

#: Letters of a line of names of hyperparameters.
_LINE = 48

#: Most levels of the outermost hyperparameter that are named.
_NAMED_LEVELS = 12


def landscape_map(
    land: "Landscape", *, threshold: float | None = None, most_pixels: int | None = None, ax: "Axes | None" = None
) -> Drawn:
    """Draw every configuration of a grid as one pixel, coloured by the share of better ones.

    Hyperparameters are nested by importance: the two most important ones are the outermost, one on each axis. Beyond
    ``most_pixels`` the least important ones are left out, and a pixel is the best of their values.

    Parameters
    ----------
    land : Landscape
    threshold : float, optional
        The worst score of a regime, whose border is drawn.
    most_pixels : int, optional
        By default a million.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Raises
    ------
    InputError
        Matplotlib is missing, or the configurations are not a grid.

    Examples
    --------
    >>> import numpy as np
    >>> import nqjax
    >>> x, y = np.indices((4, 3)).reshape(2, -1)
    >>> land = nqjax.Landscape({"x": x, "y": y}, (x - 1.0) ** 2 + 0.1 * y)
    >>> drawn = nqjax.plots.landscape_map(land)
    >>> drawn.ax.get_xlabel(), drawn.artists["pixels"].get_array().shape
    ('x', (3, 4))
    """
    check_map(land)
    axes = new_figure((7.2, 5.4)).subplots() if ax is None else ax
    across, up, image, inside = stacked(land, threshold, most_pixels)
    drawn = axes.imshow(image, origin="lower", aspect="auto", interpolation="nearest", cmap="viridis", vmin=0, vmax=1)
    axes.set_facecolor("#DDDDDD")  # of missing configurations
    if inside is not None:
        _draw_border(axes, inside)
    _name_levels(axes, across, image.shape[1], is_x=True)
    _name_levels(axes, up, image.shape[0], is_x=False)
    axes.figure.colorbar(drawn, ax=axes, label="share of better configurations")
    return Drawn(axes, {"pixels": drawn})


def check_map(land: "Landscape") -> None:
    """Raise InputError for a landscape that has no map."""
    if land.space.kind not in ("complete", "missing"):
        raise InputError(f"there is no map of {land.extent}: it needs a grid")


def stacked(
    land: "Landscape", threshold: float | None, most_pixels: int | None = None
) -> "tuple[list[Hyperparameter], list[Hyperparameter], Floats, np.ndarray | None]":
    """Return the hyperparameters across and up, outermost first, the image, and which pixels are in the regime."""
    space = land.space
    order = _by_importance(land)
    most = most_pixels or _MOST_PIXELS
    share = np.full(space.num_cells, np.nan)
    ranks = rank_losses(land.heights)
    share[space.cells] = (np.where(np.isfinite(ranks), ranks, len(land)) - 1) / max(len(land) - 1, 1)
    grid = share.reshape(space.shape)
    while len(order) > 1 and math.prod(space.shape[h] for h in order) > most:
        least = order.pop()
        grid = np.fmin.reduce(grid, axis=least, keepdims=True)
    across, up = order[0::2], order[1::2]
    rest = [h for h in range(len(space.shape)) if h not in order]
    image = np.transpose(grid, [*up, *across, *rest]).reshape(
        math.prod(space.shape[h] for h in up), math.prod(space.shape[h] for h in across)
    )
    inside = None
    if threshold is not None:
        limit = threshold if land.minimize else -threshold
        good = land.heights.loss <= limit
        inside = image <= (np.sum(good) - 1) / max(len(land) - 1, 1)
    return [space.axes[h] for h in across], [space.axes[h] for h in up], image, inside


def _by_importance(land: "Landscape") -> list[int]:
    """Return the places of the hyperparameters, the most important first."""
    names = list(land.space.names)
    try:
        anova = land.importance()
    except InputError:
        return list(range(len(names)))
    totals = [anova.total(name) if math.isfinite(anova.main[name]) else 0.0 for name in names]
    return sorted(range(len(names)), key=lambda h: -totals[h])


def _draw_border(axes: "Axes", inside: np.ndarray) -> None:
    """Draw the edges between pixels inside and pixels outside."""
    from matplotlib.collections import LineCollection

    y, x = np.nonzero(inside[:, 1:] != inside[:, :-1])
    upright = np.stack([np.stack([x + 0.5, y - 0.5], axis=-1), np.stack([x + 0.5, y + 0.5], axis=-1)], axis=1)
    y, x = np.nonzero(inside[1:] != inside[:-1])
    level = np.stack([np.stack([x - 0.5, y + 0.5], axis=-1), np.stack([x + 0.5, y + 0.5], axis=-1)], axis=1)
    many = inside.size > _MOST_LINES
    lines = LineCollection(
        list(np.concatenate([upright, level])), colors=ORANGE, linewidths=0.25 if many else 1.2, rasterized=many
    )
    axes.add_collection(lines, autolim=False)


def _name_levels(axes: "Axes", nested: "list[Hyperparameter]", pixels: int, *, is_x: bool) -> None:
    """Name the levels of the outermost hyperparameter, and say in which order the others are nested in it."""
    if not nested:
        axes.set_yticks([])
        return
    outer = nested[0]
    width = pixels / len(outer.levels)
    step = -(-len(outer.levels) // _NAMED_LEVELS)
    chosen = range(0, len(outer.levels), step)
    places = [width * (level + 0.5) - 0.5 for level in chosen]
    labels = [_level(outer.levels[level]) for level in chosen]
    borders = [width * level - 0.5 for level in range(1, len(outer.levels))] if len(nested) > 1 else []
    name = textwrap.fill(plain(" > ".join(axis.name[:30] for axis in nested)), _LINE)
    if is_x:
        axes.set_xticks(places, labels, rotation=30 if max(map(len, labels)) > 5 else 0)
        axes.set_xlabel(name)
        for border in borders:
            axes.axvline(border, color="white", linewidth=0.6)
    else:
        axes.set_yticks(places, labels)
        axes.set_ylabel(name)
        for border in borders:
            axes.axhline(border, color="white", linewidth=0.6)


def _level(value: object) -> str:
    return plain("none" if value is None else f"{value:.3g}" if isinstance(value, float) else str(value)[:12])
