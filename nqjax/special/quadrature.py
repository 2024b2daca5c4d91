r"""Gauss quadrature for a power law with normal noise.

Every function of the noisy quadratic is an integral of ``v**b * phi(x)`` with ``v = (r + sigma * x) / delta``, where
``v`` in [0, 1] is the place inside the power law, ``x`` the standardised noise, ``r = y - alpha`` and
``delta = beta - alpha``. For each element this module chooses the short window of ``x`` outside which the integrand is
negligible relative to its own maximum, so that tails keep their relative accuracy, and the nodes inside it:

- a window that ends well above ``v = 0`` uses Gauss-Legendre nodes in ``sqrt(v)``, where the integrand is smooth and
  ``v**(gamma/2)`` is a product for a whole gamma (square roots and logarithms cost more than the exponentials);
- a window that reaches ``v = 0`` uses Gauss-Jacobi nodes for the weight ``q**b``, which is singular at 0 if ``b`` is
  not a whole number. ``b`` may be traced, so nodes and weights are Chebyshev series in ``log(b + 1)``.

With 40 nodes the error is 1e-14.
"""

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.special
from jax import Array

#: Exponents covered by the Gauss-Jacobi series: gamma / 2 - 1 and gamma / 2 for gamma in [1, 50], and more. Rounding
#: errors of n coefficients grow like n**4 / 3 in a second derivative at the very ends, but like n**2 inside.
_EXPONENT_RANGE = (-0.65, 30.0)


#: Terms of the Chebyshev series of Gauss-Jacobi rules.
_SERIES_TERMS = 28


#: A window that reaches below this share of its upper end is widened to start at v = 0.
_NEAR_ZERO = 0.12


#: For arrays of at least this size the loop over nodes is unrolled: as fast as the exponentials, but slower to compile.
UNROLL_SIZE = 4096


@functools.cache
def _jacobi_series(num_nodes: int) -> np.ndarray:
    """Return the coefficients of nodes and log-weights for q**b on [0, 1], series in log(b + 1): (terms, 2, nodes)."""
    low, high = np.log1p(_EXPONENT_RANGE)
    angle = np.cos(np.pi * (np.arange(_SERIES_TERMS) + 0.5) / _SERIES_TERMS)
    rows = []
    for b in np.expm1((low + high) / 2 + (high - low) / 2 * angle):
        x, _ = scipy.special.roots_jacobi(num_nodes, 0.0, b)
        rows.append(np.stack([(x + 1) / 2, _log_christoffel(x, b)]))
    coefficients = np.polynomial.chebyshev.chebfit(angle, np.reshape(rows, (_SERIES_TERMS, -1)), _SERIES_TERMS - 1)
    return coefficients.reshape(_SERIES_TERMS, 2, num_nodes)


def _log_christoffel(x: np.ndarray, b: float) -> np.ndarray:
    """Return the log-weights of the Gauss rule with nodes ``x`` in [-1, 1] for ``(1 + x)**b``, up to a constant.

    A weight is one over the sum of the squared orthonormal polynomials. The terms are positive, so no digits are
    lost; the usual formula loses three, which second derivatives of the series would show.
    """
    k = np.arange(1, len(x))
    center = np.concatenate([[b / (b + 2)], b**2 / ((2 * k + b) * (2 * k + b + 2))])
    spread = 2 * k * (k + b) / (2 * k + b) / np.sqrt((2 * k + b + 1) * np.where(k == 1, 1 + b, 2 * k + b - 1))
    previous, current = np.zeros_like(x), np.ones_like(x)
    total = current**2
    for i in range(len(x) - 1):
        before = spread[i - 1] if i else 0.0
        previous, current = current, ((x - center[i]) * current - before * previous) / spread[i]
        total = total + current**2
    return -np.log(total)


