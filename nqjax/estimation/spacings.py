"""From scores and limits to the spacings that censored maximum product of spacings works on.

Everything here is oriented to minimisation: scores of a search that maximises are negated at the entrance, so that the
two directions are mirror images to the last digit.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nqjax.errors import InputError
from nqjax.inputs import as_limits, as_scores, oriented_limits

#: Scores this many units in the last place apart are one point.
_TIE_ULPS = 8


#: Larger ones leave no room in floating point for the parameters that a fit may have.
_LARGEST = 1e301


@dataclass(frozen=True)
class Spacings:
    """Knots, the number of scores in each interval between them, and what became of every score.

    Attributes
    ----------
    knots : ndarray, shape (num_knots,)
        Strictly increasing; with -inf and inf they bound ``num_knots + 1`` intervals, open on the left.
    counts : ndarray, shape (num_knots + 1,)
        Scores in each interval, the extra one included: they sum to ``num_scores + 1``.
    num_scores, num_used, num_failed : int
        All scores; those inside the limits; NaN or infinite ones, which count on the losing side.
    num_below, num_above : int
        Censored scores on the winning and on the losing side, failed ones among these.
    num_distinct : int
        Different values among the scores inside the limits.
    best, worst : float
        The lowest and the highest of them; NaN when there are none.
    values, repeats : ndarray, shape (num_distinct,)
        These values, increasing, and how often each occurs.
    """

    knots: NDArray[np.float64]
    counts: NDArray[np.float64]
    num_scores: int
    num_used: int
    num_failed: int
    num_below: int
    num_above: int
    num_distinct: int
    best: float
    worst: float
    values: NDArray[np.float64]
    repeats: NDArray[np.float64]

    @property
    def num_censored(self) -> int:
        """Finite scores outside the limits."""
        return self.num_below + self.num_above - self.num_failed


def quantile_limits(scores: ArrayLike, q: float, minimize: bool = True) -> tuple[float, float]:
    """Limits that keep about the best share ``q`` of all scores, those equal to the last one kept included.

    Parameters
    ----------
    scores : array_like, shape (num_scores,)
        One score a trial; failed runs (NaN, infinite) rank last.
    q : float
        More than 0, at most 1.
    minimize : bool
        Whether lower scores are better.

    Returns
    -------
    pair of float
        For `nqjax.fit`; infinite on the losing side where the share reaches into the failed runs.

    Raises
    ------
    InputError
        Another q, or no scores.
    """
    if not 0 < q <= 1:
        raise InputError(f"the share of the best scores is {q}: give a number above 0, at most 1")
    y = as_scores(scores)
    if not y.size:
        raise InputError("there are no scores")
    y = y if minimize else -y
    y = np.where(np.isfinite(y), y, math.inf)
    # The product's rounding errors must not ask for one score more.
    rank = max(math.ceil(q * y.size - 1e-9), 1) - 1
    threshold = float(np.partition(y, rank)[rank])
    return oriented_limits((-math.inf, threshold), minimize)


def spacings(scores: ArrayLike, limits: tuple[float, float] = (-math.inf, math.inf), minimize: bool = True) -> Spacings:
    """Sort, censor and count scores.

    Parameters
    ----------
    scores : array_like, shape (num_scores,)
        One score a trial. NaN and infinite scores are failed runs: they are censored on the losing side.
    limits : pair of float
        The regime: ``(lo, hi]`` when minimising, its mirror image ``[lo, hi)`` when maximising.
    minimize : bool
        Whether lower scores are better.

    Returns
    -------
    Spacings
        Oriented to minimisation. One extra count goes to the censored side; to the losing end when nothing or both
        sides are censored.

    Raises
    ------
    InputError
        Scores that are not one row of numbers, limits the wrong way round, or numbers close to the largest there are.

    Notes
    -----
    The grouping of Lourie, He, Cho 2025, appendix on estimation: maximum likelihood on data grouped between the order
    statistics. A score within a few units in the last place of a limit or of another score is equal to it; where all
    scores are single precision numbers, a limit is compared in units of that.
    """
    y = as_scores(scores)
    low, high = oriented_limits(as_limits(limits), minimize)
    y = y if minimize else -y
    finite = np.isfinite(y)
    y, num_failed = np.sort(y[finite]), int(np.sum(~finite))
    # A score equal to the threshold is inside in both directions; at the other end a score equal to the limit is not.
    unit = _precision(y)
    above = y > high + _tolerance(high, unit)
    below = y <= low + _tolerance(low, unit)
    inside = y[~above & ~below]
    values, counts = _merge_ties(inside)
    num_above, num_below = int(np.sum(above)) + num_failed, int(np.sum(below))
    knots, ends = values, np.concatenate([counts, [0.0]])
    if num_below and (not values.size or values[0] > low):
        knots, ends = np.concatenate([[low], knots]), np.concatenate([[0.0], ends])
    if num_above and math.isfinite(high) and (not values.size or values[-1] < high - _tolerance(high, unit)):
        knots, ends = np.concatenate([knots, [high]]), np.concatenate([ends, [0.0]])
    if knots.size and max(-knots[0], knots[-1]) > _LARGEST:
        raise InputError(f"scores and limits beyond {_LARGEST:g} cannot be used: divide all by the same number")
    ends[0] += num_below
    ends[-1] += num_above
    # Only the winning side censored: the extra count goes there.
    ends[0 if num_below and not num_above else -1] += 1
    return Spacings(
        knots=knots,
        counts=ends,
        num_scores=len(finite),
        num_used=len(inside),
        num_failed=num_failed,
        num_below=num_below,
        num_above=num_above,
        num_distinct=len(values),
        best=float(values[0]) if values.size else math.nan,
        worst=float(values[-1]) if values.size else math.nan,
        values=values,
        repeats=counts,
    )


def _precision(y: NDArray[np.float64]) -> type[np.floating]:
    """Single precision where every score is such a number."""
    with np.errstate(over="ignore"):
        return np.float32 if np.array_equal(y, y.astype(np.float32)) else np.float64


def _tolerance(value: float, unit: type[np.floating]) -> float:
    if not math.isfinite(value):
        return 0.0
    # A limit may be larger than single precision has, and the largest numbers of all have no neighbour.
    double = unit is np.float64 or abs(value) >= float(np.finfo(unit).max)
    return _TIE_ULPS * (math.ulp(value) if double else float(np.spacing(unit(abs(value)))))


def _merge_ties(y: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Distinct values of a sorted array, near-ties joined at their highest, and how often each occurs."""
    if not y.size:
        return y, y
    larger = np.minimum(np.maximum(np.abs(y[1:]), np.abs(y[:-1])), 8e307)  # the largest number has no neighbour
    with np.errstate(over="ignore"):
        last = np.append(np.diff(y) > _TIE_ULPS * np.spacing(larger), True)
    return y[last], np.diff(np.flatnonzero(last), prepend=-1).astype(np.float64)
