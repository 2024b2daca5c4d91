"""Posteriors by quadrature: evidence and grid of each gamma.

In straightened coordinates (`nqjax.posterior.quadrature.straighten`) a posterior is nearly standard normal, so that the
trapezium rule on a grid converges faster than any power of its spacing. The ends of the grid follow the posterior in
each direction.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy  # its parts are imported when they are used
from numpy.typing import NDArray

from nqjax.posterior.density.log_density import Evaluator, Model
from nqjax.posterior.quadrature.locate import find_frames, start_frames, tensor
from nqjax.posterior.quadrature.straighten import Map, straight, straighten
from nqjax.types import Floats

#: Points along an axis of the probing grid, which finds where the posterior ends.
_PROBE_POINTS = 11

#: Half the range of the probing grid.
_PROBE_RANGE = 8.5

#: Points along an axis: a finer grid is used where halving the coarser one changes the evidence by more than
#: `_TOLERANCE`.
_GRID_POINTS = (25, 41)

#: Largest error of a log evidence on the coarser grid.
_TOLERANCE = 0.05

#: Grids end where the density is below exp(-this) of its maximum.
_LOG_DEPTH = 13.0

#: Added to `_LOG_DEPTH` where the density is interpolated, and so inaccurate.
_LOG_MARGIN = 4.0

#: Gammas with a smaller probability get no fine grid and no draws.
_HOPELESS = 1e-6


class Grid(NamedTuple):
    """The posterior of one gamma of one study on a grid."""

    shape: Map  # no leading axis
    nodes: Floats  # (3, points), along each straightened axis
    weights: Floats  # (points, points, points), probabilities
    theta: Floats  # (points, points, points, 3), parameters on the scale of the regime


class GammaGrid(NamedTuple):
    """Evidence of one gamma of one study, with its grid."""

    log_evidence: float
    error: float  # of log_evidence, from a coarser grid and the probability at the edge
    grid: Grid | None  # None for a gamma whose probability is negligible


class Points(NamedTuple):
    """Points at which the density of one gamma of one study is evaluated."""

    shape: Map  # no leading axis
    x: Floats  # (points, 3), straightened
    study: int
    gamma: int


def densities(evaluator: Evaluator, some: Sequence[Points], exact: bool) -> list[tuple[Floats, Floats]]:
    """Return the log densities and the parameters at the straightened points of each element of ``some``."""
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
) -> list[list[GammaGrid]]:
    """Return the posteriors of all gammas of several studies.

    Parameters
    ----------
    model : Model
    size, outside : ndarray, shape (studies,)
        Numbers of scores inside the limits, and beyond the losing limit.
    gamma : pair of int
        The range of gamma.
    log_prior : ndarray, shape (gammas,)
    hopeless : float
        Gammas with a smaller posterior probability get no grid; 0 for a grid for every possible gamma.

    Returns
    -------
    list of list of GammaGrid
        For each study, each gamma in order.
    """
    evaluator = Evaluator(model, gamma)
    numbers = np.arange(gamma[0], gamma[1] + 1)
    study, which = np.repeat(np.arange(len(size)), len(numbers)), np.tile(numbers, len(size))
    frames = start_frames(np.asarray(model.place.has_threshold)[study], size[study], outside[study], which)
    frames = find_frames(evaluator, frames, (size + outside)[study], study, which)
    maps = straighten(evaluator, frames, study, which)
    reach = np.linspace(-_PROBE_RANGE, _PROBE_RANGE, _PROBE_POINTS)
    x = tensor(np.tile(reach, (3, 1)))
    values = densities(
        evaluator, [Points(m, x, *place) for m, *place in zip(maps, study, which, strict=True)], exact=False
    )
    step = np.full(3, reach[1] - reach[0])
    seen = [_Seen(np.full(3, -_PROBE_RANGE), step, value.reshape(3 * (_PROBE_POINTS,))) for value, _ in values]
    rough = np.array([scipy.special.logsumexp(s.values) + np.log(s.step).sum() for s in seen])
    total = (rough + np.tile(log_prior, len(size))).reshape(len(size), -1)
    least = math.log(hopeless) if hopeless else -math.inf
    hopeful = ((total > total.max(axis=1, keepdims=True) + least) & np.isfinite(total)).ravel()
    some = np.flatnonzero(hopeful)
    fine = _fine(evaluator, [maps[i] for i in some], [seen[i] for i in some], study[some], which[some])
    grids: list[GammaGrid | None] = [None] * len(study)
    for i, found_grid in zip(some, fine, strict=True):
        grids[i] = found_grid
    found = []
    for first in range(0, len(study), len(numbers)):
        mine = range(first, first + len(numbers))
        # Joining scores changes the evidences of all gammas by nearly the same amount.
        shift = max((grid.log_evidence - rough[i] for i in mine if (grid := grids[i])), default=0.0)
        found.append([grids[i] or GammaGrid(float(rough[i] + shift), math.nan, None) for i in mine])
    return found


class _Seen(NamedTuple):
    """A coarse grid with the log densities of one gamma of one study."""

    low: Floats  # (3,)
    step: Floats  # (3,)
    values: Floats  # (points, points, points)

    def worthwhile(self, whitened: Floats) -> NDArray[np.bool_]:
        """Return whether each point may have a density above exp(-`_LOG_DEPTH`) of the maximum.

        The density is interpolated linearly between the points of this grid.
        """
        top = self.values.max()
        place = (whitened - self.low) / self.step
        values = np.maximum(self.values, top - 10 * _LOG_DEPTH)
        here = scipy.ndimage.map_coordinates(values, place.T, order=1, mode="nearest")
        return np.asarray(here > top - _LOG_DEPTH - _LOG_MARGIN)


def _ends(seen: _Seen) -> tuple[Floats, Floats]:
    """Return the low and the high end of the density along each axis, shape (3,) each."""
    ends = np.empty((2, 3))
    for axis in range(3):
        others = tuple(a for a in range(3) if a != axis)
        there = np.flatnonzero(seen.values.max(axis=others) > seen.values.max() - _LOG_DEPTH)
        ends[:, axis] = seen.low[axis] + seen.step[axis] * np.array([there[0] - 1, there[-1] + 1])
    return ends[0], ends[1]


def _fine(evaluator: Evaluator, maps: list[Map], seen: list[_Seen], study: Any, gamma: Any) -> list[GammaGrid]:
    """Return fine grids between the ends; points of negligible density, by `_Seen.worthwhile`, are not evaluated."""
    ends = [_ends(s) for s in seen]
    seen, grids = list(seen), [GammaGrid(math.nan, math.nan, None)] * len(maps)
    todo = list(range(len(maps)))
    for points in _GRID_POINTS:
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
            coarser = grids[i].log_evidence if grids[i].grid else None
            grids[i] = _gamma_grid(maps[i], nodes[i], everywhere.reshape(shape), parameters.reshape(*shape, 3), coarser)
            seen[i] = _Seen(nodes[i][:, 0], nodes[i][:, 1] - nodes[i][:, 0], everywhere.reshape(shape))
        todo = [i for i in todo if grids[i].error > _TOLERANCE]
    return grids


def _gamma_grid(shape: Map, nodes: Floats, cube: Floats, theta: Floats, coarser: float | None) -> GammaGrid:
    """Return a grid from its log densities; ``coarser`` is the log evidence of the previous grid."""
    cell = float(np.log(nodes[:, 1] - nodes[:, 0]).sum())
    evidence = float(scipy.special.logsumexp(cube) + cell)
    if coarser is None:
        coarser = float(scipy.special.logsumexp(cube[::2, ::2, ::2]) + cell + 3 * math.log(2))
    weights = np.exp(cube + cell - evidence)
    # Probability at the outermost points shows that some lies beyond.
    edge = 1 - float(weights[1:-1, 1:-1, 1:-1].sum() / weights.sum())
    return GammaGrid(evidence, abs(coarser - evidence) + edge, Grid(shape, nodes, weights, theta))
