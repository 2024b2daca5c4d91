"""The exact likelihood of a censored search, with its gradient.

The likelihood is the density of each score inside the limits times the probability of lying outside for the others
(Lourie, He, Cho 2025). Scores are oriented to minimisation, and scaled so that the best one is 0 and the width of the
regime, the range of scores inside the limits, is 1. Parameters are (alpha, log(beta - alpha), log sigma).
"""

from typing import NamedTuple

import jax.numpy as jnp
from jax import Array

from nqjax.solver.knots import Family, by_quadrature, first_derivatives, log_density_derivatives, noisy_values

#: The quadrature cannot tell probabilities up to this from 0.
_LEAST_MASS = 1e-300


class SearchData(NamedTuple):
    """Scores of a study; for several studies all arrays have a leading axis of studies."""

    scores: Array  # (size,), distinct values, then padding
    counts: Array  # (size,), 0 for padding
    limits: Array  # (2,), finite; 0 where nothing is censored
    censored: Array  # (2,), numbers of scores beyond each limit


def likelihood(theta: Array, family: Family, data: SearchData, fine: Array | bool, bits: int) -> Array:
    """Return the log-likelihood at one set of parameters; arguments are those of `likelihood_and_gradient`."""
    cdf, sf, log_pdf = noisy_values(_knots(data), theta, family, fine, bits, data.scores.shape[-1])
    return _total(cdf[0], sf[1], log_pdf, data)[0]


def likelihood_and_gradient(
    theta: Array, family: Family, data: SearchData, fine: Array | bool, bits: int
) -> tuple[Array, Array]:
    """Return the log-likelihood at one set of parameters, and its gradient.

    Parameters
    ----------
    theta : Array, shape (3,)
        alpha, log(beta - alpha), log sigma.
    family : Family
        Tables of a whole gamma below ``2**bits - 1``, see `nqjax.solver.knots.Family`.
    data : SearchData
    fine : Array, bool
        Whether to compute to the dtype's precision. If not, each probability has a relative error of about 1e-6.
    """
    count = data.scores.shape[-1]
    at, log_pdf = by_quadrature(_knots(data), theta, family, fine, bits)
    value, weight = _total(at.cdf[count], at.sf[count + 1], log_pdf[:count], data)
    log_slopes, changes = log_density_derivatives(at, theta, family.gamma), first_derivatives(at, theta)
    slopes = [
        jnp.sum(jnp.where(data.counts > 0, data.counts * slope[:count], 0.0))
        + weight[0] * change[count]
        - weight[1] * change[count + 1]
        for slope, change in zip(log_slopes, changes, strict=True)
    ]
    return value, jnp.stack(slopes)


def _knots(data: SearchData) -> Array:
    return jnp.concatenate([data.scores, data.limits])


def _total(below: Array, above: Array, log_pdf: Array, data: SearchData) -> tuple[Array, Array]:
    """Return the log-likelihood, and its derivatives with respect to the two probabilities beyond the limits."""
    mass = jnp.stack([below, above])
    possible = mass > _LEAST_MASS
    safe = jnp.where(possible, mass, _LEAST_MASS)
    used = data.censored > 0
    densities = data.counts * jnp.where(data.counts > 0, log_pdf, 0.0)
    value = jnp.sum(densities) + jnp.sum(jnp.where(used, data.censored * jnp.log(safe), 0.0))
    return value, jnp.where(used & possible, data.censored / safe, 0.0)
