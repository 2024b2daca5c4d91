"""Tuning curves of several studies at the same budgets, and the probability that one is better than another."""

import math
from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nqjax.analysis.orderings import probabilities
from nqjax.analysis.study_costs import MeanCost
from nqjax.confidence.region import tails
from nqjax.posterior.averaged import AveragedPosterior
from nqjax.posterior.curves import quantiles_of
from nqjax.posterior.envelope import envelope
from nqjax.types import Floats

#: Points of a curve: those of the table, and others between them.
_POINTS = 24

#: Points that are computed together, so that one compiled program serves any number of budgets.
_BLOCK = 8

#: Budgets end at this multiple of the largest study.
_BEYOND = 2.0

#: Numbers that are near to each other are the same.
_SAME = 1e-9


class StudyCurves(NamedTuple):
    """Median tuning curves of several studies: the median best reported score at equal trials or equal cost.

    Arrays have a row a study and a column a budget, those of pairs two axes of studies.
    """

    budgets: Floats
    is_shown: NDArray[np.bool_]  # budgets of the table; the others are for the picture
    trials: Floats  # that a budget pays for
    estimate: Floats  # posterior medians
    low: Floats  # ends of a band that is simultaneous over the budgets in the regime; NaN before it
    high: Floats
    in_regime: NDArray[np.bool_]
    extrapolated: NDArray[np.bool_]  # more trials than the study has
    probability: Floats  # (studies, studies, budgets), that the row's curve is better than the column's
    difference_low: Floats  # ends of the interval of the row's curve minus the column's
    difference_high: Floats

    @property
    def known(self) -> NDArray[np.bool_]:
        """Whether a budget lies within the regime and the trials of a study."""
        return self.in_regime & ~self.extrapolated


def study_curves(
    posts: Sequence[AveragedPosterior], costs: Sequence[MeanCost] | None, budgets: Floats, confidence: float
) -> StudyCurves:
    """Return the curves of studies at these budgets, and at more between them.

    Parameters
    ----------
    posts : sequence of AveragedPosterior
    costs : sequence of MeanCost or None
        The unit of the budgets: the cost of a trial of each study, or trials. A budget pays for as many trials as the
        mean cost says; the curves carry the mean's uncertainty.
    budgets : ndarray, sorted
    confidence : float
    """
    more = max(_POINTS - len(budgets), 0) if len(budgets) > 1 else 0
    between = np.geomspace(budgets[0], budgets[-1], more)
    apart = [x for x in between if np.all(np.abs(np.log(budgets / x)) > 1e-3)]
    every = np.sort(np.append(budgets, apart))
    minimize = posts[0].minimize
    rows, trials = [], []
    for place, post in enumerate(posts):
        each = np.ones((1, 1))
        if costs is not None:
            each = costs[place].draws(post.alpha.size, np.random.default_rng([post.seed, place, 5]))[:, None]
        rows.append(_curves(post, every / each))
        trials.append(every / (1.0 if costs is None else costs[place].mean))
    n = np.array(trials)
    in_regime = np.array([row >= post.regime_start * (1 - _SAME) for row, post in zip(n, posts, strict=True)])
    bands = [_band(row, inside, confidence) for row, inside in zip(rows, in_regime, strict=True)]
    differences = _differences(rows, confidence)
    return StudyCurves(
        budgets=every,
        is_shown=np.isin(every, budgets),
        trials=n,
        estimate=np.array([quantiles_of(row[None], [0.5], minimize)[0] for row in rows]),
        low=np.array([low for low, _ in bands]),
        high=np.array([high for _, high in bands]),
        in_regime=in_regime,
        extrapolated=np.array([row > post.num_scores * (1 + _SAME) for row, post in zip(n, posts, strict=True)]),
        probability=probabilities(rows, minimize),
        difference_low=differences[0],
        difference_high=differences[1],
    )


def _curves(post: AveragedPosterior, n: Floats) -> Floats:
    """Return the median tuning curve of each draw, shape (draws, budgets); ``n`` has one row or one a draw."""
    count = n.shape[1]
    padded = np.pad(n, ((0, 0), (0, -count % _BLOCK)), mode="edge")
    blocks = [post.paired_curves(padded[:, start : start + _BLOCK]) for start in range(0, count, _BLOCK)]
    return np.concatenate(blocks, axis=1)[:, :count]


def _band(curves: Floats, inside: NDArray[np.bool_], confidence: float) -> tuple[Floats, Floats]:
    low, high = np.full((2, len(inside)), np.nan)
    if inside.any():
        low[inside], high[inside] = envelope(curves[:, inside], confidence)
    return low, high


def _differences(rows: Sequence[Floats], confidence: float) -> Floats:
    """Return the ends of the intervals of differences, shape (2, studies, studies, budgets)."""
    ends = np.zeros((2, len(rows), len(rows), rows[0].shape[1]))
    for i, j in combinations(range(len(rows)), 2):
        count = min(len(rows[i]), len(rows[j]))
        # Draws of independent posteriors can be paired in any order; theirs is random.
        ends[:, i, j] = np.quantile(rows[i][:count] - rows[j][:count], tails(confidence), axis=0)
        ends[:, j, i] = -ends[::-1, i, j]
    return ends


def default_budgets(posts: Sequence[AveragedPosterior], costs: Sequence[MeanCost] | None) -> Floats:
    """Return budgets from where two studies are in their regimes to a little beyond the largest study.

    They are powers of two for trials, and 1, 2, 5, 10, ... for costs, with the most that the smallest and the largest
    study spent.
    """
    price = np.array([1.0] * len(posts) if costs is None else [one.mean for one in costs])
    spent = price * [post.num_scores for post in posts]
    starts = np.sort(price * [max(post.regime_start, 1.0) for post in posts])
    high = _BEYOND * float(spent.max())
    low = min(float(starts[1]), float(spent.min()) / 4)
    steps = [1, 2, 5] if costs is not None else [1]
    base = 10.0 if costs is not None else 2.0
    powers = range(math.floor(math.log(low, base)), math.ceil(math.log(high, base)) + 1)
    series = np.array([step * base**power for power in powers for step in steps])
    inside = series[(series >= low * (1 - _SAME)) & (series <= high * (1 + _SAME))]
    return np.unique(np.concatenate([inside, [spent.min(), spent.max()]]))
