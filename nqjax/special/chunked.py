"""The noisy quadratic's functions on long NumPy arrays, in chunks that fit in memory."""

import collections
import functools
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import ArrayLike

from nqjax.runtime.compiled import Compiled, made_once
from nqjax.runtime.parallel import in_parallel
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


def _quantile(log_tail: Array, delta: Array, sigma: Array, gamma: Array) -> Array:
    log_p = log_complement(log_tail)
    inside = (log_p < 0) & (log_tail < 0) & (log_p > -jnp.inf) & (log_tail > -jnp.inf)
    safe_p, safe_q = (jnp.where(inside, a, -math.log(2)) for a in (log_p, log_tail))
    bare = without_noise.applies(delta, sigma)
    noisy = quantile_by_newton(safe_p, safe_q, delta, without_noise.replaced(bare, delta, sigma), gamma)
    r = jnp.where(bare, without_noise.quantile(safe_p, delta, gamma), noisy)
    return at_ends.quantile(r, log_p, log_tail, delta, bare)


_any_cdf = without_noise.or_noisy(without_noise.cdf, functools.partial(cdf_by_quadrature, bits=0))
_any_log_pdf = without_noise.or_noisy(without_noise.log_pdf, functools.partial(by_quadrature.log_pdf, bits=0))
_any_log_cdf = without_noise.or_noisy(without_noise.log_cdf, functools.partial(by_quadrature.log_cdf, bits=0))
_any_log_sf = without_noise.or_noisy(without_noise.log_sf, functools.partial(by_quadrature.log_sf, bits=0))


def _cdf(r: Array, delta: Array, sigma: Array, gamma: Array) -> Array:
    return _any_cdf(r, delta, sigma, gamma)


def _log_pdf(r: Array, delta: Array, sigma: Array, gamma: Array) -> Array:
    return at_ends.log_pdf(_any_log_pdf(r, delta, sigma, gamma), r)


def _log_cdf(r: Array, delta: Array, sigma: Array, gamma: Array) -> Array:
    return at_ends.log_cdf(_any_log_cdf(r, delta, sigma, gamma), r)


def _log_sf(r: Array, delta: Array, sigma: Array, gamma: Array) -> Array:
    return at_ends.log_sf(_any_log_sf(r, delta, sigma, gamma), r)


def standard_quantile(log_tail: ArrayLike, s: ArrayLike, gamma: ArrayLike) -> Floats:
    """Return quantiles for alpha 0, beta 1 and noise s, at the log of the probability above the quantile."""
    return _in_chunks(_quantile, log_tail, 1.0, s, gamma)


def best_of(n: ArrayLike, q: ArrayLike, delta: ArrayLike, sigma: ArrayLike, gamma: ArrayLike) -> Floats:
    """Return the ``q`` quantile of the lowest of ``n`` draws, as a distance from alpha."""
    # The best is worse than a score when all n draws are, so its tail is the nth power of the tail of one draw.
    with np.errstate(divide="ignore"):
        log_tail = np.log1p(-np.asarray(q, np.float64)) / np.asarray(n, np.float64)
    return _in_chunks(_quantile, log_tail, delta, sigma, gamma)


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


@made_once
def _program(function: Callable[..., Array]) -> Compiled:
    return Compiled(function)


def _in_chunks(function: Callable[..., Array], *arguments: ArrayLike) -> Floats:
    """Return the elementwise function of the broadcast arrays, computed `POINTS` elements at a time."""
    arrays = np.broadcast_arrays(*(np.asarray(a, np.float64) for a in arguments))
    shape, size = arrays[0].shape, arrays[0].size
    flat, out, program = [a.ravel() for a in arrays], np.empty(size), _program(function)

    def work(start: int, device: jax.Device) -> None:
        some = [a[start : start + POINTS] for a in flat]
        count = len(some[0])
        # Padding repeats the last element, so that no iteration takes longer for it.
        some = [np.pad(a, (0, POINTS - count), mode="edge") for a in some]
        with jax.enable_x64(True):
            out[start : start + count] = np.asarray(program.at(device, *some))[:count]

    starts, devices = range(0, size, POINTS), jax.local_devices()[:1]
    if len(starts) == 1:  # without threads
        work(0, devices[0])
    else:
        collections.deque(in_parallel(work, starts, devices), maxlen=0)
    return out.reshape(shape)
