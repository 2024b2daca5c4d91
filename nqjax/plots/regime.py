"""The picture of the choice of a threshold."""

from typing import TYPE_CHECKING

from nqjax.plots.style import BLUE, GREY, ORANGE, new_figure

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

    from nqjax.checks.regime import Regime


def plot_regime(regime: "Regime", *, name: str = "score", axes: "Sequence[Axes] | None" = None) -> "Sequence[Axes]":
    """Draw the best score of the regime, gamma and the p-value of the tests over the threshold.

    Parameters
    ----------
    regime : Regime
    name : str
        The score's name, for the axis.
    axes : sequence of three matplotlib.axes.Axes, optional
        Where to draw, from top to bottom; a new figure by default.

    Returns
    -------
    sequence of matplotlib.axes.Axes

    Raises
    ------
    InputError
        Matplotlib is missing.

    Examples
    --------
    >>> import numpy as np
    >>> import nqjax
    >>> scores = np.random.default_rng(0).random(48) ** 2
    >>> axes = nqjax.plot_regime(nqjax.find_regime(scores), name="loss")
    >>> axes[-1].get_xlabel()
    'threshold (loss)'
    """
    axes = new_figure().subplots(3, sharex=True) if axes is None else axes
    path, minimize = regime.path, regime.path[0].fit.minimize
    places = [one.threshold for one in path]
    best = "alpha" if minimize else "beta"
    rows = (
        (f"{best} ({name})", [getattr(one.fit, best) for one in path]),
        ("gamma", [one.fit.gamma for one in path]),
        ("p-value", [max(one.p_value, 1e-4) for one in path]),
    )
    for ax, (label, values) in zip(axes, rows, strict=True):
        ax.plot(places, values, "o-", color=BLUE, markersize=4, linewidth=1)
        ax.set_ylabel(label)
        if regime.found:
            ax.axvline(regime.threshold, color=ORANGE, label="chosen threshold")
    axes[1].set_yticks(sorted({one.fit.gamma for one in path}))
    axes[2].set_yscale("log")
    axes[2].axhline(regime.level, color=GREY, linestyle="--", label="level of the tests")
    axes[2].set_xlabel(f"threshold ({name})")
    axes[2].legend(frameon=False, fontsize="small")
    return axes
