"""The noisy quadratic's functions on long NumPy arrays, in chunks that fit in memory."""

import functools
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import ArrayLike

from nqjax.special import at_ends, by_quadrature, without_noise
from nqjax.special.fast_cdf import cdf_by_quadrature
from nqjax.special.log_probability import log_complement
from nqjax.special.quantile import quantile_by_newton
from nqjax.types import Floats

#: Elements in a chunk.
POINTS = 1024

#: Elements that are evaluated side by side.
SIDE_BY_SIDE = 16


# By quadrature alone, with real powers: these functions are called with a few thousand numbers of all kinds, for which
# the faster formulas of `nqjax.special.noisy_quadratic` would take longer to compile than to save.


@jax.jit
def _quantile(log_tail: Array, s: Array, gamma: Array) -> Array:
    one, log_p = jnp.ones_like(s), log_complement(log_tail)
    inside = (log_p < 0) & (log_tail < 0) & (log_p > -jnp.inf) & (log_tail > -jnp.inf)
    safe_p, safe_q = (jnp.where(inside, a, -math.log(2)) for a in (log_p, log_tail))
    bare = without_noise.applies(one, s)
    noisy = quantile_by_newton(safe_p, safe_q, one, without_noise.replaced(bare, one, s), gamma)
    r = jnp.where(bare, without_noise.quantile(safe_p, one, gamma), noisy)
    return at_ends.quantile(r, log_p, log_tail, one, bare)


_any_cdf = without_noise.or_noisy(without_noise.cdf, functools.partial(cdf_by_quadrature, bits=0))
_any_log_pdf = without_noise.or_noisy(without_noise.log_pdf, functools.partial(by_quadrature.log_pdf, bits=0))
_any_log_cdf = without_noise.or_noisy(without_noise.log_cdf, functools.partial(by_quadrature.log_cdf, bits=0))
_any_log_sf = without_noise.or_noisy(without_noise.log_sf, functools.partial(by_quadrature.log_sf, bits=0))


@jax.jit
def _cdf(r: Array, delta: Array, sigma: Array, gamma: Array) -> Array:
    return _any_cdf(r, delta, sigma, gamma)


@jax.jit
def _log_pdf(r: Array, delta: Array, sigma: Array, gamma: Array) -> Array:
    return at_ends.log_pdf(_any_log_pdf(r, delta, sigma, gamma), r)


@jax.jit
def _log_cdf(r: Array, delta: Array, sigma: Array, gamma: Array) -> Array:
    return at_ends.log_cdf(_any_log_cdf(r, delta, sigma, gamma), r)


@jax.jit
def _log_sf(r: Array, delta: Array, sigma: Array, gamma: Array) -> Array:
    return at_ends.log_sf(_any_log_sf(r, delta, sigma, gamma), r)


def standard_quantile(log_tail: ArrayLike, s: ArrayLike, gamma: ArrayLike) -> Floats:
    """Return quantiles for alpha 0, beta 1 and noise s, at the log of the probability above the quantile."""
    return _in_chunks(_quantile, log_tail, s, gamma)


def noisy_cdf(r: ArrayLike, delta: ArrayLike, sigma: ArrayLike, gamma: ArrayLike) -> Floats:
    """Return the CDF of the noisy quadratic at the distance r above alpha."""
    return _in_chunks(_cdf, r, delta, sigma, gamma)


def noisy_log_pdf(r: ArrayLike, delta: ArrayLike, sigma: ArrayLike, gamma: ArrayLike) -> Floats:
    """Return the log-density of the noisy quadratic at the distance r above alpha."""
    return _in_chunks(_log_pdf, r, delta, sigma, gamma)


def noisy_log_tails(r: ArrayLike, delta: ArrayLike, sigma: ArrayLike, gamma: ArrayLike) -> tuple[Floats, Floats]:
    """Return the logarithms of the CDF and of its complement at the distance r above alpha."""
    return _in_chunks(_log_cdf, r, delta, sigma, gamma), _in_chunks(_log_sf, r, delta, sigma, gamma)


def standard_cdf(u: ArrayLike, s: ArrayLike, gamma: ArrayLike) -> Floats:
    """Return the CDF for alpha 0, beta 1 and noise s."""
    return noisy_cdf(u, 1.0, s, gamma)


def _in_chunks(function: Callable[..., Array], *arguments: ArrayLike) -> Floats:
    """Return the elementwise function of the broadcast arrays, computed `POINTS` elements at a time."""
    arrays = np.broadcast_arrays(*(np.asarray(a, np.float64) for a in arguments))
    shape, size = arrays[0].shape, arrays[0].size
    out = np.empty(size)
    with jax.enable_x64(True):
        for start in range(0, size, POINTS):
            some = [a.ravel()[start : start + POINTS] for a in arrays]
            count = len(some[0])
            # Padding repeats the last element, so that no iteration takes longer for it.
            some = [np.pad(a, (0, POINTS - count), mode="edge") for a in some]
            out[start : start + count] = np.asarray(function(*some))[:count]
    return out.reshape(shape)
