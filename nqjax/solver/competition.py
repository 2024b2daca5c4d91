"""Competing starts: which of them may still have the lowest loss, and which of their end points to refine."""

import jax.numpy as jnp
from jax import Array

#: Ends of the coarse stage are one optimum when log(beta - alpha) and log sigma differ by less than this.
_SAME_END = 0.1

#: Ends of the coarse stage are followed further when their loss is above the lowest by less than this.
_PROMISING_LOSS = 1e-2

#: Two starts this close, with alpha in units of the larger of sigma and delta, run to the same optimum.
_DUPLICATE_DISTANCE = 0.02

#: The loss of a start may still fall by this many times the decrease that its Newton model predicts.
_PREDICTED_DECREASE_FACTOR = 10.0

#: Extra room for the error of the coarse objective: a start is given up when it would end above the best by more.
_COARSE_MARGIN = 0.01


def distinct_ends(theta: Array, loss: Array) -> tuple[Array, Array]:
    """Return the end points of one problem's starts, the best ones first, and which of them to refine.

    These are the best end point of each gamma, and all others that differ from better ones and have a loss close to
    the lowest.

    Parameters
    ----------
    theta : Array, shape (starts, gammas, 3)
    loss : Array, shape (starts, gammas)

    Returns
    -------
    theta : Array, shape (starts, gammas, 3)
    followed : Array of bool, shape (starts, gammas)
    """
    order = jnp.argsort(loss, axis=0)
    loss = jnp.take_along_axis(loss, order, axis=0)
    theta = jnp.take_along_axis(theta, order[..., None], axis=0)
    near = jnp.max(jnp.abs(theta[:, None, :, 1:] - theta[None, :, :, 1:]), axis=-1) < _SAME_END
    rank = jnp.arange(loss.shape[0])
    repeated = jnp.any(near & (rank[:, None] > rank)[..., None], axis=1)
    return theta, (rank == 0)[:, None] | (~repeated & (loss < jnp.min(loss) + _PROMISING_LOSS))


def hopeless(theta: Array, loss: Array, predicted: Array, fine: Array, every_gamma: Array) -> Array:
    """Return which of one problem's starts to give up: duplicates of a better one, and those that cannot win.

    Parameters
    ----------
    theta : Array, shape (starts, gammas, 3)
    loss, predicted : Array, shape (starts, gammas)
        The lowest loss so far, and the decrease that the Newton model predicts.
    fine : Array, shape ()
        Whether the losses are those of the fine objective.
    every_gamma : Array, shape ()
        Whether a start competes with those of its own gamma only.
    """
    unit = jnp.exp(jnp.max(theta[..., 1:], axis=-1))
    place = jnp.stack([theta[..., 0] / unit, theta[..., 1], theta[..., 2]])
    near = jnp.max(jnp.abs(place[:, :, None] - place[:, None]), axis=0) < _DUPLICATE_DISTANCE
    rank = jnp.arange(loss.shape[0])
    better = (loss[None] < loss[:, None]) | ((loss[None] == loss[:, None]) & (rank < rank[:, None])[..., None])
    best = jnp.min(loss, axis=0)
    best = jnp.where(every_gamma, best, jnp.min(best))
    duplicate = jnp.any(near & better, axis=1)
    attainable = loss - _PREDICTED_DECREASE_FACTOR * predicted
    return duplicate | (attainable > best + jnp.where(fine, 0.0, _COARSE_MARGIN))
