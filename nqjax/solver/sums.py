r"""Two sums over the nodes of many windows, at about the speed of their exponentials.

The objective of the estimation needs, at every knot, ``I[b] = int v**b phi(x) dx`` for ``b = gamma/2 - 1`` and
``gamma/2``; everything else is cheap. `nqjax.special.quadrature` describes the choice of windows and nodes. Here the
same sums are arranged so that XLA compiles them to one elementwise loop on a CPU, with few operations for each node:

- the Gauss-Legendre and the Gauss-Jacobi rule differ in two numbers a node, ``root`` and
  ``weight / root**(gamma - 1)``, which are blended by a 0 or 1 for each window;
- the height of a node is a polynomial in its place;
- exponentials are powers of two of an argument that is never positive, twice as fast as XLA's ``exp``.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from nqjax.special.quadrature import Window, binary_digits, exact_jacobi_rule, legendre_rule, whole_power

#: Nodes in one turn of the loop: more take longer to compile, fewer pass the sums through memory more often.
_NODES_A_TURN = 4

#: Degree of the polynomial for 2**r on [-1/2, 1/2].
_EXPONENTIAL_DEGREE = 9

#: Adding this to a whole number leaves that number in the last bits of the sum's mantissa.
_TO_LAST_BITS = 1.5 * 2.0**52

#: Exponents are cut off here, where the power is still a normal number.
_LARGEST_EXPONENT = 1000.0


class Rule(NamedTuple):
    """Differences between the Gauss-Legendre and the Gauss-Jacobi rule of a gamma: shape (..., nodes)."""

    root: Array  # Gauss-Legendre's minus Gauss-Jacobi's
    weight: Array  # Gauss-Jacobi's, divided by root**(gamma - 1), minus Gauss-Legendre's


def rules(gammas: np.ndarray, num_nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the fields of `Rule` for whole gammas, shape (gammas,); each has shape (gammas, num_nodes)."""
    node, weight = legendre_rule(num_nodes)
    roots, weights = [], []
    for gamma in gammas:
        q, log_weight = exact_jacobi_rule(float(gamma) / 2 - 1, num_nodes)
        roots.append(node - np.sqrt(q))
        weights.append(np.exp(log_weight - (float(gamma) - 1) / 2 * np.log(q)) - weight)
    return np.stack(roots), np.stack(weights)


@functools.cache
def _powers_of_two() -> tuple[float, ...]:
    """Return the coefficients of 2**r on [-1/2, 1/2], highest order first; accurate to 2e-14."""
    points = np.cos(np.pi * (np.arange(64) + 0.5) / 64)
    series = np.polynomial.chebyshev.chebfit(points, np.exp2(points / 2), _EXPONENTIAL_DEGREE)
    return tuple(
        float(c) for c in (np.polynomial.chebyshev.cheb2poly(series) * 2.0 ** np.arange(_EXPONENTIAL_DEGREE + 1))[::-1]
    )


def half_to_the(x: Array) -> Array:
    """Return ``2**-x`` for x >= -1000, to 2e-14 in float64, and ``2**-1000`` for larger x; undefined for NaN."""

    def on_cpu(x: Array) -> Array:
        x = jnp.minimum(x, _LARGEST_EXPONENT)
        n = jnp.round(x)
        first, *rest = _powers_of_two()
        r, power = n - x, jnp.full_like(x, first)
        for c in rest:
            power = power * r + c
        # Subtracting n from the bits of the exponent multiplies by 2**-n.
        bits = jax.lax.bitcast_convert_type(power, jnp.int64)
        shift = jax.lax.bitcast_convert_type(n + _TO_LAST_BITS, jnp.int64) << 52
        return jax.lax.bitcast_convert_type(bits - shift, jnp.float64)

    def anywhere(x: Array) -> Array:
        return jnp.exp2(-x)

    if x.dtype != jnp.float64:
        return anywhere(x)
    return jax.lax.platform_dependent(x, cpu=on_cpu, default=anywhere)


