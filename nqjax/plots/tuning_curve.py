"""The picture of a tuning curve."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from nqjax.plots.style import BLUE, GREY, ORANGE, empirical_curve, new_figure, zoom
from nqjax.runtime.text import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from nqjax.confidence.bootstrap import Bootstrap
    from nqjax.estimation.fit import Fit


def plot_tuning_curve(
    result: "Fit | Bootstrap",
    scores: ArrayLike,
    *,
    name: str = "score",
    confidence: float = 0.95,
    max_trials: float | None = None,
    ax: "Axes | None" = None,
) -> "Axes":
    """Draw the median of the best score after n trials: of the scores, of the fit, and its band.

    Parameters
    ----------
    result : Fit or Bootstrap
        With a bootstrap the curve has a pointwise percentile band.
    scores : array_like, shape (num_scores,)
        The scores that were fitted.
    name : str
        The score's name, for the axis.
    confidence : float
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
        Matplotlib is missing, or too few resamples for the confidence.

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
        low, high = boot.quantile_tuning_curve_band(trials, confidence=confidence)
        ax.fill_between(
            trials, low, high, where=governed, color=BLUE, alpha=0.2, linewidth=0, label=f"{percent(confidence)} band"
        )
    end, text = (fit.alpha, "alpha") if fit.minimize else (fit.beta, "beta")
    ax.axhline(end, color=ORANGE, linestyle="--", linewidth=1, label=f"{text}: best without luck")
    if most > fit.num_scores:
        ax.axvspan(fit.num_scores, most, color=GREY, alpha=0.12, linewidth=0, label="more trials than there are")
    ax.set(xscale="log", xlim=(1, most), xlabel="trials", ylabel=f"median of the best {name}")
    zoom(ax, curve[governed] if np.any(governed) else curve, end)
    ax.legend(frameon=False, fontsize="small")
    return ax
