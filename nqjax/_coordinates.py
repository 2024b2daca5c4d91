r"""Coordinates in which the posterior is smooth, has no walls and is nearly normal.

Where noise is small the posterior of alpha ends at a cliff just below the best score, where it is large alpha is
normal around a place above or below it. With ``A = best - alpha`` the coordinate p with

    A = exp(p) + sigma * (p - log sigma)

is the logarithm of A in the first case, and about A in units of sigma in the second. So cliffs become tails at every
noise level, and a sampler's steps need not shrink with sigma. Of the other end the coordinate is about the log-odds of
the regime, which the numbers of scores inside and outside determine whatever the rest: with the regime's width w that
of ``((w + m) / (beta - alpha + m))**(gamma / 2)``, where m is what noise adds to the width, some sigmas when w is none.
Where the regime is everything it is the same function of beta and the worst score as p is of alpha and the best. Bounds
are approached as softplus does: where they are far, coordinates do not feel them.

Order is (log sigma, p, the other end): the bounds of each depend on those before.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

#: What stands for no bound, in units of the regime; of the losing end, whose logarithm alone is used.
FAR, FAR_AWAY = 1e6, 1e30
#: Noise that floating point can still show beside the scores, and more than any search has.
LOG_NOISE = (math.log(1e-8), math.log(1e4))
#: Of Newton's method; one more gives the derivative.
_TURNS = 5


class Place(NamedTuple):
    """A study's constants, on the scale of its regime, where the best score is 0."""

    threshold: Array  # (), the losing limit; any number without one
    has_threshold: Array  # (), bool
    worst: Array  # (), the worst score inside the limits
    low: Array  # (3,), bounds of alpha, beta, log sigma
    high: Array  # (3,)


class Point(NamedTuple):
    """Parameters at some coordinates."""

    theta: Array  # (3,): alpha, log(beta - alpha), log sigma
    log_width: Array  # (), log of the regime's width: threshold - alpha, or beta - alpha
    log_jacobian: Array  # (), of theta in the coordinates


def _between(z: Array, low: Array, high: Array) -> tuple[Array, Array]:
    """A number between two others from any number, which it equals where both are far; and the log of its slope."""
    x = z + jax.nn.softplus(low - z) - jax.nn.softplus(z - high)
    slope = jax.nn.log_sigmoid(z - low) + jax.nn.log_sigmoid(high - z) + jnp.log(-jnp.expm1(low - high))
    return x, slope


def _height(p: Array, log_sigma: Array) -> Array:
    return jnp.exp(p) + jnp.exp(log_sigma) * (p - log_sigma)


def _log_slope(p: Array, log_sigma: Array) -> Array:
    return jnp.logaddexp(p, log_sigma)


def _coordinate(height: Array, log_sigma: Array) -> Array:
    """The inverse of `_height`: solves ``exp(h) + h = height / sigma`` for ``h = p - log sigma``."""
    x = height / jnp.exp(log_sigma)
    large = x > 1
    h = jax.lax.stop_gradient(jnp.where(large, jnp.log(jnp.where(large, x, 1.0)), x))
    for _ in range(_TURNS):  # from above, where Newton's steps never overshoot
        h = jax.lax.stop_gradient(h - (h + jnp.exp(h) - x) / (1 + jnp.exp(h)))
    return log_sigma + h - (h + jnp.exp(h) - x) / (1 + jnp.exp(h))


def to_parameters(z: Array, gamma: Array, place: Place) -> Point:
    """Parameters at coordinates z, shape (3,)."""
    log_sigma, slope_s = _between(z[0], place.low[2], place.high[2])
    # alpha below what bounds it, and below the threshold.
    most = jnp.where(place.has_threshold, jnp.minimum(place.high[0], place.threshold), place.high[0])
    ends = _coordinate(-most, log_sigma), _coordinate(-place.low[0], log_sigma)
    p, slope_p = _between(z[1], *ends)
    alpha = -_height(p, log_sigma)
    slope_alpha = _log_slope(p, log_sigma)

    # The other end by the log-odds of the regime.
    width = jnp.maximum(jnp.where(place.has_threshold, place.threshold - alpha, 1.0), 1e-30)
    noise = _noise_reach(gamma) * jnp.exp(log_sigma)
    more = 2 * noise**2 / (width + jnp.sqrt(width**2 + 4 * noise**2))
    closest = jnp.maximum(place.low[1] - alpha, width)
    farthest = jnp.maximum(place.high[1] - alpha, closest)
    log_wide = jnp.log(width + more)
    rise = [_log_odds(gamma / 2 * (log_wide - jnp.log(d + more))) for d in (farthest, closest)]
    odds, slope_odds = _between(z[2], *rise)
    log_ratio = -2 / gamma * jax.nn.log_sigmoid(odds)
    by_odds = width + (width + more) * jnp.expm1(log_ratio)
    slope_odds = slope_odds + log_wide + jnp.log(2 / gamma) + log_ratio + jax.nn.log_sigmoid(-odds)

    # Or by its distance from the worst score.
    least = jnp.maximum(place.low[1], alpha) - place.worst
    ends = _coordinate(least, log_sigma), _coordinate(place.high[1] - place.worst, log_sigma)
    r, slope_r = _between(z[2], *ends)
    by_worst = jnp.maximum(place.worst + _height(r, log_sigma) - alpha, 1e-30)

    log_delta = jnp.log(jnp.where(place.has_threshold, by_odds, by_worst))
    slope_delta = jnp.where(place.has_threshold, slope_odds, slope_r + _log_slope(r, log_sigma)) - log_delta
    return Point(
        jnp.stack([alpha, log_delta, log_sigma]),
        jnp.where(place.has_threshold, jnp.log(width), log_delta),
        slope_s + slope_p + slope_alpha + slope_delta,
    )


def _noise_reach(gamma: Array) -> Array:
    """What noise adds to the width of the narrowest regime, in sigmas: ``E[max(Z, 0)**(gamma/2)]**(2/gamma)``."""
    half = gamma / 2
    log_moment = half / 2 * math.log(2) + jax.lax.lgamma((half + 1) / 2) - math.log(2 * math.sqrt(math.pi))
    return jnp.exp(log_moment / half)


def _log_odds(log_probability: Array) -> Array:
    """Of a probability given by its logarithm; that of 1 is a large number."""
    inside = log_probability < -1e-300
    safe = jnp.where(inside, log_probability, -1.0)
    return jnp.clip(jnp.where(inside, safe - jnp.log(-jnp.expm1(safe)), FAR), -FAR, FAR)
