r"""The response surface and its density, of scores given configurations and a threshold.

The loss at a point ``z`` of the box ``[-1, 1]**d`` is

.. math:: f(z) = y^* + \frac12 \sum_k e^{a_k} \Big(v_k + \sum_{j>k} T_{kj} v_j\Big)^2, \qquad v = z - z^*,

which is every quadratic with a minimum, once. A score better than the threshold is normal around f with one sigma. Of
a worse one the model says only that it is worse (Tobin 1958): so nothing is asked of the surface beyond the regime,
trials are not chosen by their scores, and failed runs are data. A share of runs ends beyond the threshold by accident,
wherever they are.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

#: Priors on the scale of the data: scores in units of the spread of the best quarter, points in a box from -1 to 1.
_LOWEST_SPREAD = 3.0
_OPTIMUM_SPREAD = 1.0
_CURVATURE_SPREAD = 2.5
_TURN_SPREAD = 0.5
_LOG_SIGMA = math.log(0.2)
_SIGMA_SPREAD = 2.0
_LOG_ACCIDENT = -4.0
_ACCIDENT_SPREAD = 1.5
_LEVEL_SPREAD = 0.5
_SHIFT_SPREAD = 0.3

#: Degrees of freedom of the Student priors of curvatures, turns and levels: most are small, some are large.
_FREEDOM = 4.0

_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


class Data(NamedTuple):
    """The trials of a search on the scale of the model; trials beyond the last real one have no weight."""

    points: Array  # (size, d), in the box; 0 where a hyperparameter is absent
    present: Array  # (size, d), 1 or 0
    groups: Array  # (size, categories), 1 or 0
    scores: Array  # (size,); failed runs are infinite
    weights: Array  # (size,), 1 or 0
    thresholds: Array  # (thresholds,)
    rounding: Array  # (), variance of rounding


class Parameters(NamedTuple):
    """Parameters of surfaces; leading dimensions are free."""

    lowest: Array  # ()
    optimum: Array  # (d,)
    log_curvatures: Array  # (d,)
    turns: Array  # (d (d - 1) / 2,), the rows of T one after the other
    log_sigma: Array  # ()
    accident: Array  # (), log odds
    levels: Array  # (categories,)
    shifts: Array  # (categories, d)


def unpack(x: Array, d: int, categories: int) -> Parameters:
    """Return the parameters in a vector."""
    ends = [1, d, d, d * (d - 1) // 2, 1, 1, categories]
    parts, start = [], 0
    for length in ends:
        parts.append(x[..., start : start + length])
        start += length
    shifts = x[..., start:].reshape(*x.shape[:-1], categories, d)
    lowest, optimum, curvatures, turns, log_sigma, accident, levels = parts
    return Parameters(lowest[..., 0], optimum, curvatures, turns, log_sigma[..., 0], accident[..., 0], levels, shifts)


def turn_matrix(turns: Array, d: int) -> Array:
    """Return the unit upper triangular matrix of one surface."""
    rows, columns = jnp.triu_indices(d, 1)
    return jnp.eye(d, dtype=turns.dtype).at[rows, columns].set(turns)


def losses(surface: Parameters, points: Array, present: Array, groups: Array) -> Array:
    """Return noise-free losses of one surface at points, shape (points,)."""
    d = points.shape[-1]
    away = present * (points - surface.optimum - groups @ surface.shifts)
    u = away @ turn_matrix(surface.turns, d).T
    return surface.lowest + groups @ surface.levels + 0.5 * jnp.square(u) @ jnp.exp(surface.log_curvatures)


def _student(x: Array, spread: float) -> Array:
    return -(_FREEDOM + 1) / 2 * jnp.sum(jnp.log1p(jnp.square(x / spread) / _FREEDOM))


def _normal(x: Array, spread: float) -> Array:
    return -0.5 * jnp.sum(jnp.square(x / spread))


def log_prior(s: Parameters) -> Array:
    """Return the log prior density of one surface, up to a constant."""
    return (
        _normal(s.lowest, _LOWEST_SPREAD)
        + _normal(s.optimum, _OPTIMUM_SPREAD)
        + _student(s.log_curvatures, _CURVATURE_SPREAD)
        + _student(s.turns, _TURN_SPREAD)
        + _normal(s.log_sigma - _LOG_SIGMA, _SIGMA_SPREAD)
        + _normal(s.accident - _LOG_ACCIDENT, _ACCIDENT_SPREAD)
        + _student(s.levels, _LEVEL_SPREAD)
        + _normal(s.shifts, _SHIFT_SPREAD)
    )


def _parts(s: Parameters, data: Data, threshold: Array) -> tuple[Array, Array]:
    """Return the log density of each score, and the log probability of a worse one than the threshold."""
    f = losses(s, data.points, data.present, data.groups)
    variance = jnp.exp(2 * s.log_sigma) + data.rounding
    residual = jnp.where(jnp.isfinite(data.scores), data.scores, 0.0) - f
    inside = jax.nn.log_sigmoid(-s.accident) - 0.5 * jnp.square(residual) / variance - 0.5 * jnp.log(variance)
    beyond = jax.scipy.special.ndtr((f - threshold) / jnp.sqrt(variance))
    return inside - _HALF_LOG_2PI, jnp.log(beyond + jnp.exp(s.accident)) + jax.nn.log_sigmoid(-s.accident)


def log_scores(x: Array, threshold: Array, data: Data) -> Array:
    """Return the log density of each score, or the log probability that it is worse than the threshold: (trials,)."""
    s = unpack(x, data.points.shape[-1], data.groups.shape[-1])
    inside, beyond = _parts(s, data, threshold)
    return data.weights * jnp.where(data.scores <= threshold, inside, beyond)


def log_density(x: Array, threshold: Array, data: Data) -> Array:
    """Return the log density of one vector of parameters given a threshold."""
    s = unpack(x, data.points.shape[-1], data.groups.shape[-1])
    return log_prior(s) + jnp.sum(log_scores(x, threshold, data))


def prior_precision(d: int, categories: int) -> Array:
    """Return the curvature of minus the log prior, at its mode, along each parameter."""
    spreads = Parameters(
        jnp.full((), _LOWEST_SPREAD),
        jnp.full(d, _OPTIMUM_SPREAD),
        jnp.full(d, _CURVATURE_SPREAD),
        jnp.full(d * (d - 1) // 2, _TURN_SPREAD),
        jnp.asarray(_SIGMA_SPREAD),
        jnp.asarray(_ACCIDENT_SPREAD),
        jnp.full(categories, _LEVEL_SPREAD),
        jnp.full(categories * d, _SHIFT_SPREAD),
    )
    return jnp.concatenate([jnp.atleast_1d(1 / jnp.square(a)) for a in spreads])
