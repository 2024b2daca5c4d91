"""The best trials ranked by what the surface says of them, and by what the scores alone say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from nqjax.errors import InputError
from nqjax.inputs import as_count, as_probability, shortened
from nqjax.posterior.averaged import AveragedPosterior
from nqjax.posterior.ranking import RankedTrials, rank_trials, ranking_of
from nqjax.surface.intervals import tails

if TYPE_CHECKING:
    from nqjax.surface.draws import SurfaceDraws
    from nqjax.types import Floats

#: Draws of both views together.
_DRAWS = 1000


def rank_by_surface(
    surface: SurfaceDraws, post: AveragedPosterior | None = None, top: int = 10, confidence: float = 0.95
) -> RankedTrials:
    """Return the trials with the best scores, ranked by score, with their noise-free scores.

    The surface knows where a trial is, and so tells its luck from its merit far better than its score alone, if it is a
    quadratic there. With ``post`` both views are averaged, each with a share of the draws in proportion to its
    precision: the two err in opposite directions where the surface is no quadratic.

    Parameters
    ----------
    surface : SurfaceDraws
    post : AveragedPosterior, optional
        The answer of the scores alone, of the same trials in the same order. It needs a random search.
    top : int
        Number of trials.
    confidence : float
        Probability of the intervals.

    Raises
    ------
    InputError
        ``post`` is something else, or of other trials; ``top`` is not a positive number; invalid confidence.
    """
    top, confidence = as_count("top", top), as_probability("confidence", confidence)
    y = np.where(np.isfinite(surface.scores), surface.sign * surface.scores, np.inf)
    if post is None:
        inside = int(np.sum(y <= np.median(surface.sign * surface.threshold)))
        index = np.argsort(y, kind="stable")[: max(1, min(top, inside))]
        draws, noise = _of_surface(surface, index, _DRAWS)
        return ranking_of(index, surface.scores, draws, noise, surface.sign, confidence, tails(confidence), "surface")
    if not isinstance(post, AveragedPosterior):
        raise InputError(f"post is {shortened(post)}: give what nqjax.confidence_region returns without a threshold")
    alone = rank_trials(post, top, confidence=confidence)
    if not np.array_equal(alone.score, np.asarray(surface.scores)[alone.index]):
        raise InputError("post and the surface are of different trials: give both the same ones, in the same order")
    draws, noise = _of_surface(surface, alone.index, len(alone.draws))
    # The precision of the best trial's noise-free score.
    mine, theirs = (_deviation(a[:, 0]) for a in (draws, alone.draws))
    widest = max(mine, theirs) or 1.0
    share = (theirs / widest) ** 2 / ((mine / widest) ** 2 + (theirs / widest) ** 2 or 1.0)
    count = round(len(draws) * share)
    both = [
        np.concatenate([_thinned(a, count), _thinned(b, len(b) - count)])
        for a, b in ((draws, alone.draws), (noise, alone.noise))
    ]
    return ranking_of(
        alone.index, surface.scores, both[0], both[1], surface.sign, confidence, tails(confidence), "both"
    )


def _of_surface(surface: SurfaceDraws, index: np.ndarray, count: int) -> tuple[Floats, Floats]:
    """Return draws of trials' noise-free scores, oriented to minimisation, (draws, trials), and of sigma."""
    some = np.linspace(0, len(surface.lowest) - 1, count).astype(int)
    draws = surface.losses(surface.points[index], surface.present[index], surface.groups[index], some)
    return np.asarray(draws), surface.noise[some]


def _deviation(draws: Floats) -> float:
    """Return the standard deviation of numbers of any size."""
    size = float(np.max(np.abs(draws))) or 1.0
    return float(np.std(draws / size)) * size


def _thinned(draws: Floats, count: int) -> Floats:
    return draws[np.linspace(0, len(draws) - 1, count).astype(int)] if count else draws[:0]
