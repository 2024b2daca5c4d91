r"""The censored maximum product of spacings objective, with its exact gradient and Hessian.

    loss = - sum_i N_i / (n + 1) * log((F(z_i) - F(z_{i-1})) * (n + 1) / N_i)        over N_i > 0,

an estimate of a Kullback-Leibler divergence. The parameters are (alpha, log delta, log sigma), delta = beta - alpha,
for each whole gamma; sigma = 0 drops the last. Two sums over one set of exponentials, ``I[b] = int y**b phi(y - z) dy``
for ``b = gamma/2 - 1`` and ``gamma/2``, give the CDF and the density; integration by parts gives everything else:

    E[y x] = b + 1 - T,    E[y x**2] = (b + 1) E[x] + E[y] - edge T,    T = D**(b+1) phi(edge) / I[b],

where ``x = y - z`` is the noise, ``y`` the height above alpha in units of sigma, E the mean under ``y**b phi(y - z)``
and ``D = delta / sigma``.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import DTypeLike
from numpy.typing import NDArray

from nqjax.solver.pieces import BEYOND
from nqjax.solver.sums import Rule, rules, two_sums
from nqjax.special.quadrature import Window, half_power, window

_SQRT_2PI = math.sqrt(2 * math.pi)


class _Precision(NamedTuple):
    """How the sums are computed in one dtype."""

    nodes: int
    depth: float  # of the windows, see `nqjax.special.quadrature.window`
    # Below so many sigmas an interval's mass, and its derivatives, follow from the densities at its ends: a difference
    # of the CDF would lose more digits than that leaves out. Below the last its curvature is left out.
    short: float
    short_slope: float
    short_curve: float


_PRECISION = {"float64": _Precision(32, 25.0, 1e-5, 1e-5, 1e-5), "float32": _Precision(16, 13.0, 0.3, 0.02, 1e-4)}


#: Nodes and depth that do to look around: 1e-6 of the loss.
_ROUGH = _PRECISION["float32"]


def num_nodes(dtype: DTypeLike) -> tuple[int, int]:
    """Nodes of the rough sums and of the others."""
    return _ROUGH.nodes, _PRECISION[jnp.dtype(dtype).name].nodes


class Family(NamedTuple):
    """One gamma, with what depends on it alone."""

    gamma: Array  # ()
    rules: Rule  # rough and fine: shape (2, nodes)


def families(gammas: NDArray[np.floating]) -> Family:
    """Prepare whole gammas, shape (gammas,); in their dtype."""
    most = _PRECISION["float64"].nodes
    both = []
    for num_nodes in (_ROUGH.nodes, _PRECISION[gammas.dtype.name].nodes):
        spare = [(0, 0), (0, most - num_nodes)]
        both.append([np.pad(part, spare) for part in rules(gammas, num_nodes)])
    root, weight = (jnp.asarray(np.stack(parts, axis=1), gammas.dtype) for parts in zip(*both, strict=True))
    return Family(jnp.asarray(gammas), Rule(root, weight))


class Symmetric(NamedTuple):
    """The six different entries of a symmetric 3 x 3 matrix over (alpha, log delta, log sigma)."""

    aa: Array
    ad: Array
    as_: Array
    dd: Array
    ds: Array
    ss: Array


Triple = tuple[Array, Array, Array]


class Knot(NamedTuple):
    """The distribution at the knots: masses, and the derivatives of the CDF in (alpha, log delta, log sigma)."""

    cdf: Array
    sf: Array
    density: Array
    first: Triple
    second: Symmetric
    log_density: Triple  # derivatives of the log-density
    log_pdf: Array  # its value, which does not underflow


def _once(like: Array, *arrays: Array) -> list[Array]:
    """Have arrays computed once: on a CPU, XLA repeats cheap arithmetic in all that needs it, but never a division."""
    one = 1 + 0 * like
    return [a / one for a in arrays]


class _Sums(NamedTuple):
    """What values and derivatives at a knot follow from."""

    window: Window
    total: Array  # the two sums, of the density and of the CDF
    weighted: Array
    scale: Array  # of the sums
    share: Array  # sigma times the density, but for the scale
    end: Array  # bool: no place of a score, but an end that has no density


def _noisy_sums(z: Array, theta: Array, family: Family, fine: Array | bool, bits: int) -> _Sums:
    gamma = family.gamma
    alpha, delta, sigma = theta[0], jnp.exp(theta[1]), jnp.exp(theta[2])
    precision = _PRECISION[z.dtype.name]
    # The ends would overflow in single precision.
    end = jnp.abs(z) >= BEYOND
    z = jnp.where(end, alpha, z)
    w = window(z - alpha, delta[None], sigma[None], gamma[None], jnp.where(fine, precision.depth, _ROUGH.depth))
    rule = jax.tree.map(lambda a: a[jnp.asarray(fine, int)], family.rules)
    total, weighted = two_sums(w, gamma, rule, jnp.where(fine, precision.nodes, _ROUGH.nodes), bits)
    scale = half_power(w.top_v, gamma[None], bits) * jnp.exp(-(w.peak**2) / 2) / _SQRT_2PI
    share = gamma / 2 * jnp.where(w.from_zero, 1.0, w.width / (delta / sigma * w.top_v)) * total
    return _Sums(w, total, weighted, scale, share, end)


def _tails(sums: _Sums, z: Array) -> tuple[Array, Array]:
    """CDF and survival function."""
    w = sums.window
    inside = w.width * sums.scale * sums.weighted
    tail = 0.5 * jax.lax.erfc(jnp.abs(w.edge) * math.sqrt(0.5))
    cdf = jnp.where(w.edge > 0, tail, 1 - tail) + inside
    sf = jnp.maximum(jnp.where(w.edge > 0, 1 - tail, tail) - inside, 0.0)
    right = jnp.where(sums.end & (z > 0), 1.0, 0.0)
    return jnp.where(sums.end, right, cdf), jnp.where(sums.end, 1 - right, sf)


def _log_pdf(sums: _Sums, theta: Array, family: Family) -> Array:
    w = sums.window
    return jnp.log(sums.share / _SQRT_2PI) + family.gamma / 2 * jnp.log(w.top_v) - w.peak**2 / 2 - theta[2]


def noisy_values(
    z: Array, theta: Array, family: Family, fine: Array | bool, bits: int, count: int
) -> tuple[Array, Array, Array]:
    """CDF and survival function at the knots from ``count`` on, and the log-density at those before."""
    sums = _noisy_sums(z, theta, family, fine, bits)
    first, others = (jax.tree.map(lambda a, part=part: a[part], sums) for part in (slice(count), slice(count, None)))
    return *_tails(others, z[count:]), _log_pdf(first, theta, family)


def noisy_knot(z: Array, theta: Array, family: Family, fine: Array | bool, bits: int) -> Knot:
    """The noisy quadratic at knots ``z`` (shape (knots,)), to the dtype's precision or roughly."""
    sigma, b = jnp.exp(theta[2]), family.gamma / 2 - 1
    span = jnp.exp(theta[1]) / sigma
    sums = _noisy_sums(z, theta, family, fine, bits)
    w, total, weighted = sums.window, sums.total, sums.weighted
    cdf, sf = _tails(sums, z)
    # h is sigma times the density.
    h = jnp.where(sums.end, 0.0, sums.share * sums.scale)
    mean_q = weighted / total
    height = w.top_height * mean_q
    x1 = w.top - w.top_height * (1 - mean_q)
    boundary = jnp.exp(jnp.where(w.top >= w.edge, (w.peak - w.edge) * (w.peak + w.edge) / 2, -700.0))
    t = boundary * span / (w.width * total)
    cdf, sf, h, height, x1, t, *ends = _once(z, cdf, sf, h, height, x1, t, w.z, w.edge)
    w = w._replace(z=ends[0], edge=ends[1])
    p2 = b - t - w.z * x1
    p3 = (b - 1) * x1 - w.edge * t - w.z * p2
    first = (-h / sigma, -h * height, h * x1)
    second = Symmetric(
        aa=h * x1 / sigma**2,
        ad=h / sigma * (b + 1 - t),
        as_=-h / sigma * p2,
        dd=h * ((b + 1) * height - t * span),
        ds=-h * ((b + 1) * x1 - w.edge * t),
        ss=h * (2 * x1 + p3),
    )
    return Knot(cdf, sf, h / sigma, first, second, (-x1 / sigma, t - (b + 1), p2), _log_pdf(sums, theta, family))


