"""The Q-Q plot of the scores inside the regime."""

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from nqjax.checks.goodness import GoodnessOfFit, goodness_of_fit
from nqjax.confidence.region import tails
from nqjax.errors import InputError
from nqjax.inputs import as_probability, oriented_limits
from nqjax.plots.drawing import Subject, cannot_draw, legend, need_scores, one_axes, say_number, subject
from nqjax.plots.drawn import Drawn
from nqjax.plots.style import BLUE, GREY, plain
from nqjax.posterior.averaged import AveragedPosterior
from nqjax.posterior.posterior import Posterior
from nqjax.runtime.text import percent
from nqjax.special.chunked import standard_cdf, standard_quantile
from nqjax.types import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Draws that are simulated, most scores that are drawn, and fewest.
_DRAWS = 200
_MOST_POINTS = 500
_FEWEST = 5


def qq(
    result: Any,
    scores: ArrayLike | None = None,
    *,
    name: str | None = None,
    confidence: float | None = None,
    ax: "Axes | None" = None,
) -> Drawn:
    """Draw the scores inside the regime against those to expect there: on the line where the fit is right.

    Parameters
    ----------
    result : Analysis, AveragedFit, Fit, Region or GoodnessOfFit
        A posterior is compared with searches that are simulated from its draws, in the regime of the most probable
        threshold; anything else with its fit, whose band holds all scores at once if the fit is the truth.
    scores : array_like, shape (num_scores,), optional
        The scores that a fit of one threshold is of, which does not hold them.
    name : str, optional
        The score's name and unit, for the axes; by default that of the analysis.
    confidence : float, optional
        Probability of the band; the result's own by default, and 0.95 for a fit.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Drawn
        Artists ``scores``, ``line`` and ``band``.

    Raises
    ------
    InputError
        Matplotlib is missing, no scores for a fit, fewer than five scores inside the regime, or something else was
        given.

    Examples
    --------
    >>> import numpy as np
    >>> import nqjax
    >>> scores = np.random.default_rng(0).random(48) ** 2
    >>> drawn = nqjax.plots.qq(nqjax.fit(scores, threshold=0.7), scores, name="loss")
    >>> drawn.ax.get_ylabel()
    'loss'
    """
    if isinstance(result, GoodnessOfFit):
        return _draw(one_axes(ax), result, name or "score", f"{percent(result.confidence)} band, all scores at once")
    about = subject(result, scores, name)
    is_posterior = isinstance(about.result, AveragedPosterior | Posterior)
    if not is_posterior and about.fit is None:
        wanted = "a fit with its scores, a region, a posterior, an analysis, or the result of nqjax.goodness_of_fit"
        raise cannot_draw("qq", result, wanted)
    y = need_scores(about)
    own = getattr(about.result, "confidence", 0.95)
    share = own if confidence is None else as_probability("confidence", confidence)
    if is_posterior:
        found: Any = _predicted(about, share)
        label = f"{percent(share)} of simulated searches, each score by itself"
    else:
        found = goodness_of_fit(y, about.fit, confidence=share)
        label = f"{percent(share)} band, all scores at once"
    return _draw(one_axes(ax), found, about.name, label)


def _draw(ax: "Axes", found: Any, name: str, label: str) -> Drawn:
    expected, y = found.expected, found.scores
    ends = np.array([min(expected.min(), y.min()), max(expected.max(), y.max())])
    room = 0.08 * float(np.ptp(ends)) or 1.0
    edges = ends + np.array([-room, room])
    artists: dict[str, Any] = {}
    # The outermost scores may have no bound on one side.
    low, high = np.clip(found.low, *edges), np.clip(found.high, *edges)
    artists["band"] = ax.fill_between(expected, low, high, color=BLUE, alpha=0.2, linewidth=0, label=label)
    (artists["line"],) = ax.plot(edges, edges, color=GREY, linewidth=1, label="the fit is right")
    (artists["scores"],) = ax.plot(expected, y, "o", color=BLUE, markersize=3, label="scores in the regime")
    ax.set(xlim=edges, ylim=edges, xlabel=f"{plain(name)} to expect", ylabel=plain(name))
    say_number(ax, found.num_used)
    legend(ax)
    return Drawn(ax, artists)


class _Points(NamedTuple):
    """Points of a Q-Q plot, those of `GoodnessOfFit` by the same names."""

    scores: Floats
    expected: Floats
    low: Floats
    high: Floats
    num_used: int


def _predicted(about: Subject, confidence: float) -> _Points:
    """Simulate the sorted scores inside the regime, given their number, from some draws of a posterior.

    The draws of an averaged posterior are those of its most probable threshold.
    """
    post: Any = about.result
    least, most = post.limits
    y = need_scores(about)
    y = np.sort(y[(y > least) & (y < most)])
    if len(y) < _FEWEST:
        raise InputError(f"{len(y)} scores inside the regime are too few for a Q-Q plot: run more trials")
    keep = np.ones(post.alpha.size, bool)
    if isinstance(post, AveragedPosterior):
        keep = post.threshold.ravel() == (most if post.minimize else least)
    (rows,) = np.nonzero(keep)
    rows = rows[:: max(1, len(rows) // _DRAWS)]
    best, delta, sigma, gamma = (column[:, None] for column in post.parameters(rows))
    sign = 1 if post.minimize else -1
    ends = np.clip(np.array(oriented_limits((least, most), post.minimize)), -1e300, 1e300)
    with np.errstate(over="ignore"):  # an infinite end, in units of a small range
        places = [np.clip((end - sign * best) / delta, -1e9, 1e9) for end in ends]
    first, last = (standard_cdf(place, sigma / delta, gamma) for place in places)
    u = np.sort(np.random.default_rng(0).random((len(rows), len(y))), axis=1)
    some = np.unique(np.linspace(0, len(y) - 1, _MOST_POINTS).astype(int))
    tail = np.log1p(-np.clip(first + u[:, some] * (last - first), 1e-300, 1 - 2.0**-53))
    found = sign * best + delta * standard_quantile(tail, sigma / delta, gamma)
    if not post.minimize:
        some, found = len(y) - 1 - some[::-1], -found[:, ::-1]
    lowest, highest = tails(confidence)
    low, middle, high = np.quantile(found, [lowest, 0.5, highest], axis=0)
    return _Points(y[some], middle, low, high, len(y))
