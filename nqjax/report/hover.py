"""Values that a page shows when the pointer rests on a picture: tooltips of the browser, without scripts.

A picture stays an image with a text alternative. Above it lies a transparent drawing whose shapes have titles, which
browsers show. Places are in hundredths of an inch from the picture's upper left corner.
"""

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from nqjax.plots.style import new_figure
from nqjax.report.html import link_to
from nqjax.runtime.text import percent, significant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from nqjax.analysis.record import Analysis
    from nqjax.analysis.study_comparison import StudyComparison
    from nqjax.plots.drawn import Drawn

#: Units an inch.
_UNITS = 100

#: Half the side of the area of a point, in these units.
_REACH = 4.0

#: Most trials, the best ones, that have values in the picture of one hyperparameter: pages stay small.
MOST_TRIALS = 300

#: Characters of a name or category.
_LONGEST = 40


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


def curve_areas(name: str, confidence: float) -> "Callable[[Drawn], list[Area]]":
    """Return the areas of a tuning curve: one for each number of trials at which the regime governs it."""

    def areas(drawn: "Drawn") -> list[Area]:
        n, middle = (np.asarray(one, np.float64) for one in drawn.artists["curve"].get_data())
        if not n.size:
            return []
        corners = np.concatenate([path.vertices for path in drawn.artists["band"].get_paths()] or [np.empty((0, 2))])
        texts = []
        for count, one in zip(n, middle, strict=True):
            text = f"{_counted(count)}: median of the best {_cut(name)} {_value(one)}"
            band = corners[corners[:, 0] == count, 1]
            if band.size:
                low, high = (_seen(end, drawn.ax) for end in (band.min(), band.max()))
                text += f" ({percent(confidence)}: {low} to {high})"
            texts.append(text)
        return _strips(drawn.ax, n, texts)

    return areas


def cdf_areas(found: "Analysis") -> "Callable[[Drawn], list[Area]]":
    """Return the areas of a distribution function: one for each of some scores in the regime."""
    scores = np.sort(found.study.scores[np.isfinite(found.study.scores)])
    num_scores = found.fit.posterior.num_scores
    # When maximizing, failed runs are the lowest scores.
    failed_below = 0 if found.fit.posterior.minimize else num_scores - len(scores)

    def areas(drawn: "Drawn") -> list[Area]:
        x, fitted = (np.asarray(one, np.float64) for one in drawn.artists["curve"].get_data())
        below = np.searchsorted(scores, x, side="right") + failed_below
        texts = [
            f"{_cut(found.study.metric)} {_value(place)}: {percent(count / num_scores, 3)} of the scores are at or "
            f"below, {percent(share, 3)} according to the fit"
            for place, count, share in zip(x, below, fitted, strict=True)
        ]
        return _strips(drawn.ax, x, texts)

    return areas


def bar_areas(name: str) -> "Callable[[Drawn], list[Area]]":
    """Return the areas of a histogram of draws: one for each bar."""

    def areas(drawn: "Drawn") -> list[Area]:
        drawn_bars = drawn.artists.get("posterior", drawn.artists.get("draws"))
        bars = [bar for bar in getattr(drawn_bars, "patches", ()) if bar.get_height() > 0]
        total = sum(bar.get_height() * bar.get_width() for bar in bars)
        left = np.array([bar.get_x() for bar in bars])
        right = np.array([bar.get_x() + bar.get_width() for bar in bars])
        texts = [
            f"{_cut(name)} from {_value(a)} to {_value(b)}: {percent(bar.get_height() * (b - a) / total, 2)}"
            for bar, a, b in zip(bars, left, right, strict=True)
        ]
        return _between(drawn.ax, left, right, texts)

    return areas


def quantile_areas(name: str) -> "Callable[[Drawn], list[Area]]":
    """Return the areas of a Q-Q plot: one for each score."""

    def areas(drawn: "Drawn") -> list[Area]:
        expected, y = (np.asarray(one, np.float64) for one in drawn.artists["scores"].get_data())
        texts = [f"{_cut(name)} {_value(b)}; to expect: {_value(a)}" for a, b in zip(expected, y, strict=True)]
        return _points(drawn.ax, expected, y, texts)

    return areas


