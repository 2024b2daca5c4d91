"""The objective at given parameters, for regions around fits and for tests of fits.

Points are evaluated in chunks of a fixed size, so that few programs are compiled.
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import Array
from numpy.typing import NDArray

from nqjax.estimation.spacings import Spacings
from nqjax.runtime.compiled import power_of_two
from nqjax.solver.batch import LARGEST_GAMMAS
from nqjax.solver.knots import families
from nqjax.solver.objective import mps
from nqjax.solver.pieces import BEYOND, thinned_ranks
from nqjax.special.chunked import POINTS, SIDE_BY_SIDE, noisy_cdf
from nqjax.types import Floats

#: Most intervals of a study; more are pooled, which changes the loss little.
_MOST_INTERVALS = 512

#: Fewest intervals that arrays have.
_FEWEST_INTERVALS = 16

#: Log sigma that stands for no noise, in units of the range of the knots.
LOG_LITTLE = math.log(1e-6)


class Grouped(NamedTuple):
    """Spacings of several studies, each on the scale of its knots, padded to one length."""

    knots: Floats  # (studies, intervals + 1)
    shares: Floats  # (studies, intervals)


def group(studies: Sequence[tuple[Spacings, float, float]]) -> Grouped:
    """Scale the spacings of several studies by their locations and scales, thin them, and pad them to one length."""
    rows = [_thinned((data.knots - location) / scale, data.counts) for data, location, scale in studies]
    size = power_of_two(max(_FEWEST_INTERVALS, *(len(shares) for _, shares in rows)))
    knots, shares = np.full((len(rows), size + 1), BEYOND), np.zeros((len(rows), size))
    for i, (places, parts) in enumerate(rows):
        knots[i, : len(parts)], shares[i, : len(parts)] = places, parts
    return Grouped(knots, shares)


def _thinned(knots: Floats, counts: Floats) -> tuple[Floats, Floats]:
    knots = np.append(-BEYOND, knots)
    if len(counts) > _MOST_INTERVALS:
        ranks = 1 + np.unique(thinned_ranks(len(knots) - 1, _MOST_INTERVALS))
        below = np.append(0.0, np.cumsum(counts))
        knots, counts = np.append(-BEYOND, knots[ranks]), np.diff(np.append(0.0, np.append(below[ranks], below[-1])))
    return knots, counts / counts.sum()


def standard_theta(
    alpha: float, delta: float, sigma: float, location: float, scale: float
) -> tuple[float, float, float]:
    """Return alpha, log(beta - alpha) and log sigma on the scale of the knots, from oriented parameters."""
    log_sigma = math.log(sigma / scale) if sigma > 0 else LOG_LITTLE
    return (alpha - location) / scale, math.log(max(delta / scale, 1e-300)), log_sigma


def losses(grouped: Grouped, study: NDArray[np.integer], gamma: NDArray[np.integer], theta: Floats) -> Floats:
    """Return the losses at some points, shape (points,), accurate to 1e-8; for the arguments see `objective`.

    The losses are computed from differences of the CDF, which needs no further compiled program.
    """
    alpha, delta, sigma = theta[:, :1], np.exp(theta[:, 1:2]), np.exp(np.maximum(theta[:, 2:], LOG_LITTLE))
    knots, shares = grouped.knots[study], grouped.shares[study]
    real = np.abs(knots) < BEYOND
    cdf = noisy_cdf(np.where(real, knots - alpha, 0.0), delta, sigma, gamma[:, None])
    mass = np.diff(np.where(real, cdf, knots > 0), axis=1)
    used = shares > 0
    with np.errstate(divide="ignore"):
        logs = np.log(np.where(used, np.maximum(mass, 0.0) / np.where(used, shares, 1.0), 1.0))
    return -np.sum(np.where(used, shares * logs, 0.0), axis=1)


def objective(grouped: Grouped, study: NDArray[np.integer], gamma: NDArray[np.integer], theta: Floats) -> Floats:
    """Return loss, gradient and Hessian (`nqjax.solver.objective.mps`), accurate to 1e-6 of the loss.

    Parameters
    ----------
    grouped : Grouped
    study, gamma : ndarray of int, shape (points,)
        The number of each point's study, and its gamma.
    theta : ndarray, shape (points, 3)
        alpha, log(beta - alpha) and log sigma on the scale of the knots.

    Returns
    -------
    ndarray, shape (points, 10)
    """
    largest = next(limit for limit in LARGEST_GAMMAS if np.max(gamma, initial=1) <= limit)
    bits = (largest + 1).bit_length()
    theta = np.concatenate([theta[:, :2], np.maximum(theta[:, 2:], LOG_LITTLE)], axis=1)
    out = np.empty((len(theta), 10))
    program = _program(jax.default_backend(), bits)
    with jax.enable_x64(True):
        those = _families(2**bits - 2)
        for start in range(0, len(theta), POINTS):
            here = slice(start, min(start + POINTS, len(theta)))
            pad = POINTS - (here.stop - here.start)
            which = np.pad(study[here], (0, pad), mode="edge")
            points = np.pad(theta[here], ((0, pad), (0, 0)), mode="edge")
            number = np.pad(gamma[here], (0, pad), mode="edge") - 1
            found = program(those, grouped.knots[which], grouped.shares[which], number, points)
            out[here] = np.asarray(found)[: here.stop - here.start]
    return out


@functools.lru_cache(maxsize=8)
def _families(most: int) -> Any:
    return families(np.arange(1.0, most + 1))


@functools.lru_cache(maxsize=16)
def _program(platform: str, bits: int) -> Callable[..., Array]:
    def one(those: Any, args: tuple[Array, Array, Array, Array]) -> Array:
        place, parts, which, point = args
        family = jax.tree.map(lambda a: a[which], those)
        return mps(point, family, place, parts, None, False, bits, False)

    def every(those: Any, *args: Array) -> Array:
        return jax.lax.map(functools.partial(one, those), args, batch_size=SIDE_BY_SIDE)

    # The option of `nqjax.solver.batch`: a fifth faster.
    options = {"xla_cpu_prefer_vector_width": 512} if platform == "cpu" else None
    return jax.jit(every, compiler_options=options)
