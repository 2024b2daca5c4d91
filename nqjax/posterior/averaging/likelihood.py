r"""Log-likelihoods of one search given each of several thresholds, for any real gamma, at many points.

Densities inside do not depend on the threshold. So each score is evaluated once for each point, and a product with a
matrix of zeros and ones gives the sums of all thresholds.

The quadrature is that of `nqjax.special.quadrature` with other nodes. A window that ends above ``v = 0`` has
Gauss-Legendre nodes in ``log v``, where a real power is part of the exponential. A window that reaches 0 has
Gauss-Jacobi nodes, which depend on gamma alone, so that each point computes them once.
"""

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.special
from jax import Array

from nqjax.solver.sums import half_to_the
from nqjax.special.quadrature import Window, legendre_rule, window

#: Nodes of a window, and its depth: each probability has a relative error of about 1e-6.
_NODES = 16
_DEPTH = 13.0

#: Nodes in one turn of the loop, see `nqjax.solver.sums`.
_NODES_A_TURN = 4

#: Exponents ``gamma / 2 - 1`` of the Gauss-Jacobi series: gamma from 0.4 to 22.
_EXPONENTS = (-0.8, 10.0)
_TERMS = 24

_LOG2_E = math.log2(math.e)
_SQRT_2PI = math.sqrt(2 * math.pi)
_LEAST = 1e-300


class Scores(NamedTuple):
    """The scores of one search, oriented to minimisation, with the best at 0 and the largest threshold at 1."""

    values: Array  # (size,), distinct, then padding
    counts: Array  # (thresholds, size), how often each value occurs inside each threshold
    thresholds: Array  # (thresholds,)
    beyond: Array  # (thresholds,), number of scores beyond
    unit: Array  # (), the unit to which scores are rounded; 0 for exact scores
    quarter: Array  # (), the end of the best quarter of all scores


class Parameters(NamedTuple):
    """Parameters of points, on the scale of `Scores`; fields have shape (points,)."""

    alpha: Array
    delta: Array  # beta - alpha
    sigma: Array
    gamma: Array


@functools.cache
def _jacobi_series() -> np.ndarray:
    """Return coefficients of the nodes and weights for ``q**b``, series in ``log(b + 1)``: (terms, 2, nodes)."""
    low, high = np.log1p(_EXPONENTS)
    angle = np.cos(np.pi * (np.arange(_TERMS) + 0.5) / _TERMS)
    rows = []
    for b in np.expm1((low + high) / 2 + (high - low) / 2 * angle):
        x, weight = scipy.special.roots_jacobi(_NODES, 0.0, b)
        rows.append(np.stack([(x + 1) / 2, np.log(weight / weight.sum() / (b + 1))]))
    found = np.polynomial.chebyshev.chebfit(angle, np.reshape(rows, (_TERMS, -1)), _TERMS - 1)
    return found.reshape(_TERMS, 2, _NODES)


def _jacobi(gamma: Array) -> tuple[Array, Array]:
    """Return the Gauss-Jacobi nodes and weights for ``q**(gamma / 2 - 1)`` on [0, 1], shape (points, nodes) each."""
    low, high = (math.log1p(b) for b in _EXPONENTS)
    tau = (2 * jnp.log(gamma / 2) - (low + high)) / (high - low)
    basis = jnp.cos(jnp.arange(_TERMS) * jnp.arccos(jnp.clip(tau, -1, 1))[:, None])
    rule = jnp.einsum("pk,kin->ipn", basis, jnp.asarray(_jacobi_series(), gamma.dtype), precision="highest")
    return rule[0], jnp.exp(rule[1])


