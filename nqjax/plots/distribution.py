"""The picture of the distribution of the scores: of the search, and of what was fitted to it."""

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from nqjax.confidence.bands import Bands, order_statistic_band
from nqjax.confidence.consonance import ConsonanceRegion
from nqjax.confidence.profile import ProfileRegion
from nqjax.confidence.region import Region, tails
from nqjax.estimation.fit import Fit
from nqjax.inputs import as_probability
from nqjax.plots.drawing import (
    Subject,
    cannot_draw,
    legend,
    losing_end,
    need_scores,
    one_axes,
    say_number_of,
    subject,
)
from nqjax.plots.drawn import Drawn
from nqjax.plots.style import BLUE, DARK, GREY, ORANGE, plain
from nqjax.posterior.averaged import AveragedPosterior
from nqjax.posterior.posterior import Posterior
from nqjax.runtime.text import percent
from nqjax.special.chunked import noisy_cdf
from nqjax.types import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Scores at which a CDF is drawn, and draws that it is averaged over.
_POINTS = 160
_DRAWS = 500

#: Largest number of scores that have the narrowest band, which takes long for more.
_MOST_FOR_LD_BAND = 5_000

#: How far beyond the regime the picture reaches, in widths of the regime.
_BEYOND = 0.6


class _Curve(NamedTuple):
    """A CDF at some scores, with its ends where it has any."""

    estimate: Floats
    low: Floats | None
    high: Floats | None
    label: str
    band: str


def cdf(
    result: Any,
    scores: ArrayLike | None = None,
    *,
    name: str | None = None,
    confidence: float | None = None,
    ax: "Axes | None" = None,
) -> Drawn:
    """Draw the share of the scores at or below each score: of the search, and of what was fitted to it.

    Parameters
    ----------
    result : Analysis, AveragedFit, Fit, Region or Bands
    scores : array_like, shape (num_scores,), optional
        The scores that a fit of one threshold is of, which does not hold them.
    name : str, optional
        The score's name and unit, for the axis; by default that of the analysis.
    confidence : float, optional
        Probability of the bands; the result's own by default, and 0.95 for a fit.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Drawn
        Artists ``empirical``, ``any`` (the band of `nqjax.confidence_bands`, which holds the whole CDF whatever the
        scores follow), ``curve``, ``beyond`` (the part outside the regime), ``band`` and ``threshold``.

    Raises
    ------
    InputError
        Matplotlib is missing, no scores for a fit, something else was given, or a confidence that the region was not
        made for.

    Examples
    --------
    >>> import numpy as np
    >>> import nqjax
    >>> scores = np.random.default_rng(0).random(48) ** 2
    >>> drawn = nqjax.plots.cdf(nqjax.fit(scores), name="loss")
    >>> drawn.ax.get_xlabel(), drawn.ax.get_ylabel()
    ('loss', 'share of the scores at or below')
    """
    about = subject(result, scores, name)
    if not isinstance(about.result, Bands | Region | Fit):
        wanted = "a fit with its scores, a region, a posterior, an analysis, or bands from nqjax.confidence_bands"
        raise cannot_draw("cdf", result, wanted)
    y = need_scores(about)
    own = getattr(about.result, "confidence", 0.95)
    share = own if confidence is None else as_probability("confidence", confidence)
    limits = getattr(about.result, "limits", (-math.inf, math.inf))
    low, high = _shown(y, limits, about.minimize)
    ax = one_axes(ax)
    artists = _draw_scores(ax, y, share, about)
    if not isinstance(about.result, Bands):
        x = np.linspace(low, high, _POINTS)
        artists.update(_draw_curve(ax, x, _curve_of(about, x, share, confidence), limits))
        threshold = losing_end(limits, about.minimize)
        if math.isfinite(threshold):
            label = "most probable threshold" if isinstance(about.result, AveragedPosterior) else "threshold"
            artists["threshold"] = ax.axvline(threshold, color=ORANGE, linestyle="--", linewidth=1, label=label)
    ax.set(xlim=(low, high), ylim=(0, 1), xlabel=plain(about.name), ylabel="share of the scores at or below")
    say_number_of(ax, about)
    legend(ax)
    return Drawn(ax, artists)


def _shown(y: Floats, limits: tuple[float, float], minimize: bool) -> tuple[float, float]:
    """Return the part of the scores that is drawn: the regime and some of what is beyond it."""
    finite = y[np.isfinite(y)]
    best, worst = (np.min(finite), np.max(finite)) if minimize else (np.max(finite), np.min(finite))
    end = losing_end(limits, minimize)
    if math.isfinite(end) and end != best:
        beyond = end + _BEYOND * (end - best)
        worst = min(worst, beyond) if minimize else max(worst, beyond)
    room = 0.05 * abs(worst - best) or 1.0
    low, high = sorted([float(best), float(worst)])
    return low - room, high + room


