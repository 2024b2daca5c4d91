"""The picture of which hyperparameters decide whether a configuration is in the regime."""

import math
from typing import TYPE_CHECKING

from nqjax.plots.drawn import Drawn
from nqjax.plots.style import BLUE, GREY, new_figure, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from nqjax.landscape.geometry import Geometry


#: The height of a bar; its name stands in what is left of the row.
_BAR = 0.4

#: The gap between a bar and the name above it.
_GAP = 0.05


def relevance(geometry: "Geometry", *, ax: "Axes | None" = None) -> Drawn:
    """Draw the relevance of each hyperparameter, with what it must exceed to count.

    Parameters
    ----------
    geometry : Geometry
        As `nqjax.regime_geometry` returns it.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Raises
    ------
    InputError
        Matplotlib is missing.
    """
    axes = new_figure().subplots() if ax is None else ax
    for place, (name, one) in enumerate(reversed(geometry.relevance.items())):
        axes.barh(place, one.value, color=BLUE if one.counts else GREY, height=_BAR)
        axes.plot([one.least] * 2, [place - _BAR / 2, place + _BAR / 2], color="black", linewidth=1.5)
        value = f"{one.value:.2f}".replace("-0.00", "0.00")
        # Numbers of short bars stand behind the line.
        behind = max(one.value, one.least if one.value < 1.5 * one.least < math.inf else 0.0)
        axes.text(behind, place, f" {value}", va="center", fontsize="small")
        axes.text(0, place + _BAR / 2 + _GAP, plain(name[:40]), va="bottom", fontsize="small")
    axes.set_yticks([])
    values = [one.value for one in geometry.relevance.values()]
    least = [one.least for one in geometry.relevance.values() if math.isfinite(one.least)]
    low, high = min(0.0, *values), max(0.1, *values, *least) * 1.15
    axes.set(xlim=(low, high), ylim=(-0.5, len(values)), xlabel="relevance (black: counts above)")
    return Drawn(axes, {"bars": list(axes.patches)})
