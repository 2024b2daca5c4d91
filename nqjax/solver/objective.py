r"""The censored maximum product of spacings objective, with its exact gradient and Hessian.

    loss = - sum_i N_i / (n + 1) * log((F(z_i) - F(z_{i-1})) * (n + 1) / N_i)        over N_i > 0,

an estimate of a Kullback-Leibler divergence. The parameters are (alpha, log delta, log sigma), delta = beta - alpha,
for each whole gamma; without noise the last has no effect.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from nqjax.solver.knots import (
    Basis,
    Family,
    by_polynomials,
    by_quadrature,
    first_derivatives,
    log_density_derivatives,
    once,
    second_derivatives,
    without_noise,
)


class _Short(NamedTuple):
    """Widths in sigmas below which an interval is short.

    Its mass and derivatives are then computed from the densities at its ends, with a smaller error than the rounding
    error of a difference of the CDF.
    """

    mass: float
    slope: float
    curve: float  # the curvature of shorter intervals is left out


_SHORT = {"float64": _Short(1e-5, 1e-5, 1e-5), "float32": _Short(0.3, 0.02, 1e-4)}


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
    """Return loss, gradient and Hessian at one set of parameters, by quadrature or without noise.

    These are sums over intervals, which add up from piece to piece.

    Parameters
    ----------
    theta : Array, shape (3,)
        alpha, log(beta - alpha), log sigma.
    family : Family
        Tables of a whole gamma below ``2**bits - 1``.
    knots : Array, shape (intervals + 1,)
        Not decreasing, the ends beyond all mass. Knots may repeat where the interval between them has no counts
        (padding).
    shares : Array, shape (intervals,)
        Shares of all counts in the intervals between the knots.
    gaps : Array, shape (intervals,), optional
        Distances between the knots, where rounded knots would not give them exactly.
    fine : bool
        Whether to compute to the dtype's precision, or roughly. It may be traced.
    noiseless : bool
        Whether sigma is 0.

    Returns
    -------
    Array, shape (10,)
        The loss, its gradient (3) and its Hessian (6, in the order of `nqjax.solver.knots.Symmetric`).
    """
    if noiseless:
        basis = without_noise(knots, theta, family)
    else:
        basis, _ = by_quadrature(knots, theta, family, fine, bits)
    return _sums(basis, theta, family.gamma, knots, shares, gaps, jnp.asarray(noiseless))


# Formulas of `mps_of_pieces`.
WITHOUT_NOISE = 0
BY_QUADRATURE = 1
BY_POLYNOMIALS = 2


def mps_of_pieces(
    theta: Array,
    family: Family,
    knots: Array,
    shares: Array,
    gaps: Array | None,
    fine: Array,
    formula: Array,
    bits: int,
) -> Array:
    """Return the result of `mps` for several pieces at once, by one of three formulas.

    All arguments but the last three have a leading axis of pieces. ``formula`` is traced, too: one program serves fits
    with and without noise. Polynomials need whole gammas up to 10 and `nqjax.solver.knots.out_of_reach`.
    """

    def quadrature() -> Basis:
        return jax.vmap(lambda z, t, f: by_quadrature(z, t, f, fine, bits)[0])(knots, theta, family)

    ways = [lambda: without_noise(knots, theta, family), quadrature, lambda: by_polynomials(knots, theta, family)]
    basis = jax.lax.switch(formula, ways)
    sums = jax.vmap(_sums, in_axes=(0, 0, 0, 0, 0, 0, None))
    return sums(basis, theta, family.gamma, knots, shares, gaps, formula == WITHOUT_NOISE)  # type: ignore[no-any-return]


def _sums(
    at: Basis, theta: Array, gamma: Array, knots: Array, shares: Array, gaps: Array | None, noiseless: Array
) -> Array:
    """Return the loss, its gradient and its Hessian from the distribution at the knots of one piece."""
    short = _SHORT[knots.dtype.name]
    noise = jnp.where(noiseless, 0.0, 1.0).astype(knots.dtype)
    first, second = first_derivatives(at, theta), second_derivatives(at, theta, gamma)
    first = (*first[:2], noise * first[2])
    second = second._replace(as_=noise * second.as_, ds=noise * second.ds, ss=noise * second.ss)
    sigma = jnp.exp(theta[2])
    density, log_slopes = at.h / sigma, log_density_derivatives(at, theta, gamma)
    used = shares > 0
    gap = jnp.diff(knots) if gaps is None else gaps
    width = jnp.where(used & ~noiseless, gap / sigma, jnp.inf)
    difference = jnp.where(at.cdf[1:] < 0.5, at.cdf[1:] - at.cdf[:-1], at.sf[:-1] - at.sf[1:])
    # The trapezium rule with its correction at the ends, where the density is known with its derivative.
    bend = density[:-1] * log_slopes[0][:-1] - density[1:] * log_slopes[0][1:]
    trapezium = gap * ((density[:-1] + density[1:]) / 2 - gap * bend / 12)
    mass = jnp.where(width < short.mass, trapezium, difference)
    positive = mass > 0
    safe = jnp.where(used & positive, mass, 1.0)
    inverse = jnp.where(positive, shares / safe, 0.0)
    surprise = shares * jnp.log(jnp.where(used & positive, inverse, 1.0))
    surprise = jnp.where(used & ~positive, jnp.inf, surprise)

    # The change of the interval's mass: a difference or, when short, the mean change of the density.
    def change(i: int) -> Array:
        mean = (density[:-1] * log_slopes[i][:-1] + density[1:] * log_slopes[i][1:]) / 2
        return jnp.where(width < short.slope, gap * mean, first[i][1:] - first[i][:-1])

    slope = once(gap, *(change(i) for i in range(3)))

    # The curvature only steers the steps.
    def curve(i: int, j: int, k: int) -> Array:
        difference = second[k][1:] - second[k][:-1]
        return jnp.where(width < short.curve, 0.0, inverse * (slope[i] * slope[j] / safe - difference))

    pairs = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))
    rows = [surprise, *(-inverse * s for s in slope), *(curve(i, j, k) for k, (i, j) in enumerate(pairs))]
    return jnp.sum(jnp.stack(rows), axis=-1)
