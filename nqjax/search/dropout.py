"""Dropout whose masks cost little: all bits of the generator's blocks are used."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp
from jax.extend.random import threefry_2x32


def dropout(x: jax.Array, rate: jax.Array | float, key: jax.Array) -> jax.Array:
    """Set a random share of the numbers to 0 and scale the others, so that the mean stays.

    Parameters
    ----------
    x : array
        Of any shape.
    rate : scalar
        The share that is set to 0, in [0, 1), traced or not; it is rounded to a multiple of 2**-16.
    key : key
        A threefry key. Each block of the generator gives four numbers of 16 bits; `jax.random.bernoulli` draws a
        block of two words for every single one, which would take as long as the layer itself.
    """
    threshold = jnp.round(jnp.asarray(rate, jnp.float32) * 65536)
    half = -(-x.size // 4)
    words = threefry_2x32(jax.random.key_data(key), jnp.arange(2 * half, dtype=jnp.uint32))
    # Low halves for the first part of x, high halves for the second: no interleaving, which would cost a copy.
    bits = jnp.concatenate([words & 0xFFFF, words >> 16])[: math.prod(x.shape)].reshape(x.shape)
    keep = bits.astype(jnp.int32) >= threshold.astype(jnp.int32)
    return jnp.where(keep, x / (1 - threshold / 65536).astype(x.dtype), 0)