def _draw_scores(ax: "Axes", y: Floats, share: float, about: Subject) -> dict[str, Any]:
    """Draw the empirical CDF, in which failed runs are the worst scores, and its band of any distribution."""
    worst = math.inf if about.minimize else -math.inf
    ordered = np.sort(np.where(np.isfinite(y), y, worst))
    n = len(ordered)
    if isinstance(about.result, Bands):
        steps = [(np.append(-np.inf, one.scores), one) for one in (about.result.lower, about.result.upper)]
        places = np.unique(np.concatenate([ordered, *(part for part, _ in steps)]))
        places = places[np.isfinite(places)]
        low, high = (np.asarray(one.cdf(places)) for _, one in steps)
    else:
        band = order_statistic_band(n, share, "ld_highest_density" if n <= _MOST_FOR_LD_BAND else "dkw")
        places, low, high = ordered, band.low, np.append(band.high[1:], 1.0)
        finite = np.isfinite(places)
        places, low, high = places[finite], low[finite], high[finite]
        # Before the first score, the CDF is between 0 and the upper end of the first order statistic.
        edge = places[0] - 10 * (np.ptp(places) or 1.0)
        places, low, high = np.append(edge, places), np.append(0.0, low), np.append(band.high[0], high)
    label = f"{percent(share)} band, whatever the distribution"
    look: dict[str, Any] = {"step": "post", "color": GREY, "alpha": 0.25, "linewidth": 0, "label": label}
    artists: dict[str, Any] = {"any": ax.fill_between(places, low, high, **look)}
    (artists["empirical"],) = ax.step(
        ordered, np.arange(1, n + 1) / n, where="post", color=DARK, linewidth=1.2, label="the scores"
    )
    return artists


def _draw_curve(ax: "Axes", x: Floats, curve: _Curve, limits: tuple[float, float]) -> dict[str, Any]:
    inside = (x >= limits[0]) & (x <= limits[1])
    artists: dict[str, Any] = {}
    if curve.low is not None and curve.high is not None:
        look: dict[str, Any] = {"color": BLUE, "alpha": 0.3, "linewidth": 0, "label": curve.band}
        artists["band"] = ax.fill_between(x, curve.low, curve.high, where=inside.tolist(), **look)
    (artists["curve"],) = ax.plot(x[inside], curve.estimate[inside], color=BLUE, linewidth=2, label=curve.label)
    if not np.all(inside):
        outside = np.where(inside, np.nan, curve.estimate)
        label = "outside the regime: not claimed"
        (artists["beyond"],) = ax.plot(x, outside, color=BLUE, linestyle=":", label=label)
    return artists


def _curve_of(about: Subject, x: Floats, share: float, asked: float | None) -> _Curve:
    """Return the CDF that a result has at some scores."""
    result: Any = about.result
    if isinstance(result, AveragedPosterior | Posterior):
        low, middle, high = np.quantile(_cdfs(about, x), [tails(share)[0], 0.5, tails(share)[1]], axis=0)
        label = "averaged over thresholds" if isinstance(result, AveragedPosterior) else "posterior median"
        return _Curve(middle, low, high, label, f"{percent(share)} credible")
    fit = about.fit
    estimate = _at(fit.alpha, fit.beta, fit.gamma, fit.sigma, x, about.minimize)
    if about.has_draws:
        low, high = np.quantile(_cdfs(about, x), tails(share), axis=0)
    elif isinstance(result, ProfileRegion | ConsonanceRegion) and not result.is_empty:
        result.interval("gamma", asked)  # raises where the region was not made for this confidence
        low, high = result.cdf_bands(x)
    else:
        return _Curve(estimate, None, None, "fitted", "")
    return _Curve(estimate, low, high, "fitted", f"{percent(share)} of the fit")


def _cdfs(about: Subject, x: Floats) -> Floats:
    """Return the CDFs of some draws, shape (draws, scores)."""
    result: Any = about.result
    columns = [np.asarray(getattr(result, key), np.float64).ravel() for key in ("alpha", "beta", "gamma", "sigma")]
    (known,) = np.nonzero(columns[2] > 0)  # refits that failed have gamma 0
    known = known[:: max(1, len(known) // _DRAWS)]
    alpha, beta, gamma, sigma = (column[known, None] for column in columns)
    return _at(alpha, beta, gamma, sigma, x, about.minimize)


def _at(alpha: Any, beta: Any, gamma: Any, sigma: Any, x: Floats, minimize: bool) -> Floats:
    """Return the CDF of noisy quadratics at some scores."""
    delta = np.maximum(np.asarray(beta, np.float64) - alpha, 1e-300)
    distance = (x - alpha if minimize else beta - x) / delta
    found = noisy_cdf(np.clip(distance, -1e9, 1e9), 1.0, sigma / delta, np.asarray(gamma, np.float64))
    return found if minimize else 1 - found
