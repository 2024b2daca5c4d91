"""The posterior as a NumPyro model, for use inside larger models."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from jax import Array
from numpy.typing import ArrayLike
from numpyro.distributions import constraints as support

from nqjax.distributions.quadratic import NoisyQuadratic
from nqjax.estimation.constraints import Constraint
from nqjax.estimation.study import Study
from nqjax.posterior.density.data import read_regime
from nqjax.posterior.prior import Prior


def posterior_model(
    scores: ArrayLike,
    *,
    limits: tuple[float, float] = (-math.inf, math.inf),
    minimize: bool = True,
    alpha: Constraint = None,
    beta: Constraint = None,
    gamma: Constraint | Array = (1, 5),
    sigma: Constraint = None,
    prior: Prior | None = None,
) -> dict[str, Array]:
    """Define the NumPyro model of one search, with the prior of `nqjax.sample_posterior`.

    Its sites are ``width``, ``regime_share`` (with a threshold), ``location`` (without) and ``relative_noise``;
    ``alpha``, ``beta`` and ``sigma`` are deterministic, and the likelihood is the factor ``log_likelihood``. If gamma
    has a range, the model sums over it, because NUTS cannot sample whole numbers. Then ``beta`` has one value for each
    gamma, and ``gamma_probabilities`` are conditional on the other parameters: their mean over the draws is the
    posterior of gamma. Use
    `numpyro.handlers.scope` to have several searches in one model.

    Parameters
    ----------
    scores, limits, minimize, alpha, beta, sigma, prior
        As for `nqjax.sample_posterior`; bounds are a factor.
    gamma : int, pair of int, or Array
        The range, or one gamma: a number, or a sampled value, for instance one that several searches share.

    Returns
    -------
    dict of str to Array
        alpha, beta, gamma and sigma, on the scale of the scores; beta and gamma have shape (gammas,) for a range.

    Raises
    ------
    InputError
        As `nqjax.sample_posterior`.

    Notes
    -----
    Sample it in double precision (``jax.enable_x64``). `nqjax.sample_posterior` samples the same posterior in
    coordinates without divergences.

    Examples
    --------
    >>> import jax
    >>> import numpy as np
    >>> import numpyro
    >>> import nqjax
    >>> scores = np.random.default_rng(0).random(24)
    >>> values = {"width": 1.0, "relative_noise": 0.1, "location": -0.05}
    >>> model = numpyro.handlers.substitute(nqjax.posterior_model, values)
    >>> with jax.enable_x64(True):
    ...     sites = numpyro.handlers.trace(model).get_trace(scores, gamma=2)
    >>> sorted(sites)
    ['alpha', 'beta', 'location', 'log_likelihood', 'relative_noise', 'sigma', 'width', 'width_prior']
    >>> round(float(sites["beta"]["value"] - sites["alpha"]["value"]), 6)
    1.0
    """
    prior = Prior() if prior is None else prior
    given = isinstance(gamma, Array)
    allowed = (1, 5) if isinstance(gamma, Array) else gamma
    checked = Study.read(scores, limits, minimize, alpha, beta, allowed, sigma)
    bounds, study = checked.constraints, read_regime(checked)
    data, scale = study.data, study.scale
    low, high = bounds.gamma
    effective = jnp.asarray(gamma, float) if given else jnp.arange(low, high + 1.0)
    if not given and low == high:
        effective = effective[0]
    if prior.width is None:
        width = numpyro.sample("width", dist.ImproperUniform(support.positive, (), ()))
        numpyro.factor("width_prior", -jnp.log(width))
    else:
        width = numpyro.sample("width", prior.width)
    noise = width * numpyro.sample("relative_noise", prior.relative_noise)
    if study.has_threshold:
        share = numpyro.sample("regime_share", prior.regime_share)
        first = study.limits[1] - width
        delta = width * share ** (-2 / effective)
    else:
        # In units of the data, as samplers start near 0.
        first = data.best + scale * numpyro.sample("location", dist.ImproperUniform(support.real, (), ()))
        delta = width
    last = first + delta
    distribution = NoisyQuadratic(
        *(jnp.asarray(a)[..., None] for a in (first, last, effective, noise)), validate_args=False
    )
    value = jnp.sum(data.repeats * distribution.log_prob(np.asarray(data.values)), axis=-1)
    if data.num_below:
        value = value + data.num_below * distribution.log_cdf(study.limits[0])[..., 0]
    if data.num_above and study.has_threshold:
        value = value + data.num_above * distribution.log_sf(study.limits[1])[..., 0]
    for number, (least, most) in ((first, bounds.alpha), (last, bounds.beta), (noise, bounds.sigma)):
        value = jnp.where((number < least) | (number > most), -jnp.inf, value)
    found = {"alpha": first, "beta": last, "sigma": noise}
    if effective.ndim and not given:
        value = value + prior.log_gamma(low, high)
        found["gamma_probabilities"] = jax.nn.softmax(value)
        value = jax.nn.logsumexp(value)
    numpyro.factor("log_likelihood", value)
    if not minimize:
        found["alpha"], found["beta"] = -last, -first
    for name, site in found.items():
        numpyro.deterministic(name, site)
    return {**found, "gamma": effective}
