r"""Coordinates in which the posterior is smooth, unbounded and nearly normal.

If the noise is small, the posterior density of alpha drops sharply just below the best score; if it is large, alpha is
nearly normal. With ``A = best - alpha`` the coordinate p, defined by

    A = exp(p) + sigma * (p - log sigma),

is the logarithm of A if the noise is small, and about A in units of sigma if it is large. So the density has smooth
tails at every noise level, and a sampler's steps need not shrink with sigma.

The coordinate of beta is about the log-odds of the regime, which the numbers of scores inside and outside determine
nearly independently of the other parameters: the log-odds of ``((w + m) / (beta - alpha + m))**(gamma / 2)``, where w
is the regime's width and m is the width that noise adds, some sigmas if w is 0. Without a threshold the coordinate is
the same function of beta and the worst score as p is of alpha and the best score. Softplus functions approach bounds,
so that distant bounds do not change the coordinates.

The order is (log sigma, p, coordinate of beta): the bounds of each depend on those before.
"""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.special
from jax import Array

#: Stands for an infinite bound, in regime widths.
FAR = 1e6

#: Stands for an infinite bound of beta, of which only the logarithm is used.
FAR_AWAY = 1e30

#: Range of log sigma in units of the regime: what floating point resolves, and more than any search has.
LOG_NOISE = (math.log(1e-8), math.log(1e4))

#: Newton steps without a derivative; one more step gives it.
_NEWTON_STEPS = 5

#: Largest gamma in the table of `_noise_reach`.
_MOST_GAMMA = 127

# Log-odds are a cubic of a coordinate in which a uniform share is standard normal with an error of at most 1.4e-4.
_FIRST = 1.5976
_THIRD = 0.070566


class Place(NamedTuple):
    """Constants of a study, in units of its regime's width and relative to its best score."""

    threshold: Array  # (), the losing limit; any number without one
    has_threshold: Array  # (), bool
    worst: Array  # (), the worst score inside the limits
    low: Array  # (3,), bounds of alpha, beta, log sigma
    high: Array  # (3,)


class Point(NamedTuple):
    """Parameters at some coordinates."""

    theta: Any  # (..., 3): alpha, log(beta - alpha), log sigma
    log_width: Any  # (...), log of the regime's width: threshold - alpha, or beta - alpha
    log_jacobian: Any  # (...), of theta in the coordinates


def _softplus(x: Any, xp: Any) -> Any:
    return xp.maximum(x, 0.0) + xp.log1p(xp.exp(-xp.abs(x)))


def _between(z: Any, low: Any, high: Any, xp: Any) -> tuple[Any, Any]:
    """Map real numbers into the interval from ``low`` to ``high``; far from both bounds they hardly change.

    Return the mapped numbers and the log of the map's derivative.
    """
    rise, fall = _softplus(low - z, xp), _softplus(z - high, xp)
    return z + rise - fall, xp.log(-xp.expm1(low - high)) - rise - fall


def _height(p: Any, log_sigma: Any, xp: Any) -> Any:
    return xp.exp(p) + xp.exp(log_sigma) * (p - log_sigma)


def _coordinates(heights: list[Any], log_sigma: Any, xp: Any) -> Any:
    """Return the coordinates p of heights, the inverse of `_height`.

    With ``h = p - log sigma`` the equation is ``exp(h) + h = height / sigma``.
    """
    constant = jax.lax.stop_gradient if xp is jnp else np.asarray
    x = xp.stack(heights) / xp.exp(log_sigma)
    h = constant(xp.where(x > 1, xp.log(xp.maximum(x, 1.0)), x))
    for _ in range(_NEWTON_STEPS):  # from above, where Newton's steps never overshoot
        h = constant(h - (h + xp.exp(h) - x) / (1 + xp.exp(h)))
    return log_sigma + h - (h + xp.exp(h) - x) / (1 + xp.exp(h))


