"""The posterior density as a function of alpha, beta, gamma and sigma, for any points that a user gives."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from nqjax.estimation.constraints import Constraints
from nqjax.posterior.density.data import RegimeData
from nqjax.posterior.prior import Parts, log_prior
from nqjax.special import noisy_quadratic
from nqjax.types import Floats

#: Most points times scores in one call.
_SIZE = 1 << 19


def log_joint(points: Floats, study: RegimeData, bounds: Constraints, parts: Parts) -> Floats:
    """Return the log of likelihood times prior, without the prior of gamma, as a density of (alpha, beta, sigma).

    Parameters
    ----------
    points : ndarray, shape (points, 4)
        alpha, beta, gamma and sigma, oriented to minimisation.
    """
    data = study.data
    ends = [end if np.isfinite(end) else 0.0 for end in study.limits]
    fixed = (data.values, data.repeats, np.array(ends), np.array([data.num_below, data.num_above], float), parts)
    size = max(1, _SIZE // len(data.values))
    # Few sizes for few compiled programs.
    size = min(size, 1 << max(4, (len(points) - 1).bit_length()))
    out = np.empty(len(points))
    with jax.enable_x64(True):
        for start in range(0, len(points), size):
            some = points[start : start + size]
            padded = np.pad(some, ((0, size - len(some)), (0, 0)), mode="edge")
            found = _program(study.has_threshold)(padded, *fixed, study.scale)
            out[start : start + size] = np.asarray(found)[: len(some)]
    alpha, beta, _, sigma = points.T
    limits = zip((alpha, beta, sigma), (bounds.alpha, bounds.beta, bounds.sigma), strict=True)
    allowed = np.all([(x >= low) & (x <= high) for x, (low, high) in limits], axis=0)
    if study.has_threshold:
        allowed &= (alpha < study.limits[1]) & (beta > study.limits[1])
    return np.where(allowed & (beta > alpha) & (sigma > 0) & ~np.isnan(out), out, -np.inf)


@functools.lru_cache(maxsize=2)
def _program(has_threshold: bool) -> Any:
    return jax.jit(functools.partial(_densities, has_threshold=has_threshold))


def _densities(
    points: Array,
    values: Array,
    repeats: Array,
    limits: Array,
    censored: Array,
    parts: Parts,
    scale: Array,
    *,
    has_threshold: bool,
) -> Array:
    alpha, beta, gamma, sigma = points.T
    # In units of the regime nothing over- or underflows.
    delta, noise = jnp.maximum(beta - alpha, 1e-300) / scale, jnp.maximum(sigma, 1e-300) / scale
    family = delta[:, None], noise[:, None], gamma[:, None]
    densities = noisy_quadratic.log_pdf((values - alpha[:, None]) / scale, *family)
    low, high = ((end - alpha) / scale for end in limits)
    below = noisy_quadratic.log_cdf(low, delta, noise, gamma)
    above = noisy_quadratic.log_sf(high, delta, noise, gamma)
    value = densities @ repeats - jnp.sum(repeats) * jnp.log(scale)
    for count, mass in ((censored[0], below), (censored[1], above)):
        value = value + jnp.where(count > 0, count * jnp.where(count > 0, mass, 0.0), 0.0)
    log_width = jnp.log(jnp.maximum(high, 1e-300)) if has_threshold else jnp.log(delta)
    theta = alpha / scale, jnp.log(delta), jnp.log(noise)
    prior = log_prior(parts, theta, log_width, gamma, jnp.asarray(has_threshold), jnp.log(scale))  # type: ignore[arg-type]
    # The Jacobian from (alpha, log delta, log sigma) in units of the regime to (alpha, beta, sigma).
    return value + prior - jnp.log(delta) - jnp.log(noise) - 3 * jnp.log(scale)
