"""The picture of what methods are worth in random trials."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from nqjax.analysis.worth import Worth
from nqjax.errors import InputError
from nqjax.plots.drawn import Drawn
from nqjax.plots.style import DARK, new_figure, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def worth(found: Worth | Mapping[str, Worth], *, ax: "Axes | None" = None) -> Drawn:
    """Draw how many random trials a method is worth after how many of its own, with intervals.

    Parameters
    ----------
    found : Worth, or mapping from names to Worth
        From `nqjax.worth`.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Drawn
        The axes; artists with the names of the methods (lines), ``<name> interval`` (bands), and ``random``, the line
        of random search, on which a trial is worth a trial.

    Raises
    ------
    InputError
        Matplotlib is missing, or something else was given.

    Examples
    --------
    >>> import numpy as np
    >>> import nqjax
    >>> rng = np.random.default_rng(0)
    >>> found = nqjax.worth(rng.uniform(size=(50, 40)) ** 2, rng.uniform(size=5000))
    >>> drawn = nqjax.plots.worth({"tuned": found})
    >>> drawn.ax.get_xscale(), drawn.ax.get_ylabel()
    ('log', 'worth in random trials')
    """
    several = {"the method": found} if isinstance(found, Worth) else found
    if not isinstance(several, Mapping) or not several or not all(isinstance(v, Worth) for v in several.values()):
        raise InputError(f"worth cannot draw a {type(found).__name__}: give the result of nqjax.worth, or a mapping")
    axes = new_figure((6.4, 4.2)).subplots() if ax is None else ax
    every = np.unique(np.concatenate([one.at for one in several.values()]))
    (line,) = axes.plot(every, every, color=DARK, linestyle="--", linewidth=1, label="random search")
    drawn: dict[str, Any] = {"random": line}
    ends = [every.min(), every.max()]
    for place, (name, one) in enumerate(several.items()):
        color = f"C{place}"
        known = np.isfinite(one.estimate)
        (drawn[name],) = axes.plot(
            one.at[known], one.estimate[known], color=color, marker="o", markersize=4, label=plain(str(name)[:30])
        )
        ends += one.estimate[known & (one.estimate > 0)].tolist()
        low = np.where(one.lower > 0, one.lower, np.nan)
        # An interval without an upper end goes to the top of the picture.
        high = np.where(np.isfinite(one.upper), one.upper, 1e12)
        drawn[f"{name} interval"] = axes.fill_between(one.at, low, high, color=color, alpha=0.15, linewidth=0)
    unit = next(iter(several.values())).unit
    axes.set(
        xscale="log",
        yscale="log",
        xlabel="trials of the method" if unit == "trials" else f"cost in {unit}",
        ylabel="worth in random trials",
        ylim=(min(ends) / 2, 4 * max(ends)),
    )
    axes.set_xticks(every, [f"{n:,}" for n in every])
    axes.minorticks_off()
    axes.legend(fontsize="small", frameon=False, loc="upper left")
    return Drawn(axes, drawn)
