"""The prior of the averaged posterior, without the time that importing NumPyro takes where it is the default one.

It is that of `nqjax.Prior`, with three differences, which docs/coverage.md measures. gamma is real, with a density in
proportion to ``gamma**-0.75``: where the scores cannot tell, a uniform one pulls a small gamma upwards, and the best
score with it. The prior of sigma is wider, and relative to the same scale for all thresholds, because a search has one
sigma: relative to each regime's width, small regimes would pull it down. And a regime that is many times wider than its
scores is less plausible, without which few scores would hold nothing. Thresholds, which keep numbers of scores in a
geometric sequence, are equally probable.
"""

import math
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from nqjax.types import Floats

if TYPE_CHECKING:
    from nqjax.posterior.prior import Prior

#: The default prior of sigma in units of the distance from alpha to the best quarter of the scores: log-normal.
_LOG_NOISE = math.log(0.2)
_NOISE_SPREAD = 3.0

#: Its lowest value: less noise looks like none, and would take most of the draws where there is little.
_LEAST_NOISE = math.log(3e-3)

#: The prior density of gamma is ``gamma**-this``.
_GAMMA_POWER = 0.75

#: A regime of this number of times the range of its scores has half the prior of a narrow one.
_REACH = 5.0


def log_prior(
    parts: Any,
    theta: tuple[Array, Array, Array],
    width: Array,
    reach: Array,
    quarter: Array,
    gamma: Array,
    log_scale: Array,
) -> Array:
    """Return the log density of (alpha, log(beta - alpha), log sigma) given a threshold, up to a constant.

    Parameters
    ----------
    parts : Parts or None
        Distributions of a `nqjax.Prior`, None for the default ones.
    theta : tuple of Array
        These parameters, in units of ``exp(log_scale)``.
    width, reach : Array
        Distance of the threshold from alpha, and from the best score.
    quarter : Array
        Distance of the end of the best quarter of the scores from alpha.
    gamma, log_scale : Array
    """
    log_width = jnp.log(jnp.where(width > 0, width, 1.0))
    if parts is None:
        _, log_delta, log_sigma = theta
        relative = log_sigma - jnp.log(jnp.where(quarter > 0, quarter, 1.0))
        place = (relative - _LOG_NOISE) / _NOISE_SPREAD
        value = gamma / 2 * (log_width - log_delta) + jnp.log(gamma / 2) - log_width - 0.5 * place * place
        # With alpha beyond a quarter of the scores, the noise is larger than what it is to be told from.
        value = jnp.where((quarter > 0) & (relative > _LEAST_NOISE), value, -jnp.inf)
    else:
        from nqjax.posterior.prior import log_prior as of_parts

        value = of_parts(parts, jnp.stack(theta), log_width, gamma, jnp.asarray(True), log_scale)
    value = value - jnp.log1p(jnp.square(width / (_REACH * reach)))
    # The threshold lies between alpha and beta.
    return jnp.where((width > 0) & (log_width < theta[1]), value, -jnp.inf)


def log_prior_of_gamma(gamma: Floats, prior: "Prior | None") -> Floats:
    """Return the log prior density of log gamma; a prior of whole numbers holds for what rounds to them."""
    if prior is None or prior.gamma is None:
        return np.asarray((1 - _GAMMA_POWER) * np.log(gamma))
    whole = np.maximum(np.rint(gamma).astype(int), 1)
    table = prior.log_gamma(int(whole.min()), int(whole.max()))
    return np.asarray(table[whole - whole.min()] + np.log(gamma))


def parts_of(prior: "Prior | None") -> Any:
    """Return the distributions for compiled programs, None for the default ones."""
    if prior is None:
        return None
    parts = prior.parts
    from nqjax.posterior.prior import Prior

    leaves, structure = jax.tree.flatten(parts)
    usual, form = jax.tree.flatten(Prior().parts)
    same = str(structure) == str(form) and all(map(np.array_equal, leaves, usual))
    return None if same else parts
