"""Two views of one search: the response surface, and the noisy quadratic of the scores alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nqjax.errors import InputError
from nqjax.inputs import shortened
from nqjax.posterior.averaged import AveragedPosterior
from nqjax.surface.intervals import Interval, intervals_of

if TYPE_CHECKING:
    from nqjax.surface.draws import SurfaceDraws
    from nqjax.types import Floats


class Agreement(NamedTuple):
    """One quantity as both views have it.

    Attributes
    ----------
    surface, scores : Interval
    p_value : float
        Twice the smaller probability that a draw of one view is below or above a draw of the other. The views share
        their scores, and are treated as independent: they differ more surely than a small value says.
    """

    surface: Interval
    scores: Interval
    p_value: float


def compare_with_scores(
    surface: SurfaceDraws, post: AveragedPosterior, confidence: float = 0.9
) -> dict[str, Agreement]:
    """Return the best score, sigma, and the effective number of hyperparameters by both views.

    The scores alone speak of the end of the regime that a random search meets. The surface looks for the lowest point
    of the box, which weak directions may put lower: there "best" may differ, and both be right.
    """
    if not isinstance(post, AveragedPosterior):
        raise InputError(f"post is {shortened(post)}: give what nqjax.confidence_region returns without a threshold")
    mine = {"best": surface.best_draws, "sigma": surface.noise, "effective_number": surface.effective_numbers}
    theirs = {"best": post.alpha if post.minimize else post.beta, "sigma": post.sigma, "effective_number": post.gamma}
    found = {}
    for name, a in mine.items():
        b = np.ravel(theirs[name])
        ours, other = (intervals_of(np.ravel(x)[:, None], confidence)[0] for x in (a, b))
        found[name] = Agreement(ours, other, _p_value(np.ravel(a), b))
    return found


def _p_value(a: Floats, b: Floats) -> float:
    below = float(np.mean(np.searchsorted(np.sort(a), b) / len(a)))
    return 2 * min(below, 1 - below)
