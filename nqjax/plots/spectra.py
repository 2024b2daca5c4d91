"""The picture of what the directions of a response surface cost, with the noise of one run."""

import re
import textwrap
from typing import TYPE_CHECKING

import numpy as np

from nqjax.plots.drawing import cannot_draw, say_number
from nqjax.plots.drawn import Drawn
from nqjax.plots.style import BLUE, ORANGE, new_figure, plain
from nqjax.surface.surface import ResponseSurface

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Letters of a line of a direction's words, and most lines.
_LINE = 30
_MOST_LINES = 3

#: Costs below this share of sigma are beyond the picture, and rows that the legend takes.
_NEGLIGIBLE = 0.01
_LEGEND_ROWS = 1.2


def spectrum(
    surface: ResponseSurface, confidence: float = 0.9, *, name: str = "score", ax: "Axes | None" = None
) -> Drawn:
    """Draw what half the width of the box costs in each direction, with intervals, and sigma as a line.

    Directions that cost less than sigma cannot be told from noise.

    Parameters
    ----------
    surface : ResponseSurface
        From `nqjax.fit_surface`.
    confidence : float, optional
    name : str, optional
        The score's name and unit, for the axis.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Drawn
        The axes, the most costly direction at the top; artists ``costs`` (a container of error bars), ``sigma`` and
        ``band``, the interval of sigma.

    Raises
    ------
    InputError
        Matplotlib is missing, or something else was given.

    Examples
    --------
    >>> import numpy as np
    >>> import nqjax
    >>> lr = 10 ** np.random.default_rng(1).uniform(-5, -1, 48)
    >>> scores = 0.1 + 0.05 * (np.log10(lr) + 3) ** 2 + 0.002 * np.random.default_rng(2).normal(size=48)
    >>> drawn = nqjax.plots.spectrum(nqjax.fit_surface({"lr": lr}, scores))
    >>> drawn.ax.get_xscale(), [label.get_text() for label in drawn.ax.get_yticklabels()]
    ('log', ['lr'])
    """
    if not isinstance(surface, ResponseSurface):
        raise cannot_draw("spectrum", surface, "the result of nqjax.fit_surface")
    costs = np.array(surface.direction_costs(confidence))
    axes = new_figure((6.4, 1.9 + 0.45 * len(costs))).subplots() if ax is None else ax
    places = np.arange(len(costs))
    middle, low, high = costs.T
    drawn = axes.errorbar(
        middle,
        places,
        xerr=(middle - low, high - middle),
        fmt="o",
        color=BLUE,
        capsize=3,
        label=f"cost, and its {100 * confidence:.3g} % interval",
    )
    sigma = surface.interval("sigma", confidence)
    band = axes.axvspan(sigma.low, sigma.high, color=ORANGE, alpha=0.2, linewidth=0)
    line = axes.axvline(sigma.estimate, color=ORANGE, label="sigma: the noise of one run")
    axes.set_yticks(places, [_short(one.words) for one in surface.directions])
    axes.set(xscale="log", xlabel=f"cost (units of {plain(name[:24])})", ylim=(len(costs) - 0.5, -0.5 - _LEGEND_ROWS))
    # An interval that begins at nothing leaves the picture at the left.
    least = max(min(low.min(), sigma.low) / 2, _NEGLIGIBLE * sigma.estimate)
    axes.set_xlim(min(middle.min() / 2, least), 2 * max(high.max(), sigma.high))
    say_number(axes, len(surface.scores), int(np.sum(~np.isfinite(surface.scores))))
    axes.legend(loc="upper left", framealpha=0.8, edgecolor="none", fontsize="small")
    return Drawn(axes, {"costs": drawn, "sigma": line, "band": band})


def _short(words: str) -> str:
    """Return the words of a direction in a few lines, none of which ends with an operator."""
    kept = re.sub(r" ([-+*/]) ", " \\1\u00a0", words.replace("(1 - ", "(1\u00a0-\u00a0"))
    return plain("\n".join(textwrap.wrap(kept, _LINE, max_lines=_MOST_LINES, placeholder=" ...")))
