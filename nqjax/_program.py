"""The estimation program: every start, every gamma, one jitted computation.

For each gamma a few searches run side by side, each at its own range of noise levels: a search evaluates its starts,
then follows Newton's method from the best of them. With many knots this happens on a thinned set of knots, which pools
neighbouring intervals and leaves a statistically almost equal problem at a fraction of the cost; Newton on all knots
then goes on from the best distinct ends.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from nqjax._newton import Box, Solution, minimize
from nqjax._objective import family, mps

#: More knots than the first are thinned to the second.
_DIRECT, _COARSE = 256, 64
#: Noise levels of the starts, in units of the range of the knots: one row a search.
_SIGMAS = ((0.0005, 0.003), (0.012, 0.04), (0.12, 0.4))
#: Where alpha starts: this many sigmas above the best score.
_OFFSETS = (-1.0, 0.5, 2.0, 5.0)
_STEPS = 80
_FINE_SEARCHES = 1


class Fits(NamedTuple):
    """The best solution for each gamma; leading axis: gammas."""

    theta: Array  # (gammas, 3)
    loss: Array
    gradient_norm: Array
    promise: Array
    num_steps: Array


def thin(knots: Array, counts: Array, num_knots: Array) -> tuple[Array, Array]:
    """Keep `_COARSE` knots between the ends, evenly spaced in rank, and pool the counts between them."""
    place = 1 + jnp.round(jnp.linspace(0.0, 1.0, _COARSE) * (num_knots - 1)).astype(jnp.int32)
    place = jnp.concatenate([jnp.zeros(1, jnp.int32), place, jnp.full(1, knots.shape[0] - 1, jnp.int32)])
    below = jnp.concatenate([jnp.zeros(1, counts.dtype), jnp.cumsum(counts)])
    return knots[place], jnp.diff(below[place])


def _starts(gamma: Array, knots: Array, counts: Array, box: Box) -> Array:
    """Starting values, shape (searches, starts, 3): noise levels, and alpha some sigmas away from the best score."""
    low, high, mass = _summary(knots, counts)
    levels = jnp.asarray(_SIGMAS, knots.dtype) * (high - low)
    sigma = jnp.exp(jnp.clip(jnp.log(levels), box.low[3], box.high[3]))[:, :, None]
    alpha = low + jnp.asarray(_OFFSETS, knots.dtype) * jnp.minimum(sigma, (high - low) / 3)
    # delta such that the noiseless CDF at the last knot is the share of scores up to there.
    delta = jnp.maximum(high - alpha, 0.05 * (high - low)) * mass ** (-2 / gamma)
    starts = jnp.broadcast_arrays(alpha, jnp.log(delta), jnp.log(sigma))
    return jnp.stack([a.reshape(len(_SIGMAS), -1) for a in starts], axis=-1)


def _noiseless_starts(gamma: Array, knots: Array, counts: Array) -> Array:
    low, high, mass = _summary(knots, counts)
    below = jnp.asarray([[1e-4, 1e-3, 0.01], [0.03, 0.1, 0.2], [0.4, 1.0, 3.0]], knots.dtype)[:, :, None]
    alpha = low - (high - low) * below
    delta = (high - alpha) * mass ** (-2 / gamma) * jnp.asarray([1.0, 1.02, 1.2], knots.dtype)
    starts = jnp.broadcast_arrays(alpha, jnp.log(delta), jnp.zeros_like(low))
    return jnp.stack([a.reshape(3, -1) for a in starts], axis=-1)


def _summary(knots: Array, counts: Array) -> tuple[Array, Array, Array]:
    """The first and the last real knot, and the share of the scores up to the last."""
    return knots[1], knots[-2], jnp.clip(1 - counts[-1] / jnp.sum(counts), 0.01, 0.99)


def _best(solutions: Solution, count: int) -> Array:
    """Indices of the best ``count`` solutions, repetitions of a better one last."""
    order = jnp.argsort(solutions.loss)
    loss = solutions.loss[order]
    repeated = jnp.concatenate([jnp.zeros(1, bool), jnp.diff(loss) < 1e-9])
    return order[jnp.argsort(jnp.where(repeated, jnp.inf, loss), stable=True)[:count]]


def _fit_gamma(
    gamma: Array, knots: Array, counts: Array, num_knots: Array, box: Box, bits: int, noiseless: bool
) -> Fits:
    objective = functools.partial(mps, family=family(gamma), bits=bits, noiseless=noiseless)
    fine = functools.partial(objective, knots=knots, counts=counts)

    def search(objective: Callable[[Array], Array], starts: Array) -> Solution:
        one = functools.partial(minimize, objective, box=box, max_steps=_STEPS, rivals=("gammas", "searches"))
        return jax.vmap(one, axis_name="searches")(starts)

    starts = _noiseless_starts(gamma, knots, counts) if noiseless else _starts(gamma, knots, counts, box)
    if knots.shape[0] <= _DIRECT + 2:
        ends = search(fine, starts)
    else:
        thinned, pooled = thin(knots, counts, num_knots)
        coarse = functools.partial(objective, knots=thinned, counts=pooled)
        ends = search(coarse, starts)
        ends = search(fine, ends.theta[_best(ends, _FINE_SEARCHES), None])
    best = jnp.argmin(ends.loss)
    return Fits(*jax.tree.map(lambda a: a[best], ends))


@functools.partial(jax.jit, static_argnames=("bits", "noiseless"))
def fit_program(
    knots: Array, counts: Array, num_knots: Array, gammas: Array, box: Box, *, bits: int, noiseless: bool
) -> Fits:
    """Fit every gamma to one set of spacings.

    Parameters
    ----------
    knots : Array, shape (intervals + 1,)
        Standardised to span about [0, 1], with an end on either side beyond all mass; padded by repeating the last
        real knot.
    counts : Array, shape (intervals,)
        Scores in each interval; 0 between padded knots.
    num_knots : Array, shape ()
        How many knots are real, the ends not counted.
    gammas : Array, shape (gammas,)
        Whole numbers below ``2**bits - 1``.
    box : Box
        Bounds on the scale of the knots.
    """
    one = functools.partial(
        _fit_gamma, knots=knots, counts=counts, num_knots=num_knots, box=box, bits=bits, noiseless=noiseless
    )
    return jax.vmap(one, axis_name="gammas")(gammas)
