"""Posteriors of one search or of many."""

import math
import warnings
from collections.abc import Sequence
from typing import Literal

import jax
import numpy as np
from jax import Array
from numpy.typing import ArrayLike

from nqjax.errors import InputError
from nqjax.estimation.constraints import Constraint, read_constraints
from nqjax.estimation.many import Failure
from nqjax.estimation.study import Study
from nqjax.inputs import as_count, as_key, as_probability, as_regimes, oriented_limits
from nqjax.posterior.chains import sample_studies
from nqjax.posterior.density.data import RegimeData, read_regime
from nqjax.posterior.draws import Draws, Request
from nqjax.posterior.posterior import Posterior, SamplingWarning
from nqjax.posterior.prior import Prior
from nqjax.runtime.memory import check_memory
from nqjax.runtime.progress import Progress

PosteriorMethod = Literal["nuts", "quadrature"]

METHODS = ("nuts", "quadrature")

#: Bytes that a draw takes at least: gamma, three parameters in two scales, and the sampler's statistics.
_BYTES_PER_DRAW = 100


def sample_posterior(
    scores: ArrayLike,
    *,
    limits: tuple[float, float] = (-math.inf, math.inf),
    minimize: bool = True,
    alpha: Constraint = None,
    beta: Constraint = None,
    gamma: Constraint = (1, 5),
    sigma: Constraint = None,
    prior: Prior | None = None,
    key: Array,
    method: PosteriorMethod = "nuts",
    num_chains: int = 4,
    num_warmup: int = 500,
    num_samples: int = 1000,
    confidence: float = 0.95,
    progress: bool = False,
) -> Posterior:
    """Sample the posterior of the parameters of the noisy quadratic distribution.

    Parameters
    ----------
    scores : array_like, shape (num_scores,)
        One score a trial, as for `nqjax.fit`.
    limits, minimize
        The regime and the direction, as for `nqjax.fit`. A limit without scores beyond it is ignored.
    alpha, beta, sigma : pair of float, optional
        Bounds at which the prior is truncated.
    gamma : int or pair of int
        Range of the effective number of hyperparameters.
    prior : Prior, optional
        See `nqjax.Prior`.
    key : Array
        A JAX random key.
    method : {"nuts", "quadrature"}
        ``nuts``: NumPyro's sampler for each gamma, with the proportions of the gammas from quadrature.
        ``quadrature``: independent draws from the quadrature's grid, with a Metropolis step; faster.
    num_chains, num_warmup, num_samples : int
        Number of chains, and draws of each chain during and after adaptation.
    confidence : float
        Probability of the intervals, unless another is asked for.
    progress : bool
        Whether to show a progress bar on stderr.

    Returns
    -------
    Posterior

    Raises
    ------
    InputError
        As `nqjax.fit`; a fixed parameter; a prior that excludes the data; an invalid key.

    Notes
    -----
    The likelihood is the density of each score inside the limits times the probability of lying outside for the others
    (Lourie, He, Cho 2025). For each gamma there is a posterior of (alpha, beta, sigma), and the probability of gamma is
    proportional to its prior times its evidence, an integral over three dimensions by quadrature with its error in the
    diagnostics. Computations are in float64 whatever JAX's setting is.

    Examples
    --------
    >>> import jax
    >>> import numpy as np
    >>> import nqjax
    >>> scores = np.random.default_rng(0).random(24)
    >>> post = nqjax.sample_posterior(scores, gamma=2, key=jax.random.key(0), method="quadrature")
    >>> post.alpha.shape, post.diagnostics.good
    ((4, 1000), True)
    """
    request = read_request(prior, method, num_chains, num_warmup, num_samples, confidence)
    key = as_key(key)
    return sample_study(Study.read(scores, limits, minimize, alpha, beta, gamma, sigma), key, request, progress)


def sample_study(study: Study, key: Array, request: Request, progress: bool = False) -> Posterior:
    """Sample the posterior of a study, see `sample_posterior`; warnings point at the line that called the caller."""
    request.prior.log_gamma(*study.constraints.gamma)  # raises InputError before anything is compiled
    data = read_regime(study)
    with Progress("stages", 2, show=progress) as bar:
        (draws,) = sample_studies([data], study.constraints, request, [key], bar.advance, stages=True)
    if isinstance(draws, str):
        raise InputError(draws)
    post = finish_draws(draws, data, study, request)
    if not post.is_good:
        warnings.warn(post.diagnostics.verdict, SamplingWarning, stacklevel=3)
    return post


