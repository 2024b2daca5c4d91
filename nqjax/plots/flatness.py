"""The picture of neutrality against the tolerance."""

from typing import TYPE_CHECKING

import numpy as np

from nqjax.landscape.neutrality import noise_neutrality
from nqjax.plots.drawn import Drawn
from nqjax.plots.style import BLUE, GREY, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from nqjax.landscape.landscape import Landscape


def neutrality(land: "Landscape", *, ax: "Axes | None" = None) -> Drawn:
    """Draw the mean share of neighbours within a tolerance, over the tolerance, with that of pure noise.

    Parameters
    ----------
    land : Landscape
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Raises
    ------
    InputError
        Matplotlib is missing.
    """
    axes = new_figure().subplots() if ax is None else ax
    loss = land.heights.loss[land.heights.known]
    error = land.replicates.standard_error
    spread = float(np.subtract(*np.quantile(loss, [0.9, 0.1]))) or 1.0
    tolerances = np.geomspace(1e-4 * spread, spread, 200)
    axes.plot(tolerances, land.neutrality.curve(tolerances), color=BLUE, label="neighbours that are as good")
    if error:
        noise = noise_neutrality(tolerances, error)
        axes.plot(tolerances, noise, color=GREY, linestyle="--", label="flat, with the noise near the best")
    axes.set(xscale="log", ylim=(0, 1), xlabel="tolerance (units of the loss)", ylabel="share of neighbours")
    axes.legend(frameon=False, fontsize="small")
    return Drawn(axes, {"curve": axes.lines[0]})
