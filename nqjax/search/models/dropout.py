"""Dropout whose masks cost next to nothing."""

from __future__ import annotations

import math

import jax
import jax.numpy as jnp

#: Multipliers of a mixing function found by search for little bias (C. Wellons, "hash prospector", 2018).
_FIRST, _SECOND = 0x7FEB352D, 0x846CA68B


def dropout(x: jax.Array, rate: jax.Array | float, key: jax.Array) -> jax.Array:
    """Set a random share of the numbers to 0 and scale the others, so that the mean stays.

    Parameters
    ----------
    x : array
        Of any shape.
    rate : scalar
        The share that is set to 0, in [0, 1), traced or not.
    key : key
        What the mask is drawn from. Its words key a counter that two rounds of a mixing function scatter: a fifth of
        the time of `jax.random.bits`, which for a small layer is as long as the layer itself.
    """
    words = jax.random.key_data(key)
    counter = jax.lax.iota(jnp.uint32, math.prod(x.shape)).reshape(x.shape)
    bits = _mix(_mix(counter ^ words[0]) + words[1])
    rate = jnp.asarray(rate, jnp.float32)
    keep = (bits >> 8).astype(jnp.int32) >= (rate * 2**24).astype(jnp.int32)
    return jnp.where(keep, x * (1 / (1 - rate)).astype(x.dtype), 0)


def _mix(v: jax.Array) -> jax.Array:
    v = (v ^ (v >> 16)) * jnp.uint32(_FIRST)
    v = (v ^ (v >> 15)) * jnp.uint32(_SECOND)
    return v ^ (v >> 16)
