"""The objective at given parameters, and functions of many numbers, a fixed number of elements at a time.

What the estimation program does inside its loops is here done once, at points that are known: for tests of fits and for
regions around them. Chunks have a fixed size, so that a few compiled programs serve everything.
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import ArrayLike, NDArray

from nqjax import _kernel
from nqjax._batch import power_of_two
from nqjax._objective import families, mps
from nqjax._pieces import BEYOND, thinned_ranks
from nqjax._quantile import log_complement, quantile
from nqjax.spacing import Spacings

Floats = NDArray[np.float64]
#: More intervals than this are pooled, as the estimation program does to look around: little is lost.
_MOST = 512
_FEWEST = 16
#: Points in a chunk, and points side by side.
_POINTS, _SIDE_BY_SIDE = 1024, 16
#: No noise is so little of it, in units of the range of the knots.
LOG_LITTLE = math.log(1e-6)


class Grouped(NamedTuple):
    """Spacings of some studies, each on the scale of its knots, padded to one length."""

    knots: Floats  # (studies, intervals + 1)
    shares: Floats  # (studies, intervals)


def group(studies: Sequence[tuple[Spacings, float, float]]) -> Grouped:
    """Bring spacings, given with location and scale, into one array."""
    rows = [_thinned((data.knots - location) / scale, data.counts) for data, location, scale in studies]
    size = power_of_two(max(_FEWEST, *(len(shares) for _, shares in rows)))
    knots, shares = np.full((len(rows), size + 1), BEYOND), np.zeros((len(rows), size))
    for i, (places, parts) in enumerate(rows):
        knots[i, : len(parts)], shares[i, : len(parts)] = places, parts
    return Grouped(knots, shares)


def _thinned(knots: Floats, counts: Floats) -> tuple[Floats, Floats]:
    knots = np.append(-BEYOND, knots)
    if len(counts) > _MOST:
        ranks = 1 + np.unique(thinned_ranks(len(knots) - 1, _MOST))
        below = np.append(0.0, np.cumsum(counts))
        knots, counts = np.append(-BEYOND, knots[ranks]), np.diff(np.append(0.0, np.append(below[ranks], below[-1])))
    return knots, counts / counts.sum()


def standard_theta(
    alpha: float, delta: float, sigma: float, location: float, scale: float
) -> tuple[float, float, float]:
    """A point, from parameters that are oriented to minimisation, on the scale of the knots."""
    log_sigma = math.log(sigma / scale) if sigma > 0 else LOG_LITTLE
    return (alpha - location) / scale, math.log(max(delta / scale, 1e-300)), log_sigma


def losses(grouped: Grouped, study: NDArray[np.integer], gamma: NDArray[np.integer], theta: Floats) -> Floats:
    """Losses at some points, shape (points,), good to 1e-8; parameters as those of `objective`.

    From differences of the CDF: no digits are lost that matter here, and no program of its own is compiled.
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
    """Loss, gradient and Hessian (`nqjax._objective.mps`) at some points, good to 1e-6 of the loss.

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
    bits = int(np.max(gamma, initial=1) + 1).bit_length()
    theta = np.concatenate([theta[:, :2], np.maximum(theta[:, 2:], LOG_LITTLE)], axis=1)
    out = np.empty((len(theta), 10))
    program = _program(jax.default_backend(), bits)
    with jax.enable_x64(True):
        those = _families(2**bits - 2)
        for start in range(0, len(theta), _POINTS):
            here = slice(start, min(start + _POINTS, len(theta)))
            pad = _POINTS - (here.stop - here.start)
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
        return jax.lax.map(functools.partial(one, those), args, batch_size=_SIDE_BY_SIDE)

    # As `nqjax._batch` has it: a fifth faster.
    options = {"xla_cpu_prefer_vector_width": 512} if platform == "cpu" else None
    return jax.jit(every, compiler_options=options)


# --- functions of many numbers --------------------------------------------------------------------------------------


@jax.jit
def _quantile(log_tail: Array, s: Array, gamma: Array) -> Array:
    return quantile(log_complement(log_tail), log_tail, jnp.ones_like(s), s, gamma)


_cdf = jax.jit(_kernel.cdf)
_log_pdf = jax.jit(_kernel.log_pdf)
_log_cdf = jax.jit(_kernel.log_cdf)
_log_sf = jax.jit(_kernel.log_sf)


def standard_quantile(log_tail: ArrayLike, s: ArrayLike, gamma: ArrayLike) -> Floats:
    """Quantiles of the noisy quadratic from 0 to 1 with noise s, given by the logarithm of the upper tail."""
    return _in_chunks(_quantile, log_tail, s, gamma)


def noisy_cdf(r: ArrayLike, delta: ArrayLike, sigma: ArrayLike, gamma: ArrayLike) -> Floats:
    """CDF of the noisy quadratic at the distance r above alpha."""
    return _in_chunks(_cdf, r, delta, sigma, gamma)


def noisy_log_pdf(r: ArrayLike, delta: ArrayLike, sigma: ArrayLike, gamma: ArrayLike) -> Floats:
    """Log-density of the noisy quadratic at the distance r above alpha."""
    return _in_chunks(_log_pdf, r, delta, sigma, gamma)


def noisy_log_tails(r: ArrayLike, delta: ArrayLike, sigma: ArrayLike, gamma: ArrayLike) -> tuple[Floats, Floats]:
    """Logarithms of the CDF and of its complement at the distance r above alpha."""
    return _in_chunks(_log_cdf, r, delta, sigma, gamma), _in_chunks(_log_sf, r, delta, sigma, gamma)


def standard_cdf(u: ArrayLike, s: ArrayLike, gamma: ArrayLike) -> Floats:
    """CDF of the noisy quadratic from 0 to 1 with noise s."""
    return noisy_cdf(u, 1.0, s, gamma)


def _in_chunks(function: Callable[..., Array], *arguments: ArrayLike) -> Floats:
    """A function of arrays of one shape, so many elements at a time."""
    arrays = np.broadcast_arrays(*(np.asarray(a, np.float64) for a in arguments))
    shape, size = arrays[0].shape, arrays[0].size
    out = np.empty(size)
    with jax.enable_x64(True):
        for start in range(0, size, _POINTS):
            some = [a.ravel()[start : start + _POINTS] for a in arrays]
            count = len(some[0])
            # The last ones repeat one element, so that they take no longer.
            some = [np.pad(a, (0, _POINTS - count), mode="edge") for a in some]
            out[start : start + count] = np.asarray(function(*some))[:count]
    return out.reshape(shape)
