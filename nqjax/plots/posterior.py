"""Pictures of a posterior."""

import math
from typing import TYPE_CHECKING

import jax.numpy as jnp
import numpy as np

from nqjax.plots.style import BLUE, GREY, ORANGE, empirical_curve, new_figure
from nqjax.posterior.prior import log_density

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from nqjax.posterior.averaged import AveragedPosterior
    from nqjax.posterior.posterior import Posterior


#: Number of replicated searches in the predictive check.
_REPLICATED = 200

#: Most ranks at which the predictive check is drawn.
_RANKS = 1000


def plot_posterior(post: "Posterior", *, name: str = "score") -> "Figure":
    """Draw a posterior: the best score of the regime, gamma, the tuning curve and the predictive check.

    Parameters
    ----------
    post : Posterior
    name : str
        The score's name, for the axes.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        Matplotlib is missing.

    Examples
    --------
    >>> import jax
    >>> import numpy as np
    >>> import nqjax
    >>> scores = np.random.default_rng(0).random(48) ** 2
    >>> post = nqjax.sample_posterior(scores, limits=(-np.inf, 0.7), key=jax.random.key(0), method="quadrature")
    >>> figure = nqjax.plot_posterior(post, name="loss")
    >>> len(figure.axes)
    4
    """
    figure = new_figure((9.6, 7.2))
    axes = figure.subplots(2, 2)
    draw_best(axes[0, 0], post, name)
    draw_gamma(axes[0, 1], post)
    draw_curve(axes[1, 0], post, name)
    draw_check(axes[1, 1], post, name)
    return figure


def plain(name: str) -> str:
    """Return a name for Matplotlib, in which dollar signs do not begin formulas."""
    return name.replace("$", r"\$")


def draw_best(ax: "Axes", post: "Posterior", name: str) -> None:
    """Draw the posterior of the best score of the regime, and the density of its prior."""
    best = "alpha" if post.minimize else "beta"
    draws = getattr(post, best).ravel()
    low, high = np.quantile(draws, [0.002, 0.998])
    ax.hist(draws, bins=60, range=(low, high), density=True, color=BLUE, alpha=0.6, label="posterior")
    winner = post.data.data.best if post.minimize else -post.data.data.best
    ax.axvline(winner, color=ORANGE, linestyle="--", linewidth=1, label="best score so far")
    threshold = post.limits[1] if post.minimize else post.limits[0]
    if math.isfinite(threshold) and post.prior.width is None:
        x = np.linspace(low, high, 200)
        density = 1 / np.maximum(np.abs(threshold - x), 1e-300)
        density /= density.sum() * (x[1] - x[0])
        ax.plot(x, density, color=GREY, label="prior, as far as shown")
    ax.set(xlabel=f"{best}, the best {plain(name)} of the fitted regime", yticks=[])
    ax.legend(frameon=False, fontsize="small")


def draw_gamma(ax: "Axes", post: "Posterior") -> None:
    """Draw the prior and posterior probabilities of gamma."""
    gammas = np.array(list(post.gamma_probabilities))
    prior = np.exp(post.prior.log_gamma(int(gammas[0]), int(gammas[-1])))
    ax.bar(gammas, list(post.gamma_probabilities.values()), width=0.6, color=BLUE, alpha=0.6, label="posterior")
    ax.step(
        np.append(gammas - 0.5, gammas[-1] + 0.5), np.append(prior, prior[-1]), where="post", color=GREY, label="prior"
    )
    ax.set(xlabel="gamma, the effective number of hyperparameters", ylabel="probability", xticks=gammas, ylim=(0, 1))
    ax.legend(frameon=False, fontsize="small")


def draw_curve(ax: "Axes", post: "Posterior | AveragedPosterior", name: str) -> None:
    """Draw the median tuning curve with credible bands, and the empirical curve."""
    most = 10 * post.num_scores
    trials = np.geomspace(1, most, 60)
    seen = trials[trials <= post.num_scores]
    ax.plot(
        seen,
        empirical_curve(post.study.scores, seen, post.minimize),
        color=GREY,
        linewidth=4,
        alpha=0.6,
        label="empirical",
    )
    for confidence, shade in ((0.95, 0.15), (0.5, 0.3)):
        lower, upper = post.quantile_tuning_curve_band(trials, confidence=confidence)
        label = f"{100 * confidence:g} % credible"
        ax.fill_between(trials, lower, upper, color=BLUE, alpha=shade, linewidth=0, label=label)
    ax.plot(trials, post.quantile_tuning_curve(trials), color=BLUE, linewidth=2, label="posterior median")
    ax.axvspan(post.num_scores, most, color=GREY, alpha=0.12, linewidth=0, label="more trials than there are")
    start = post.regime_start
    shown = trials >= start if start < most else trials > 0
    ends = np.concatenate([lower[shown], upper[shown]])
    room = 0.1 * (np.ptp(ends) or 1.0)
    ax.set(xscale="log", xlim=(1, most), ylim=(ends.min() - room, ends.max() + 3 * room))
    ax.set(xlabel="trials", ylabel=f"median of the best {plain(name)}")
    ax.legend(frameon=False, fontsize="small")


def draw_check(ax: "Axes", post: "Posterior", name: str) -> None:
    """Draw the posterior predictive check: the empirical CDF among those of replicated searches."""
    y = np.sort(post.observed)
    some = np.unique(np.linspace(0, len(y) - 1, _RANKS).astype(int))
    replicated = np.sort(post.predict(_REPLICATED), axis=1)[:, some]
    y, rank = y[some], (some + 1) / len(y)
    low, high = np.quantile(replicated, [0.025, 0.975], axis=0)
    ax.fill_betweenx(rank, low, high, color=BLUE, alpha=0.2, linewidth=0, label="95 % of replicated searches")
    ax.step(y, rank, where="post", color=ORANGE, linewidth=1.5, label="the search")
    worse = post.limits[1] if post.minimize else post.limits[0]
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
    threshold = post.limits[1] if post.minimize else post.limits[0]
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
