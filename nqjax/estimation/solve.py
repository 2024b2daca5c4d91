"""Solving one prepared study, with and without noise."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import jax
import numpy as np
from numpy.typing import ArrayLike, NDArray

from nqjax.estimation.constraints import Constraints
from nqjax.solver.batch import Setup, Shape, solve
from nqjax.solver.newton import Solution

if TYPE_CHECKING:
    pass
from nqjax.estimation.study import _SIGMA_RANGE, Prepared

#: Sigma this close to its lower bound has run into it.
_AT_FLOOR = 3.0


#: Where the loss's derivatives in log sigma are below the first, no noise at all is tried; it is what is reported when
#: its loss is the same but for the second, so that data which cannot tell small noise levels apart have one answer.
_TRY_NONE, _SAME_LOSS = 1e-6, 1e-9


def solve_prepared(
    studies: Sequence["Prepared"], constraints: Constraints, setup: Setup, shape: Shape, device: jax.Device
) -> tuple[list[Solution], float]:
    """Fit the studies of one chunk; where noise explains nothing, try none at all.

    Parameters and results as those of `nqjax.solver.batch.solve`.
    """
    standards = [study.standard for study in studies]
    bare = setup._replace(noiseless=True)
    if constraints.sigma[1] == 0:
        solutions, evaluations = solve(standards, bare, shape, device)
        return [without_noise(s) for s in solutions], evaluations
    solutions, evaluations = solve(standards, setup, shape, device)
    if constraints.sigma[0] > 0:
        return solutions, evaluations
    needless = [is_needless(s) for s in solutions]
    again = [i for i, s in enumerate(solutions) if needless[i][np.argmin(s.loss)]]
    for some in (again[i : i + shape.size] for i in range(0, len(again), shape.size)):
        others, more = solve([standards[i] for i in some], bare, shape, device)
        evaluations += more
        for i, other in zip(some, map(without_noise, others), strict=True):
            mine = solutions[i]
            better = needless[i] & is_as_good(other.loss, mine.loss)
            solutions[i] = jax.tree.map(
                lambda a, b, better=better: np.where(better.reshape(-1, *[1] * (a.ndim - 1)), a, b), other, mine
            )
    return solutions, evaluations


def is_minimum(solution: Solution) -> NDArray[np.bool_]:
    """Whether no digit that matters is left to gain: a tiny slope, or a small one that promises next to nothing."""
    norm = solution.gradient_norm
    return np.asarray((norm <= 1e-6) | ((norm <= 1e-3) & (solution.promise <= 1e-11)))


def is_needless(solution: Solution) -> NDArray[np.bool_]:
    """Whether noise may explain nothing: sigma has run into its lower bound, or any as small does as well."""
    floor = math.log(_SIGMA_RANGE[0] * _AT_FLOOR)
    return np.asarray((solution.theta[..., 2] <= floor) | (solution.noise_matters <= _TRY_NONE))


def is_as_good(bare: ArrayLike, noisy: ArrayLike) -> NDArray[np.bool_]:
    """Whether the loss without noise is the same as with, or lower."""
    return np.asarray(bare) <= np.asarray(noisy) + _SAME_LOSS


def without_noise(fits: Solution) -> Solution:
    """Say that sigma is 0; any leading axes."""
    theta = np.array(fits.theta)
    theta[..., 2] = -np.inf
    return fits._replace(theta=theta)  # type: ignore[arg-type]