def sample_posterior_many(
    studies: Sequence[ArrayLike],
    *,
    limits: tuple[float, float] | Sequence[tuple[float, float]] = (-math.inf, math.inf),
    minimize: bool = True,
    alpha: Constraint = None,
    beta: Constraint = None,
    gamma: Constraint = (1, 5),
    sigma: Constraint = None,
    prior: Prior | None = None,
    key: Array,
    method: PosteriorMethod = "nuts",
    num_chains: int = 4,
    num_warmup: int = 500,
    num_samples: int = 1000,
    confidence: float = 0.95,
    progress: bool = False,
) -> list[Posterior | Failure]:
    """Sample the posteriors of many searches at once.

    Parameters
    ----------
    studies : sequence of array_like
        The scores of each study.
    limits : pair of float, or one for each study
    minimize, alpha, beta, gamma, sigma, prior, method, num_chains, num_warmup, num_samples, confidence, progress
        As for `nqjax.sample_posterior`.
    key : Array
        A JAX random key; study i gets the i-th of ``jax.random.split(key, len(studies))``.

    Returns
    -------
    list of Posterior or Failure
        In the order of the studies, with a `Failure` for each study that cannot be sampled.

    Raises
    ------
    InputError
        Invalid options.

    Examples
    --------
    >>> import jax
    >>> import numpy as np
    >>> import nqjax
    >>> studies = [np.random.default_rng(0).random(24), [0.1, 0.2]]
    >>> post, failure = nqjax.sample_posterior_many(studies, gamma=2, key=jax.random.key(0), method="quadrature")
    >>> post.num_scores, failure.reason
    (24, '2 scores are too few to fit: give at least 3, better 24 or more')
    """
    request = read_request(prior, method, num_chains, num_warmup, num_samples, confidence)
    key = as_key(key)
    constraints = read_constraints(alpha, beta, gamma, sigma, minimize)
    request.prior.log_gamma(*constraints.gamma)  # raises InputError before anything is compiled
    regimes = as_regimes(limits, len(studies))
    results: list[Posterior | Failure] = [Failure("not sampled")] * len(studies)
    good: dict[int, tuple[RegimeData, Study]] = {}
    for i, (scores, pair) in enumerate(zip(studies, regimes, strict=True)):
        try:
            study = Study.constrained(scores, pair, minimize, constraints)
            good[i] = read_regime(study), study
        except InputError as error:
            results[i] = Failure(str(error))
    keys = jax.random.split(key, max(len(studies), 1))
    with Progress("studies", len(good), show=progress) as bar:
        some = [data for data, _ in good.values()]
        found = sample_studies(some, constraints, request, [keys[i] for i in good], bar.advance)
        for i, draws in zip(good, found, strict=True):
            results[i] = Failure(draws) if isinstance(draws, str) else finish_draws(draws, *good[i], request)
    poor = [i for i, post in enumerate(results) if isinstance(post, Posterior) and not post.is_good]
    if poor:
        listed = ", ".join(map(str, poor[:5])) + (", ..." if len(poor) > 5 else "")
        text = f"{len(poor)} of {len(results)} posteriors cannot be relied on (studies {listed}): see their diagnostics"
        warnings.warn(text, SamplingWarning, stacklevel=2)
    return results


def read_request(
    prior: Prior | None, method: str, num_chains: int, num_warmup: int, num_samples: int, confidence: float
) -> Request:
    """Check options; raise InputError if they are invalid."""
    prior = Prior() if prior is None else prior
    if not isinstance(prior, Prior):
        raise InputError(f"the prior is {prior!r}: give a nqjax.Prior")
    if method not in METHODS:
        raise InputError(f"there is no method {method!r}: choose one of {', '.join(METHODS)}")
    numbers = {"num_chains": (num_chains, 1), "num_warmup": (num_warmup, 50), "num_samples": (num_samples, 4)}
    for name, (value, least) in numbers.items():
        as_count(name, value, least)
    check_memory("num_chains * (num_warmup + num_samples)", num_chains * (num_warmup + num_samples), _BYTES_PER_DRAW)
    confidence = as_probability("confidence", confidence)
    return Request(prior, method, num_chains, num_warmup, num_samples, confidence)


def finish_draws(draws: Draws, data: RegimeData, study: Study, request: Request, group: str | None = None) -> Posterior:
    """Return draws on the scale of the scores; searches with the same ``group`` have paired draws."""
    first = data.data.best + data.scale * draws.theta[..., 0]
    delta, sigma = data.scale * np.exp(draws.theta[..., 1]), data.scale * np.exp(draws.theta[..., 2])
    alpha, beta, sigma = study.restore(first, first + delta, sigma)
    return Posterior(
        alpha=alpha,
        beta=beta,
        gamma=draws.gamma,
        sigma=sigma,
        gamma_probabilities={g: float(p) for g, p in zip(study.gammas, np.exp(draws.log_probability), strict=True)},
        log_evidence=draws.log_evidence,
        method=request.method,
        prior=request.prior,
        minimize=study.minimize,
        limits=oriented_limits(data.limits, study.minimize),
        num_scores=data.data.num_scores,
        num_used=data.data.num_used,
        confidence=request.confidence,
        draws=draws,
        data=data,
        study=study,
        settings=request.settings,
        group=group,
    )
