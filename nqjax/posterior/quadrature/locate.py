"""Mean and covariance of a posterior in its coordinates, found without an initial guess and without gradients.

The likelihood is tempered so that a coarse grid over all plausible values resolves it, and is then sharpened in steps,
while the grid follows mean and covariance. All gammas of all studies go through the steps together.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nqjax.posterior.density.coordinates import start_of_share
from nqjax.posterior.density.log_density import Evaluator
from nqjax.types import Floats

#: Points along an axis.
_POINTS = 9

#: Half the range of the grid, in standard deviations.
_SPAN = 4.0

#: Tempering starts with the likelihood of this number of scores.
_FIRST_SCORES = 10.0

#: Factor of the number of scores from one step to the next.
_SHARPENING = 4.0

# A grid is settled if it moves and grows by less than this (in standard deviations, and in logarithms of them), and its
# edge has less than this probability.
_SETTLED_SHIFT = 0.3
_SETTLED_GROWTH = 0.4
_SETTLED_EDGE = 0.02

#: Most tries for a step.
_TRIES = 12


class Frames(NamedTuple):
    """Means and Cholesky factors of grids, one for each gamma of each study."""

    mean: Floats  # (grids, 3)
    factor: Floats  # (grids, 3, 3)


def tensor(nodes: Floats) -> Floats:
    """Return the points of a grid, shape (points**3, 3), from the nodes of its axes, shape (3, points)."""
    return np.stack(np.meshgrid(*nodes, indexing="ij"), axis=-1).reshape(-1, 3)


def _evaluate(evaluator: Evaluator, frames: Frames, whitened: Floats, study: Any, gamma: Any, temper: Floats) -> Floats:
    """Return log densities of the whitened points, shape (grids, points)."""
    z = frames.mean[:, None] + np.einsum("lij,pj->lpi", frames.factor, whitened)
    which, number, power = (np.repeat(a, len(whitened)) for a in (study, gamma, temper))
    value, _ = evaluator(z.reshape(-1, 3), which, number, power, exact=False)
    return value.reshape(len(study), -1)


def _moments(frames: Frames, whitened: Floats, log_values: Floats) -> Frames:
    """Return the mean and the covariance of the density on each grid."""
    weights = _shares(log_values)
    mean = weights @ whitened
    centred = whitened - mean[:, None]
    covariance = np.einsum("lp,lpi,lpj->lij", weights, centred, centred)
    # A density at a single point has no covariance: continue with a smaller grid.
    covariance += np.eye(3) * (0.3 * 2 * _SPAN / (_POINTS - 1)) ** 2
    factor = np.linalg.cholesky(covariance)
    return Frames(frames.mean + np.einsum("lij,lj->li", frames.factor, mean), frames.factor @ factor)


def _shares(log_values: Floats) -> Floats:
    """Return the probability of each point of each grid; all are equal if the density is 0 at every point."""
    top = log_values.max(axis=1, keepdims=True)
    weights = np.where(np.isfinite(top), np.exp(log_values - np.where(np.isfinite(top), top, 0.0)), 1.0)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _edge_share(log_values: Floats, points: int) -> Floats:
    """Return the total probability of the points on the surface of each grid."""
    return 1 - _shares(log_values).reshape(-1, points, points, points)[:, 1:-1, 1:-1, 1:-1].sum(axis=(1, 2, 3))


def find_frames(evaluator: Evaluator, start: Frames, size: Floats, study: Any, gamma: Any) -> Frames:
    """Return the mean and covariance for each gamma of each study.

    ``size`` (numbers of scores), ``study`` and ``gamma`` have one element for each of them.
    """
    frames = start
    temper = np.minimum(1.0, _FIRST_SCORES / size)
    nodes = tensor(np.tile(np.linspace(-_SPAN, _SPAN, _POINTS), (3, 1)))
    unfinished = np.arange(len(size))
    tries = np.zeros(len(size), int)
    while unfinished.size:
        those = Frames(frames.mean[unfinished], frames.factor[unfinished])
        values = _evaluate(evaluator, those, nodes, study[unfinished], gamma[unfinished], temper[unfinished])
        moved = _moments(those, nodes, values)
        shift = np.linalg.solve(moved.factor, (moved.mean - those.mean)[..., None])[..., 0]
        growth = np.linalg.solve(those.factor, moved.factor)
        steady = (
            (np.abs(shift).max(axis=1) < _SETTLED_SHIFT)
            & (np.abs(np.log(np.diagonal(growth, axis1=1, axis2=2))).max(axis=1) < _SETTLED_GROWTH)
            & (_edge_share(values, _POINTS) < _SETTLED_EDGE)
        )
        frames.mean[unfinished], frames.factor[unfinished] = moved
        tries[unfinished] += 1
        settled = steady | (tries[unfinished] >= _TRIES)
        done = settled & (temper[unfinished] >= 1)
        sharpen = unfinished[settled & ~done]
        # A sharper likelihood has a narrower posterior.
        more = np.minimum(_SHARPENING, 1 / temper[sharpen])
        temper[sharpen] *= more
        frames.factor[sharpen] /= np.sqrt(more)[:, None, None]
        tries[sharpen] = 0
        unfinished = unfinished[~done]
    return frames


def start_frames(threshold: NDArray[np.bool_], inside: Floats, outside: Floats, gamma: NDArray[np.integer]) -> Frames:
    """Return the first frames, which cover all plausible values on the scale of the regime."""
    power = 2 / gamma
    bare = np.minimum((0.7 / inside) ** power / np.maximum(1 - (0.7 / inside) ** power, 0.1), 3.0)
    share = np.where(
        threshold, start_of_share(np.log((inside + 0.5) / (outside + 0.5))), np.log(np.hypot(1 / inside, 0.1))
    )
    mean = np.stack([np.full(len(gamma), np.log(0.1)), np.log(np.hypot(bare, 0.1)), share], axis=1)
    factor = np.tile(np.diag([0.8, 0.8, 0.6]), (len(gamma), 1, 1))
    factor[threshold, 2, 2] = 0.4
    return Frames(mean, factor)
