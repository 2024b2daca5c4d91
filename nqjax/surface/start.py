"""Where sampling begins: least squares within each threshold, bent upwards."""

from typing import NamedTuple

import numpy as np

from nqjax.types import Floats

#: Ridge of the least squares, and smallest curvature, absolute and in units of the largest.
_RIDGE = 0.3
_LEAST = 0.05
_LEAST_RATIO = 1e-3


class Quadratic(NamedTuple):
    """A quadratic that has a minimum."""

    lowest: float
    optimum: Floats  # (d,)
    curvature: Floats  # (d, d)
    sigma: float


def least_squares(z: Floats, y: Floats) -> Quadratic:
    """Return the quadratic of points (trials, d) and scores, both on the scale of the model."""
    d = z.shape[1]
    i, j = np.triu_indices(d)
    features = np.concatenate([np.ones((len(z), 1)), z, z[:, i] * z[:, j]], axis=1)
    ridge = np.diag(np.r_[1e-6, np.full(features.shape[1] - 1, _RIDGE)])
    b = np.linalg.solve(features.T @ features + ridge, features.T @ y)
    curvature = np.zeros((d, d))
    np.add.at(curvature, (i, j), b[1 + d :])
    curvature = curvature + curvature.T
    value, vector = np.linalg.eigh(curvature)
    curvature = (vector * np.maximum(value, max(_LEAST, _LEAST_RATIO * value[-1]))) @ vector.T
    optimum = np.clip(-np.linalg.solve(curvature, b[1 : 1 + d]), -1.2, 1.2)
    lowest = max(float(b[0] - 0.5 * optimum @ curvature @ optimum), -1.0)
    return Quadratic(lowest, optimum, curvature, float(np.std(y - features @ b)) + 0.02)


def pivots(curvature: Floats) -> list[int]:
    """Return an order of the coordinates: each is the most bent one, given those before it.

    In this order no coordinate is a large multiple of a later one in any strong direction. So the parameters are of
    order one, and the order in which hyperparameters were given does not matter.
    """
    rest, left, order = curvature.copy(), list(range(len(curvature))), []
    while left:
        k = max(left, key=lambda j: float(rest[j, j]))
        order.append(k)
        left.remove(k)
        rest = rest - np.outer(rest[:, k], rest[k]) / max(float(rest[k, k]), 1e-12)
    return order


def as_vector(quadratic: Quadratic, categories: int) -> Floats:
    """Return the quadratic as parameters of the model, with levels and shifts of categories that are 0."""
    d = len(quadratic.optimum)
    upper = np.linalg.cholesky(quadratic.curvature).T
    diagonal = np.diag(upper)
    turns = (upper / diagonal[:, None])[np.triu_indices(d, 1)]
    rest = [np.log(quadratic.sigma), -4.0, *np.zeros(categories * (1 + d))]
    return np.concatenate([[quadratic.lowest], quadratic.optimum, 2 * np.log(diagonal), turns, rest])
