"""Posteriors by quadrature: evidences, moments and draws of each gamma.

In straightened coordinates (`nqjax._straighten`) a posterior is nearly standard normal, so the trapezium rule on a grid
converges faster than any power of its spacing. The grid reaches as far as the posterior does, each way by itself.
"""

import math
from typing import NamedTuple

import numpy as np
import scipy.ndimage
import scipy.special
from numpy.typing import NDArray

from nqjax._density import Evaluator, Model
from nqjax._locate import find_frames, start_frames, tensor
from nqjax._straighten import Map, straight, straighten

Floats = NDArray[np.float64]
#: Points along an axis when measuring how far the posterior reaches, and in the end: a grid for most posteriors, and
#: one for those which half the points of the first give otherwise by more than the tolerance.
_REACH, _FINAL = 13, (25, 41)
_TOLERANCE = 0.02
#: How far the grid goes when measuring.
_FAR = 8.5
#: The grid ends where the density is below exp(-this) of its maximum, with some margin where that is interpolated.
_DEPTH, _MARGIN = 17.0, 4.0
#: Gammas with a smaller probability get no fine grid, and no draws.
_HOPELESS = 1e-6


class Grid(NamedTuple):
    """The posterior of one gamma of one study."""

    shape: Map  # of the lane: no leading axis
    nodes: Floats  # (3, points), of each straightened axis
    weights: Floats  # (points, points, points), probabilities
    theta: Floats  # (points, points, points, 3), parameters on the scale of the regime


class Lane(NamedTuple):
    """One gamma of one study."""

    log_evidence: float
    error: float  # of it, from a grid with fewer points and from what lies on the edge
    grid: Grid | None  # None for a hopeless gamma


def densities(
    evaluator: Evaluator, shape: Map, x: Floats, study: int, gamma: int, exact: bool
) -> tuple[Floats, Floats]:
    """Log densities of the straightened points, shape (points, 3), of one lane; and the parameters."""
    z, volume = straight(x, shape, np)
    value, theta = evaluator(z, np.full(len(x), study), np.full(len(x), gamma), np.ones(len(x)), exact=exact)
    return value + volume, theta


def integrate(
    model: Model,
    size: Floats,
    outside: Floats,
    gamma: tuple[int, int],
    log_prior: Floats,
    *,
    hopeless: float = _HOPELESS,
) -> list[list[Lane]]:
    """The posteriors of all gammas of some studies.

    Parameters
    ----------
    model : Model
    size, outside : ndarray, shape (studies,)
        Scores of each inside the limits, and beyond the losing one.
    gamma : pair of int
        The range.
    log_prior : ndarray, shape (gammas,)
    hopeless : float
        Gammas with a smaller posterior probability get no grid; 0 for all that are possible.

    Returns
    -------
    list of list of Lane
        For each study, each gamma in order.
    """
    evaluator = Evaluator(model, gamma)
    numbers = np.arange(gamma[0], gamma[1] + 1)
    study, which = np.repeat(np.arange(len(size)), len(numbers)), np.tile(numbers, len(size))
    frames = start_frames(np.asarray(model.place.has_threshold)[study], size[study], outside[study], which)
    frames = find_frames(evaluator, frames, (size + outside)[study], study, which)
    maps = straighten(evaluator, frames, study, which)
    reach = np.linspace(-_FAR, _FAR, _REACH)
    x = tensor(np.tile(reach, (3, 1)))
    seen = []
    for i, shape in enumerate(maps):
        value, _ = densities(evaluator, shape, x, study[i], which[i], exact=False)
        seen.append(_Seen(np.full(3, -_FAR), np.full(3, reach[1] - reach[0]), value.reshape(3 * (_REACH,))))
    rough = np.array([scipy.special.logsumexp(s.values) + np.log(s.step).sum() for s in seen])
    total = (rough + np.tile(log_prior, len(size))).reshape(len(size), -1)
    least = math.log(hopeless) if hopeless else -math.inf
    hopeful = ((total > total.max(axis=1, keepdims=True) + least) & np.isfinite(total)).ravel()
    found: list[list[Lane]] = []
    for first in range(0, len(study), len(numbers)):
        mine = range(first, first + len(numbers))
        grids = {i: _lane(evaluator, maps[i], seen[i], study[i], which[i]) for i in mine if hopeful[i]}
        # What joining scores does to the evidence is nearly the same for all gammas.
        shift = max((lane.log_evidence - rough[i] for i, lane in grids.items()), default=0.0)
        found.append([grids.get(i, Lane(float(rough[i] + shift), math.nan, None)) for i in mine])
    return found


class _Seen(NamedTuple):
    """Log densities of one lane on a grid."""

    low: Floats  # (3,)
    step: Floats  # (3,)
    values: Floats  # (points, points, points)

    def worthwhile(self, whitened: Floats) -> NDArray[np.bool_]:
        """Whether points may have a density that matters, by linear interpolation."""
        top = self.values.max()
        place = (whitened - self.low) / self.step
        values = np.maximum(self.values, top - 10 * _DEPTH)
        here = scipy.ndimage.map_coordinates(values, place.T, order=1, mode="nearest")
        return np.asarray(here > top - _DEPTH - _MARGIN)


def _ends(seen: _Seen) -> tuple[Floats, Floats]:
    """Where along each axis the density ends."""
    ends = np.empty((2, 3))
    for axis in range(3):
        others = tuple(a for a in range(3) if a != axis)
        there = np.flatnonzero(seen.values.max(axis=others) > seen.values.max() - _DEPTH)
        ends[:, axis] = seen.low[axis] + seen.step[axis] * np.array([there[0] - 1, there[-1] + 1])
    return ends[0], ends[1]


def _lane(evaluator: Evaluator, shape: Map, seen: _Seen, study: int, gamma: int) -> Lane:
    """Fine grids between the ends, where there may be something."""
    low, high = _ends(seen)
    best: Lane | None = None
    for points in _FINAL:
        step = (high - low) / (points - 1)
        nodes = low[:, None] + step[:, None] * np.arange(points)
        x = tensor(nodes)
        worth = seen.worthwhile(x)
        value, theta = np.full(len(x), -np.inf), np.zeros((len(x), 3))
        value[worth], theta[worth] = densities(evaluator, shape, x[worth], study, gamma, exact=True)
        cell = float(np.log(step).sum())
        cube = value.reshape(points, points, points)
        evidence = float(scipy.special.logsumexp(value) + cell)
        coarser = (
            float(scipy.special.logsumexp(cube[::2, ::2, ::2]) + cell + 3 * math.log(2))
            if best is None
            else best.log_evidence
        )
        weights = np.exp(cube + cell - evidence)
        grid = Grid(shape, nodes, weights, theta.reshape(points, points, points, 3))
        # What the outermost points hold is a sign that there is more beyond.
        edge = 1 - float(weights[1:-1, 1:-1, 1:-1].sum() / weights.sum())
        best = Lane(evidence, abs(coarser - evidence) + edge, grid)
        if best.error <= _TOLERANCE:
            break
        seen = _Seen(low, step, cube)
    assert best is not None
    return best