def to_parameters(z: Any, gamma: Any, place: Place, xp: Any = jnp) -> Point:
    """Return the parameters at coordinates.

    Parameters
    ----------
    z : array, shape (..., 3)
    gamma : array, shape (...)
        Whole numbers, at most 127.
    place : Place, fields of shape (...) and (..., 3)
    xp : module
        ``jax.numpy`` or ``numpy``.
    """
    z0, z1, z2 = z[..., 0], z[..., 1], z[..., 2]
    low, high = (tuple(bound[..., i] for i in range(3)) for bound in (place.low, place.high))
    log_sigma, slope_s = _between(z0, low[2], high[2], xp)
    # alpha is below its bound and below the threshold.
    most = xp.where(place.has_threshold, xp.minimum(high[0], place.threshold), high[0])
    first, last = _coordinates([-most + 0 * log_sigma, -low[0] + 0 * log_sigma], log_sigma, xp)
    p, slope_p = _between(z1, first, last, xp)
    alpha, slope_alpha = -_height(p, log_sigma, xp), xp.logaddexp(p, log_sigma)

    width = xp.maximum(xp.where(place.has_threshold, place.threshold - alpha, 1.0), 1e-30)
    ends = _End(z2, alpha, log_sigma, width, low[1], high[1])
    # On the host the needed branch is known.
    known = xp is np and (bool(np.all(place.has_threshold)), bool(np.any(place.has_threshold)))
    if known == (True, True):
        log_delta, slope_delta = _by_odds(ends, gamma, xp)
    elif known == (False, False):
        log_delta, slope_delta = _by_worst(ends, place.worst, xp)
    else:
        pairs = zip(_by_odds(ends, gamma, xp), _by_worst(ends, place.worst, xp), strict=True)
        log_delta, slope_delta = (xp.where(place.has_threshold, *pair) for pair in pairs)
    return Point(
        xp.stack([alpha, log_delta, log_sigma], axis=-1),
        xp.where(place.has_threshold, xp.log(width), log_delta),
        slope_s + slope_p + slope_alpha + slope_delta,
    )


class _End(NamedTuple):
    """The coordinate of beta, and the numbers that beta is computed from."""

    z: Any  # its coordinate
    alpha: Any
    log_sigma: Any
    width: Any  # of the regime, with a threshold
    low: Any  # bounds of beta
    high: Any


def _by_odds(end: _End, gamma: Any, xp: Any) -> tuple[Any, Any]:
    """Return log(beta - alpha) for a study with a threshold, and the log of its derivative in the coordinate."""
    noise = _noise_reach(gamma, xp) * xp.exp(end.log_sigma)
    more = 2 * noise**2 / (end.width + xp.sqrt(end.width**2 + 4 * noise**2))
    closest = xp.maximum(end.low - end.alpha, end.width)
    farthest = xp.maximum(end.high - end.alpha, closest)
    log_wide = xp.log(end.width + more)
    ends = xp.stack([xp.log(d + more) for d in (farthest, closest)])
    low_z, high_z = _from_log_odds(_log_odds(gamma / 2 * (log_wide - ends), xp), xp)
    z, slope = _between(end.z, low_z, high_z, xp)
    odds = z * (_FIRST + _THIRD * z**2)
    log_share = -_softplus(-odds, xp)
    log_ratio = -2 / gamma * log_share
    log_delta = xp.log(end.width + (end.width + more) * xp.expm1(log_ratio))
    by_odds = log_wide + xp.log(2 / gamma) + log_ratio + log_share - odds
    return log_delta, slope + xp.log(_FIRST + 3 * _THIRD * z**2) + by_odds - log_delta


def _by_worst(end: _End, worst: Any, xp: Any) -> tuple[Any, Any]:
    """Return log(beta - alpha) for a study without a threshold, and the log of its derivative in the coordinate."""
    least = xp.maximum(end.low, end.alpha) - worst
    first, last = _coordinates([least, end.high - worst + 0 * least], end.log_sigma, xp)
    r, slope = _between(end.z, first, last, xp)
    log_delta = xp.log(xp.maximum(worst + _height(r, end.log_sigma, xp) - end.alpha, 1e-30))
    return log_delta, slope + xp.logaddexp(r, end.log_sigma) - log_delta


def _from_log_odds(odds: Any, xp: Any) -> Any:
    """Return the coordinate of beta from log-odds, which are a cubic polynomial of the coordinate."""
    unit = math.sqrt(_FIRST / (3 * _THIRD))
    return 2 * unit * xp.sinh(xp.arcsinh(1.5 * odds / (_FIRST * unit)) / 3)


def start_of_share(odds: Any) -> Any:
    """Return the coordinate of beta, without bounds, at which the regime's probability has the given log-odds."""
    return _from_log_odds(odds, np)


def _noise_reach(gamma: Any, xp: Any) -> Any:
    """Return the width that noise adds to a regime of width 0, in sigmas: ``E[max(Z, 0)**(gamma/2)]**(2/gamma)``."""
    # A table, as a gamma function takes long to compile.
    half = np.arange(1, _MOST_GAMMA + 1) / 2
    log_moment = half / 2 * math.log(2) + scipy.special.gammaln((half + 1) / 2) - math.log(2 * math.sqrt(math.pi))
    table = np.concatenate([[1.0], np.exp(log_moment / half)])
    return xp.asarray(table)[xp.asarray(gamma).astype(int)]


def _log_odds(log_probability: Any, xp: Any) -> Any:
    """Return the log-odds of a probability from its logarithm; for probability 1 it is a large finite number."""
    inside = log_probability < -1e-300
    safe = xp.where(inside, log_probability, -1.0)
    return xp.clip(xp.where(inside, safe - xp.log(-xp.expm1(safe)), FAR), -FAR, FAR)
