"""Hamiltonian Monte Carlo for response surfaces: many chains in step, in groups of one threshold and one mass matrix.

First each threshold has a group, and the draws tell how probable it is. Then the groups are shared out by these
probabilities, and draw from the average. Chains do not change their threshold: a surface that fits a large regime is a
narrow part of those that fit a small one, which a chain would not find.
"""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from nqjax.runtime.compiled import Compiled, made_once
from nqjax.surface.mixing import AGREE, mean_r_hat
from nqjax.surface.model import Data, unpack
from nqjax.surface.slopes import curvatures, values_and_slopes
from nqjax.surface.weights import threshold_weights
from nqjax.types import Floats

#: Chains of a group.
CHAINS = 6

#: Each chain climbs by steps of gradient ascent of this number and size before it proposes.
_CLIMBS = 250
_CLIMB = 0.1

#: Proposals in a round, after which the mass matrices are updated.
_ROUND = 24

#: Rounds to find the probabilities of thresholds, of which the last two count; then to settle; then to keep draws.
_FIRST = 5
_COUNTED = 2
_SETTLING = 1
_KEPT = 3

#: Times that chains which do not agree go on, for twice as many rounds each time.
_MORE = 2

#: Most leapfrog steps of a proposal, and the acceptance at which step sizes aim.
_LEAPS = 16
_ACCEPTANCE = 0.8

#: The step size with which a new mass matrix begins.
_STEP = 0.4


class State(NamedTuple):
    """Where the chains are, and how they propose."""

    x: Array  # (groups, chains, parameters)
    log_p: Array  # (groups, chains)
    slope: Array  # as x
    factor: Array  # (groups, parameters, parameters), times its transpose: the inverse mass
    log_step: Array  # (groups,)


class Draws(NamedTuple):
    """Draws of the parameters, and the probabilities of thresholds."""

    x: Floats  # (draws, chains, parameters), of all groups
    threshold: Floats  # (chains,), indices
    weights: Floats  # (thresholds,), their probabilities


def sample(key: Array, start: Floats, data: Data, method: str = "hmc") -> Draws:
    """Return draws from the average over thresholds.

    Parameters
    ----------
    key : Array
    start : ndarray, shape (thresholds, parameters)
        A surface for each threshold.
    data : Data
    method : {"hmc", "nuts"}, optional
        How the average is drawn from; probabilities of thresholds are found in the same way.
    """
    keys = iter(jax.random.split(key, _FIRST + _SETTLING + _KEPT + 2))
    groups, size = start.shape
    noise = np.asarray(jax.random.normal(next(keys), (groups, CHAINS, size)), float)
    thresholds = np.asarray(data.thresholds)
    device = jax.local_devices()[0]
    with jax.enable_x64(True):
        state = _begin().at(device, start[:, None] + 0.1 * noise, thresholds, data)
        seen = []
        for _ in range(_FIRST):
            state, *found = _one_round().at(device, next(keys), state, thresholds, data, np.float64(1.0))
            seen.append(found)
        x = np.concatenate([np.asarray(found[0]) for found in seen[-_COUNTED:]])
        weights = threshold_weights(x, data)
        chosen = _share_out(weights)
        state = _settled(jax.tree.map(np.asarray, state), np.mean(np.asarray(seen[-1][1]), axis=0))
        state = State(*(part[chosen] for part in state))
        if method == "nuts":
            from nqjax.surface.nuts import draw_by_nuts

            kept = [draw_by_nuts(next(keys), state.x, state.factor, thresholds[chosen], data)]  # type: ignore[arg-type]
        else:
            state, kept = _drawn(keys, state, thresholds[chosen], data, _KEPT)
            for again in range(1, _MORE + 1):
                if _agree(np.concatenate(kept), chosen, data):
                    break
                # Twice as many rounds as before, of which every second draw is kept, and so on.
                length = 2**again * _KEPT
                more = iter(jax.random.split(jax.random.fold_in(key, again), _SETTLING + length))
                state, kept = _drawn(more, state, thresholds[chosen], data, length)
                kept = [x[:: 2**again] for x in kept]
    draws = np.concatenate(kept)
    chains = np.repeat(chosen, draws.shape[2])
    return Draws(draws.reshape(len(draws), -1, size), chains, weights)


def _drawn(
    keys: Iterator[Array], state: State, threshold: Floats, data: Data, rounds: int
) -> tuple[State, list[Floats]]:
    """Return the last state, and the draws of each round, (draws, groups, chains, parameters), after some to settle."""
    device = jax.local_devices()[0]
    kept = []
    for i in range(_SETTLING + rounds):
        learns = np.float64(i < _SETTLING)
        state, x, _ = _one_round().at(device, next(keys), state, threshold, data, learns)
        if i >= _SETTLING:
            kept.append(np.asarray(x))
    return state, kept


def _agree(x: Floats, chosen: Any, data: Data) -> bool:
    """Whether chains agree about the lowest loss and sigma; ``x`` has shape (draws, groups, chains, parameters)."""
    found: Any = unpack(x.reshape(len(x), -1, x.shape[-1]), data.points.shape[1], data.groups.shape[1])  # type: ignore[arg-type]
    chains = np.repeat(chosen, x.shape[2])
    return all(mean_r_hat(values, chains) <= AGREE for values in (found.lowest, found.log_sigma))


def _share_out(weights: Floats) -> Any:
    """Return the threshold of each group, in proportion to its probability."""
    places = (np.arange(len(weights)) + 0.5) / len(weights)
    return np.minimum(np.searchsorted(np.cumsum(weights), places), len(weights) - 1)


