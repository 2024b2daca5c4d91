"""Posteriors by quadrature: evidences, moments and draws of each gamma.

In straightened coordinates (`nqjax.posterior.quadrature.straighten`) a posterior is nearly standard normal, so the
trapezium rule on a grid
converges faster than any power of its spacing. The grid reaches as far as the posterior does, each way by itself.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.ndimage
import scipy.special
from numpy.typing import NDArray

from nqjax.posterior.density.log_density import Evaluator, Model
from nqjax.posterior.quadrature.locate import find_frames, start_frames, tensor
from nqjax.posterior.quadrature.straighten import Map, straight, straighten

Floats = NDArray[np.float64]


#: Points along an axis when measuring how far the posterior reaches, and in the end: a grid for most posteriors, and
#: one for those which half the points of the first give otherwise by more than the tolerance.
_REACH, _FINAL = 11, (25, 41)


_TOLERANCE = 0.05


#: How far the grid goes when measuring.
_FAR = 8.5


#: The grid ends where the density is below exp(-this) of its maximum, with some margin where that is interpolated.
_DEPTH, _MARGIN = 13.0, 4.0


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


class Points(NamedTuple):
    """Places in one lane."""

    shape: Map  # of the lane: no leading axis
    x: Floats  # (points, 3), straightened
    study: int
    gamma: int


def densities(evaluator: Evaluator, some: Sequence[Points], exact: bool) -> list[tuple[Floats, Floats]]:
    """Log densities of the straightened points of some lanes, and their parameters: all in one go."""
    sizes = [len(s.x) for s in some]
    places = [straight(s.x, s.shape, np) for s in some]
    study, gamma = (np.repeat(numbers, sizes) for numbers in ([s.study for s in some], [s.gamma for s in some]))
    value, theta = evaluator(np.concatenate([z for z, _ in places]), study, gamma, np.ones(sum(sizes)), exact=exact)
    value = value + np.concatenate([volume for _, volume in places])
    ends = np.cumsum(sizes)[:-1]
    return list(zip(np.split(value, ends), np.split(theta, ends), strict=True))


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
    values = densities(
        evaluator, [Points(m, x, *lane) for m, *lane in zip(maps, study, which, strict=True)], exact=False
    )
    step = np.full(3, reach[1] - reach[0])
    seen = [_Seen(np.full(3, -_FAR), step, value.reshape(3 * (_REACH,))) for value, _ in values]
    rough = np.array([scipy.special.logsumexp(s.values) + np.log(s.step).sum() for s in seen])
    total = (rough + np.tile(log_prior, len(size))).reshape(len(size), -1)
    least = math.log(hopeless) if hopeless else -math.inf
    hopeful = ((total > total.max(axis=1, keepdims=True) + least) & np.isfinite(total)).ravel()
    some = np.flatnonzero(hopeful)
    grids = _fine(evaluator, [maps[i] for i in some], [seen[i] for i in some], study[some], which[some])
    lanes: list[Lane | None] = [None] * len(study)
    for i, grid in zip(some, grids, strict=True):
        lanes[i] = grid
    found = []
    for first in range(0, len(study), len(numbers)):
        mine = range(first, first + len(numbers))
        # What joining scores does to the evidence is nearly the same for all gammas.
        shift = max((lane.log_evidence - rough[i] for i in mine if (lane := lanes[i])), default=0.0)
        found.append([lanes[i] or Lane(float(rough[i] + shift), math.nan, None) for i in mine])
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


def _fine(evaluator: Evaluator, maps: list[Map], seen: list[_Seen], study: Any, gamma: Any) -> list[Lane]:
    """Fine grids between the ends, where there may be something."""
    ends = [_ends(s) for s in seen]
    seen, lanes = list(seen), [Lane(math.nan, math.nan, None)] * len(maps)
    todo = list(range(len(maps)))
    for points in _FINAL:
        nodes, worth, places = {}, {}, []
        for i in todo:
            low, high = ends[i]
            nodes[i] = low[:, None] + ((high - low) / (points - 1))[:, None] * np.arange(points)
            x = tensor(nodes[i])
            worth[i] = seen[i].worthwhile(x)
            places.append(Points(maps[i], x[worth[i]], study[i], gamma[i]))
        for i, (value, theta) in zip(todo, densities(evaluator, places, exact=True) if todo else [], strict=True):
            everywhere, parameters = np.full(points**3, -np.inf), np.zeros((points**3, 3))
            everywhere[worth[i]], parameters[worth[i]] = value, theta
            shape = (points,) * 3
            coarser = lanes[i].log_evidence if lanes[i].grid else None
            lanes[i] = _lane(maps[i], nodes[i], everywhere.reshape(shape), parameters.reshape(*shape, 3), coarser)
            seen[i] = _Seen(nodes[i][:, 0], nodes[i][:, 1] - nodes[i][:, 0], everywhere.reshape(shape))
        todo = [i for i in todo if lanes[i].error > _TOLERANCE]
    return lanes


def _lane(shape: Map, nodes: Floats, cube: Floats, theta: Floats, coarser: float | None) -> Lane:
    """A lane from its log densities on a grid; ``coarser`` is the log evidence by a grid before."""
    cell = float(np.log(nodes[:, 1] - nodes[:, 0]).sum())
    evidence = float(scipy.special.logsumexp(cube) + cell)
    if coarser is None:
        coarser = float(scipy.special.logsumexp(cube[::2, ::2, ::2]) + cell + 3 * math.log(2))
    weights = np.exp(cube + cell - evidence)
    # What the outermost points hold is a sign that there is more beyond.
    edge = 1 - float(weights[1:-1, 1:-1, 1:-1].sum() / weights.sum())
    return Lane(evidence, abs(coarser - evidence) + edge, Grid(shape, nodes, weights, theta))
