"""Orderings of several studies: how probable each is at each budget, and which are said."""

from collections.abc import Sequence
from itertools import combinations, pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nqjax.checks.influence import holm
from nqjax.types import Floats

#: Posterior probabilities are a little too sure: evidence must pass this part of the level, so that a single pair needs
#: 99.5 % at a level of 5 %, as in `nqjax compare`. docs/analyze.md has the measured rates of errors.
STRICTNESS = 0.2


class Ordering(NamedTuple):
    """One study before another, at a stretch of budgets at which both are known."""

    better: int  # index of the study
    worse: int
    first: float  # budgets
    last: float
    settled: bool  # whether the stretch reaches the largest budget at which both are known
    probability: float  # that the tuning curve of the better one is better, at the last budget of the stretch


def probability_better(a: Floats, b: Floats, minimize: bool) -> Floats:
    """Return the share of all pairs of draws in which a curve of ``a`` is better than one of ``b``; ties count half.

    Parameters
    ----------
    a, b : ndarray, shapes (draws of a, budgets) and (draws of b, budgets)
        Independent draws of two tuning curves.
    minimize : bool

    Returns
    -------
    ndarray, shape (budgets,)
    """
    share = np.empty(a.shape[1])
    for place in range(a.shape[1]):
        ordered, one = np.sort(b[:, place]), a[:, place]
        below = np.searchsorted(ordered, one, side="left") + np.searchsorted(ordered, one, side="right")
        share[place] = np.mean(below) / (2 * len(ordered))  # that a is larger
    return 1 - share if minimize else share


def probabilities(curves: Sequence[Floats], minimize: bool) -> Floats:
    """Return the probability that study i has the better curve than study j, shape (studies, studies, budgets)."""
    found = np.full((len(curves), len(curves), curves[0].shape[1]), 0.5)
    for i, j in combinations(range(len(curves)), 2):
        found[i, j] = probability_better(curves[i], curves[j], minimize)
        found[j, i] = 1 - found[i, j]
    return found


def said(probability: Floats, known: NDArray[np.bool_], level: float) -> NDArray[np.int64]:
    """Return 1 where study i is said to be better than study j, -1 where worse, else 0.

    At each budget the pairs are tested together by Holm's method. The evidence against an ordering is twice the
    posterior probability of the opposite one, and must pass `STRICTNESS` times the level.

    Parameters
    ----------
    probability : ndarray, shape (studies, studies, budgets)
    known : ndarray of bool, shape (studies, budgets)
        Whether a budget lies within what the scores of a study tell. Pairs of which one is unknown have no evidence.
    level : float
        Nominal probability of any wrong ordering.
    """
    pairs = list(combinations(range(len(probability)), 2))
    found = np.zeros(probability.shape, np.int64)
    for place in range(probability.shape[2]):
        p = np.array([probability[i, j, place] for i, j in pairs])
        told = np.array([known[i, place] and known[j, place] for i, j in pairs])
        passed = holm(np.where(told, 2 * np.minimum(p, 1 - p), 1.0)) <= STRICTNESS * level
        for (i, j), share, is_said in zip(pairs, p, passed, strict=True):
            if is_said:
                found[i, j, place] = 1 if share > 0.5 else -1
                found[j, i, place] = -found[i, j, place]
    return found


def orderings(probability: Floats, known: NDArray[np.bool_], budgets: Floats, level: float) -> tuple[Ordering, ...]:
    """Return the orderings that are said, a stretch of budgets each; arguments as for `said`."""
    signs = said(probability, known, level)
    found = []
    for i, j in combinations(range(len(probability)), 2):
        places = np.flatnonzero(known[i] & known[j])
        row = signs[i, j, places]
        cuts = [*np.flatnonzero(np.diff(row, prepend=0)), len(row)]
        for start, end in pairwise(cuts):
            if row[start]:
                better, worse = (i, j) if row[start] > 0 else (j, i)
                first, last = budgets[places[start]], budgets[places[end - 1]]
                chance = float(probability[better, worse, places[end - 1]])
                found.append(Ordering(better, worse, float(first), float(last), bool(end == len(row)), chance))
    return tuple(found)
