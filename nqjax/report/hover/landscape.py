"""Values in pictures of a landscape: its optima, their tree, neutrality and relevance."""

from typing import TYPE_CHECKING

import numpy as np

from nqjax.report.hover.picture import Area, rows, strips
from nqjax.report.hover.words import cut, shown
from nqjax.runtime.text import percent

if TYPE_CHECKING:
    from collections.abc import Callable

    from nqjax.landscape.geometry import Geometry
    from nqjax.plots.drawn import Drawn

#: Most places of a curve that have values.
_MOST_PLACES = 60


def optima_areas(drawn: "Drawn") -> list[Area]:
    """Return the areas of the number of optima over the tolerance."""
    return _along(drawn, lambda x, y: f"deeper than {shown(x)}: {int(y):,} {'optimum' if y == 1 else 'optima'}")


def neutrality_areas(drawn: "Drawn") -> list[Area]:
    """Return the areas of the share of neighbours that are as good."""
    return _along(drawn, lambda x, y: f"within {shown(x)}: {percent(y, 2)} of the neighbours are as good")


def tree_areas(drawn: "Drawn") -> list[Area]:
    """Return the areas of a merge tree: one for each leaf."""
    leaves = drawn.artists["leaves"]
    ends = np.array([leaf.get_ydata() for leaf in leaves], np.float64)
    # Leaves that join no other are drawn beyond all passes: upwards where lower scores are better, else downwards.
    beyond = np.max(ends[:, 1]) if np.all(ends[:, 1] >= ends[:, 0]) else np.min(ends[:, 1])
    texts = [
        f"optimum with score {shown(low)}, "
        + ("no pass to a better one" if high == beyond else f"pass at {shown(high)}")
        for low, high in ends
    ]
    return strips(drawn.ax, np.array([float(leaf.get_xdata()[0]) for leaf in leaves]), texts)


def relevance_areas(geometry: "Geometry") -> "Callable[[Drawn], list[Area]]":
    """Return the areas of the relevance of hyperparameters: one for each."""
    texts = [
        f"{cut(name)}: {one.value:.2f}, {'counts' if one.counts else 'does not count'} (must exceed {one.least:.2f})"
        for name, one in reversed(geometry.relevance.items())
    ]

    def areas(drawn: "Drawn") -> list[Area]:
        return rows(drawn.ax, np.arange(len(texts), dtype=float), texts)

    return areas


def _along(drawn: "Drawn", words: "Callable[[float, float], str]") -> list[Area]:
    """Return areas of a curve, at some of its places."""
    x, y = (np.asarray(one, np.float64) for one in drawn.artists["curve"].get_data())
    chosen = np.unique(np.linspace(0, len(x) - 1, min(len(x), _MOST_PLACES)).round().astype(int))
    return strips(drawn.ax, x[chosen], [words(a, b) for a, b in zip(x[chosen], y[chosen], strict=True)])
