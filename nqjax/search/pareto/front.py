"""The Pareto front of points, and the hypervolume that it dominates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nqjax.errors import InputError
from nqjax.inputs import as_numbers

Floats = NDArray[np.float64]


def pareto_front(
    values: ArrayLike, *, minimize: bool | Sequence[bool] = True, feasible: ArrayLike | None = None
) -> NDArray[np.bool_]:
    """Return which points no other point dominates: none is as good in every objective and better in one.

    Parameters
    ----------
    values : array_like, shape (points, objectives)
        A point with a value that is not finite has failed, and is not part of the front.
    minimize : bool or sequence of bool, optional
        Whether lower is better, in all objectives or in each.
    feasible : array_like of bool, shape (points,), optional
        Points that may not be part of the front dominate none.

    Returns
    -------
    ndarray of bool, shape (points,)
        Equal points are all part of the front, or none is.

    Raises
    ------
    InputError
        The shapes do not fit each other.

    Examples
    --------
    >>> from nqjax.search import pareto_front
    >>> pareto_front([[1, 4], [2, 2], [3, 3], [4, 1]]).tolist()
    [True, True, False, True]
    """
    points = _oriented(values, minimize)
    kept: NDArray[np.bool_] = np.asarray(np.isfinite(points).all(axis=1))
    if feasible is not None:
        allowed = np.asarray(feasible)
        if allowed.shape != kept.shape or allowed.dtype != bool:
            raise InputError(f"feasible has shape {allowed.shape}: give True or False for each of {len(kept)} points")
        kept = kept & allowed
    front = np.zeros(len(points), bool)
    front[np.flatnonzero(kept)[_undominated(points[kept])]] = True
    return front


def hypervolume(values: ArrayLike, reference: ArrayLike, *, minimize: bool | Sequence[bool] = True) -> float:
    """Return the volume of what some point dominates and what dominates the reference, exactly.

    Two objectives take a sort. More take a sweep over the last objective with a volume of one objective fewer at each
    of its values, which is quick for three and for few points (While et al. 2006).

    Parameters
    ----------
    values : array_like, shape (points, objectives)
        Points that are not better than the reference in all objectives, or not finite, add nothing.
    reference : array_like, shape (objectives,)
        A point that is worse than what is of interest.
    minimize : bool or sequence of bool, optional
        Whether lower is better, in all objectives or in each.

    Raises
    ------
    InputError
        The shapes do not fit each other, or the reference is not finite.

    Examples
    --------
    >>> from nqjax.search import hypervolume
    >>> hypervolume([[1, 3], [2, 1]], reference=[4, 4])
    7.0
    """
    points = _oriented(values, minimize)
    end = as_numbers("reference", reference)
    if end.shape != points.shape[1:] or not np.isfinite(end).all():
        raise InputError(f"the reference has shape {end.shape}: give a finite number for each objective")
    end = _oriented(end[None], minimize)[0]
    # Shifted so that the reference is 0 and volumes are those of boxes below it.
    inside = (points < end).all(axis=1) & np.isfinite(points).all(axis=1)
    return _volume(points[inside] - end)


def _volume(points: Floats) -> float:
    """Return the volume between points, all below 0, and the origin."""
    if not len(points):
        return 0.0
    if points.shape[1] == 1:
        return float(-points.min())
    ordered = points[np.argsort(points[:, -1], kind="stable")]
    ends = np.append(ordered[1:, -1], 0.0)
    if points.shape[1] == 2:
        widths = -np.minimum.accumulate(ordered[:, 0])
        return float(widths @ (ends - ordered[:, 1]))
    total = 0.0
    front = np.empty((0, points.shape[1] - 1))
    for point, end in zip(ordered, ends, strict=True):
        front = np.vstack([front, point[:-1]])
        front = front[_undominated(front)]
        if end > point[-1]:
            total += (end - point[-1]) * _volume(front)
    return total


def _undominated(points: Floats) -> NDArray[np.bool_]:
    """Return which points no other dominates; lower is better."""
    free = np.ones(len(points), bool)
    for place, point in enumerate(points):
        if free[place]:  # what a dominated point dominates, another one dominates
            free &= ~((point <= points).all(axis=1) & (point < points).any(axis=1))
    return free


def _oriented(values: ArrayLike, minimize: bool | Sequence[bool]) -> Floats:
    """Return points of which lower is better."""
    points = as_numbers("values", values)
    if points.ndim != 2 or not points.shape[1]:
        raise InputError(f"the values have shape {points.shape}: give (points, objectives)")
    signs = np.where(np.asarray(minimize, bool), 1.0, -1.0)
    if signs.shape not in ((), points.shape[1:]):
        raise InputError(f"minimize has {signs.size} values: give one, or one for each of {points.shape[1]} objectives")
    return points * signs
