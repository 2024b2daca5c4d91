"""Pictures of the optima of a landscape: their number against the tolerance, and the tree in which they merge."""

from typing import TYPE_CHECKING

import numpy as np

from nqjax.landscape.basins import flat_noise_optima
from nqjax.plots.drawn import Drawn
from nqjax.plots.style import BLUE, GREY, ORANGE, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from nqjax.landscape.landscape import Landscape

#: Most optima of a merge tree.
_MOST_LEAVES = 40


def optima_curve(land: "Landscape", *, noise: float | None = None, ax: "Axes | None" = None) -> Drawn:
    """Draw the number of optima that are deeper than a tolerance, over the tolerance.

    Parameters
    ----------
    land : Landscape
    noise : float, optional
        The depth that noise can make; by default `Landscape.noise_tolerance`, where it is known.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Raises
    ------
    InputError
        Matplotlib is missing, or the landscape has no optima to give.

    Examples
    --------
    >>> import nqjax
    >>> drawn = nqjax.plots.optima_curve(nqjax.Landscape({"x": [1, 2, 3, 4, 5]}, [3.0, 1.0, 2.0, 0.0, 4.0]))
    >>> drawn.artists["curve"].get_ydata().tolist()
    [2, 1]
    """
    prominence = land.merges.prominence
    steps = np.unique(prominence[np.isfinite(prominence)])
    axes = new_figure().subplots() if ax is None else ax
    noise = land.noise_tolerance() if noise is None else noise
    low = steps[0] / 2 if len(steps) else 1.0
    places = np.append(low, steps if len(steps) else 10 * low)
    axes.step(places, land.optima_above(places), where="post", color=BLUE, label="optima that are deeper")
    axes.axhline(flat_noise_optima(land.graph), color=GREY, linestyle="--", label="all optima of flat noise")
    if noise:
        axes.axvline(noise, color=ORANGE, label="depth that noise exceeds in 5 % of cases")
    axes.set(xscale="log", yscale="log", xlabel="tolerance (units of the loss)", ylabel="optima")
    low, high = axes.get_ylim()
    if high < 10 * low:  # powers of ten would be written as 2 x 10^0
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_formatter("{x:g}")
    axes.legend(frameon=False, fontsize="small")
    return Drawn(axes, {"curve": axes.lines[0]})


def merge_tree(land: "Landscape", *, above: float | None = None, ax: "Axes | None" = None) -> Drawn:
    """Draw the deepest optima as the leaves of a tree: two join at the height of the pass between them.

    Parameters
    ----------
    land : Landscape
    above : float, optional
        Only optima that are more prominent are drawn; by default those that are more than noise. At most 40 are.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Raises
    ------
    InputError
        Matplotlib is missing, or the landscape has no optima to give.
    """
    axes = new_figure().subplots() if ax is None else ax
    merges = land.merges
    above = (land.noise_tolerance() or 0.0) if above is None else above
    roots = merges.parent == np.arange(len(merges.parent))
    chosen = np.flatnonzero(roots | (merges.prominence > above))
    chosen = chosen[np.argsort(-merges.prominence[chosen], kind="stable")][:_MOST_LEAVES]
    sign = 1 if land.minimize else -1
    loss = land.heights.loss[land.basins.optima]
    place = _places(merges.parent, merges.saddle, set(chosen.tolist()))
    top = np.max(merges.saddle[chosen][np.isfinite(merges.saddle[chosen])], initial=float(loss[0]))
    room = 0.05 * (top - float(loss[0])) or 1.0
    leaves = []
    for leaf, x in place.items():
        end = merges.saddle[leaf] if np.isfinite(merges.saddle[leaf]) else top + room
        width = 1 + 12 * land.basins.shares[leaf]
        ends = [sign * loss[leaf], sign * end]
        leaves += axes.plot([x, x], ends, color=BLUE, linewidth=width, solid_capstyle="butt")
        parent = int(merges.parent[leaf])
        if parent != leaf:
            axes.plot([x, place[parent]], [sign * end] * 2, color=GREY, linewidth=0.8)
    axes.set_xticks([])
    axes.set(xlabel="optima; width: share of the basin", ylabel="score")
    if not land.minimize:
        axes.invert_yaxis()
    return Drawn(axes, {"leaves": leaves})


def _places(parent: np.ndarray, saddle: np.ndarray, chosen: set[int]) -> dict[int, int]:
    """Return the places of the leaves: those that join a leaf first stand next to it.

    A parent is more prominent than its child, so it is chosen, too.
    """
    children: dict[int, list[int]] = {leaf: [] for leaf in chosen}
    for leaf in chosen:
        if parent[leaf] != leaf:
            children[int(parent[leaf])].append(leaf)
    order: list[int] = []
    waiting = sorted((leaf for leaf in chosen if parent[leaf] == leaf), reverse=True)
    while waiting:
        leaf = waiting.pop()
        order.append(leaf)
        # The last one is taken first.
        waiting += sorted(children[leaf], key=lambda child: -saddle[child])
    return {leaf: place for place, leaf in enumerate(order)}
