"""Pictures with values that a page shows when the pointer rests on them: tooltips of the browser, without scripts.

A picture stays an image with a text alternative. Above it lies a transparent drawing whose shapes have titles, which
browsers show. Places are in hundredths of an inch from the picture's upper left corner.
"""

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nqjax.plots.style import new_figure
from nqjax.report.html import link_to

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from nqjax.plots.drawn import Drawn

#: Units an inch.
_UNITS = 100

#: Half the side of the area of a point, in these units.
_REACH = 4.0


class Area(NamedTuple):
    """A rectangle of a picture, and the text that it shows."""

    x: float
    y: float
    width: float
    height: float
    text: str


class Picture(NamedTuple):
    """A picture with values: the text of its link, its size, and its areas."""

    src: str
    width: float
    height: float
    areas: list[Area]


def picture_with_values(
    draw: "Callable[[Figure], Drawn]",
    areas: "Callable[[Drawn], list[Area]]",
    size: tuple[float, float] = (6.4, 4.0),
) -> Picture:
    """Draw a picture on a new figure, and find its areas."""
    figure = new_figure(size)
    return with_values(figure, draw(figure), areas)


def with_values(figure: "Figure", drawn: "Drawn", areas: "Callable[[Drawn], list[Area]]") -> Picture:
    """Return a figure that was drawn, with its areas; the layout is known after it is written only."""
    src = link_to(figure)
    width, height = (round(_UNITS * float(x), 1) for x in figure.get_size_inches())
    return Picture(src, width, height, areas(drawn))


def strips(ax: "Axes", x: np.ndarray, texts: "Sequence[str]") -> list[Area]:
    """Return areas as high as the axes, each around one place; they meet half way on the screen."""
    places = ax.transData.transform(np.column_stack([x, np.full(len(x), np.mean(ax.get_ylim()))]))[:, 0]
    order = np.argsort(places)
    places, ordered = places[order], [texts[i] for i in order]
    between = (places[1:] + places[:-1]) / 2
    first, last = ax.bbox.x0, ax.bbox.x1
    left, right = np.append(first, between), np.append(between, last)
    return _areas(ax, np.clip(left, first, last), np.clip(right, first, last), ordered)


def between(ax: "Axes", left: np.ndarray, right: np.ndarray, texts: "Iterable[str]") -> list[Area]:
    """Return areas as high as the axes, between two places each."""
    middle = np.full(len(left), np.mean(ax.get_ylim()))
    ends = [ax.transData.transform(np.column_stack([x, middle]))[:, 0] for x in (left, right)]
    first, last = (np.clip(one, ax.bbox.x0, ax.bbox.x1) for one in ends)
    return _areas(ax, first, last, texts)


def rows(ax: "Axes", y: np.ndarray, texts: "Sequence[str]") -> list[Area]:
    """Return areas as wide as the axes, one around each of some equally distant places, from the first text on."""
    scale, top = _scale_and_top(ax)
    places = ax.transData.transform(np.column_stack([np.full(len(y), np.mean(ax.get_xlim())), y]))[:, 1]
    half = abs(float(places[1] - places[0])) / 2 if len(places) > 1 else ax.bbox.height / 2
    low, high = (np.clip(places + way * half, ax.bbox.y0, ax.bbox.y1) for way in (-1, 1))
    x, width = round(scale * ax.bbox.x0, 1), round(scale * ax.bbox.width, 1)
    return [
        Area(x, round(top - scale * b, 1), width, round(scale * (b - a), 1), text)
        for a, b, text in zip(low, high, texts, strict=True)
    ]


def _areas(ax: "Axes", left: np.ndarray, right: np.ndarray, texts: "Iterable[str]") -> list[Area]:
    scale, top = _scale_and_top(ax)
    y, height = top - scale * ax.bbox.y1, scale * ax.bbox.height
    found = zip(scale * left, scale * right, texts, strict=True)
    return [
        Area(round(a, 1), round(y, 1), round(b - a, 1), round(height, 1), text) for a, b, text in found if b - a > 0.05
    ]


def points(ax: "Axes", x: np.ndarray, y: np.ndarray, texts: "Sequence[str]") -> list[Area]:
    """Return the areas of the points that lie within the axes."""
    scale, top = _scale_and_top(ax)
    places = ax.transData.transform(np.column_stack([x, y]))
    side = 2 * _REACH
    return [
        Area(round(scale * a - _REACH, 1), round(top - scale * b - _REACH, 1), side, side, text)
        for (a, b), text in zip(places, texts, strict=True)
        if ax.bbox.contains(a, b)
    ]


def _scale_and_top(ax: "Axes") -> tuple[float, float]:
    """Return the units of a pixel, and the height of the picture in units."""
    figure: Any = ax.figure
    return _UNITS / float(figure.dpi), _UNITS * float(figure.get_size_inches()[1])
