"""The picture of the threshold, which is unknown: how much the answer depends on it."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from nqjax.checks.regime import Regime
from nqjax.plots.drawing import cannot_draw, legend, say_number, say_number_of, several_axes, subject
from nqjax.plots.drawn import Drawn
from nqjax.plots.style import BLUE, DARK, GREY, ORANGE, new_figure, plain
from nqjax.posterior.averaged import AveragedPosterior
from nqjax.runtime.text import percent, same_side

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Thresholds of a smaller probability have no number of scores.
_LEAST_SHARE = 0.03

#: Fewest draws of a threshold that tell an interval.
_FEWEST_DRAWS = 40


def threshold_path(result: Any, *, name: str | None = None, ax: "Sequence[Axes] | None" = None) -> Drawn:
    """Draw the best score of the regime and gamma for each threshold, and how well each describes the scores.

    Parameters
    ----------
    result : Analysis, AveragedFit, AveragedPosterior or Regime
        Of an averaged answer, medians and intervals of the draws of each threshold, and its probability; of
        `nqjax.find_regime`, the fits and the p-values of the tests.
    name : str, optional
        The score's name and unit, for the axes; by default that of the analysis.
    ax : sequence of three matplotlib.axes.Axes, optional
        Where to draw, from top to bottom; a new figure by default.

    Returns
    -------
    Drawn
        Axes from top to bottom; artists ``best``, ``gamma``, and ``probability`` or ``p_value``; of a regime also
        ``chosen`` and ``level``.

    Raises
    ------
    InputError
        Matplotlib is missing, something else was given, or not three axes.

    Examples
    --------
    >>> import numpy as np
    >>> import nqjax
    >>> scores = np.random.default_rng(0).random(48) ** 2
    >>> drawn = nqjax.plots.threshold_path(nqjax.find_regime(scores), name="loss")
    >>> drawn.ax[-1].get_xlabel()
    'threshold (loss)'
    """
    about = subject(result, None, name)
    if isinstance(about.result, Regime):
        return _draw_regime(about.result, about.name, ax)
    if not isinstance(about.result, AveragedPosterior):
        wanted = "an answer that is averaged over thresholds, an analysis, or the result of nqjax.find_regime"
        raise cannot_draw("threshold_path", result, wanted)
    axes = several_axes(new_figure((6.4, 6.4)).subplots(3, sharex=True) if ax is None else ax, 3)
    post = about.result
    best = "alpha" if post.minimize else "beta"
    artists: dict[str, Any] = {}
    for key, column, label, part in (
        ("best", getattr(post, best), f"{best} ({plain(about.name)})", axes[0]),
        ("gamma", post.gamma, "gamma", axes[1]),
    ):
        artists[key] = _draw_intervals(part, post, column)
        part.set_ylabel(label)
    artists.update(draw_probabilities(axes[2], post, about.name).artists)
    say_number_of(axes[0], about)
    legend(axes[0])
    return Drawn(axes, artists)


def _draw_intervals(ax: "Axes", post: AveragedPosterior, draws: np.ndarray) -> Any:
    """Draw the median and the interval of a parameter for each threshold that has enough draws."""
    rows = []
    for place, end in enumerate(post.threshold_probabilities):
        mine = draws[post.threshold == end]
        if len(mine) >= _FEWEST_DRAWS:
            tail = (1 - post.confidence) / 2
            rows.append((place, *np.quantile(mine, [0.5, tail, 1 - tail])))
    places, middle, low, high = np.array(rows).T
    bars = np.stack([middle - low, high - middle])
    label = f"median and {percent(post.confidence)} credible interval"
    return ax.errorbar(places, middle, bars, fmt="o", color=BLUE, markersize=4, label=label)


def draw_probabilities(ax: "Axes", post: AveragedPosterior, name: str) -> Drawn:
    """Draw the probability of each threshold, and above it the number of scores that it keeps."""
    ends, shares = zip(*post.threshold_probabilities.items(), strict=True)
    y = post.study.scores[np.isfinite(post.study.scores)]
    kept = [np.sum(y <= end if post.minimize else y >= end) for end in ends]
    # Thresholds lie close together near the best score: side by side, their numbers do not overlap.
    places = np.arange(len(ends))
    artists = {"probability": ax.bar(places, shares, color=BLUE, alpha=0.6)}
    for place, share, count in zip(places, shares, kept, strict=True):
        if share >= _LEAST_SHARE:
            ax.annotate(f"{count:,}", (float(place), share), ha="center", va="bottom", fontsize="small", color=DARK)
    ax.set_xticks(places, [same_side(end, y, post.minimize) for end in ends], rotation=60, fontsize="small")
    ax.set(xlabel=f"threshold of {plain(name)}, above it the number of scores within", ylabel="probability")
    ax.set(ylim=(0, 1.15 * max(shares)))
    return Drawn(ax, artists)


def _draw_regime(regime: Regime, name: str, ax: "Sequence[Axes] | None") -> Drawn:
    axes = several_axes(new_figure((6.4, 6.4)).subplots(3, sharex=True) if ax is None else ax, 3)
    path, minimize = regime.path, regime.path[0].fit.minimize
    places = [one.threshold for one in path]
    best = "alpha" if minimize else "beta"
    rows: tuple[tuple[str, str, list[Any]], ...] = (
        ("best", f"{best} ({plain(name)})", [getattr(one.fit, best) for one in path]),
        ("gamma", "gamma", [one.fit.gamma for one in path]),
        ("p_value", "p-value", [max(one.p_value, 1e-4) for one in path]),
    )
    artists: dict[str, Any] = {}
    for part, (key, label, values) in zip(axes, rows, strict=True):
        (artists[key],) = part.plot(places, values, "o-", color=BLUE, markersize=4, linewidth=1)
        part.set_ylabel(label)
        if regime.found and math.isfinite(regime.threshold):
            artists["chosen"] = part.axvline(regime.threshold, color=ORANGE, label="chosen threshold")
    axes[1].set_yticks(sorted({one.fit.gamma for one in path}))
    axes[2].set_yscale("log")
    artists["level"] = axes[2].axhline(regime.level, color=GREY, linestyle="--", label="level of the tests")
    axes[2].set_xlabel(f"threshold ({plain(name)})")
    legend(axes[2])
    say_number(axes[0], path[0].fit.num_scores, path[0].fit.num_failed)
    return Drawn(axes, artists)
