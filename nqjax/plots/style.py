"""Colours, figures and files that all pictures share."""

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from nqjax.errors import InputError
from nqjax.runtime.extras import require
from nqjax.runtime.files import check_writable

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure


# Okabe and Ito's colours, which are distinct for colour-blind readers.
BLUE = "#0072B2"
ORANGE = "#D55E00"
GREY = "#8C8C8C"

# Text that is less important than that of the axes, which is black.
DARK = "#555555"


def save(figure: "Figure | SubFigure | None", path: "str | Path") -> None:
    """Write a figure (for a subfigure, the whole figure) to a .png, .svg or .pdf file.

    Raises
    ------
    InputError
        Another ending, or a file that cannot be written.
    """
    root: Any = getattr(figure, "figure", figure)  # of a part of a figure
    try:
        root.savefig(path)
    except (ValueError, OSError) as error:
        raise InputError(f"cannot write the picture {str(path)!r}: {' '.join(str(error).split())}") from None


def check_picture(path: str) -> None:
    """Raise InputError if a picture cannot be written there, before any work is done."""
    if not path.lower().endswith((".png", ".svg", ".pdf")):
        raise InputError(f"cannot tell the kind of picture from {path!r}: give it the ending .png, .svg or .pdf")
    new_figure()
    check_writable(path)


def new_figure(size: tuple[float, float] = (6.4, 4.2)) -> "Figure":
    """Return an empty figure, or raise InputError if Matplotlib is missing."""
    figure = require("matplotlib.figure", "plot", "drawing a picture")
    return figure.Figure(figsize=size, dpi=150, layout="constrained")


def plain(name: str) -> str:
    """Return a name for Matplotlib, in which dollar signs do not begin formulas."""
    return name.replace("$", r"\$")


def empirical_curve(scores: ArrayLike, trials: np.ndarray, minimize: bool) -> np.ndarray:
    """Return the median of the best of n draws from the scores; failed runs are the worst."""
    y = np.asarray(scores, np.float64)
    y = np.where(np.isfinite(y), y if minimize else -y, math.inf)
    best = np.quantile(y, 1 - 0.5 ** (1 / trials), method="inverted_cdf")
    best = np.where(np.isfinite(best), best, math.nan)
    return best if minimize else -best


def zoom(ax: "Axes", curve: np.ndarray, end: float) -> None:
    """Limit the axis to the given part of the curve, with some room: the first trials may be far off."""
    low, high = min(np.min(curve), end), max(np.max(curve), end)
    room = 0.15 * (high - low) or 1.0
    ax.set_ylim(low - room, high + 2 * room)
