"""Quantiles of the noisy quadratic for whole gammas and narrow noise: good initial points, then a few Newton steps.

No place is within reach of both ends of the range, so there are two problems. At the lower end the quantile inverts the
function M of `nqjax.special.power_moments`; at the upper end the survival function is nearly a multiple of M for gamma
= 2. The polynomial inverse of M has an error of about 1e-3 of the noise, which each step of Newton's method on the
logarithms squares.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from nqjax.special.narrow_noise import REACH, applies, one_gamma_at_a_time, upper_tail
from nqjax.special.power_moments import (
    FAR,
    LARGEST_GAMMA,
    far_moments,
    horner,
    left_moments,
    polynomials,
    tables,
)
from nqjax.special.quadrature import effective_sigma

#: Least log of the probability above the quantile for which the series at the upper end is accurate.
_LEAST_LOG_TAIL = -36.0

_NEWTON_STEPS = 3

#: Degree of the polynomial inverse in t = (s - scale) / (s + scale), with s = sqrt(log M(FAR) - log M).
_INVERSE_DEGREE = 18

#: The scale in t.
_INVERSE_SCALE = 3.0


def serves(log_q: Array, delta: Array, sigma: Array, gamma: Array) -> Array:
    """Return whether `quantile` is accurate for all elements: one bool."""
    reached = jnp.all((log_q >= _LEAST_LOG_TAIL) | (log_q == -jnp.inf))
    return applies(delta, sigma, gamma) & reached & jnp.all(sigma > 0)


@functools.cache
def _inverse_polynomials() -> tuple[np.ndarray, np.ndarray]:
    """Return the coefficients of z / (s + scale) for each gamma, shape (gammas, terms), and log M(FAR)."""
    angle = np.pi * (np.arange(200) + 0.5) / 200
    t = np.cos(angle)
    s = _INVERSE_SCALE * (1 + t) / (1 - t)
    z = FAR - np.concatenate([np.linspace(0, 10, 2000), np.geomspace(10.01, 1e6, 2000)])
    rows, ends = [], []
    for gamma in range(1, LARGEST_GAMMA + 1):
        log_m = _log_moment_on_host(z, gamma)
        root = np.sqrt(np.maximum(log_m[0] - log_m, 0.0))
        place = np.interp(np.minimum(s, root[-1]), root, z)
        series = np.polynomial.chebyshev.chebfit(t, place / (s + _INVERSE_SCALE), _INVERSE_DEGREE)
        rows.append(np.polynomial.chebyshev.cheb2poly(series))
        ends.append(log_m[0])
    return np.array(rows), np.array(ends)


def _log_moment_on_host(z: np.ndarray, gamma: int) -> np.ndarray:
    """Return log M at places up to FAR."""
    arrays, shift, near = tables()
    tail, close, middle = (arrays[name][gamma - 1, 0, ::-1] for name in ("tail", "near", "middle"))
    u = 1 / (np.maximum(-z, 0) + shift)
    below = (gamma / 2 + 1) * np.log(u) + np.log(np.polyval(tail, 1 - 2 * shift * u)) - z * z / 2
    low = np.polyval(close, np.clip(z, 0, near) * 2 / near - 1)
    high = np.polyval(middle, (np.maximum(z, near) - (FAR + near) / 2) * 2 / (FAR - near))
    return np.where(z < 0, below, np.log(np.where(z < near, low, high)))


def _inverse(log_m: Array, gamma: Array) -> Array:
    """Return the approximate z with M(z) = ``exp(log_m)``."""
    rows, ends = (jnp.asarray(a, log_m.dtype) for a in _inverse_polynomials())
    number = jnp.clip(jnp.round(gamma).astype(jnp.int32), 1, LARGEST_GAMMA) - 1
    end = ends[number]
    s = jnp.sqrt(jnp.maximum(end - log_m, 0.0))
    low = (s + _INVERSE_SCALE) * horner(rows[number], (s - _INVERSE_SCALE) / (s + _INVERSE_SCALE))
    bare = jnp.exp(jnp.maximum(log_m, end) * (2 / gamma))
    return jnp.where(log_m < end, low, bare - (gamma / 2 - 1) / (2 * bare))


def _log_moment(z: Array, gamma: Array) -> tuple[Array, Array]:
    """Return log M and M / M' at ``z``."""
    table = polynomials(gamma)
    (value, slope), exponent = left_moments(jnp.minimum(z, FAR), gamma, table, (0, 1))
    far_z = jnp.maximum(z, FAR)
    far_value, far_slope = far_moments(far_z, table, (0, 1))
    log_m = jnp.where(z < FAR, jnp.log(value) + exponent, jnp.log(far_value) + gamma / 2 * jnp.log(far_z))
    return log_m, jnp.where(z < FAR, value / slope, far_z * far_value / far_slope)


@one_gamma_at_a_time
def quantile(log_p: Array, log_q: Array, delta: Array, sigma: Array, gamma: Array) -> Array:
    """Return the distance from alpha below which the probability is ``exp(log_p)``.

    Parameters
    ----------
    log_p, log_q : Array
        Logarithms of the probability and of its complement, finite.
    delta, sigma, gamma : Array
        In the range of `serves`.
    """
    positive = effective_sigma(delta, sigma)
    width = delta / positive
    log_width = jnp.log(width)
    target = log_p + gamma / 2 * log_width

    def low_step(_: Array, z: Array) -> Array:
        log_m, ratio = _log_moment(z, gamma)
        return z + jnp.clip((target - log_m) * ratio, -1.0 - jnp.abs(z), 1.0 + jnp.abs(z))

    # Loops, because XLA would compute early steps again for every use in later ones if they were unrolled.
    z = jax.lax.fori_loop(0, _NEWTON_STEPS, low_step, _inverse(target, gamma))
    # Near the upper end, the distance c solves E[(c + Z)_+] = d approximately, where d is the distance without noise.
    least = jnp.maximum(log_q, _LEAST_LOG_TAIL)
    bare = -jnp.expm1(2 / gamma * log_p)
    c = jnp.clip(_inverse(log_width + jnp.log(bare), jnp.full_like(gamma, 2.0)), -REACH, REACH)

    def high_step(_: Array, c: Array) -> Array:
        tail, density = upper_tail(delta - c * positive, delta, positive, gamma)
        step = (jnp.log(tail) - least) * tail / (density * positive)
        return jnp.clip(c - jnp.clip(step, -1.0, 1.0), -REACH, REACH)

    c = jax.lax.fori_loop(0, _NEWTON_STEPS, high_step, c)
    return jnp.where(width - z > REACH - 0.5, z * positive, delta - c * positive)
