"""The lowest point of a surface within the box."""

import numpy as np

from nqjax.types import Floats

#: Most sweeps over the coordinates, and the largest move at which they end.
_SWEEPS = 500
_STILL = 1e-7


def lowest_points(curvature: Floats, optimum: Floats) -> Floats:
    """Return the lowest point in ``[-1, 1]**d`` of quadratics with their minima at ``optimum``.

    Coordinate descent: each coordinate goes to its best place given the others, which ends at the minimum of a convex
    function within a box.

    Parameters
    ----------
    curvature : ndarray, shape (draws, d, d)
        Positive definite.
    optimum : ndarray, shape (draws, d)

    Returns
    -------
    ndarray, shape (draws, d)

    Examples
    --------
    >>> import numpy as np
    >>> lowest_points(np.array([[[2.0, 1.0], [1.0, 2.0]]]), np.array([[0.0, 2.0]])).round(6).tolist()
    [[0.5, 1.0]]
    """
    found = np.clip(optimum, -1, 1)
    moving = np.flatnonzero(np.any(found != optimum, axis=1))
    bent = np.maximum(np.diagonal(curvature, axis1=1, axis2=2), 1e-300)
    for _ in range(_SWEEPS):
        if not len(moving):
            break
        before = found[moving]
        z, h, c = before.copy(), curvature[moving], optimum[moving]
        for j in range(z.shape[1]):
            slope = np.einsum("mk,mk->m", h[:, j], z - c)
            z[:, j] = np.clip(z[:, j] - slope / bent[moving, j], -1, 1)
        found[moving] = z
        moving = moving[np.max(np.abs(z - before), axis=1) > _STILL]
    return found