def _settled(state: State, log_p: Floats) -> State:
    """Return the state with chains that hang in a poor mode put where the best chain of their group is.

    ``log_p`` has the mean of each chain, (groups, chains). Of a normal law they lie within a few units of each other.
    """
    best = np.argmax(log_p, axis=1)
    poor = log_p < np.max(log_p, axis=1, keepdims=True) - max(10.0, 0.5 * state.x.shape[-1])

    def moved(part: Any) -> Any:
        there = part[np.arange(len(best)), best][:, None]
        return np.where(poor.reshape(poor.shape + (1,) * (part.ndim - 2)), there, part)

    return state._replace(x=moved(state.x), log_p=moved(state.log_p), slope=moved(state.slope))


@made_once
def _begin() -> Compiled:
    return Compiled(_climb)


@made_once
def _one_round() -> Compiled:
    return Compiled(_round)


def _climb(x: Array, threshold: Array, data: Data) -> State:
    """Return the state at the modes next to starting points."""

    def step(i: Array, state: tuple[Array, ...]) -> tuple[Array, ...]:
        x, mean, square, _, _ = state
        log_p, slope = _each(x, threshold, data)
        g = jnp.nan_to_num(slope)
        mean, square = 0.9 * mean + 0.1 * g, 0.99 * square + 0.01 * g * g
        rate = _CLIMB * 0.5 * (1 + jnp.cos(jnp.pi * i / _CLIMBS))
        change = (mean / (1 - 0.9 ** (i + 1.0))) / (jnp.sqrt(square / (1 - 0.99 ** (i + 1.0))) + 1e-8)
        # The last turn only measures.
        return x + jnp.where(i < _CLIMBS, rate, 0.0) * change, mean, square, log_p, slope

    zero = jnp.zeros_like(x)
    x, _, _, log_p, slope = jax.lax.fori_loop(0, _CLIMBS + 1, step, (x, zero, zero, zero[..., 0], zero))
    return State(x, log_p, slope, _factors(x, threshold, data), jnp.full(x.shape[0], math.log(_STEP)))


def _round(key: Array, state: State, threshold: Array, data: Data, learns: Array) -> tuple[State, Array, Array]:
    """Return the state after a round, its draws and their log densities; settings are learnt if ``learns`` is 1."""

    def one(state: State, inputs: tuple[Array, Array]) -> tuple[State, tuple[Array, Array]]:
        number, key = inputs
        state, acceptance = _propose(state, key, threshold, data)
        change = 2.0 * learns * (acceptance - _ACCEPTANCE) / jnp.sqrt(1.0 + number)
        return state._replace(log_step=state.log_step + change), (state.x, state.log_p)

    state, (x, log_p) = jax.lax.scan(one, state, (jnp.arange(_ROUND), jax.random.split(key, _ROUND)))
    # The step learnt with the old mass serves the new one: both are curvatures of one density.
    factor = jnp.where(learns > 0, _factors(state.x, threshold, data), state.factor)
    return state._replace(factor=factor), x, log_p


def _propose(state: State, key: Array, threshold: Array, data: Data) -> tuple[State, Array]:
    """Return the state after one proposal of each chain, and mean acceptances of the groups."""
    keys = jax.random.split(key, 4)
    p = jax.random.normal(keys[0], state.x.shape, state.x.dtype)
    leaps = jax.random.randint(keys[1], (), 1, _LEAPS + 1)
    jitter = 0.1 * jax.random.normal(keys[2], state.log_step.shape, state.x.dtype)
    step = jnp.exp(state.log_step + jitter)[:, None, None]
    began = state.log_p - 0.5 * jnp.sum(p * p, axis=-1)

    def leap(_: Array, now: tuple[Array, Array, Array, Array]) -> tuple[Array, Array, Array, Array]:
        x, p, _, g = now
        p = p + 0.5 * step * (g @ state.factor)
        x = x + step * (p @ state.factor.swapaxes(1, 2))
        log_p, g = _each(x, threshold, data)
        return x, p + 0.5 * step * (g @ state.factor), log_p, g

    x, p, log_p, slope = jax.lax.fori_loop(0, leaps, leap, (state.x, p, state.log_p, state.slope))
    ended = log_p - 0.5 * jnp.sum(p * p, axis=-1)
    chance = jnp.exp(jnp.minimum(jnp.where(jnp.isnan(ended), -jnp.inf, ended) - began, 0.0))
    taken = jax.random.uniform(keys[3], chance.shape) < chance
    new = State(
        jnp.where(taken[..., None], x, state.x),
        jnp.where(taken, log_p, state.log_p),
        jnp.where(taken[..., None], slope, state.slope),
        state.factor,
        state.log_step,
    )
    return new, jnp.mean(chance, axis=1)


def _each(x: Array, threshold: Array, data: Data) -> tuple[Array, Array]:
    """Return the log density and its slope of each chain."""
    value, slope = values_and_slopes(x.reshape(-1, x.shape[-1]), jnp.repeat(threshold, x.shape[1]), data)
    return value.reshape(x.shape[:2]), slope.reshape(x.shape)


def _factors(x: Array, threshold: Array, data: Data) -> Array:
    """Return a factor of the inverse mass of each group, from the mean curvature where its chains are.

    The spread of the draws would need many more of them: parameters are strongly correlated.
    """
    flat = curvatures(x.reshape(-1, x.shape[-1]), jnp.repeat(threshold, x.shape[1]), data)
    bent = jnp.mean(flat.reshape(*x.shape, x.shape[-1]), axis=1)
    lower = jnp.linalg.cholesky(bent)
    eye = jnp.broadcast_to(jnp.eye(x.shape[-1]), bent.shape)
    return jax.scipy.linalg.solve_triangular(lower, eye, lower=True).swapaxes(1, 2)
