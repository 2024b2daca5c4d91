"""Pictures of what a search says; they need the extra `nqjax[plot]`."""

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from nqjax.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from nqjax.estimate import Fit
    from nqjax.resampling import Bootstrap

# Okabe and Ito's colours, which the colour-blind can tell apart.
_BLUE, _ORANGE, _GREY = "#0072B2", "#D55E00", "#8C8C8C"


def plot_tuning_curve(
    result: "Fit | Bootstrap",
    scores: ArrayLike,
    *,
    name: str = "score",
    level: float = 0.95,
    max_trials: float | None = None,
    ax: "Axes | None" = None,
) -> "Axes":
    """Draw the median of the best score after n trials: what the scores say, what the fit says, and its band.

    Parameters
    ----------
    result : Fit or Bootstrap
        With a bootstrap the curve has a pointwise percentile band.
    scores : array_like, shape (num_scores,)
        What was fitted.
    name : str
        The score's name, for the axis.
    level : float
        Nominal coverage of the band.
    max_trials : float, optional
        Where the curve ends; ten times the number of scores by default.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        Matplotlib is missing, or too few resamples for the level.
    """
    boot: Any = result if hasattr(result, "fit") else None
    fit: Any = boot.fit if boot else result
    if ax is None:
        ax = _new_figure().subplots()
    most = 10 * fit.num_scores if max_trials is None else max_trials
    trials = np.geomspace(1, most, 80)
    seen = trials[trials <= fit.num_scores]
    ax.plot(seen, _empirical(scores, seen, fit.minimize), color=_GREY, linewidth=4, alpha=0.6, label="empirical")
    curve = fit.quantile_tuning_curve(trials)
    governed = trials >= fit.regime_start
    ax.plot(trials[governed], curve[governed], color=_BLUE, linewidth=2, label="fitted")
    if not np.all(governed):
        ax.plot(trials[~governed], curve[~governed], color=_BLUE, linestyle=":", label="fitted, before the regime")
    if boot:
        low, high = boot.tuning_curve_band(trials, level)
        ax.fill_between(
            trials, low, high, where=governed, color=_BLUE, alpha=0.2, linewidth=0, label=f"{100 * level:g} % band"
        )
    end, text = (fit.alpha, "alpha") if fit.minimize else (fit.beta, "beta")
    ax.axhline(end, color=_ORANGE, linestyle="--", linewidth=1, label=f"{text}: best without luck")
    if most > fit.num_scores:
        ax.axvspan(fit.num_scores, most, color=_GREY, alpha=0.12, linewidth=0, label="more trials than there are")
    ax.set(xscale="log", xlim=(1, most), xlabel="trials", ylabel=f"median of the best {name}")
    _zoom(ax, curve[governed] if np.any(governed) else curve, end)
    ax.legend(frameon=False, fontsize="small")
    return ax


def save_tuning_curve(path: "str | Path", result: "Fit | Bootstrap", scores: ArrayLike, **options: Any) -> None:
    """Write `plot_tuning_curve` to a file: .png, .svg or .pdf.

    Raises
    ------
    InputError
        As `plot_tuning_curve`, or an ending that is none of these, or a file that cannot be written.
    """
    figure = _new_figure()
    plot_tuning_curve(result, scores, ax=figure.subplots(), **options)
    try:
        figure.savefig(path)
    except (ValueError, OSError) as error:
        raise InputError(f"cannot write the picture {str(path)!r}: {' '.join(str(error).split())}") from None


def check_picture(path: str) -> None:
    """Raise InputError if a picture cannot be written there, before any work is done."""
    if not path.lower().endswith((".png", ".svg", ".pdf")):
        raise InputError(f"cannot tell the kind of picture from {path!r}: give it the ending .png, .svg or .pdf")
    _new_figure()


def _new_figure() -> "Figure":
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise InputError("pictures need Matplotlib: pip install 'nqjax[plot]'") from None
    return Figure(figsize=(6.4, 4.2), dpi=150, layout="constrained")


def _empirical(scores: ArrayLike, trials: np.ndarray, minimize: bool) -> np.ndarray:
    """Median of the best of n draws from the scores; failed runs are worst."""
    y = np.asarray(scores, np.float64)
    y = np.where(np.isfinite(y), y if minimize else -y, math.inf)
    best = np.quantile(y, 1 - 0.5 ** (1 / trials), method="inverted_cdf")
    best = np.where(np.isfinite(best), best, math.nan)
    return best if minimize else -best


def _zoom(ax: "Axes", curve: np.ndarray, end: float) -> None:
    """Show where the curve makes a claim, with some room: the first trials of a search may be far off."""
    low, high = min(np.min(curve), end), max(np.max(curve), end)
    room = 0.15 * (high - low) or 1.0
    ax.set_ylim(low - room, high + 2 * room)