def trial_areas(found: "Analysis") -> "Callable[[Drawn], list[Area]]":
    """Return the areas of the scores against each hyperparameter: one for each of the best trials."""
    study, post = found.study, found.fit.posterior
    y = np.asarray(study.scores, np.float64)
    known = np.isfinite(y)
    inside = known & (y >= post.limits[0]) & (y <= post.limits[1])
    order = np.argsort(np.where(known, y if post.minimize else -y, np.inf), kind="stable")
    # The best trials come last, so that they lie above the others.
    chosen = order[: min(MOST_TRIALS, int(known.sum()))][::-1]

    def areas(drawn: "Drawn") -> list[Area]:
        found_areas: list[Area] = []
        for ax, name in zip(drawn.ax, drawn.artists["best"], strict=True):
            x = np.full(len(y), np.nan)
            for key, mask in (("trials", known & ~inside), ("regime", inside)):
                if name in drawn.artists[key]:
                    x[mask] = np.asarray(drawn.artists[key][name].get_xdata(), np.float64)
            texts = [
                f"{study.rows[i].partition(' (line')[0]}: {_cut(name)} {_value(study.config[name][i])}, "
                f"{_cut(study.metric)} {_value(y[i])}"
                for i in chosen
            ]
            found_areas += _points(ax, x[chosen], y[chosen], texts)
        return found_areas

    return areas


def study_areas(found: "StudyComparison") -> "Callable[[Drawn], list[Area]]":
    """Return the areas of several tuning curves: one for each budget, with all studies that are known there."""
    curves = found.curves

    def areas(drawn: "Drawn") -> list[Area]:
        texts = []
        for place, budget in enumerate(curves.budgets):
            unit = _counted(budget) if found.costs is None else f"{_cut(found.unit)} {_value(budget)}"
            lines = [
                f"{_cut(name)}: {_value(curves.estimate[i, place])} ({_value(curves.low[i, place])} to "
                f"{_value(curves.high[i, place])})"
                for i, name in enumerate(found.names)
                if curves.known[i, place]
            ]
            texts.append("\n".join([unit, *(lines or ["no study is known here"])]))
        return _strips(drawn.ax, np.asarray(curves.budgets, np.float64), texts)

    return areas


def _strips(ax: "Axes", x: np.ndarray, texts: "Sequence[str]") -> list[Area]:
    """Return areas as high as the axes, each around one place; they meet half way on the screen."""
    places = ax.transData.transform(np.column_stack([x, np.full(len(x), np.mean(ax.get_ylim()))]))[:, 0]
    order = np.argsort(places)
    places, ordered = places[order], [texts[i] for i in order]
    between = (places[1:] + places[:-1]) / 2
    first, last = ax.bbox.x0, ax.bbox.x1
    left, right = np.append(first, between), np.append(between, last)
    return _areas(ax, np.clip(left, first, last), np.clip(right, first, last), ordered)


def _between(ax: "Axes", left: np.ndarray, right: np.ndarray, texts: "Iterable[str]") -> list[Area]:
    """Return areas as high as the axes, between two places each."""
    middle = np.full(len(left), np.mean(ax.get_ylim()))
    ends = [ax.transData.transform(np.column_stack([x, middle]))[:, 0] for x in (left, right)]
    first, last = (np.clip(one, ax.bbox.x0, ax.bbox.x1) for one in ends)
    return _areas(ax, first, last, texts)


def _areas(ax: "Axes", left: np.ndarray, right: np.ndarray, texts: "Iterable[str]") -> list[Area]:
    scale, top = _scale_and_top(ax)
    y, height = top - scale * ax.bbox.y1, scale * ax.bbox.height
    found = zip(scale * left, scale * right, texts, strict=True)
    return [
        Area(round(a, 1), round(y, 1), round(b - a, 1), round(height, 1), text) for a, b, text in found if b - a > 0.05
    ]


def _points(ax: "Axes", x: np.ndarray, y: np.ndarray, texts: "Sequence[str]") -> list[Area]:
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


def _value(value: Any) -> str:
    """Return a number in four digits, or the beginning of a category."""
    if isinstance(value, int | float | np.number):
        return significant(float(value), 4)
    return _cut(str(value))


def _seen(value: float, ax: "Axes") -> str:
    """Return an end of a band, which is drawn as far as it is seen only."""
    low, high = sorted(ax.get_ylim())
    return f"below {_value(low)}" if value < low else f"above {_value(high)}" if value > high else _value(value)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _counted(count: float) -> str:
    return "1 trial" if count == 1 else f"{count:,.0f} trials"
