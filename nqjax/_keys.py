"""Random keys that callers give."""

import jax
import jax.numpy as jnp
from jax import Array

from nqjax.errors import InputError


def as_key(key: Array) -> Array:
    """A single key, typed or of the old kind; raises InputError."""
    try:
        typed = key if jnp.issubdtype(key.dtype, jax.dtypes.prng_key) else jax.random.wrap_key_data(jnp.asarray(key))
        single = typed.ndim == 0
    except (AttributeError, TypeError, ValueError):
        single = False
    if not single:
        raise InputError("key must be one JAX random key, such as jax.random.key(0)")
    return typed
