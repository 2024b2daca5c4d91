"""Posteriors of one search or of many."""

import warnings
from collections.abc import Sequence

import numpy as np
from jax import Array

from nqjax.errors import InputError
from nqjax.estimation.many import Failure
from nqjax.estimation.study import Study
from nqjax.inputs import as_choice, as_count, as_probability, oriented_limits
from nqjax.posterior.chains import sample_studies
from nqjax.posterior.density.data import RegimeData, read_regime
from nqjax.posterior.draws import Draws, Request
from nqjax.posterior.posterior import Posterior, SamplingWarning
from nqjax.posterior.prior import Prior
from nqjax.runtime.memory import check_memory
from nqjax.runtime.progress import Progress

METHODS = ("averaged", "nuts", "quadrature")

#: Bytes that a draw takes at least: gamma, three parameters in two scales, and the sampler's statistics.
_BYTES_PER_DRAW = 100


def sample_study(study: Study, key: Array, request: Request, progress: bool = False) -> Posterior:
    """Sample the posterior of a study, see `nqjax.sample_posterior`."""
    request.prior.log_gamma(*study.constraints.gamma)  # raises InputError before anything is compiled
    data = read_regime(study)
    with Progress("stages", 2, show=progress) as bar:
        (draws,) = sample_studies([data], study.constraints, request, [key], bar.advance, stages=True)
    if isinstance(draws, str):
        raise InputError(draws)
    return finish_draws(draws, data, study, request)


def warn_if_unreliable(post: Posterior, stacklevel: int = 3) -> Posterior:
    """Warn if a posterior cannot be relied on; the warning points at the line that called the caller."""
    if not post.is_good:
        warnings.warn(post.diagnostics.verdict, SamplingWarning, stacklevel=stacklevel)
    return post


def sample_many(
    studies: Sequence[Study | Failure], keys: Array, request: Request, progress: bool = False
) -> list[Posterior | Failure]:
    """Sample the posteriors of many studies with the same constraints at once; a `Failure` stays one.

    A warning about posteriors that cannot be relied on points at the line that called the caller.
    """
    results: list[Posterior | Failure] = [Failure("not sampled")] * len(studies)
    good: dict[int, tuple[RegimeData, Study]] = {}
    for i, study in enumerate(studies):
        if isinstance(study, Failure):
            results[i] = study
            continue
        try:
            good[i] = read_regime(study), study
        except InputError as error:
            results[i] = Failure(str(error))
    with Progress("studies", len(good), show=progress) as bar:
        some = [data for data, _ in good.values()]
        if some:
            constraints = next(iter(good.values()))[1].constraints
            found = sample_studies(some, constraints, request, [keys[i] for i in good], bar.advance)
            for i, draws in zip(good, found, strict=True):
                results[i] = Failure(draws) if isinstance(draws, str) else finish_draws(draws, *good[i], request)
    poor = [i for i, post in enumerate(results) if isinstance(post, Posterior) and not post.is_good]
    if poor:
        listed = ", ".join(map(str, poor[:5])) + (", ..." if len(poor) > 5 else "")
        text = f"{len(poor)} of {len(results)} posteriors cannot be relied on (studies {listed}): see their diagnostics"
        warnings.warn(text, SamplingWarning, stacklevel=3)
    return results


def read_request(
    prior: Prior | None, method: str, num_chains: int, num_warmup: int, num_samples: int, confidence: float
) -> Request:
    """Check options; raise InputError if they are invalid."""
    prior = Prior() if prior is None else prior
    if not isinstance(prior, Prior):
        raise InputError(f"the prior is {prior!r}: give a nqjax.Prior")
    as_choice("method", method, METHODS)
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
