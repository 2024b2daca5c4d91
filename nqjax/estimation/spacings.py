"""Spacings: the intervals between sorted scores that maximum product of spacings works on.

Everything is oriented to minimisation: scores of a search that maximises are negated first, so that the two directions
give mirror images to the last digit.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nqjax.errors import InputError
from nqjax.inputs import as_limits, as_minimize, as_scores, oriented_limits, read_number, shortened

#: Scores no more than this many units in the last place apart are equal.
_TIE_ULPS = 8

#: Scores this many units in the last place of the largest one apart differ by rounding errors of their computation,
#: unless that is more than `LARGEST_ERROR` of their range.
ROUNDING_ULPS = 256
LARGEST_ERROR = 1e-9

#: Scores closer than this share of their range cannot be told apart by the CDF, whose error is 1e-13.
SMALLEST_SHARE = 1e-12

#: Largest score; beyond it the parameters of a fit may overflow.
_LARGEST = 1e301


@dataclass(frozen=True)
class Spacings:
    """Knots, the number of scores in each interval between them, and counts of censored and failed scores.

    Attributes
    ----------
    knots : ndarray, shape (num_knots,)
        Strictly increasing. With -inf and inf they bound ``num_knots + 1`` intervals, which are open on the left.
    counts : ndarray, shape (num_knots + 1,)
        Scores in each interval, with one extra count: they sum to ``num_scores + 1``.
    num_scores, num_used, num_failed : int
        All scores; scores inside the limits; NaN or infinite scores, which count on the losing side.
    num_below, num_above : int
        Censored scores on the winning and on the losing side, failed ones included.
    num_distinct : int
        Number of different values inside the limits.
    best, worst : float
        The lowest and the highest score inside the limits; NaN when there is none.
    values, repeats : ndarray, shape (num_distinct,)
        The different values inside the limits, increasing, and how often each occurs.
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
        """Number of finite scores outside the limits."""
        return self.num_below + self.num_above - self.num_failed


def quantile_limits(
    scores: ArrayLike, q: float, minimize: bool | None = None, maximize: bool | None = None
) -> tuple[float, float]:
    """Return limits that keep about the best share ``q`` of all scores.

    Scores equal to the last one that is kept are kept, too.

    Parameters
    ----------
    scores : array_like, shape (num_scores,)
        One score a trial; failed runs (NaN, infinite) rank last.
    q : float
        Share of the scores to keep, more than 0 and at most 1.
    minimize, maximize : bool, optional
        Whether lower or higher scores are better; one of the two is enough. By default lower scores are better.

    Returns
    -------
    pair of float
        Limits for `nqjax.fit`, on the scale of the scores; infinite on the losing side where the share includes failed
        runs.

    Raises
    ------
    InputError
        ``q`` is not a share, or there are no scores.

    Examples
    --------
    >>> import nqjax
    >>> nqjax.quantile_limits([0.3, 0.1, 0.2, 0.5], 0.5)
    (-inf, 0.2)
    >>> nqjax.quantile_limits([0.3, 0.1, 0.2, 0.5], 0.5, minimize=False)
    (0.3, inf)
    """
    share, minimize = read_number(q), as_minimize(minimize, maximize)
    if not 0 < share <= 1:
        raise InputError(f"the share of the best scores is {shortened(q)}: give a number above 0, at most 1")
    y = as_scores(scores)
    if not y.size:
        raise InputError("there are no scores")
    y = y if minimize else -y
    y = np.where(np.isfinite(y), y, math.inf)
    # Rounding errors of the product must not add a score.
    rank = max(math.ceil(share * y.size - 1e-9), 1) - 1
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
        Scores that are not one row of numbers, limits the wrong way round, or scores above 1e301.

    Notes
    -----
    The grouping is that of Lourie, He, Cho 2025, appendix on estimation: maximum likelihood on data grouped between the
    order statistics. Scores that differ by rounding errors are ties: by less than 1e-12 of their range, or by 256
    units in the last place of the largest score. Likewise scores this close to a limit are equal to it; if all scores
    are single precision numbers, limits are also compared in units of single precision.
    """
    y = as_scores(scores)
    low, high = oriented_limits(as_limits(limits), minimize)
    y = y if minimize else -y
    finite = np.isfinite(y)
    y, num_failed = np.sort(y[finite]), int(np.sum(~finite))
    # A score equal to the losing limit is inside, one equal to the winning limit is not.
    unit = _precision(y)
    apart = tie_distance(y[(y > low) & (y <= high)])
    low_tolerance, high_tolerance = (max(_tolerance(limit, unit), apart) for limit in (low, high))
    above, below = y > high + high_tolerance, y <= low + low_tolerance
    inside = y[~above & ~below]
    values, counts = _merge_ties(inside, apart)
    num_above, num_below = int(np.sum(above)) + num_failed, int(np.sum(below))
    knots, ends = values, np.concatenate([counts, [0.0]])
    if num_below and (not values.size or values[0] > low):
        knots, ends = np.concatenate([[low], knots]), np.concatenate([[0.0], ends])
    if num_above and math.isfinite(high) and (not values.size or values[-1] < high - high_tolerance):
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
    """Return single precision if every score is a single precision number, else double."""
    with np.errstate(over="ignore"):
        return np.float32 if np.array_equal(y, y.astype(np.float32)) else np.float64


def _tolerance(value: float, unit: type[np.floating]) -> float:
    if not math.isfinite(value):
        return 0.0
    # A limit may exceed single precision, and the largest number has no neighbour above it.
    double = unit is np.float64 or abs(value) >= float(np.finfo(unit).max)
    return _TIE_ULPS * (math.ulp(value) if double else float(np.spacing(unit(abs(value)))))


def tie_distance(y: NDArray[np.float64]) -> float:
    """Return the distance up to which scores, sorted, differ by rounding errors alone."""
    if not y.size:
        return 0.0
    with np.errstate(over="ignore"):
        span = float(y[-1] - y[0])
    rounding = ROUNDING_ULPS * math.ulp(min(max(abs(y[0]), abs(y[-1])), 8e307))
    if span <= rounding:
        return rounding
    return max(SMALLEST_SHARE * span, min(rounding, LARGEST_ERROR * span))


def _merge_ties(y: NDArray[np.float64], apart: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the distinct values of a sorted array, near-ties joined at their highest, and how often each occurs."""
    if not y.size:
        return y, y
    larger = np.minimum(np.maximum(np.abs(y[1:]), np.abs(y[:-1])), 8e307)  # the largest number has no neighbour
    with np.errstate(over="ignore"):
        last = np.append(np.diff(y) > np.maximum(_TIE_ULPS * np.spacing(larger), apart), True)
    return y[last], np.diff(np.flatnonzero(last), prepend=-1).astype(np.float64)
