"""The trials of a response surface as points, and the scales of its hyperparameters."""

from typing import TYPE_CHECKING, Any

import numpy as np

from nqjax.plots.style import GREY, plain
from nqjax.surface.surface import ResponseSurface

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from nqjax.plots.surface_slices import Slice
    from nqjax.surface.coordinates import Axis
    from nqjax.types import Floats

#: Numbers that are named on an axis of log(1 - x), and fewest of them; else both ends are.
_NAMED = (0.0, 0.5, 0.8, *(1 - share * 10.0**-k for k in range(1, 7) for share in (1.0, 0.3)))
_FEWEST_NAMED = 2

#: Matplotlib tries a scale at 1, too.
_BELOW_ONE = float(np.nextafter(1.0, 0.0))

#: Room beyond the ends of a hyperparameter, as a share of its range.
_MARGIN = 0.03

#: Where those without a height are drawn: shares of the picture's height from the losing edge.
_FROM_EDGE = {"failed": 0.025, "beyond": 0.07}

#: With more trials, points are pixels: a vector picture would be too large.
_MOST_VECTORS = 2000

_COLORS = {"inside": "#1B1B1B", "worse": "#B5B5B5", "beyond": "#B5B5B5", "failed": GREY}


def losing_end_of(surface: ResponseSurface) -> float:
    """Return the median of the thresholds of the draws, on the user's scale."""
    return float(np.median(surface.threshold))


def name_scale(ax: "Axes", which: str, axis: "Axis") -> None:
    """Give the x or the y axis the name, the ends and the scale of a hyperparameter."""
    limit, put, scale = (getattr(ax, name) for name in (f"set_{which}lim", f"set_{which}scale", f"{which}axis"))
    scale.set_label_text(plain(axis.name[:40]))
    low, high = axis.warp(np.array([axis.low, axis.high]))
    ends = np.array([low - _MARGIN * (high - low), high + _MARGIN * (high - low)])
    # The limits go first: those of new axes, 0 and 1, have no place on a logarithmic scale.
    if axis.scale == "log":
        limit(np.exp(ends))
        put("log")
    elif axis.scale == "log of 1 - x":
        limit(-np.expm1(-ends))
        put("function", functions=(lambda x: -np.log1p(-np.minimum(x, _BELOW_ONE)), lambda z: -np.expm1(-z)))
        inside = [one for one in _NAMED if axis.low <= one <= axis.high]
        ticks = inside if len(inside) >= _FEWEST_NAMED else [axis.low, axis.high]
        scale.set_ticks(ticks, [f"{tick:.6g}" for tick in ticks])
    else:
        put("linear")
        limit(ends)
        if axis.whole:
            scale.get_major_locator().set_params(integer=True)


def draw_along(ax: "Axes", surface: ResponseSurface, cut: "Slice", limits: tuple[float, float]) -> dict[str, Any]:
    """Draw the scores of trials over one hyperparameter: dark inside the threshold, pale beyond it.

    The limits are those of the picture, from below: what is worse is drawn at its losing edge.
    """
    x, y = _values(surface, cut)[0], surface.scores
    inside, worse, failed = _kinds(surface)
    far = worse & ((y > limits[1]) if surface.minimize else (y < limits[0]))
    found: dict[str, Any] = {}
    for key, chosen, mark, words in (
        ("inside", inside, ".", "trial inside the threshold"),
        ("worse", worse & ~far, ".", "worse trial"),
        ("beyond", far, "^" if surface.minimize else "v", "beyond the picture"),
        ("failed", failed, "x", "failed"),
    ):
        style: dict[str, Any] = {"color": _COLORS[key], "markersize": 5 if mark == "." else 4, "label": words}
        style["rasterized"] = len(y) > _MOST_VECTORS
        heights = y[chosen]
        if key in _FROM_EDGE:
            height = 1 - _FROM_EDGE[key] if surface.minimize else _FROM_EDGE[key]
            heights, style["transform"] = np.full(len(heights), height), ax.get_xaxis_transform()
        if len(heights):
            (found[key],) = ax.plot(x[chosen], heights, mark, **style)
    return found


def draw_over(ax: "Axes", surface: ResponseSurface, cut: "Slice") -> dict[str, Any]:
    """Draw the configurations of trials in the plane of two hyperparameters, in the same colours."""
    x, y = _values(surface, cut)
    many = len(x) > _MOST_VECTORS
    found: dict[str, Any] = {}
    for key, chosen in zip(("inside", "worse", "failed"), _kinds(surface), strict=True):
        if np.any(chosen):
            mark = "x" if key == "failed" else "."
            (found[key],) = ax.plot(x[chosen], y[chosen], mark, color=_COLORS[key], markersize=4, rasterized=many)
    return found


def _kinds(surface: ResponseSurface) -> "tuple[np.ndarray, np.ndarray, np.ndarray]":
    """Return which trials are inside the threshold, which are worse, and which failed."""
    known = np.isfinite(surface.scores)
    inside = known & (surface.sign * surface.scores <= surface.sign * losing_end_of(surface))
    return inside, known & ~inside, ~known


def _values(surface: ResponseSurface, cut: "Slice") -> "list[Floats]":
    """Return the values of trials in the user's units; NaN where a trial does not have the hyperparameter."""
    return [
        np.where(surface.present[:, j] > 0, axis.from_box(surface.points[:, j]), np.nan)
        for j, axis in zip(cut.numbers, cut.axes, strict=True)
    ]
