"""The noisy quadratic by quadrature, for any parameters: logarithms of its density, CDF and survival function.

Arguments and conventions are those of `nqjax.special.noisy_quadratic`, which adds derivatives and faster formulas.
"""

import math
from typing import Any

import jax.numpy as jnp
from jax import Array
from jax.scipy.special import log_ndtr

from nqjax.special.quadrature import Nodes, Window, effective_sigma, jacobi_rule, nodes, total_weight, window

# A Python float: a NumPy one would carry float32 to float64.
_LOG_SQRT_2PI = 0.5 * math.log(2 * math.pi)


def accuracy(dtype: Any) -> tuple[int, float]:
    """Return the number of nodes and the window depth that reach the dtype's rounding error."""
    return (44, 37.0) if dtype == jnp.float64 else (24, 18.0)


def _log_normal_cdf(x: Array) -> Array:
    # With eight terms of the tail series instead of three the error falls from 4e-9 to 1e-15 where the series begins.
    return log_ndtr(x, series_order=8)


def _log_integral(w: Window, gamma: Array, shift: int, num_nodes: int, bits: int) -> Array:
    """Return the log of ``int v**(gamma/2 - 1 + shift) phi(x) dx`` divided by the window's width."""
    b = gamma / 2 - 1 + shift
    total = total_weight(w, b, num_nodes, bits)
    return b * jnp.log(w.top_v) - _LOG_SQRT_2PI - w.peak**2 / 2 + jnp.log(total)


def log_pdf(r: Array, delta: Array, sigma: Array, gamma: Array, bits: int) -> Array:
    """Return the log-density; ``bits`` is the number of binary digits of whole gammas plus one, 0 for any gamma."""
    num_nodes, depth = accuracy(r.dtype)
    w = window(r, delta, sigma, gamma, depth)
    return jnp.log(gamma / 2) + w.log_width_over_delta + _log_integral(w, gamma, 0, num_nodes, bits)


def log_cdf(r: Array, delta: Array, sigma: Array, gamma: Array, bits: int) -> Array:
    """Return the logarithm of the CDF; ``bits`` as for `log_pdf`."""
    num_nodes, depth = accuracy(r.dtype)
    w = window(r, delta, sigma, gamma, depth)
    inside = jnp.log(w.width) + _log_integral(w, gamma, 1, num_nodes, bits)
    return jnp.minimum(jnp.logaddexp(inside, _log_normal_cdf(-w.edge)), 0.0)


def _log_v(n: Nodes, w: Window, delta: Array, sigma: Array) -> Array:
    """Return the log of ``v`` at the nodes, computed from 1 - v where that is small."""
    gap = (w.edge - w.top) * effective_sigma(delta, sigma) / jnp.where(delta > 0, delta, 1.0)
    missing = gap[..., None] + w.top_v[..., None] * n.short
    far = missing > 0.5
    v = jnp.where(far, w.top_v[..., None] * n.q, 0.5)
    return jnp.where(far, jnp.log(v), jnp.log1p(-jnp.where(far, 0.5, missing)))


def log_sf(r: Array, delta: Array, sigma: Array, gamma: Array, bits: int) -> Array:
    """Return the logarithm of the survival function; ``bits`` is not used."""
    del bits
    num_nodes, depth = accuracy(r.dtype)
    # In a far right tail phi is largest at the upper end, where 1 - v**(gamma/2) vanishes: a deeper window is needed.
    num_nodes, depth = num_nodes + 4, depth + 5
    w = window(r, delta, sigma, gamma, depth)
    # Weights with q**(gamma/2) where the window starts at v = 0, and without any power elsewhere.
    n = nodes(w, jnp.zeros_like(gamma), num_nodes, 1, jacobi_rule(gamma / 2, num_nodes))
    tail = _log_normal_cdf(jnp.where(w.from_zero, w.edge, -w.z))
    scale = jnp.log(w.width) - _LOG_SQRT_2PI - w.peak**2 / 2
    # From v = 0: the integral of phi is known, that of v**(gamma/2) phi needs the Gauss-Jacobi weight. Their difference
    # loses few digits, because here the noise spans the whole range.
    inside = scale + gamma / 2 * jnp.log(w.top_v) + jnp.log(jnp.sum(n.weight, axis=-1))
    from_zero = tail + jnp.log1p(-jnp.exp(jnp.minimum(inside - tail, -1e-30)))
    # Away from v = 0: integrate 1 - v**(gamma/2) itself.
    above = -jnp.expm1(gamma[..., None] / 2 * _log_v(n, w, delta, sigma))
    away = jnp.logaddexp(scale + jnp.log(jnp.sum(n.weight * above, axis=-1)), tail)
    return jnp.minimum(jnp.where(w.from_zero, from_zero, away), 0.0)


def masses(r: Array, delta: Array, sigma: Array, gamma: Array) -> tuple[Array, Array, Array]:
    """Return the logarithms of the CDF, the survival function and the density from one quadrature.

    All three keep their relative accuracy and share the exponentials, which take most of the time. Not differentiable:
    for the iterations of a solver.
    """
    num_nodes, depth = accuracy(r.dtype)
    num_nodes, depth = num_nodes + 4, depth + 5  # for the survival function, see `log_sf`
    w = window(r, delta, sigma, gamma, depth)
    b = gamma / 2 - 1
    # Weights with q**b where the window starts at v = 0, and without any power elsewhere.
    n = nodes(w, jnp.zeros_like(gamma), num_nodes, 1, jacobi_rule(b, num_nodes))
    from_zero = w.from_zero[..., None]
    log_v = _log_v(n, w, delta, sigma)
    power = gamma[..., None] / 2 * jnp.where(from_zero, 0.0, log_v)
    share = jnp.exp(power)
    weighted = jnp.sum(n.weight * jnp.where(from_zero, n.q, share), axis=-1)
    total = jnp.sum(n.weight * jnp.where(from_zero, 1.0, share * jnp.exp(-log_v)), axis=-1)
    log_top = jnp.where(w.from_zero, jnp.log(w.top_v), 0.0)
    scale = -_LOG_SQRT_2PI - w.peak**2 / 2
    below, tail = _log_normal_cdf(jnp.stack(jnp.broadcast_arrays(-w.edge, jnp.where(w.from_zero, w.edge, -w.z))))
    inside = scale + jnp.log(w.width * weighted) + gamma / 2 * log_top
    # Two logarithms, because the product underflows in single precision.
    log_pdf = scale + jnp.log(gamma / 2 * total) + w.log_width_over_delta + b * log_top
    from_zero_sf = tail + jnp.log1p(-jnp.exp(jnp.minimum(inside - tail, -1e-30)))
    away = scale + jnp.log(w.width * jnp.sum(n.weight * -jnp.expm1(power), axis=-1))
    log_sf = jnp.where(w.from_zero, from_zero_sf, jnp.logaddexp(away, tail))
    return jnp.minimum(jnp.logaddexp(inside, below), 0.0), jnp.minimum(log_sf, 0.0), log_pdf
