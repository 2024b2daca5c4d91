"""The picture of gamma, the effective number of hyperparameters."""

from typing import TYPE_CHECKING, Any

import numpy as np

from nqjax.confidence.bootstrap import Bootstrap
from nqjax.plots.best import BINS
from nqjax.plots.drawing import cannot_draw, legend, one_axes, say_number_of, subject
from nqjax.plots.drawn import Drawn
from nqjax.plots.style import BLUE, GREY
from nqjax.posterior.averaged import AveragedPosterior
from nqjax.posterior.posterior import Posterior

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def gamma(result: Any, *, ax: "Axes | None" = None) -> Drawn:
    """Draw how well each gamma, the effective number of hyperparameters, describes the scores.

    Parameters
    ----------
    result : Analysis, AveragedFit, Region or Fit
        Of an averaged answer, the density of gamma, a real number; of a posterior within one threshold, its
        probabilities with those of the prior; of a bootstrap, the share of the resamples that each gamma fits best; of
        a fit, and of the other regions, the likelihood of each gamma as a share of the best one's.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    Drawn
        Artist ``posterior``, whichever of these it is; and ``prior``. The bars of values of gamma that are outside a
        region are ``outside``.

    Raises
    ------
    InputError
        Matplotlib is missing, or something else was given.

    Examples
    --------
    >>> import numpy as np
    >>> import nqjax
    >>> scores = np.random.default_rng(0).random(48) ** 2
    >>> drawn = nqjax.plots.gamma(nqjax.fit(scores, threshold=0.7))
    >>> float(max(bar.get_height() for bar in drawn.artists["posterior"]))
    1.0
    """
    about = subject(result)
    given: Any = about.result
    if not about.has_draws and about.fit is None:
        raise cannot_draw("gamma", result, "a fit, a region, a posterior or an analysis")
    ax = one_axes(ax)
    artists: dict[str, Any] = {}
    if isinstance(given, AveragedPosterior):
        draws = given.gamma.ravel()
        _, _, artists["posterior"] = ax.hist(draws, bins=BINS, density=True, color=BLUE, alpha=0.6)
        ax.set(ylabel="probability density", yticks=[])
    elif isinstance(given, Posterior):
        artists.update(_draw_probabilities(ax, given.gamma_probabilities, "probability", "posterior"))
        gammas = np.array(list(given.gamma_probabilities))
        prior = np.exp(given.prior.log_gamma(int(gammas[0]), int(gammas[-1])))
        edges = np.append(gammas - 0.5, gammas[-1] + 0.5)
        (artists["prior"],) = ax.step(edges, np.append(prior, prior[-1]), where="post", color=GREY, label="prior")
    elif isinstance(given, Bootstrap):
        label = "share of the resamples that it fits best"
        artists.update(_draw_probabilities(ax, given.gamma_probabilities, label))
    else:
        fit = about.fit
        # The loss times the number of spacings is a log-likelihood to first order (Ekström 2013).
        shares = {g: float(np.exp((fit.num_scores + 1) * (fit.loss - x))) for g, x in fit.losses_by_gamma.items()}
        within = None if given is fit else given.gammas
        artists.update(_draw_probabilities(ax, shares, "likelihood, as a share of the best", within=within))
    ax.set_xlabel("gamma, the effective number of hyperparameters")
    say_number_of(ax, about)
    legend(ax)
    return Drawn(ax, artists)


def _draw_probabilities(
    ax: "Axes", shares: dict[int, float], ylabel: str, label: str | None = None, within: tuple[int, ...] | None = None
) -> dict[str, Any]:
    """Draw a bar for each gamma; those outside a region are grey."""
    inside = {g: share for g, share in shares.items() if within is None or g in within}
    outside = {g: share for g, share in shares.items() if g not in inside}
    label = label if within is None else "in the region"
    look: dict[str, Any] = {"width": 0.6, "alpha": 0.6}
    artists = {"posterior": ax.bar(list(inside), list(inside.values()), color=BLUE, label=label, **look)}
    if outside:
        values = list(outside.values())
        artists["outside"] = ax.bar(list(outside), values, color=GREY, label="outside", **look)
    ax.set(ylabel=ylabel, xticks=list(shares), ylim=(0, 1.05))
    return artists