def _sums(w: Window, gamma: Array) -> tuple[Array, Array]:
    """Return the integrals of ``q**(gamma/2 - 1) exp((peak**2 - x**2) / 2)``, and with another q, per unit of width.

    Fields of the window have shape (points, places); q is v in units of its value at the upper end.
    """
    roots, weights = _jacobi(gamma)
    zero = w.from_zero.astype(gamma.dtype)
    share = jnp.where(w.from_zero, 0.5, w.width / jnp.where(w.from_zero, 1.0, w.top_height))
    # log2 q from `low` to 0; the Jacobian of the nodes is q log 2 * -low.
    low = jnp.log1p(-share) * _LOG2_E
    scale = -low / _LOG2_E / share * (1 - zero)
    power = gamma[:, None] / 2 * (1 - zero)
    unit = math.sqrt(_LOG2_E / 2)
    top, height, shift = (w.top - w.peak) * unit, w.top_height * unit, 2 * w.peak * unit
    zero, low, scale, power, top, height, shift = jax.lax.optimization_barrier(
        (zero, low, scale, power, top, height, shift)
    )
    place, weight = legendre_rule(_NODES)
    fixed = jnp.asarray(np.stack([1 - place, weight], axis=-1), gamma.dtype).reshape(-1, _NODES_A_TURN, 2)
    free = jnp.stack([roots, weights], axis=-1).reshape(len(gamma), -1, _NODES_A_TURN, 2)

    def add(i: Array, sums: Array) -> Array:
        for k in range(_NODES_A_TURN):
            log_q = low * fixed[i, k, 0]
            q = half_to_the(-log_q)
            q = q + zero * (free[:, i, k, 0, None] - q)
            y = top - height * (1 - q)
            mass = (scale * fixed[i, k, 1] + zero * free[:, i, k, 1, None]) * half_to_the(
                y * (y + shift) - power * log_q
            )
            sums = sums + jax.lax.complex(mass, mass * q)
        return sums

    # One complex sum instead of two real ones: an elementwise loop of XLA on a CPU has one result, see `two_sums`.
    sums = jax.lax.fori_loop(0, _NODES // _NODES_A_TURN, add, jnp.zeros(w.top.shape, complex))
    return jnp.real(sums), jnp.imag(sums)


class _Found(NamedTuple):
    """Functions at some places of each point, shape (points, places)."""

    log_pdf: Array
    cdf: Array
    sf: Array


def _evaluate(places: Array, at: Parameters) -> _Found:
    alpha, delta, sigma, gamma = (a[:, None] for a in at)
    w = window(places - alpha, delta, sigma, gamma, _DEPTH)
    total, weighted = _sums(w, at.gamma)
    log_top = jnp.log(w.top_v)
    log_scale = -(w.peak**2) / 2 - math.log(_SQRT_2PI)
    log_pdf = log_scale + jnp.log(gamma / 2) + w.log_width_over_delta + (gamma / 2 - 1) * log_top
    inside = w.width * weighted * jnp.exp(log_scale + gamma / 2 * log_top)
    tail = 0.5 * jax.lax.erfc(jnp.abs(w.edge) * math.sqrt(0.5))
    above, below = jnp.where(w.edge > 0, tail, 1 - tail), jnp.where(w.edge > 0, 1 - tail, tail)
    return _Found(log_pdf + jnp.log(jnp.maximum(total, _LEAST)), above + inside, jnp.maximum(below - inside, _LEAST))


def log_likelihoods(at: Parameters, scores: Scores, rounded: bool) -> Array:
    """Return the log-likelihood of the scores given each threshold, shape (points, thresholds).

    Parameters
    ----------
    at : Parameters
    scores : Scores
    rounded : bool
        Whether each score stands for an interval of the length ``scores.unit`` around it.
    """
    size = scores.values.shape[-1]
    values = jnp.broadcast_to(scores.values, (at.alpha.shape[0], size))
    thresholds = jnp.broadcast_to(scores.thresholds, (at.alpha.shape[0], scores.thresholds.shape[-1]))
    if rounded:
        # Two places a score: Gauss-Legendre's where the density is smooth over the interval, else the ends.
        smooth = at.sigma[:, None] > scores.unit
        apart = scores.unit * jnp.where(smooth, 0.5 / math.sqrt(3), 0.5)
        found = _evaluate(jnp.concatenate([values - apart, values + apart, thresholds], axis=1), at)
        low, high = slice(0, size), slice(size, 2 * size)
        average = jnp.logaddexp(found.log_pdf[:, low], found.log_pdf[:, high]) - math.log(2)
        # From the nearer tail, so that nothing cancels.
        mass = jnp.where(
            found.cdf[:, low] < 0.5, found.cdf[:, high] - found.cdf[:, low], found.sf[:, low] - found.sf[:, high]
        )
        log_density = jnp.where(smooth, average, jnp.log(jnp.maximum(mass, _LEAST) / scores.unit))
        sf = found.sf[:, 2 * size :]
    else:
        found = _evaluate(jnp.concatenate([values, thresholds], axis=1), at)
        log_density, sf = found.log_pdf[:, :size], found.sf[:, size:]
    # Far from all scores a density may be zero: as good as zero for the sums, but finite.
    log_density = jnp.maximum(log_density, -1e6)
    inside = jnp.matmul(log_density, scores.counts.T, precision="highest")
    return inside + scores.beyond * jnp.log(sf)
