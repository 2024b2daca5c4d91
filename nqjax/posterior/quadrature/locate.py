"""Where a posterior is: mean and covariance in its coordinates, found without a start and without a gradient.

The likelihood is tempered until a coarse grid over all that is plausible resolves it, and is then sharpened in steps,
with the grid following mean and covariance. A lane is one gamma of one study; all lanes go through the steps together.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nqjax.posterior.density.coordinates import start_of_share
from nqjax.posterior.density.log_density import Evaluator

Floats = NDArray[np.float64]


#: Points along an axis, and how far they go in standard deviations.
_POINTS, _SPAN = 9, 4.0


#: The likelihood of this many scores is what a first grid resolves; each step then takes so many times as many.
_FIRST, _STEP = 10.0, 4.0


#: A grid is in its place when it moves by less than this, in standard deviations, grows or shrinks by less than this,
#: and its edge holds less than this.
_MOVED, _GROWN, _EDGE = 0.3, 0.4, 0.02


_TRIES = 12


class Frames(NamedTuple):
    """Where the grids of some lanes lie."""

    mean: Floats  # (lanes, 3)
    factor: Floats  # (lanes, 3, 3)


def tensor(nodes: Floats) -> Floats:
    """Points of a grid, shape (points**3, 3), from the nodes of its axes, shape (3, points)."""
    return np.stack(np.meshgrid(*nodes, indexing="ij"), axis=-1).reshape(-1, 3)


def _evaluate(evaluator: Evaluator, frames: Frames, whitened: Floats, study: Any, gamma: Any, temper: Floats) -> Floats:
    """Log densities of the whitened points, shape (lanes, points)."""
    z = frames.mean[:, None] + np.einsum("lij,pj->lpi", frames.factor, whitened)
    lane, number, power = (np.repeat(a, len(whitened)) for a in (study, gamma, temper))
    value, _ = evaluator(z.reshape(-1, 3), lane, number, power, exact=False)
    return value.reshape(len(study), -1)


def _moments(frames: Frames, whitened: Floats, log_values: Floats) -> Frames:
    """Frames by mean and covariance."""
    weights = _shares(log_values)
    mean = weights @ whitened
    centred = whitened - mean[:, None]
    covariance = np.einsum("lp,lpi,lpj->lij", weights, centred, centred)
    # A grid that sees one point only has found a spike: go on with a smaller one.
    covariance += np.eye(3) * (0.3 * 2 * _SPAN / (_POINTS - 1)) ** 2
    factor = np.linalg.cholesky(covariance)
    return Frames(frames.mean + np.einsum("lij,lj->li", frames.factor, mean), frames.factor @ factor)


def _shares(log_values: Floats) -> Floats:
    """Probabilities of the points of each lane; all the same where there is no density at all."""
    top = log_values.max(axis=1, keepdims=True)
    weights = np.where(np.isfinite(top), np.exp(log_values - np.where(np.isfinite(top), top, 0.0)), 1.0)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _edge_share(log_values: Floats, points: int) -> Floats:
    """The share of the probability on the outermost points."""
    return 1 - _shares(log_values).reshape(-1, points, points, points)[:, 1:-1, 1:-1, 1:-1].sum(axis=(1, 2, 3))


def find_frames(evaluator: Evaluator, start: Frames, size: Floats, study: Any, gamma: Any) -> Frames:
    """Means and covariances of the lanes, from the outside in; ``size`` is the number of scores of each."""
    frames = start
    temper = np.minimum(1.0, _FIRST / size)
    nodes = tensor(np.tile(np.linspace(-_SPAN, _SPAN, _POINTS), (3, 1)))
    open_lanes = np.arange(len(size))
    tries = np.zeros(len(size), int)
    while open_lanes.size:
        those = Frames(frames.mean[open_lanes], frames.factor[open_lanes])
        values = _evaluate(evaluator, those, nodes, study[open_lanes], gamma[open_lanes], temper[open_lanes])
        moved = _moments(those, nodes, values)
        shift = np.linalg.solve(moved.factor, (moved.mean - those.mean)[..., None])[..., 0]
        growth = np.linalg.solve(those.factor, moved.factor)
        steady = (
            (np.abs(shift).max(axis=1) < _MOVED)
            & (np.abs(np.log(np.diagonal(growth, axis1=1, axis2=2))).max(axis=1) < _GROWN)
            & (_edge_share(values, _POINTS) < _EDGE)
        )
        frames.mean[open_lanes], frames.factor[open_lanes] = moved
        tries[open_lanes] += 1
        settled = steady | (tries[open_lanes] >= _TRIES)
        done = settled & (temper[open_lanes] >= 1)
        sharpen = open_lanes[settled & ~done]
        # Less noise in the likelihood, a narrower posterior.
        more = np.minimum(_STEP, 1 / temper[sharpen])
        temper[sharpen] *= more
        frames.factor[sharpen] /= np.sqrt(more)[:, None, None]
        tries[sharpen] = 0
        open_lanes = open_lanes[~done]
    return frames


def start_frames(threshold: NDArray[np.bool_], inside: Floats, outside: Floats, gamma: NDArray[np.integer]) -> Frames:
    """Where to look first: all that is plausible, on the scale of the regime."""
    power = 2 / gamma
    bare = np.minimum((0.7 / inside) ** power / np.maximum(1 - (0.7 / inside) ** power, 0.1), 3.0)
    share = np.where(
        threshold, start_of_share(np.log((inside + 0.5) / (outside + 0.5))), np.log(np.hypot(1 / inside, 0.1))
    )
    mean = np.stack([np.full(len(gamma), np.log(0.1)), np.log(np.hypot(bare, 0.1)), share], axis=1)
    factor = np.tile(np.diag([0.8, 0.8, 0.6]), (len(gamma), 1, 1))
    factor[threshold, 2, 2] = 0.4
    return Frames(mean, factor)
