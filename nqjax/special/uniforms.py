"""Uniform and normal draws in one elementwise pass, so that a sampler is a single loop over its results.

The bits are those of `jax.random.bits`. On a CPU, JAX computes its default generator, Threefry-2x32 with 20 rounds
(Salmon, Moraes, Dror, Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3"), in a loop that passes all counters
through memory every four rounds. Written out, it is several times faster, and XLA fuses it with the code that uses the
bits.
"""

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy.special
from jax import Array

from nqjax.special.power_moments import horner

#: Rotations of Threefry in even and in odd groups of four rounds.
_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))

#: Constant of Threefry's third key word.
_PARITY = np.uint32(0x1BD11BDA)

#: The normal quantile is an odd polynomial of 2u - 1 where that is smaller, and one of sqrt(-2 log u) in the tails.
_CENTRE = 0.85

#: The largest sqrt(-2 log u), as u is at least 2**-54.
_LARGEST_ROOT = 8.66

#: Degree of the polynomial in the centre.
_CENTRE_DEGREE = 23

#: Degree of the polynomial in the tails.
_TAIL_DEGREE = 21


def _words(key: Array, shape: tuple[int, ...]) -> tuple[Array, Array]:
    """Return the high and low words of ``jax.random.bits(key, shape, "uint64")``, with JAX's 32-bit types, too."""
    typed = jnp.issubdtype(key.dtype, jax.dtypes.prng_key)
    name = str(jax.random.key_impl(key)) if typed else jax.config.jax_default_prng_impl  # type: ignore[attr-defined]
    size = math.prod(shape)
    if "fry" not in name or not jax.config.jax_threefry_partitionable or size >= 2**32:  # type: ignore[attr-defined]
        high, low = jax.random.split(key)
        return jax.random.bits(high, shape, jnp.uint32), jax.random.bits(low, shape, jnp.uint32)
    first, second = jax.random.key_data(key) if typed else key
    count = jax.lax.iota(jnp.uint32, size).reshape(shape)
    return _threefry(first, second, jnp.zeros_like(count), count)


def _threefry(first: Array, second: Array, high: Array, low: Array) -> tuple[Array, Array]:
    keys = first, second, first ^ second ^ _PARITY
    high, low = high + keys[0], low + keys[1]
    for i in range(5):
        for rotation in _ROTATIONS[i % 2]:
            high = high + low
            low = high ^ ((low << np.uint32(rotation)) | (low >> np.uint32(32 - rotation)))
        high, low = high + keys[(i + 1) % 3], low + keys[(i + 2) % 3] + np.uint32(i + 1)
    return high, low


def uniform(key: Array, shape: tuple[int, ...], dtype: Any) -> Array:
    """Return uniform draws strictly between 0 and 1: multiples of 2**-53 (float32: 2**-24), plus half of one."""
    high, low = _words(key, shape)
    if jnp.dtype(dtype) == jnp.float64:
        return high.astype(dtype) * 2.0**-32 + (low >> np.uint32(11)).astype(dtype) * 2.0**-53 + 2.0**-54
    # 23 bits: with 24, the largest draw would be rounded to 1.
    return ((high >> np.uint32(9)).astype(jnp.float32) * np.float32(2.0**-23) + np.float32(2.0**-24)).astype(dtype)


@functools.cache
def _polynomials() -> tuple[np.ndarray, np.ndarray, float]:
    """Return the coefficients of the centre and of the tails, and where the tails begin."""
    t = np.cos(np.pi * (np.arange(400) + 0.5) / 400)
    x = np.sqrt((t + 1) / 2) * _CENTRE
    centre = np.polynomial.chebyshev.chebfit(t, scipy.special.ndtri((1 + x) / 2) / x, _CENTRE_DEGREE)
    start = math.sqrt(-2 * math.log((1 - _CENTRE) / 2))
    s = (start + _LARGEST_ROOT) / 2 + (_LARGEST_ROOT - start) / 2 * t
    tail = np.polynomial.chebyshev.chebfit(t, -scipy.special.ndtri(np.exp(-s * s / 2)), _TAIL_DEGREE)
    return np.polynomial.chebyshev.cheb2poly(centre), np.polynomial.chebyshev.cheb2poly(tail), start


def normal_quantile(u: Array) -> Array:
    """Return the quantile of the standard normal distribution at probabilities between 2**-54 and 1 - 2**-54."""
    centre, tail, start = _polynomials()
    x = 2 * u - 1
    inner = x * horner(jnp.asarray(centre, u.dtype), x * x * (2 / _CENTRE**2) - 1)
    s = jnp.sqrt(-2 * jnp.log(jnp.minimum(u, 1 - u)))
    outer = horner(jnp.asarray(tail, u.dtype), (2 * s - (start + _LARGEST_ROOT)) * (1 / (_LARGEST_ROOT - start)))
    return jnp.where(jnp.abs(x) < _CENTRE, inner, jnp.where(x < 0, -outer, outer))


def normal(key: Array, shape: tuple[int, ...], dtype: Any) -> Array:
    """Return standard normal draws."""
    # Half precision would round the uniform draws to 0 or 1.
    wide = jnp.promote_types(dtype, jnp.float32)
    return normal_quantile(uniform(key, shape, wide)).astype(dtype)
