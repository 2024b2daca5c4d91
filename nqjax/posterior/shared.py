"""Several searches of one search space: one gamma for all, and noise levels that learn from each other."""

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpyro.distributions as dist
import scipy.special
from jax import Array
from numpy.typing import ArrayLike, NDArray

from nqjax.errors import InputError
from nqjax.estimation.constraints import Constraint, read_constraints
from nqjax.inputs import as_key, as_regimes, as_scores
from nqjax.posterior.chains import errors_of
from nqjax.posterior.density.data import make_model
from nqjax.posterior.density.log_density import Evaluator
from nqjax.posterior.draws import Draws, make_seed
from nqjax.posterior.posterior import Posterior, SamplingWarning
from nqjax.posterior.prior import Prior
from nqjax.posterior.quadrature.integrate import integrate
from nqjax.posterior.quadrature.pooling import NoisePooling, common_posterior, draw_hyper, draw_search, reweighting
from nqjax.posterior.sample import finish_draws, prepare_study, read_request

Floats = NDArray[np.float64]


#: Chains that independent draws are arranged in, so that they look like those of a sampler.
_CHAINS = 4


@dataclass(frozen=True, eq=False)
class SharedPosterior:
    """Posterior of several searches that share gamma.

    Attributes
    ----------
    posteriors : list of Posterior
        Of each search, as the others inform it; their draws belong together, one by one, and `nqjax.compare` keeps
        them so. None of them has a density or an evidence of its own.
    gamma_probabilities : dict of int to float
    noise_center, noise_spread : ndarray, shape (num_chains, num_samples)
        Draws of the median relative noise, and of the standard deviation of its logarithm between searches.
    log_evidence_by_gamma : dict of int to float
    """

    posteriors: list[Posterior]
    gamma_probabilities: dict[int, float]
    noise_center: Floats = field(repr=False)
    noise_spread: Floats = field(repr=False)
    log_evidence_by_gamma: dict[int, float] = field(repr=False)

    @property
    def gamma(self) -> NDArray[np.int64]:
        """Draws of the common gamma, shape (num_chains, num_samples)."""
        return self.posteriors[0].gamma


def sample_posterior_shared(
    studies: Sequence[ArrayLike],
    *,
    limits: tuple[float, float] | Sequence[tuple[float, float]] = (-math.inf, math.inf),
    minimize: bool = True,
    alpha: Constraint = None,
    beta: Constraint = None,
    gamma: Constraint = (1, 5),
    sigma: Constraint = None,
    prior: Prior | None = None,
    pooling: NoisePooling | None = None,
    key: Array,
    num_samples: int = 1000,
    confidence: float = 0.95,
) -> SharedPosterior:
    """Sample the posterior of searches that share a search space, and so gamma.

    gamma belongs to the space of the hyperparameters, not to the model that is tuned (Lourie, He, Cho 2025): searches
    of one space inform each other about it. Their noise levels are pooled as far as they agree.

    Parameters
    ----------
    studies : sequence of array_like
        The scores of each search.
    limits : pair of float, or one for each study
    minimize, alpha, beta, gamma, sigma
        As for `nqjax.sample_posterior`, for all searches.
    prior : Prior, optional
        Its ``relative_noise`` is replaced by the pooling.
    pooling : NoisePooling, optional
    key : Array
        A JAX random key.
    num_samples : int
        Draws of each of four chains; all draws are independent, of grids interpolated linearly.
    confidence : float
        Probability of the intervals, unless another is asked for.

    Returns
    -------
    SharedPosterior

    Raises
    ------
    InputError
        No search, one that cannot be used (which one is said), or options that none could use.

    Notes
    -----
    By quadrature alone: given gamma, centre and spread the searches are independent, and each one's evidence is a sum
    over its grid, reweighted from the prior under which the grid was found.
    """
    request = read_request(prior, "quadrature", _CHAINS, 50, num_samples, confidence)
    key = as_key(key)
    pooling = NoisePooling() if pooling is None else pooling
    if not isinstance(pooling, NoisePooling):
        raise InputError(f"the pooling is {pooling!r}: give a nqjax.NoisePooling")
    # The grids are found under what the pooling says of one search by itself.
    wide = math.hypot(pooling.center_sd, 2 * pooling.spread)
    prior = replace(request.prior, relative_noise=dist.LogNormal(math.log(pooling.center), wide))
    request = request._replace(prior=prior)
    constraints = read_constraints(alpha, beta, gamma, sigma, minimize)
    regimes = as_regimes(limits, len(studies))
    if not len(studies):
        raise InputError("there is no search: give at least one")
    prepared = []
    for i, (scores, pair) in enumerate(zip(studies, regimes, strict=True)):
        try:
            prepared.append(prepare_study(scores, pair, minimize, constraints))
        except InputError as error:
            raise InputError(f"search {i}: {error}") from None
    span = constraints.gamma
    log_prior = prior.log_gamma(*span)
    inside, outside = (np.array([float(getattr(s.data, n)) for s in prepared]) for n in ("num_used", "num_above"))
    model = make_model(prepared, constraints, prior.parts)
    # Every gamma: one that a single search thinks hopeless, the others may want.
    lanes = integrate(model, inside, outside, span, log_prior, hopeless=0.0)
    tables = [[reweighting(study, lane, prior) for lane in mine] for study, mine in zip(prepared, lanes, strict=True)]
    common = common_posterior(tables, pooling, log_prior)
    seed = make_seed(key)
    rng = np.random.default_rng(seed)
    group = object()
    hyper = draw_hyper(common, _CHAINS * num_samples, rng)
    by_gamma = scipy.special.logsumexp(common.log_joint, axis=(1, 2))
    log_probability = by_gamma - scipy.special.logsumexp(by_gamma)
    posteriors = []
    for i, study in enumerate(prepared):
        theta = draw_search(i, lanes[i], tables[i], hyper, Evaluator(model, span), span[0], rng)
        draws = Draws(
            (hyper.number + span[0]).reshape(_CHAINS, -1).astype(np.int64),
            theta.reshape(_CHAINS, -1, 3),
            {},
            0,
            log_probability,
            math.nan,  # a search has no evidence without the others
            *errors_of(lanes[i], log_probability),
            seed,
        )
        posteriors.append(finish_draws(draws, study, as_scores(studies[i]), minimize, constraints, request, group))
    poor = [i for i, post in enumerate(posteriors) if not post._is_good]
    if poor:
        text = f"search {poor[0]}: {posteriors[poor[0]].diagnostics.verdict}"
        warnings.warn(text, SamplingWarning, stacklevel=2)
    numbers = range(span[0], span[1] + 1)
    return SharedPosterior(
        posteriors,
        {g: float(p) for g, p in zip(numbers, np.exp(log_probability), strict=True)},
        np.exp(hyper.center).reshape(_CHAINS, -1),
        hyper.spread.reshape(_CHAINS, -1),
        {g: float(e) for g, e in zip(numbers, by_gamma, strict=True)},
    )
