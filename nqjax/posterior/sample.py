"""From scores to posteriors: what users call."""

import math
import warnings
from collections.abc import Sequence
from typing import Literal

import jax
import numpy as np
from jax import Array
from numpy.typing import ArrayLike, NDArray

from nqjax.errors import InputError
from nqjax.estimation.constraints import Constraint, Constraints, read_constraints
from nqjax.estimation.many import Failure
from nqjax.estimation.study import prepare
from nqjax.inputs import as_count, as_key, as_probability, as_regimes, as_scores, oriented_limits
from nqjax.posterior.chains import sample_studies
from nqjax.posterior.density.data import Study, check_bounds, make_study
from nqjax.posterior.draws import Draws, Request
from nqjax.posterior.posterior import Posterior, SamplingWarning
from nqjax.posterior.prior import Prior
from nqjax.runtime.progress import Progress

Floats = NDArray[np.float64]


PosteriorMethod = Literal["nuts", "quadrature"]


METHODS = ("nuts", "quadrature")


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
        The regime and the direction, as for `nqjax.fit`. A limit beyond which there is no score is no threshold.
    alpha, beta, sigma : pair of float, optional
        Bounds: the prior is cut off there.
    gamma : int or pair of int
        The range of the effective number of hyperparameters.
    prior : Prior, optional
        See `nqjax.Prior`.
    key : Array
        A JAX random key.
    method : {"nuts", "quadrature"}
        ``nuts``: NumPyro's sampler for each gamma, in the proportions that quadrature gives the gammas.
        ``quadrature``: independent draws of the quadrature's grid, with a Metropolis step; faster.
    num_chains, num_warmup, num_samples : int
        Chains, and draws of each before and after adaptation.
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
        As `nqjax.fit`; a parameter that is fixed; a prior that excludes the data; a key that is none.

    Notes
    -----
    Likelihood: the density of each score inside the limits, the probability of lying outside for the others (Lourie,
    He, Cho 2025). Every gamma has its own posterior over (alpha, beta, sigma), a mode apart from the others; its
    probability is its evidence, an integral over three dimensions by quadrature, whose error is in the diagnostics.
    Computed in float64 whatever the process's setting.
    """
    request = read_request(prior, method, num_chains, num_warmup, num_samples, confidence)
    key = as_key(key)
    constraints = read_constraints(alpha, beta, gamma, sigma, minimize)
    request.prior.log_gamma(*constraints.gamma)  # raises, before anything is compiled
    study = prepare_study(scores, limits, minimize, constraints)
    with Progress("stages", 2, show=progress) as bar:
        (draws,) = sample_studies([study], constraints, request, [key], bar.advance, stages=True)
    if isinstance(draws, str):
        raise InputError(draws)
    post = finish_draws(draws, study, as_scores(scores), minimize, constraints, request)
    if not post._is_good:
        warnings.warn(post.diagnostics.verdict, SamplingWarning, stacklevel=2)
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
        The scores of each.
    limits : pair of float, or one for each study
    key : Array
        A JAX random key; study i gets the i-th of ``jax.random.split(key, len(studies))``.

    The others are those of `sample_posterior`.

    Returns
    -------
    list of Posterior or Failure
        In the order of the studies. A study that cannot be used spoils no other.

    Raises
    ------
    InputError
        Options that no study could use.
    """
    request = read_request(prior, method, num_chains, num_warmup, num_samples, confidence)
    key = as_key(key)
    constraints = read_constraints(alpha, beta, gamma, sigma, minimize)
    request.prior.log_gamma(*constraints.gamma)  # raises, before anything is compiled
    regimes = as_regimes(limits, len(studies))
    results: list[Posterior | Failure] = [Failure("not sampled")] * len(studies)
    good: dict[int, Study] = {}
    for i, (scores, pair) in enumerate(zip(studies, regimes, strict=True)):
        try:
            good[i] = prepare_study(scores, pair, minimize, constraints)
        except InputError as error:
            results[i] = Failure(str(error))
    keys = jax.random.split(key, max(len(studies), 1))
    with Progress("studies", len(good), show=progress) as bar:
        found = sample_studies(list(good.values()), constraints, request, [keys[i] for i in good], bar.advance)
        for i, draws in zip(good, found, strict=True):
            results[i] = (
                Failure(draws)
                if isinstance(draws, str)
                else finish_draws(draws, good[i], as_scores(studies[i]), minimize, constraints, request)
            )
    poor = [i for i, post in enumerate(results) if isinstance(post, Posterior) and not post._is_good]
    if poor:
        some = ", ".join(map(str, poor[:5])) + (", ..." if len(poor) > 5 else "")
        text = f"{len(poor)} of {len(results)} posteriors cannot be relied on (studies {some}): see their diagnostics"
        warnings.warn(text, SamplingWarning, stacklevel=2)
    return results


def read_request(
    prior: Prior | None, method: str, num_chains: int, num_warmup: int, num_samples: int, confidence: float
) -> Request:
    """Check options; raises InputError."""
    prior = Prior() if prior is None else prior
    if not isinstance(prior, Prior):
        raise InputError(f"the prior is {prior!r}: give a nqjax.Prior")
    if method not in METHODS:
        raise InputError(f"there is no method {method!r}: choose one of {', '.join(METHODS)}")
    numbers = {"num_chains": (num_chains, 1), "num_warmup": (num_warmup, 50), "num_samples": (num_samples, 4)}
    for name, (value, least) in numbers.items():
        as_count(name, value, least)
    confidence = as_probability("confidence", confidence)
    return Request(prior, method, num_chains, num_warmup, num_samples, confidence)


def prepare_study(scores: ArrayLike, limits: tuple[float, float], minimize: bool, constraints: Constraints) -> Study:
    """Check a search; raises InputError."""
    data = prepare(scores, limits, minimize, constraints).data
    study = make_study(data, *oriented_limits(limits, minimize))
    check_bounds(study, constraints, minimize)
    return study


def finish_draws(
    draws: Draws,
    study: Study,
    scores: Floats,
    minimize: bool,
    constraints: Constraints,
    request: Request,
    group: object = None,
) -> Posterior:
    """Draws on the scale of the scores; ``group`` marks searches whose draws belong together."""
    first = study.data.best + study.scale * draws.theta[..., 0]
    delta, sigma = study.scale * np.exp(draws.theta[..., 1]), study.scale * np.exp(draws.theta[..., 2])
    # From its end, where rounding must not carry it past a bound.
    low, high = first, first + delta
    low, high = np.clip(low, *constraints.alpha), np.clip(high, *constraints.beta)
    if not minimize:
        low, high = -high, -low
    end = study.limits[1] if study.has_threshold else math.inf
    regime = oriented_limits((study.limits[0], end), True)
    numbers = range(constraints.gamma[0], constraints.gamma[1] + 1)
    return Posterior(
        alpha=low,
        beta=high,
        gamma=draws.gamma,
        sigma=np.clip(sigma, *constraints.sigma),
        gamma_probabilities={g: float(p) for g, p in zip(numbers, np.exp(draws.log_probability), strict=True)},
        log_evidence=draws.log_evidence,
        method=request.method,
        prior=request.prior,
        minimize=minimize,
        limits=oriented_limits(regime, minimize),
        num_scores=study.data.num_scores,
        num_used=study.data.num_used,
        confidence=request.confidence,
        _draws=draws,
        _study=study,
        _bounds=constraints,
        _scores=scores,
        _settings=request.settings,
        _group=group,
    )
