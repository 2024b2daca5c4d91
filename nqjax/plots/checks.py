"""Pictures that check a posterior within one threshold: its predictions, and its priors."""

import math
from typing import TYPE_CHECKING

import jax.numpy as jnp
import numpy as np

from nqjax.plots.drawing import losing_end
from nqjax.plots.style import BLUE, GREY, ORANGE, plain
from nqjax.posterior.prior import log_density

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from nqjax.posterior.posterior import Posterior


#: Number of replicated searches in the predictive check.
_REPLICATED = 200

#: Most ranks at which the predictive check is drawn.
_RANKS = 1000


def draw_check(ax: "Axes", post: "Posterior", name: str) -> None:
    """Draw the posterior predictive check: the empirical CDF among those of replicated searches."""
    y = np.sort(post.observed)
    some = np.unique(np.linspace(0, len(y) - 1, _RANKS).astype(int))
    replicated = np.sort(post.predict(_REPLICATED), axis=1)[:, some]
    y, rank = y[some], (some + 1) / len(y)
    low, high = np.quantile(replicated, [0.025, 0.975], axis=0)
    ax.fill_betweenx(rank, low, high, color=BLUE, alpha=0.2, linewidth=0, label="95 % of replicated searches")
    ax.step(y, rank, where="post", color=ORANGE, linewidth=1.5, label="the search")
    worse = losing_end(post.limits, post.minimize)
    if math.isfinite(worse):
        ax.axvline(worse, color=GREY, linestyle="--", linewidth=1, label="threshold: censored beyond")
    inside = y[(y > post.limits[0]) & (y < post.limits[1])] if np.ptp(y) else y
    if inside.size > 1:
        room = 0.1 * np.ptp(inside)
        ax.set_xlim(inside.min() - room, inside.max() + room)
    ax.set(xlabel=plain(name), ylabel="share of the scores at or below", ylim=(0, 1))
    ax.legend(frameon=False, fontsize="small")


def draw_priors(figure: "Figure", post: "Posterior") -> None:
    """Draw priors and posteriors of the quantities that the prior is about."""
    threshold = losing_end(post.limits, post.minimize)
    has_threshold = math.isfinite(threshold)
    best = post.alpha if post.minimize else post.beta
    delta = post.beta - post.alpha
    width = np.abs(threshold - best) if has_threshold else delta
    panels = [
        ("relative noise: sigma / width of the regime", (post.sigma / width).ravel(), post.prior.relative_noise, True)
    ]
    if has_threshold:
        share = (width / delta) ** (post.gamma / 2)
        panels.append(("share of the regime, without noise", share.ravel(), post.prior.regime_share, False))
    for ax, (label, draws, prior, logarithmic) in zip(
        np.atleast_1d(figure.subplots(1, len(panels))), panels, strict=True
    ):
        if logarithmic:
            low, high = np.quantile(draws, [0.001, 0.999])
            x = np.geomspace(min(low, 1e-3), max(high, 3.0), 300)
            bins = np.geomspace(x[0], x[-1], 60)
            density = np.exp(np.asarray(log_density(prior, jnp.asarray(x)))) * x
            heights, _ = np.histogram(np.log(draws), np.log(bins), density=True)
            ax.set_xscale("log")
        else:
            x = np.linspace(1e-3, 1 - 1e-3, 300)
            bins = np.linspace(0, 1, 60)
            density = np.exp(np.asarray(log_density(prior, jnp.asarray(x))))
            heights, _ = np.histogram(draws, bins, density=True)
        ax.stairs(heights, bins, fill=True, color=BLUE, alpha=0.6, label="posterior")
        ax.plot(x, density, color=GREY, label="prior")
        ax.set(xlabel=label, yticks=[])
        ax.legend(frameon=False, fontsize="small")
