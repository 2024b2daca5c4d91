"""The picture of the best score of the fitted regime."""

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from nqjax.confidence.region import Region
from nqjax.plots.drawing import Subject, cannot_draw, legend, losing_end, one_axes, say_number_of, subject
from nqjax.plots.drawn import Drawn
from nqjax.plots.style import BLUE, GREY, ORANGE, plain
from nqjax.posterior.posterior import Posterior
from nqjax.runtime.text import percent
from nqjax.types import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Bins of a histogram: draws repeat some points, so that more would show their number.
BINS = 30


def best_score(result: Any, *, name: str | None = None, ax: "Axes | None" = None) -> Drawn:
    """Draw how good the best score of the fitted regime is, and how sure that is.

    Parameters
    ----------
    result : Analysis, AveragedFit, or Region
        The draws of a posterior or bootstrap are drawn as a histogram, other regions as their interval.
    name : str, optional
        The score's name and unit, for the axis; by default that of the analysis.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Drawn
        Artists ``draws`` or ``interval``, ``estimate`` (of regions with a fit), ``seen`` (the best score so far), and
        ``prior`` where it has a density.

    Raises
    ------
    InputError
        Matplotlib is missing, or something else was given.

    Examples
    --------
    >>> import numpy as np
    >>> import nqjax
    >>> scores = np.random.default_rng(0).random(48) ** 2
    >>> drawn = nqjax.plots.best_score(nqjax.fit(scores), name="loss")
    >>> drawn.ax.get_xlabel()
    'alpha, the best loss of the fitted regime'
    """
    about = subject(result, None, name)
    if not isinstance(about.result, Region):
        raise cannot_draw("best_score", result, "a region, a posterior or an analysis, which say how sure it is")
    ax = one_axes(ax)
    best = "alpha" if about.minimize else "beta"
    artists: dict[str, Any] = {}
    if about.has_draws:
        artists.update(draw_histogram(ax, _draws_of(about, best)))
        if isinstance(about.result, Posterior):
            artists.update(_draw_prior(ax, about.result))
    else:
        artists.update(draw_interval(ax, about.result, best, getattr(about.fit, best)))
    assert about.scores is not None
    finite = about.scores[np.isfinite(about.scores)]
    seen = float(np.min(finite) if about.minimize else np.max(finite))
    artists["seen"] = ax.axvline(seen, color=ORANGE, linestyle="--", linewidth=1, label="best score so far")
    ax.set(xlabel=f"{best}, the best {plain(about.name)} of the fitted regime", yticks=[])
    say_number_of(ax, about)
    legend(ax)
    return Drawn(ax, artists)


def _draws_of(about: Subject, name: str) -> Floats:
    """Return the finite draws of a parameter."""
    draws = np.asarray(getattr(about.result, name), np.float64).ravel()
    return draws[np.isfinite(draws)]


def draw_histogram(ax: "Axes", draws: Floats) -> dict[str, Any]:
    """Draw the draws of a parameter without the outermost hundredth, which may be far off."""
    low, high = np.quantile(draws, [0.005, 0.995])
    if high - low > BINS * np.spacing(max(abs(low), abs(high))):
        _, _, bars = ax.hist(
            draws, bins=BINS, range=(low, high), density=True, color=BLUE, alpha=0.6, label="probability density"
        )
        return {"draws": bars}
    # No bins fit between numbers that are nearly equal.
    return {"draws": ax.axvline(float(np.median(draws)), color=BLUE, label="all of the probability")}


def draw_interval(ax: "Axes", region: Any, name: str, estimate: float) -> dict[str, Any]:
    """Draw the interval of a parameter, as far as it is finite, and its estimate."""
    low, high = region.interval(name)
    artists: dict[str, Any] = {}
    if not math.isnan(low):
        ends = [end for end in (low, high, estimate) if math.isfinite(end)]
        room = 0.2 * (max(ends) - min(ends)) or 1.0
        shown = np.clip([low, high], min(ends) - room, max(ends) + room)
        open_ended = "" if math.isfinite(low + high) else ", without an end on one side"
        label = f"{percent(region.confidence)} interval{open_ended}"
        ax.set_xlim(min(ends) - room, max(ends) + room)
        artists["interval"] = ax.axvspan(*shown, color=BLUE, alpha=0.3, linewidth=0, label=label)
    artists["estimate"] = ax.axvline(estimate, color=BLUE, label="estimate")
    return artists


def _draw_prior(ax: "Axes", post: Posterior) -> dict[str, Any]:
    """Draw the density of the prior, where it is that of the default."""
    threshold = losing_end(post.limits, post.minimize)
    if not math.isfinite(threshold) or post.prior.width is not None:
        return {}
    low, high = ax.get_xlim()
    x = np.linspace(low, high, 200)
    density = 1 / np.maximum(np.abs(threshold - x), 1e-300)
    density /= density.sum() * (x[1] - x[0])
    (line,) = ax.plot(x, density, color=GREY, label="prior, as far as shown")
    return {"prior": line}
