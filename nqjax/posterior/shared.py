"""Posterior of several searches of one search space, with one gamma for all and pooled noise levels."""

import hashlib
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpyro.distributions as dist
import scipy.special
from jax import Array
from numpy.typing import NDArray

from nqjax.errors import InputError
from nqjax.estimation.study import Study
from nqjax.posterior.chains import errors_of
from nqjax.posterior.density.data import make_model, read_regime
from nqjax.posterior.density.log_density import Evaluator
from nqjax.posterior.draws import Draws, Request
from nqjax.posterior.posterior import Posterior, SamplingWarning
from nqjax.posterior.quadrature.integrate import integrate
from nqjax.posterior.quadrature.pooling import NoisePooling, common_posterior, draw_hyper, draw_search, reweighting
from nqjax.posterior.sample import finish_draws
from nqjax.posterior.seeds import make_seed
from nqjax.types import Floats

#: Independent draws are arranged in this number of chains, as those of a sampler.
CHAINS = 4


@dataclass(frozen=True, eq=False)
class SharedPosterior:
    """Posterior of several searches that share gamma.

    Attributes
    ----------
    posteriors : list of Posterior
        The posterior of each search, given all of them. Their draws are paired, also in `nqjax.compare`. They have no
        density or evidence of their own.
    gamma_probabilities : dict of int to float
    noise_center, noise_spread : ndarray, shape (num_chains, num_samples)
        Draws of the median relative noise, and of the standard deviation of its logarithm between searches.
    log_evidence_by_gamma : dict of int to float
        Log of the joint evidence times the prior of each gamma.

    Examples
    --------
    >>> import jax
    >>> import numpy as np
    >>> import nqjax
    >>> rng = np.random.default_rng(0)
    >>> searches = [rng.random(24), rng.random(24)]
    >>> shared = nqjax.sample_posterior_shared(searches, threshold=None, gamma=(1, 2), key=jax.random.key(0))
    >>> shared.gamma.shape, len(shared.posteriors)
    ((4, 1000), 2)
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


def sample_shared(checked: Sequence[Study], key: Array, request: Request, pooling: NoisePooling) -> SharedPosterior:
    """Sample the posterior of searches that share gamma, see `nqjax.sample_posterior_shared`.

    Raises
    ------
    InputError
        A search that cannot be sampled; the message names it.
    """
    # Grids are computed under the pooling's prior for a single search.
    wide = math.hypot(pooling.center_sd, 2 * pooling.spread)
    prior = replace(request.prior, relative_noise=dist.LogNormal(math.log(pooling.center), wide))
    request = request._replace(prior=prior)
    constraints, prepared = checked[0].constraints, []
    for i, study in enumerate(checked):
        try:
            prepared.append(read_regime(study))
        except InputError as error:
            raise InputError(f"search {i}: {error}") from None
    span = constraints.gamma
    log_prior = prior.log_gamma(*span)
    inside, outside = (np.array([float(getattr(s.data, n)) for s in prepared]) for n in ("num_used", "num_above"))
    model = make_model(prepared, constraints, prior.parts)
    # Every gamma needs a grid: it may be improbable for one search and probable for all.
    grids = integrate(model, inside, outside, span, log_prior, hopeless=0.0)
    tables = [[reweighting(data, grid, prior) for grid in mine] for data, mine in zip(prepared, grids, strict=True)]
    common = common_posterior(tables, pooling, log_prior)
    seed = make_seed(key)
    rng = np.random.default_rng(seed)
    group = _group_name(checked, seed)
    hyper = draw_hyper(common, CHAINS * request.num_samples, rng)
    by_gamma = scipy.special.logsumexp(common.log_joint, axis=(1, 2))
    log_probability = by_gamma - scipy.special.logsumexp(by_gamma)
    posteriors = []
    for i, (data, study) in enumerate(zip(prepared, checked, strict=True)):
        theta = draw_search(i, grids[i], tables[i], hyper, Evaluator(model, span), span[0], rng)
        draws = Draws(
            (hyper.number + span[0]).reshape(CHAINS, -1).astype(np.int64),
            theta.reshape(CHAINS, -1, 3),
            {},
            0,
            log_probability,
            math.nan,  # only the searches together have an evidence
            *errors_of(grids[i], log_probability),
            seed,
        )
        posteriors.append(finish_draws(draws, data, study, request, group))
    poor = [i for i, post in enumerate(posteriors) if not post.is_good]
    if poor:
        text = f"search {poor[0]}: {posteriors[poor[0]].diagnostics.verdict}"
        warnings.warn(text, SamplingWarning, stacklevel=3)
    numbers = range(span[0], span[1] + 1)
    return SharedPosterior(
        posteriors,
        {g: float(p) for g, p in zip(numbers, np.exp(log_probability), strict=True)},
        np.exp(hyper.center).reshape(CHAINS, -1),
        hyper.spread.reshape(CHAINS, -1),
        {g: float(e) for g, e in zip(numbers, by_gamma, strict=True)},
    )


def _group_name(studies: Sequence[Study], seed: int) -> str:
    """Return a name for the searches of one call, different from the names of other calls."""
    digest = hashlib.sha256(str(seed).encode())
    for study in studies:
        digest.update(study.scores.tobytes())
        digest.update(str(study[1:]).encode())
    return digest.hexdigest()[:16]
