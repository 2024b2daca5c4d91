"""Pictures of what a search says; they need the extra `nqjax[plot]`."""

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from nqjax.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from nqjax.estimate import Fit
    from nqjax.noise import NoiseDiagnostics
    from nqjax.regime import Regime
    from nqjax.resampling import Bootstrap

# Okabe and Ito's colours, which the colour-blind can tell apart.
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#8C8C8C"


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
        ax = new_figure().subplots()
    most = 10 * fit.num_scores if max_trials is None else max_trials
    trials = np.geomspace(1, most, 80)
    seen = trials[trials <= fit.num_scores]
    ax.plot(seen, empirical_curve(scores, seen, fit.minimize), color=GREY, linewidth=4, alpha=0.6, label="empirical")
    curve = fit.quantile_tuning_curve(trials)
    governed = trials >= fit.regime_start
    ax.plot(trials[governed], curve[governed], color=BLUE, linewidth=2, label="fitted")
    if not np.all(governed):
        ax.plot(trials[~governed], curve[~governed], color=BLUE, linestyle=":", label="fitted, before the regime")
    if boot:
        low, high = boot.tuning_curve_band(trials, level)
        ax.fill_between(
            trials, low, high, where=governed, color=BLUE, alpha=0.2, linewidth=0, label=f"{100 * level:g} % band"
        )
    end, text = (fit.alpha, "alpha") if fit.minimize else (fit.beta, "beta")
    ax.axhline(end, color=ORANGE, linestyle="--", linewidth=1, label=f"{text}: best without luck")
    if most > fit.num_scores:
        ax.axvspan(fit.num_scores, most, color=GREY, alpha=0.12, linewidth=0, label="more trials than there are")
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
    figure = new_figure()
    plot_tuning_curve(result, scores, ax=figure.subplots(), **options)
    _save(figure, path)


def plot_noise(
    diagnostics: "NoiseDiagnostics", *, name: str = "score", axes: "tuple[Axes, Axes] | None" = None
) -> "tuple[Axes, Axes]":
    """Draw the normal Q-Q plot of the residuals within its band, and each configuration's spread over its mean score.

    Parameters
    ----------
    diagnostics : NoiseDiagnostics
        What `nqjax.noise_diagnostics` found.
    name : str
        The score's name, for the axes.
    axes : pair of matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    pair of matplotlib.axes.Axes

    Raises
    ------
    InputError
        Matplotlib is missing.
    """
    left, right = new_figure((9.6, 4.2)).subplots(1, 2) if axes is None else axes
    _draw_qq(left, diagnostics)
    _draw_spreads(right, diagnostics, name)
    return left, right


def _draw_qq(ax: "Axes", diagnostics: "NoiseDiagnostics") -> None:
    qq, percent = diagnostics.qq, f"{100 * (1 - diagnostics.level):g} %"
    if len(qq.residuals):
        reach = 1.1 * max(3.0, *np.abs(qq.residuals[[0, -1]]))
        # The first and the last residual have no bound on one side: the band goes on to the end of the picture.
        low, high = np.clip(qq.low, -reach, reach), np.clip(qq.high, -reach, reach)
        ax.fill_between(qq.theoretical, low, high, color=BLUE, alpha=0.2, linewidth=0, label=f"{percent} band")
        ax.plot(qq.theoretical, qq.theoretical, color=GREY, linewidth=1, label="normal")
        ax.plot(qq.theoretical, qq.residuals, "o", color=BLUE, markersize=3, label="residuals")
        ax.set_ylim(-reach, reach)
        ax.legend(frameon=False, fontsize="small")
    ax.set(xlabel="normal quantile", ylabel="studentised residual")


def _draw_spreads(ax: "Axes", diagnostics: "NoiseDiagnostics", name: str) -> None:
    percent = f"{100 * (1 - diagnostics.level):g} %"
    if math.isfinite(diagnostics.sigma):
        ax.axhspan(*diagnostics.sigma_interval, color=ORANGE, alpha=0.2, linewidth=0)
        ax.axhline(diagnostics.sigma, color=ORANGE, label=f"pooled sigma, {percent}")
    for used, color, label in ((True, BLUE, f"in the regime, {percent} each"), (False, GREY, "not judged")):
        rows = [row for row in diagnostics.configurations if row.used == used and math.isfinite(row.sd)]
        if rows:
            sds = np.array([row.sd for row in rows])
            ends = np.array([row.sd_interval for row in rows])
            bars = np.abs(ends - sds[:, None]).T
            ax.errorbar([row.mean for row in rows], sds, bars, fmt="o", color=color, markersize=4, label=label)
    worse = diagnostics.limits[1 if diagnostics.minimize else 0]
    if math.isfinite(worse):
        ax.axvline(worse, color=GREY, linestyle="--", linewidth=1, label="threshold")
    ax.set(xlabel=f"mean {name}", ylabel=f"standard deviation of {name}")
    ax.set_ylim(0, 1.3 * ax.get_ylim()[1])  # room for the legend
    if ax.get_legend_handles_labels()[0]:
        ax.legend(frameon=False, fontsize="small")


def save_noise(path: "str | Path", diagnostics: "NoiseDiagnostics", *, name: str = "score") -> None:
    """Write `plot_noise` to a file: .png, .svg or .pdf.

    Raises
    ------
    InputError
        As `plot_noise`, or an ending that is none of these, or a file that cannot be written.
    """
    figure = new_figure((9.6, 4.2))
    plot_noise(diagnostics, name=name, axes=tuple(figure.subplots(1, 2)))
    _save(figure, path)


def _save(figure: "Figure", path: "str | Path") -> None:
    try:
        figure.savefig(path)
    except (ValueError, OSError) as error:
        raise InputError(f"cannot write the picture {str(path)!r}: {' '.join(str(error).split())}") from None


def plot_regime(regime: "Regime", *, name: str = "score", axes: "Sequence[Axes] | None" = None) -> "Sequence[Axes]":
    """Draw how the best reachable score, gamma and the tests' p-value move with the threshold.

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


def save_regime(path: "str | Path", regime: "Regime", **options: Any) -> None:
    """Write `plot_regime` to a file: .png, .svg or .pdf.

    Raises
    ------
    InputError
        As `plot_regime`, or an ending that is none of these, or a file that cannot be written.
    """
    figure = new_figure()
    plot_regime(regime, axes=figure.subplots(3, sharex=True), **options)
    _save(figure, path)


def check_picture(path: str) -> None:
    """Raise InputError if a picture cannot be written there, before any work is done."""
    if not path.lower().endswith((".png", ".svg", ".pdf")):
        raise InputError(f"cannot tell the kind of picture from {path!r}: give it the ending .png, .svg or .pdf")
    new_figure()


def new_figure(size: tuple[float, float] = (6.4, 4.2)) -> "Figure":
    """An empty figure; InputError where Matplotlib is missing."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise InputError("pictures need Matplotlib: pip install 'nqjax[plot]'") from None
    return Figure(figsize=size, dpi=150, layout="constrained")


def empirical_curve(scores: ArrayLike, trials: np.ndarray, minimize: bool) -> np.ndarray:
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
