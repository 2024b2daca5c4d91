"""Pictures of a posterior that is averaged over the threshold."""

from typing import TYPE_CHECKING

import numpy as np

from nqjax.plots.posterior import plain
from nqjax.plots.style import BLUE, GREY, ORANGE
from nqjax.runtime.text import same_side

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from nqjax.posterior.averaged import AveragedPosterior

#: Bins of a histogram: draws repeat some points, so that more would show their number.
_BINS = 30

#: Thresholds of a smaller probability have no number of scores.
_LEAST_SHARE = 0.03


def draw_best(ax: "Axes", post: "AveragedPosterior", name: str) -> None:
    """Draw the posterior of the best score of the regime."""
    best = "alpha" if post.minimize else "beta"
    draws = getattr(post, best).ravel()
    low, high = np.quantile(draws, [0.005, 0.995])
    if high - low > _BINS * np.spacing(max(abs(low), abs(high))):
        ax.hist(draws, bins=_BINS, range=(low, high), density=True, color=BLUE, alpha=0.6, label="posterior")
    else:  # no bins between numbers that are nearly equal
        ax.axvline(float(np.median(draws)), color=BLUE, label="posterior")
    ax.axvline(post.best_score, color=ORANGE, linestyle="--", linewidth=1, label="best score so far")
    ax.set(xlabel=f"{best}, the best {plain(name)} of the fitted regime", yticks=[])
    ax.legend(frameon=False, fontsize="small")


def draw_gamma(ax: "Axes", post: "AveragedPosterior") -> None:
    """Draw the posterior of gamma, a real number."""
    ax.hist(post.gamma.ravel(), bins=_BINS, density=True, color=BLUE, alpha=0.6)
    ax.set(xlabel="gamma, the effective number of hyperparameters", yticks=[])


def draw_thresholds(ax: "Axes", post: "AveragedPosterior", name: str) -> None:
    """Draw the probability of each threshold, and above it the number of scores that it keeps."""
    ends, shares = zip(*post.threshold_probabilities.items(), strict=True)
    y = post.study.scores[np.isfinite(post.study.scores)]
    kept = [np.sum(y <= end if post.minimize else y >= end) for end in ends]
    # Thresholds lie close together near the best score: side by side, their numbers do not overlap.
    places = np.arange(len(ends))
    ax.bar(places, shares, color=BLUE, alpha=0.6)
    for place, share, count in zip(places, shares, kept, strict=True):
        if share >= _LEAST_SHARE:
            ax.annotate(f"{count:,}", (float(place), share), ha="center", va="bottom", fontsize="small", color=GREY)
    ax.set_xticks(places, [same_side(end, y, post.minimize) for end in ends], rotation=60, fontsize="small")
    ax.set(xlabel=f"threshold of {plain(name)}, above it the number of scores within", ylabel="probability")
    ax.set(ylim=(0, 1.1 * max(shares)))