def two_sums(w: Window, gamma: Array, rule: Rule, num_nodes: Array | int, bits: int) -> tuple[Array, Array]:
    """Return the sums over the nodes of ``q**(gamma/2 - 1) * exp((peak**2 - x**2) / 2)``, and of the same times q.

    ``q`` is v in units of its value at the upper end; the sums are per unit of width.

    Parameters
    ----------
    w : Window, fields of shape (elements,)
    gamma : Array, shape ()
        Whole and below ``2**bits - 1``.
    rule : Rule, shape (nodes,)
        The rule of gamma, padded where it has fewer nodes.
    num_nodes : int or Array, shape ()
        Number of nodes, 16 or 32. It may be traced.
    """
    dtype = w.top.dtype
    share = jnp.where(w.from_zero, 1.0, w.width / jnp.where(w.from_zero, 1.0, w.top_height))
    low = jnp.sqrt(1 - share)
    # sqrt(q) = 1 - step * distance, exact however short the window is.
    step = jnp.where(w.from_zero, 1.0, share / (1 + low))
    zero = w.from_zero.astype(dtype)
    # The exponent is y * (y + shift) in powers of 1/2, y = start - distance * (2 slope - bend * distance).
    unit = float(np.sqrt(np.log2(np.e) / 2))
    slope = w.top_height * step * unit
    start, shift, bend = (w.top - w.peak) * unit, 2 * w.peak * unit, slope * step
    double = 2 * slope
    power = _power_of(gamma - 1, bits)
    step, zero, start, shift, bend, double = jax.lax.optimization_barrier((step, zero, start, shift, bend, double))
    tables = _legendre_tables(dtype)
    which = jnp.asarray(num_nodes == tables.shape[1], int)
    table = jnp.concatenate([tables[which], jnp.stack(rule, axis=-1)], axis=-1).reshape(-1, _NODES_A_TURN, 4)

    def add(i: Array, sums: Array) -> Array:
        total, weighted = jnp.real(sums), jnp.imag(sums)
        block = table[i]
        for k in range(_NODES_A_TURN):
            node, weight, to_root, to_weight = (block[k, j] for j in range(4))
            distance = node + zero * to_root
            root = 1 - step * distance
            y = start - distance * (double - bend * distance)
            height = (weight + zero * to_weight) * power(root) * half_to_the(y * (y + shift))
            total, weighted = total + height, weighted + height * (root * root)
        # One complex sum instead of two real ones: an elementwise loop of XLA on a CPU has one result, so XLA would
        # compile two loops, each with the exponentials.
        return jax.lax.complex(total, weighted)

    nothing = jnp.zeros_like(w.top)
    sums = jax.lax.fori_loop(0, num_nodes // _NODES_A_TURN, add, jax.lax.complex(nothing, nothing))
    scale = jnp.where(w.from_zero, 1.0, 2 / (1 + low))
    return scale * jnp.real(sums), scale * jnp.imag(sums)


def _power_of(exponent: Array, bits: int) -> Callable[[Array], Array]:
    """Return the function that raises to a whole, traced power: by a polynomial up to 3 bits, by squaring above."""
    if bits > 3:
        digits = jax.lax.optimization_barrier(binary_digits(exponent, bits))
        return lambda base: whole_power(base, digits)
    highest = 2**bits - 3
    coefficients = jax.lax.optimization_barrier([(exponent == k).astype(exponent.dtype) for k in range(highest + 1)])

    def power(base: Array) -> Array:
        result = coefficients[-1]
        for c in coefficients[-2::-1]:
            result = result * base + c
        return result

    return power


def _legendre_tables(dtype: jnp.dtype) -> Array:
    """Return the Gauss-Legendre rules of 16 and of 32 nodes, shape (rules, nodes, 2), with zeros as padding.

    The last axis has ``1 - node`` and the weight.
    """
    tables = np.zeros((2, 32, 2))
    for table, count in zip(tables, (16, 32), strict=True):
        node, weight = legendre_rule(count)
        table[:count] = np.stack([1 - node, weight], axis=-1)
    return jnp.asarray(tables, dtype)
