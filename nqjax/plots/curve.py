"""The picture of a tuning curve."""

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from nqjax.confidence.bands import Bands
from nqjax.confidence.region import Region, tails, wider_tails
from nqjax.estimation.fit import Fit
from nqjax.inputs import as_probability
from nqjax.plots.drawing import Subject, cannot_draw, legend, one_axes, say_number_of, subject
from nqjax.plots.drawn import Drawn
from nqjax.plots.style import BLUE, GREY, ORANGE, empirical_curve, plain, zoom
from nqjax.posterior.averaged import AveragedPosterior
from nqjax.posterior.curves import quantiles_of
from nqjax.posterior.posterior import Posterior
from nqjax.runtime.text import BEST_OF_REGIME, percent
from nqjax.types import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Points of the curve.
_POINTS = 48

#: Probability of the inner band of a posterior.
_INNER = 0.5


def tuning_curve(
    result: Any,
    scores: ArrayLike | None = None,
    *,
    name: str | None = None,
    confidence: float | None = None,
    max_trials: float | None = None,
    ax: "Axes | None" = None,
) -> Drawn:
    """Draw the median of the best score after n trials: of the scores, of the fit, and its band.

    Parameters
    ----------
    result : Analysis, AveragedFit, Fit, Region or Bands
        A region has a band: of a posterior, averaged or not, a pointwise credible one; of a bootstrap percentiles, of a
        profile region what fits nearly as well. A fit of one threshold has none. `nqjax.confidence_bands` gives a band
        that holds whatever the scores follow.
    scores : array_like, shape (num_scores,), optional
        The scores that a fit of one threshold is of, which does not hold them; without them only the fit is drawn.
    name : str, optional
        The score's name and unit, for the axis; by default that of the analysis.
    confidence : float, optional
        Probability of the band; the result's own by default.
    max_trials : float, optional
        Where the curve ends; ten times the number of scores by default, and the number of scores for bands.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Drawn
        Artists ``empirical``, ``curve``, ``before`` (the part before the regime), ``band``, ``50 % band``, ``best`` and
        ``extrapolation``; of bands ``empirical``, ``band`` and ``bound``.

    Raises
    ------
    InputError
        Matplotlib is missing, something else was given, or a confidence that the region was not made for.

    Examples
    --------
    >>> import numpy as np
    >>> import nqjax
    >>> scores = np.random.default_rng(0).random(48) ** 2
    >>> drawn = nqjax.plots.tuning_curve(nqjax.fit(scores, threshold=0.7), scores, name="loss")
    >>> drawn.ax.get_ylabel(), drawn.ax.get_title(loc="right")
    ('median of the best loss', 'n = 48')
    """
    about = subject(result, scores, name)
    if not isinstance(about.result, Bands | Region | Fit):
        wanted = "a fit, a region, a posterior, an analysis, or bands from nqjax.confidence_bands"
        raise cannot_draw("tuning_curve", result, wanted)
    ax = one_axes(ax)
    if isinstance(about.result, Bands):
        artists = _draw_bands(ax, about.result, max_trials)
    else:
        artists = _draw_curve(ax, about, confidence, max_trials)
    ax.set(xscale="log", xlabel="number of trials", ylabel=f"median of the best {plain(about.name)}")
    say_number_of(ax, about)
    legend(ax)
    return Drawn(ax, artists)


