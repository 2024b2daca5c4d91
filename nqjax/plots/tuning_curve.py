"""The picture of a tuning curve."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from nqjax.confidence.region import region_behind
from nqjax.errors import InputError
from nqjax.plots.style import BLUE, GREY, ORANGE, empirical_curve, new_figure, zoom
from nqjax.runtime.text import BEST_OF_REGIME, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from nqjax.confidence.bands import Bands
    from nqjax.confidence.bootstrap import Bootstrap
    from nqjax.estimation.fit import Fit
    from nqjax.posterior.averaged import AveragedPosterior
    from nqjax.posterior.averaged_fit import AveragedFit


def plot_tuning_curve(
    result: "Fit | AveragedFit | Bootstrap | AveragedPosterior | Bands",
    scores: ArrayLike | None = None,
    *,
    name: str = "score",
    confidence: float = 0.95,
    max_trials: float | None = None,
    ax: "Axes | None" = None,
) -> "Axes":
    """Draw the median of the best score after n trials: of the scores, of the fit, and its band.

    Parameters
    ----------
    result : Fit, AveragedFit, Bootstrap, AveragedPosterior or Bands
        With a bootstrap the curve has a pointwise percentile band, with an averaged answer a pointwise credible one;
        bands are drawn with the curve of their own scores.
    scores : array_like, shape (num_scores,), optional
        The scores that were fitted; not for bands and averaged answers, which have them.
    name : str
        The score's name, for the axis.
    confidence : float
        Nominal coverage of a bootstrap's band.
    max_trials : float, optional
        Where the curve ends; ten times the number of scores by default, and the number of scores for bands.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    InputError
        Matplotlib is missing, too few resamples for the confidence, or no scores for a fit.

    Examples
    --------
    >>> import numpy as np
    >>> import nqjax
    >>> scores = np.random.default_rng(0).random(48) ** 2
    >>> fit = nqjax.fit(scores, limits=(-np.inf, 0.7))
    >>> ax = nqjax.plot_tuning_curve(fit, scores, name="loss")
    >>> ax.get_ylabel()
    'median of the best loss'
    """
    if ax is None:
        ax = new_figure().subplots()
    result = region_behind(result)
    if hasattr(result, "bounded_trials"):
        _draw_bands(ax, result, max_trials)  # type: ignore[arg-type]
    elif hasattr(result, "threshold_probabilities"):
        _draw_averaged(ax, result, max_trials)  # type: ignore[arg-type]
    else:
        if scores is None:
            raise InputError("scores is missing: give the scores that were fitted")
        _draw_fit(ax, result, scores, confidence, max_trials)  # type: ignore[arg-type]
    ax.set(xscale="log", xlabel="trials", ylabel=f"median of the best {name}")
    ax.legend(frameon=False, fontsize="small")
    return ax


def _draw_fit(
    ax: "Axes", result: "Fit | Bootstrap", scores: ArrayLike, confidence: float, max_trials: float | None
) -> None:
    boot: Any = result if hasattr(result, "fit") else None
    fit: Any = boot.fit if boot else result
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
        low, high = boot.quantile_tuning_curve_band(trials, confidence=confidence)
        ax.fill_between(
            trials, low, high, where=governed, color=BLUE, alpha=0.2, linewidth=0, label=f"{percent(confidence)} band"
        )
    end, text = (fit.alpha, "alpha") if fit.minimize else (fit.beta, "beta")
    ax.axhline(end, color=ORANGE, linestyle="--", linewidth=1, label=f"{text}: {BEST_OF_REGIME}")
    if most > fit.num_scores:
        ax.axvspan(fit.num_scores, most, color=GREY, alpha=0.12, linewidth=0, label="more trials than there are")
    ax.set_xlim(1, most)
    zoom(ax, curve[governed] if np.any(governed) else curve, end)


def _draw_averaged(ax: "Axes", post: "AveragedPosterior", max_trials: float | None) -> None:
    most = 10 * post.num_scores if max_trials is None else max_trials
    trials = np.geomspace(1, most, 60)
    seen = trials[trials <= post.num_scores]
    empirical = empirical_curve(post.study.scores, seen, post.minimize)
    ax.plot(seen, empirical, color=GREY, linewidth=4, alpha=0.6, label="empirical")
    curve = post.curve(trials)
    governed = trials >= post.regime_start
    ax.plot(trials[governed], curve.estimate[governed], color=BLUE, linewidth=2, label="averaged over thresholds")
    ax.fill_between(
        trials,
        curve.low,
        curve.high,
        where=governed,
        color=BLUE,
        alpha=0.2,
        linewidth=0,
        label=f"{percent(post.confidence)} interval",
    )
    end = post.estimate("best")
    ax.axhline(end, color=ORANGE, linestyle="--", linewidth=1, label=BEST_OF_REGIME)
    if most > post.num_scores:
        ax.axvspan(post.num_scores, most, color=GREY, alpha=0.12, linewidth=0, label="more trials than there are")
    ax.set_xlim(1, most)
    shown = governed if np.any(governed) else np.ones(len(trials), bool)
    far = curve.low[shown][-1] if post.minimize else curve.high[shown][-1]
    zoom(ax, np.append(curve.estimate[shown], far), end)


def _draw_bands(ax: "Axes", bands: "Bands", max_trials: float | None) -> None:
    """Draw the curve of the scores and its band, as far as the scores bound it; what has no end is left open."""
    most = len(bands.point.scores) if max_trials is None else max_trials
    trials = np.geomspace(1, most, 400)
    curve = bands.quantile_tuning_curve(trials)
    low, high = bands.quantile_tuning_curve_band(trials)
    y = bands.point.scores
    y = y[np.isfinite(y)]
    room = 0.15 * float(np.ptp(y)) or 1.0
    edges = float(np.min(y)) - room, float(np.max(y)) + room
    label = f"{percent(bands.confidence)} band, at all trials together"
    ax.fill_between(
        trials, np.clip(low, *edges), np.clip(high, *edges), color=BLUE, alpha=0.2, linewidth=0, label=label
    )
    ax.plot(trials, np.where(np.isfinite(curve), curve, np.nan), color=GREY, linewidth=2, label="empirical")
    end = bands.bounded_trials()
    if 1 <= end < most:
        ax.axvline(end, color=ORANGE, linestyle="--", linewidth=1, label="beyond: no bound on how good it gets")
    ax.set(xlim=(1, most), ylim=edges)
