"""The picture of which hyperparameters decide whether a configuration is in the regime."""

from typing import TYPE_CHECKING

from nqjax.plots.drawn import Drawn
from nqjax.plots.style import BLUE, GREY, new_figure, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from nqjax.landscape.geometry import Geometry


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
        axes.barh(place, one.value, color=BLUE if one.counts else GREY, height=0.6)
        axes.plot([one.least] * 2, [place - 0.4, place + 0.4], color="black", linewidth=1)
        axes.text(
            max(one.value, 0.0) + 0.01,
            place,
            f"{one.value:.2f}".replace("-0.00", "0.00"),
            va="center",
            fontsize="small",
        )
        axes.text(0, place + 0.42, plain(name[:40]), va="bottom", fontsize="small")
    axes.set_yticks([])
    values = [one.value for one in geometry.relevance.values()]
    axes.set(xlim=(min(0.0, *values), max(0.1, *values) * 1.15), xlabel="relevance (black: counts above)")
    return Drawn(axes, {"bars": list(axes.patches)})