def noiseless_knot(z: Array, theta: Array, family: Family) -> Knot:
    """The quadratic distribution, sigma = 0; the third parameter is ignored."""
    delta = jnp.exp(theta[1])
    r = z - theta[0]
    inside = (r > 0) & (r < delta)
    above = r >= delta
    r = jnp.where(inside, r, delta / 2)
    g = family.gamma / 2
    log_cdf = g * (jnp.log(r) - theta[1])
    zero = jnp.zeros_like(r)
    cdf = jnp.where(inside, jnp.exp(log_cdf), jnp.where(above, 1.0, 0.0))
    sf = jnp.where(inside, -jnp.expm1(log_cdf), jnp.where(above, 0.0, 1.0))
    f = jnp.where(inside, cdf, 0.0)
    p = f * g / r
    second = Symmetric(aa=p * (g - 1) / r, ad=p * g, as_=zero, dd=g * g * f, ds=zero, ss=zero)
    return Knot(cdf, sf, p, (-p, -g * f, zero), second, (zero, zero, zero), jnp.log(jnp.where(inside, p, 0.0)))


def mps(
    theta: Array,
    family: Family,
    knots: Array,
    shares: Array,
    gaps: Array | None,
    fine: Array | bool,
    bits: int,
    noiseless: bool,
) -> Array:
    """Loss, gradient and Hessian at one set of parameters: sums over intervals, which add up from piece to piece.

    Parameters
    ----------
    theta : Array, shape (3,)
        alpha, log(beta - alpha), log sigma.
    family : Family
        Of a whole gamma below ``2**bits - 1``.
    knots : Array, shape (intervals + 1,)
        Not decreasing, the ends beyond all mass; a knot may repeat when the interval that ends at the repetition has
        none of the counts (padding).
    shares : Array, shape (intervals,)
        Shares of all counts in the intervals between the knots.
    gaps : Array, shape (intervals,), optional
        Distances between the knots, where these are too coarse to give them.
    fine : bool
        Whether to compute to the dtype's precision, or roughly; traced, it compiles nothing anew.

    Returns
    -------
    Array, shape (10,)
        The loss, its gradient (3) and its Hessian (6, in the order of `Symmetric`).
    """
    precision = _PRECISION[knots.dtype.name]
    knot = noiseless_knot(knots, theta, family) if noiseless else noisy_knot(knots, theta, family, fine, bits)
    low, high = (jax.tree.map(lambda a, part=part: a[part], knot) for part in (slice(None, -1), slice(1, None)))
    used = shares > 0
    gap = jnp.diff(knots) if gaps is None else gaps
    width = jnp.zeros_like(gap) + jnp.inf if noiseless else jnp.where(used, gap / jnp.exp(theta[2]), jnp.inf)
    difference = jnp.where(high.cdf < 0.5, high.cdf - low.cdf, low.sf - high.sf)
    # The trapezium rule with its correction at the ends, where the density is known with its derivative.
    bend = low.density * low.log_density[0] - high.density * high.log_density[0]
    trapezium = gap * ((low.density + high.density) / 2 - gap * bend / 12)
    mass = jnp.where(width < precision.short, trapezium, difference)
    positive = mass > 0
    safe = jnp.where(used & positive, mass, 1.0)
    inverse = jnp.where(positive, shares / safe, 0.0)
    surprise = shares * jnp.log(jnp.where(used & positive, inverse, 1.0))
    surprise = jnp.where(used & ~positive, jnp.inf, surprise)
    short = width < precision.short_slope

    # The change of the interval's mass: a difference or, when short, the mean change of the density.
    def change(i: int) -> Array:
        mean = (low.density * low.log_density[i] + high.density * high.log_density[i]) / 2
        return jnp.where(short, gap * mean, high.first[i] - low.first[i])

    slope = _once(gap, *(change(i) for i in range(3)))

    # The curvature only steers the steps.
    shortest = width < precision.short_curve

    def curve(i: int, j: int, k: int) -> Array:
        return jnp.where(shortest, 0.0, inverse * (slope[i] * slope[j] / safe - (high.second[k] - low.second[k])))

    pairs = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))
    rows = [surprise, *(-inverse * s for s in slope), *(curve(i, j, k) for k, (i, j) in enumerate(pairs))]
    return jnp.sum(jnp.stack(rows), axis=-1)