@functools.cache
def exact_jacobi_rule(b: float, num_nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return Gauss-Jacobi nodes and log-weights for the weight ``q**b`` on [0, 1], each of shape (num_nodes,)."""
    x, _ = scipy.special.roots_jacobi(num_nodes, 0.0, b)
    log_weights = _log_christoffel(x, b)
    return (x + 1) / 2, log_weights - np.log(np.sum(np.exp(log_weights)) * (b + 1))


@functools.cache
def legendre_rule(num_nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return Gauss-Legendre nodes and weights on [0, 1]."""
    x, w = np.polynomial.legendre.leggauss(num_nodes)
    return (x + 1) / 2, w / 2


def jacobi_rule(b: Array, num_nodes: int) -> tuple[Array, Array]:
    """Return Gauss-Jacobi nodes and log-weights for the weight ``q**b`` on [0, 1], differentiable in ``b``.

    Parameters
    ----------
    b : Array, shape (...)
        The exponent, in [-0.5, 25].
    num_nodes : int
        Number of nodes.

    Returns
    -------
    nodes, log_weights : Array, shape (..., num_nodes)
    """
    series = jnp.asarray(_jacobi_series(num_nodes), b.dtype)
    low, high = (math.log1p(b) for b in _EXPONENT_RANGE)
    tau = (2 * jnp.log1p(b) - (low + high)) / (high - low)
    basis = jnp.stack([jnp.ones_like(tau), tau], axis=-1)
    # T[n + j] = 2 T[n] T[j] - T[n - j] doubles the basis: a fifth of the kernels to compile that one term a time takes.
    while (n := basis.shape[-1] - 1) < _SERIES_TERMS - 1:
        more = min(n, _SERIES_TERMS - 1 - n)
        higher = 2 * basis[..., n:] * basis[..., 1 : more + 1] - jnp.flip(basis[..., n - more : n], -1)
        basis = jnp.concatenate([basis, higher], axis=-1)
    rule = jnp.einsum("...k,kin->i...n", basis, series, precision=jax.lax.Precision.HIGHEST)
    # The weights sum to int q**b = 1 / (b + 1) exactly, and so do their derivatives.
    total = jax.scipy.special.logsumexp(rule[1], axis=-1) + jnp.log1p(b)
    return rule[0], rule[1] - total[..., None]


class Window(NamedTuple):
    """Range of integration of each element; every field has the elements' shape.

    ``z`` and ``edge`` are the standardised distances of ``r`` from ``v = 0`` and to ``v = 1``: the integral runs over
    ``x`` in [-z, edge], of which the window keeps [top - width, top]. All differences are formed without cancellation.
    """

    z: Array  # r / sigma
    edge: Array  # (delta - r) / sigma
    top: Array  # upper end of the window in x
    width: Array  # its length in x
    top_height: Array  # its upper end measured from v = 0, in units of sigma: top + z
    top_v: Array  # v at the upper end; exactly 1 where the window ends at v = 1
    log_width_over_delta: Array  # log(width / delta), finite for delta = 0
    peak: Array  # the x in the window that is nearest 0: exp(-peak**2 / 2) is the common scale
    from_zero: Array  # bool: the window starts at v = 0


def effective_sigma(delta: Array, sigma: Array) -> Array:
    """Return sigma, or a positive number below all rounding errors where it is 0: no other formulas are needed."""
    least = jnp.maximum(sigma, (1e-60 if sigma.dtype == jnp.float64 else 1e-18) * delta)
    # A point mass has neither range nor noise: any positive number serves, because callers treat it separately.
    return jnp.where(least > 0, least, 1.0)


def window(r: Array, delta: Array, sigma: Array, gamma: Array, depth: float | Array) -> Window:
    """Choose the window outside which the integrand is below ``exp(-depth)`` of its maximum.

    The upper end is for the log-concave integrand ``y**b * exp(-(y - z)**2 / 2)``, where ``y`` is the height above
    ``v = 0`` in units of sigma: with mode ``x*``, so that ``x*(x* + z) = b``, and the tangent bound
    ``log t <= t/2 - 1 + log 2`` it lies at most ``d`` above the mode, ``d**2/2 + d x*/2 = depth + 0.193 b``.
    """
    sigma = effective_sigma(delta, sigma)
    huge = 1e70 if sigma.dtype == jnp.float64 else 1e17
    z = jnp.clip(r / sigma, -huge, huge)
    edge = jnp.clip((delta - r) / sigma, -huge, huge)
    span = delta / sigma
    # The largest exponent in use: the CDF has gamma / 2, its derivatives in delta have more powers of v.
    b = gamma / 2 + 1
    root = jnp.sqrt(z * z + 4 * b)
    small, large = 2 * b / (jnp.abs(z) + root), (jnp.abs(z) + root) / 2
    mode_x, mode_height = jnp.where(z > 0, small, large), jnp.where(z > 0, large, small)
    room = 2 * depth + 0.386 * b
    rise = room / (mode_x / 2 + jnp.sqrt(mode_x**2 / 4 + room))
    # Compared from the nearer end: for a point far outside the distance from the farther one is lost to rounding.
    at_edge = jnp.where(z > 0, mode_x + rise >= edge, mode_height + rise >= span)
    top = jnp.where(at_edge, edge, mode_x + rise)
    top_height = jnp.where(at_edge, span, mode_height + rise)
    # Below the point nearest x = 0 the bound is the Gaussian's.
    start = jnp.minimum(top, 0.0)
    fall = 2 * depth / (-start + jnp.sqrt(start**2 + 2 * depth))
    width = (top - start) + fall
    from_zero = top_height - width < _NEAR_ZERO * top_height
    width = jnp.where(from_zero, top_height, width)
    # From the nearer end again, because a power up to 50 multiplies the rounding error.
    positive_span = jnp.where(at_edge, 1.0, span)
    missing = (edge - top) / positive_span
    top_v = jnp.where(at_edge, 1.0, jnp.where(missing < 0.5, 1 - missing, top_height / positive_span))
    safe_delta = jnp.where(delta > 0, delta, 1.0)
    above, below = jnp.where(from_zero, top_v, width), jnp.where(from_zero, sigma, safe_delta)
    # In single precision the quotient may leave the range.
    double = sigma.dtype == jnp.float64
    log_width_over_delta = jnp.log(above / below) if double else jnp.log(above) - jnp.log(below)
    peak = jnp.clip(0.0, top - width, top)
    return Window(z, edge, top, width, top_height, top_v, log_width_over_delta, peak, from_zero)


class Nodes(NamedTuple):
    """Quadrature nodes of a window; every field has the elements' shape and a last axis of nodes."""

    x: Array  # standardised noise
    q: Array  # v / top_v
    short: Array  # 1 - q, without cancellation
    weight: Array  # quadrature weight * q**b * exp((peak**2 - x**2) / 2), per unit of width


class _NodeTable(NamedTuple):
    """Coefficients from which the loop over nodes computes places and integrand."""

    # Of each element:
    zero: Array  # 1 where the window starts at v = 0, else 0
    step: Array  # sqrt(q) = 1 - step * distance, exact for windows of all lengths
    legendre_scale: Array  # Jacobian of the Gauss-Legendre rule in sqrt(q), 0 where it is not used
    # With y = (x - peak) / sqrt(2), formed without cancellation, the exponent is -y * (y + shift):
    start: Array  # y = start - slope * distance * (1 + sqrt(q))
    slope: Array
    shift: Array
    power: Array  # exponent of sqrt(q) in the Gauss-Legendre integrand
    binary: tuple[Array, ...]  # its binary digits as 0.0 and 1.0, when it is whole
    # Of each element of ``b`` and each node:
    jacobi_roots: Array
    jacobi_weights: Array


def _node_table(w: Window, b: Array, num_nodes: int, bits: int, rule: tuple[Array, Array] | None = None) -> _NodeTable:
    nodes_q, log_weights = jacobi_rule(b, num_nodes) if rule is None else rule
    share = jnp.where(w.from_zero, 1.0, w.width / jnp.where(w.from_zero, 1.0, w.top_height))
    root_low = jnp.sqrt(1 - share)
    step = jnp.where(w.from_zero, 1.0, share / (1 + root_low))
    zero = w.from_zero.astype(b.dtype)
    half = np.sqrt(0.5).astype(b.dtype)
    table = _NodeTable(
        zero,
        step,
        2 * (1 - zero) / (1 + root_low),
        (w.top - w.peak) * half,
        w.top_height * step * half,
        2 * w.peak * half,
        2 * b + 1,
        binary_digits(2 * b + 1, bits),
        jnp.sqrt(nodes_q),
        jnp.exp(log_weights),
    )
    # Keeps XLA from recomputing what depends on b alone for every element inside the loop over nodes.
    binary, roots, weights = jax.lax.optimization_barrier((table.binary, table.jacobi_roots, table.jacobi_weights))
    return table._replace(binary=binary, jacobi_roots=roots, jacobi_weights=weights)


def _evaluate(table: _NodeTable, node: Array, weight: Array) -> Nodes:
    """Return one node, or all nodes where the fields of ``table`` have a last axis for them."""
    # Blends by 0 and 1 instead of selects: those keep the loop over nodes from being vectorised on a CPU.
    distance = (1 - node) + table.zero * (node - table.jacobi_roots)
    root = 1 - table.step * distance
    bent = distance * (1 + root)
    y = table.start - table.slope * bent
    exponential = jnp.exp(-y * (y + table.shift))
    whole = bool(table.binary)
    powers = whole_power(root, table.binary) if whole else jnp.exp(table.power * jnp.log(jnp.maximum(root, 0.1)))
    total = table.legendre_scale * (weight * powers) + table.zero * table.jacobi_weights
    return Nodes(y, root * root, table.step * bent, total * exponential)


def nodes(w: Window, b: Array, num_nodes: int, bits: int = 0, rule: tuple[Array, Array] | None = None) -> Nodes:
    """Place the nodes and evaluate the integrand ``q**b * exp((peak**2 - x**2) / 2)``.

    Parameters
    ----------
    w : Window, fields of shape (...)
    b : Array, shape (...)
        The exponent of ``v``, of the same rank as the window.
    num_nodes : int
        Number of nodes.
    bits : int
        When every ``2 * b + 1`` is a whole number below ``2**bits``, powers are products; 0 for any real exponent.
    rule : tuple of Array, optional
        ``jacobi_rule(b, num_nodes)``, if the caller has computed it.
    """
    # Likewise for what depends on the element alone.
    table = jax.lax.optimization_barrier(_node_table(w, b, num_nodes, bits, rule))
    spread = jax.tree.map(lambda a: a[..., None], table._replace(jacobi_roots=(), jacobi_weights=()))
    spread = spread._replace(jacobi_roots=table.jacobi_roots, jacobi_weights=table.jacobi_weights)
    node, weight = (jnp.asarray(a, b.dtype).reshape((1,) * b.ndim + (-1,)) for a in legendre_rule(num_nodes))
    n = _evaluate(spread, node, weight)
    return n._replace(x=w.peak[..., None] + n.x * np.sqrt(2.0).astype(b.dtype))


def total_weight(w: Window, b: Array, num_nodes: int, bits: int = 0) -> Array:
    """Return the integral of ``q**b * exp((peak**2 - x**2) / 2)`` per unit of width, the sum of the weights of `nodes`.

    For large arrays the loop over nodes is unrolled, which takes longer to compile and runs at the speed of the
    exponentials alone.
    """
    if w.top.size < UNROLL_SIZE or not bits:
        return jnp.sum(nodes(w, b, num_nodes, bits).weight, axis=-1)
    table = _node_table(w, b, num_nodes, bits)
    total = jnp.zeros((), b.dtype)
    for i, (node, weight) in enumerate(zip(*legendre_rule(num_nodes), strict=True)):
        one = table._replace(jacobi_roots=table.jacobi_roots[..., i], jacobi_weights=table.jacobi_weights[..., i])
        total = total + _evaluate(one, node.astype(b.dtype), weight.astype(b.dtype)).weight
    return total


def half_power(v: Array, gamma: Array, bits: int) -> Array:
    """Return ``v**(gamma / 2)``: by products when ``bits`` says that gamma is a whole number below ``2**bits``."""
    if not bits:
        return jnp.exp(gamma / 2 * jnp.log(v))
    return whole_power(jnp.sqrt(v), jax.lax.optimization_barrier(binary_digits(gamma, bits)))


def binary_digits(power: Array, bits: int) -> tuple[Array, ...]:
    """Return the binary digits of whole powers, the lowest first."""
    digits = jnp.round(power).astype(jnp.int32)
    return tuple(((digits >> i) & 1).astype(power.dtype) for i in range(bits))


def whole_power(base: Array, binary: tuple[Array, ...]) -> Array:
    """Return ``base**power`` for a whole, traced power given by its binary digits, by repeated squaring."""
    result = jnp.ones((), base.dtype)
    for i, digit in enumerate(binary):
        # A blend instead of a select, see `_evaluate`; exact for 0, and to rounding for 1.
        result = result * (digit * base + (1 - digit))
        base = base * base if i + 1 < len(binary) else base
    return result
