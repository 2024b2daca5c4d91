"""Arguments of the tuning curves of distributions: checked where they are known, left alone where they are traced."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike, DTypeLike

from nqjax.errors import InputError
from nqjax.inputs import as_probabilities, as_trials


def read_trials(n: ArrayLike, dtype: DTypeLike) -> Array:
    """Return numbers of trials as an array; raise InputError unless they are positive."""
    return jnp.asarray(n if isinstance(n, jax.core.Tracer) else as_trials(n), dtype)


def read_probability(q: ArrayLike, dtype: DTypeLike) -> Array:
    """Return probabilities as an array; raise InputError unless they lie in [0, 1]."""
    return jnp.asarray(q if isinstance(q, jax.core.Tracer) else as_probabilities("probabilities q", q), dtype)


def check_shapes(n: Array, q: Array, batch_shape: tuple[int, ...]) -> None:
    """Raise InputError unless numbers of trials, probabilities and the batch of distributions broadcast."""
    try:
        np.broadcast_shapes(n.shape, q.shape, batch_shape)
    except ValueError:
        raise InputError(f"n of shape {n.shape}, q of shape {q.shape} and the batch {batch_shape} differ") from None
