"""AdamW with hyperparameters that may all be traced."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax


class AdamWState(NamedTuple):
    """The parameters, Adam's moments, and the number of updates that are done."""

    params: Any
    moments: Any
    updates: jax.Array


def start(params: Any) -> AdamWState:
    """Return the state before the first update."""
    return AdamWState(params, optax.scale_by_adam().init(params), jnp.int32(0))


def update(
    state: AdamWState,
    gradient: Any,
    learning_rate: jax.Array | float,
    *,
    beta1: jax.Array | float = 0.9,
    beta2: jax.Array | float = 0.999,
    epsilon: float = 1e-8,
    weight_decay: jax.Array | float = 0.0,
) -> AdamWState:
    """Return the state after one update of Adam with decoupled weight decay (Loshchilov and Hutter, 2019).

    Parameters
    ----------
    state : AdamWState
        The state before the update.
    gradient : pytree
        The gradient of the loss, in the structure of the parameters.
    learning_rate, beta1, beta2, weight_decay : scalar
        Traced or not. Only matrices decay, including embeddings, but not biases and the scales of norms, as in most
        training of transformers.
    epsilon : float
        Added to the root of the second moment.
    """
    direction, moments = optax.scale_by_adam(beta1, beta2, epsilon).update(gradient, state.moments)

    def moved(p: jax.Array, d: jax.Array) -> jax.Array:
        decayed = d + weight_decay * p if p.ndim > 1 else d
        return p - (learning_rate * decayed).astype(p.dtype)

    return AdamWState(jax.tree.map(moved, state.params, direction), moments, state.updates + 1)