def _draw_curve(ax: "Axes", about: Subject, confidence: float | None, max_trials: float | None) -> dict[str, Any]:
    result: Any = about.result
    num_scores = result.num_scores
    most = 10 * num_scores if max_trials is None else max_trials
    # Whole numbers of trials, also for the values that pages show.
    trials = np.unique(np.append(np.rint(np.geomspace(1, most, _POINTS)[:-1]), most))
    artists: dict[str, Any] = {}
    if about.scores is not None:
        seen = np.geomspace(1, min(most, num_scores), _POINTS)
        empirical = empirical_curve(about.scores, seen, result.minimize)
        (artists["empirical"],) = ax.plot(seen, empirical, color=GREY, linewidth=4, alpha=0.6, label="of the scores")
    curve, bands = _curve_and_bands(result, trials, confidence)
    governed = trials >= (about.fit or result).regime_start
    label = "averaged over thresholds" if isinstance(result, AveragedPosterior) else "fitted"
    (artists["curve"],) = ax.plot(trials[governed], curve[governed], color=BLUE, linewidth=2, label=label)
    if not np.all(governed):
        label = "before the regime: not claimed"
        before = trials <= (trials[governed][0] if np.any(governed) else most)  # the two parts meet
        (artists["before"],) = ax.plot(trials[before], curve[before], color=BLUE, linestyle=":", label=label)
    end = _best_of(about)
    artists["best"] = ax.axhline(end, color=ORANGE, linestyle="--", linewidth=1, label=BEST_OF_REGIME)
    if most > num_scores:
        label = "more trials than there are"
        artists["extrapolation"] = ax.axvspan(num_scores, most, color=GREY, alpha=0.12, linewidth=0, label=label)
    ax.set_xlim(1, most)
    shown = governed if np.any(governed) else np.ones(len(trials), bool)
    winning = [(band.low if about.minimize else band.high)[shown][-1:] for band in bands.values()]
    within = np.concatenate([curve[shown], *winning])
    zoom(ax, within[np.isfinite(within)], end)
    bottom, top = ax.get_ylim()
    edges = bottom - (top - bottom), top + (top - bottom)  # an infinite end would spoil the whole band
    for key, band in bands.items():
        low, high = np.clip(band.low, *edges), np.clip(band.high, *edges)
        look: dict[str, Any] = {"color": BLUE, "alpha": 0.2, "linewidth": 0, "label": band.label}
        artists[key] = ax.fill_between(trials, low, high, where=governed.tolist(), **look)
    return artists


class _Band(NamedTuple):
    """A band of a tuning curve."""

    low: Floats
    high: Floats
    label: str


def _curve_and_bands(result: Any, trials: Floats, confidence: float | None) -> tuple[Floats, dict[str, _Band]]:
    """Return the curve, and its bands, the widest first."""
    if not isinstance(result, Region):
        return result.quantile_tuning_curve(trials), {}
    share = result.confidence if confidence is None else as_probability("confidence", confidence)
    if isinstance(result, AveragedPosterior | Posterior):
        # The curves of all draws are computed once for all bands: that is what takes time.
        ends = wider_tails if isinstance(result, AveragedPosterior) else tails
        shares = [0.5, *ends(share), *ends(_INNER)]
        curve, low, high, *inner = quantiles_of(result.quantile_tuning_curves(trials), shares, result.minimize)
        bands = {"band": _Band(low, high, f"{percent(share)} credible")}
        if share > _INNER:
            bands["50 % band"] = _Band(inner[0], inner[1], f"{percent(_INNER)} credible")
        return curve, bands
    low, high = result.quantile_tuning_curve_band(trials, confidence=confidence)
    known = np.any(np.isfinite([low, high]))
    return result.quantile_tuning_curve(trials), {"band": _Band(low, high, f"{percent(share)} band")} if known else {}


def _best_of(about: Subject) -> float:
    """Return the estimate of the best score of the regime."""
    name = "alpha" if about.minimize else "beta"
    return float(np.median(getattr(about.result if about.fit is None else about.fit, name)))


def _draw_bands(ax: "Axes", bands: "Bands", max_trials: float | None) -> dict[str, Any]:
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
    artists: dict[str, Any] = {}
    artists["band"] = ax.fill_between(
        trials, np.clip(low, *edges), np.clip(high, *edges), color=BLUE, alpha=0.2, linewidth=0, label=label
    )
    finite = np.where(np.isfinite(curve), curve, np.nan)
    (artists["empirical"],) = ax.plot(trials, finite, color=GREY, linewidth=2, label="of the scores")
    end = bands.bounded_trials()
    if 1 <= end < most:
        label = "beyond: no bound on how good it gets"
        artists["bound"] = ax.axvline(end, color=ORANGE, linestyle="--", linewidth=1, label=label)
    ax.set(xlim=(1, most), ylim=edges)
    return artists
