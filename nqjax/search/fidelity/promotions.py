"""Choose the trials that go on to the next rung: the rules of successive halving and of ASHA, as pure functions.

Lower scores are better. A score that is infinite or NaN is that of a failed trial, which never goes on.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence

#: A score and the number of its trial: sorted, equal scores are in the order of their numbers.
Entry = tuple[float, int]


def entry(trial: int, score: float) -> Entry:
    """Return the entry of a trial in the order of a rung; NaN counts as the worst score."""
    return (math.inf if math.isnan(score) else score, trial)


def survivors(scores: Mapping[int, float], keep: int) -> list[int]:
    """Return the ``keep`` best trials of a rung, the best first; fewer if too few have a score.

    Examples
    --------
    >>> from nqjax.search.fidelity.promotions import survivors
    >>> survivors({0: 0.3, 1: float("nan"), 2: 0.1, 3: 0.3}, 3), survivors({0: float("inf"), 1: 0.2}, 2)
    ([2, 0, 3], [1])
    """
    order = sorted(entry(trial, score) for trial, score in scores.items())
    return [trial for score, trial in order[:keep] if score < math.inf]


def promotable(
    rungs: Sequence[Sequence[Entry]], waiting: Sequence[Sequence[Entry]], eta: int
) -> tuple[int, int] | None:
    """Return the trial that ASHA promotes, and the rung that it goes to (Li et al. 2020, Algorithm 2, get_job).

    From the second highest rung down: of the best ``1 / eta`` of the trials in a rung, rounded down, the best one that
    was not promoted yet.

    Parameters
    ----------
    rungs : sequence of sequences of Entry
        The sorted entries of each rung, the lowest first; the last one is the end of training.
    waiting : sequence of sequences of Entry
        The sorted entries of each rung whose trials were not promoted from it.
    eta : int

    Returns
    -------
    tuple of int or None
        None if none can be promoted: then a new trial begins.

    Examples
    --------
    >>> from nqjax.search.fidelity.promotions import promotable
    >>> rung = [(0.1, 4), (0.2, 0), (0.3, 1), (0.5, 2), (0.7, 3), (0.9, 5)]
    >>> promotable([rung, []], [rung[1:], []], 3), promotable([rung, []], [rung[2:], []], 3)
    ((0, 1), None)
    """
    for level in reversed(range(len(rungs) - 1)):
        if waiting[level]:
            best = waiting[level][0]
            if best[0] < math.inf and bisect_left(rungs[level], best) < len(rungs[level]) // eta:
                return best[1], level + 1
    return None
