r"""The CDF of the noisy quadratic without logarithms: the function that is evaluated most often.

``F = Phi(-edge) + int v**(gamma/2) phi(x) dx``, by the nodes of `nqjax.special.quadrature` and with its notation, but
with fewer operations for each element and node. The absolute error of the CDF is at most 1e-13, and its relative error
in a left tail 1e-9, so the window may be shorter and its ends follow from simpler bounds. XLA writes every division and
every root that is used twice to memory, so the formulas have few of these.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from nqjax.special.quadrature import UNROLL_SIZE, binary_digits, effective_sigma, half_power, jacobi_rule, whole_power

#: Bits of gamma up to which the bent rule is as accurate as a longer straight one: gamma <= 6.
_BENT_BITS = 3


#: Taylor coefficients of arcsin to degree 7, scaled to carry 1 to 1.
_ARCSIN = np.array([1, 1 / 6, 3 / 40, 5 / 112]) / (1 + 1 / 6 + 3 / 40 + 5 / 112)


def _bend(t: Any) -> tuple[Any, Any]:
    """Return an odd polynomial map of [-1, 1] onto itself, and its slope; it spaces Gauss nodes more evenly.

    Gauss rules have dense nodes at the ends of the interval, for functions with singularities close by. This integrand
    has none, so that 28 nodes with more even spacing are as accurate as 36 Gauss nodes (Hale and Trefethen 2008, "New
    quadrature formulas from conformal maps", section 4).
    """
    s = t * t
    a, b, c, d = (float(x) for x in _ARCSIN)
    return t * (a + s * (b + s * (c + s * d))), a + s * (3 * b + s * (5 * c + s * 7 * d))


def _legendre(num_nodes: int, bent: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the distances of Gauss-Legendre nodes from the upper end of [0, 1], and the weights."""
    t, weight = np.polynomial.legendre.leggauss(num_nodes)
    x, slope = _bend(t) if bent else (t, 1.0)
    return np.asarray((1 - x) / 2), np.asarray(weight * slope / 2)


def _jacobi(b: Array, num_nodes: int, bent: bool) -> tuple[Array, Array]:
    """Return the distances of the square roots of Gauss-Jacobi nodes for ``q**b`` from 1, and the weights."""
    t, log_weight = jacobi_rule(b, num_nodes)
    if not bent:
        return 1 - jnp.sqrt(t), jnp.exp(log_weight)
    x, slope = _bend(2 * t - 1)
    q = (1 + x) / 2
    # q**b dq = t**b dt * (q / t)**b * dq/dt, where the factors after t**b are smooth, because t = 0 maps to q = 0.
    weight = jnp.exp(log_weight + b[..., None] * jnp.log(q / t)) * slope
    return 1 - jnp.sqrt(q), weight


class _NodeTable(NamedTuple):
    """Coefficients of each element from which the loop over nodes computes places and integrand."""

    zero: Array  # 1 where the window starts at v = 0, else 0
    step: Array  # sqrt(q) = 1 - step * distance with q = v / top_v, exact however short the window is
    start: Array  # x / sqrt(2) = start - distance * (slope - bend * distance)
    slope: Array
    bend: Array
    power: Array  # exponent of sqrt(q) in the integrand, 0 where the weights contain the power


def _node_table(
    z: Array, edge: Array, span: Array, gamma: Array, depth: float, near_zero: float
) -> tuple[_NodeTable, Array]:
    """Choose each window; also return ``v`` at its upper end.

    A window that reaches below the share ``near_zero`` of its upper end is widened to start at v = 0. The upper end is
    ``h`` above ``x = 0`` or ``v = 0``, whichever is nearer to the mode, with ``h**2 + max(-z, 0) * h = room``: a search
    over all z and gamma finds the integrand there below ``exp(2.6 - depth)`` of its maximum, and where the value is not
    small below ``exp(0.5 - depth)``. Below ``x = 0`` the Gaussian alone falls far enough.
    """
    below = jnp.maximum(-z, 0.0)
    far_room = jnp.where(z > 0, 2 * depth, depth + 3 + 1.05 * gamma)
    room = far_room + (2 * depth + 2.2 * gamma - far_room) / (1 + jnp.abs(z) / 4)
    rise = room / (below / 2 + jnp.sqrt(below * below / 4 + room))
    height = jnp.maximum(z, 0.0) + rise
    # Compared from the nearer end: for a point far outside the distance from the farther one is lost to rounding.
    at_edge = jnp.where(z > 0, rise >= edge, rise >= span)
    top = jnp.where(at_edge, edge, below + rise)
    height = jnp.where(at_edge, span, height)
    fall = math.sqrt(2 * depth)
    from_zero = z - fall < near_zero * height
    inverse = 1 / jnp.where(height > 0, height, 1.0)
    # Far beyond v = 1 the window is empty.
    width = jnp.where(from_zero, height, jnp.maximum(top + fall, 0.0))
    slope = width / (1 + jnp.sqrt(1 - jnp.where(from_zero, 1.0, width * inverse)))
    zero = from_zero.astype(z.dtype)
    step = jnp.where(from_zero, 1.0, slope * inverse)
    half = math.sqrt(0.5)
    table = _NodeTable(zero, step, top * half, 2 * half * slope, half * slope * step, (1 - zero) * (gamma + 1))
    return table, jnp.where(at_edge, 1.0, height / jnp.where(span > 0, span, 1.0))


def _integrand(table: _NodeTable, bits: int, distance: ArrayLike, weight: ArrayLike, jacobi: Sequence[Array]) -> Array:
    """Return the weighted integrand at one node, or at all nodes if the fields of ``table`` have a last axis for them.

    ``jacobi`` is a pair for windows that start at v = 0: a term added to ``distance``, and the weight.
    """
    # Blends by 0 and 1 instead of selects: those keep the loop over nodes from being vectorised on a CPU.
    distance = distance + table.zero * jacobi[0]
    root = 1 - table.step * distance
    x = table.start - distance * (table.slope - table.bend * distance)
    if bits:
        power = whole_power(root, binary_digits(table.power, bits))
    else:
        power = jnp.exp(table.power * jnp.log(jnp.maximum(root, 0.1)))
    return ((1 - table.zero) * weight + table.zero * jacobi[1]) * power * jnp.exp(-(x * x))


def cdf_by_quadrature(r: Array, delta: Array, sigma: Array, gamma: Array, bits: int) -> Array:
    """Return the CDF at ``alpha + r``; see `nqjax.special.noisy_quadratic.cdf`, which also has the derivatives."""
    double = r.dtype == jnp.float64
    bent = double and 0 < bits <= _BENT_BITS
    num_nodes, depth = (28 if bent else 36, 28.2) if double else (24, 18.0)
    near_zero = 0.17 if bent else 0.12
    positive = effective_sigma(delta, sigma)
    huge = 1e70 if double else 1e17
    inverse = 1 / positive
    z, edge = jnp.clip(r * inverse, -huge, huge), jnp.clip((delta - r) * inverse, -huge, huge)
    table, top_v = _node_table(z, edge, delta * inverse, gamma, depth, near_zero)
    shape = (1,) * r.ndim + (num_nodes,)
    distances, weights = (a.astype(r.dtype).reshape(shape) for a in _legendre(num_nodes, bent))
    # Keeps XLA from recomputing what depends on gamma alone for every element inside the loop over nodes.
    jacobi_distances, jacobi_weights = _jacobi(gamma / 2, num_nodes, bent)
    jacobi = jax.lax.optimization_barrier((jacobi_distances - distances, jacobi_weights))
    # With powers of real exponents, the unrolled loop would take a second to compile.
    if r.size < UNROLL_SIZE or not bits:
        spread = jax.tree.map(lambda a: a[..., None], table)
        total = jnp.sum(_integrand(spread, bits, distances, weights, jacobi), axis=-1)
    else:
        total = jnp.zeros((), r.dtype)
        for i in range(num_nodes):
            node, *at_zero = (a[..., i] for a in (distances, *jacobi))
            total = total + _integrand(table, bits, node, weights[..., i], at_zero)
    scale = table.slope * (1 - table.zero / 2) / math.sqrt(math.pi) * half_power(top_v, gamma, bits)
    return jnp.minimum(scale * total + 0.5 * jax.lax.erfc(edge * math.sqrt(0.5)), 1.0)
