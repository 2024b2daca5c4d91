"""Fit scaled studies with noise and, where the noise makes no difference, also without noise."""

import math
from collections.abc import Sequence

import jax
import numpy as np
from numpy.typing import ArrayLike, NDArray

from nqjax.estimation.study import SIGMA_RANGE, ScaledStudy
from nqjax.solver.batch import BatchSettings, ChunkShape, solve
from nqjax.solver.newton import Solution

#: Sigma within this factor of its lower bound counts as at the bound.
_AT_FLOOR = 3.0

# Data that cannot tell small noise levels apart get one answer, sigma = 0.
#: Derivatives of the loss in log sigma below which sigma = 0 is fitted, too.
_FLAT_IN_SIGMA = 1e-6

#: Sigma = 0 is reported if its loss is higher by no more than this.
_SAME_LOSS = 1e-9


def solve_prepared(
    studies: Sequence[ScaledStudy], settings: BatchSettings, shape: ChunkShape, device: jax.Device
) -> tuple[list[Solution], float]:
    """Fit the studies of one chunk, which have the same constraints on gamma and sigma.

    Where the noise makes no difference, sigma = 0 is tried, too. The result is that of `nqjax.solver.batch.solve`.
    """
    sigma = studies[0].study.constraints.sigma
    problems = [one.problem for one in studies]
    bare = settings._replace(noiseless=True)
    if sigma[1] == 0:
        solutions, evaluations = solve(problems, bare, shape, device)
        return [without_noise(s) for s in solutions], evaluations
    solutions, evaluations = solve(problems, settings, shape, device)
    if sigma[0] > 0:
        return solutions, evaluations
    needless = [is_needless(s) for s in solutions]
    again = [i for i, s in enumerate(solutions) if needless[i][np.argmin(s.loss)]]
    for some in (again[i : i + shape.size] for i in range(0, len(again), shape.size)):
        others, more = solve([problems[i] for i in some], bare, shape, device)
        evaluations += more
        for i, other in zip(some, map(without_noise, others), strict=True):
            mine = solutions[i]
            better = needless[i] & is_as_good(other.loss, mine.loss)
            solutions[i] = jax.tree.map(
                lambda a, b, better=better: np.where(better.reshape(-1, *[1] * (a.ndim - 1)), a, b), other, mine
            )
    return solutions, evaluations


def is_minimum(solution: Solution) -> NDArray[np.bool_]:
    """Whether the optimiser ended at a minimum.

    The slope is tiny there, or it is small and the predicted decrease is negligible.
    """
    norm = solution.gradient_norm
    return np.asarray((norm <= 1e-6) | ((norm <= 1e-3) & (solution.promise <= 1e-11)))


def is_needless(solution: Solution) -> NDArray[np.bool_]:
    """Whether a fit without noise may be as good: sigma is at its lower bound, or the loss hardly depends on it."""
    floor = math.log(SIGMA_RANGE[0] * _AT_FLOOR)
    return np.asarray((solution.theta[..., 2] <= floor) | (solution.noise_matters <= _FLAT_IN_SIGMA))


def is_as_good(bare: ArrayLike, noisy: ArrayLike) -> NDArray[np.bool_]:
    """Whether the loss without noise is at most the loss with noise, apart from rounding."""
    return np.asarray(bare) <= np.asarray(noisy) + _SAME_LOSS


def without_noise(fits: Solution) -> Solution:
    """Return the fits with log sigma, the last entry of ``theta``'s last axis, set to -inf."""
    theta = np.array(fits.theta)
    theta[..., 2] = -np.inf
    return fits._replace(theta=theta)  # type: ignore[arg-type]
