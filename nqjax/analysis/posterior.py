"""Posteriors of one search, of many, and of several that share gamma, each within its regime."""

from collections.abc import Sequence
from typing import Any, Literal

import jax
from jax import Array
from numpy.typing import ArrayLike

from nqjax.analysis.averaged import Rounding, averaged_of, averaged_of_many, leaves_open, read_rounding
from nqjax.analysis.threshold import Question, read_question, select, select_many
from nqjax.errors import InputError
from nqjax.estimation.constraints import Constraint
from nqjax.estimation.many import Failure
from nqjax.estimation.noise_data import Noise
from nqjax.estimation.study import Study
from nqjax.inputs import AUTO, Limits, Threshold, as_flag, as_key, shortened
from nqjax.posterior.averaged import AveragedPosterior
from nqjax.posterior.draws import Request
from nqjax.posterior.posterior import Posterior
from nqjax.posterior.prior import Prior
from nqjax.posterior.quadrature.pooling import NoisePooling
from nqjax.posterior.sample import read_request, sample_many, sample_study, warn_if_unreliable
from nqjax.posterior.shared import CHAINS, SharedPosterior, sample_shared

PosteriorMethod = Literal["averaged", "nuts", "quadrature"]

#: Methods of one threshold, and that of all.
_OF_ONE_THRESHOLD: PosteriorMethod = "quadrature"
_OF_ALL_THRESHOLDS: PosteriorMethod = "averaged"


def sample_posterior(
    scores: ArrayLike,
    *,
    threshold: Threshold = AUTO,
    limits: Limits | None = None,
    minimize: bool | None = None,
    maximize: bool | None = None,
    alpha: Constraint = None,
    beta: Constraint = None,
    gamma: Constraint = (1, 5),
    sigma: Constraint = None,
    noise: Noise | None = None,
    prior: Prior | None = None,
    key: Array,
    method: PosteriorMethod | None = None,
    num_chains: int = 4,
    num_warmup: int = 500,
    num_samples: int = 1000,
    confidence: float = 0.95,
    progress: bool = False,
    rounding: Rounding = AUTO,
) -> Posterior | AveragedPosterior:
    """Sample the posterior of the parameters of the noisy quadratic distribution.

    Parameters
    ----------
    scores : array_like, shape (num_scores,)
        One score a trial, as for `nqjax.fit`.
    threshold, limits, minimize, maximize
        The regime and the direction, as for `nqjax.fit`. A limit without scores beyond it is ignored.
    alpha, beta, sigma : pair of float, optional
        Bounds at which the prior is truncated.
    gamma : int or pair of int
        Range of the effective number of hyperparameters.
    noise : Noise, optional
        Noise that was measured by reruns, as for `nqjax.fit`.
    prior : Prior, optional
        See `nqjax.Prior`.
    key : Array
        A JAX random key.
    method : {"averaged", "nuts", "quadrature"}, optional
        ``averaged``, the default without a threshold: importance sampling over all thresholds and real gammas, the only
        one whose intervals hold where the regime is a small share of the scores. The others take a threshold that is
        chosen for known. ``quadrature``, the default with a threshold: independent draws from a grid, with a Metropolis
        step. ``nuts``: NumPyro's sampler for each gamma, with the proportions of the gammas from quadrature; slower.
    num_chains, num_warmup, num_samples : int
        Number of chains, and draws of each chain during and after adaptation.
    confidence : float
        Probability of the intervals, unless another is asked for.
    progress : bool
        Whether to show a progress bar on stderr.
    rounding : float or "auto"
        As for `nqjax.confidence_region`; only the averaged method uses it.

    Returns
    -------
    AveragedPosterior or Posterior

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
    >>> post = nqjax.sample_posterior(scores, threshold=None, gamma=2, key=jax.random.key(0))
    >>> post.alpha.shape, post.diagnostics.good
    ((4, 1000), True)
    """
    question = read_question(threshold, limits, minimize, maximize, alpha, beta, gamma, sigma)
    method = method or _default_method(question)
    request = read_request(prior, method, num_chains, num_warmup, num_samples, confidence)
    key, show = as_key(key), as_flag("progress", progress)
    request.prior.log_gamma(*question.constraints.gamma)  # raises InputError before anything is compiled
    if method == _OF_ALL_THRESHOLDS:
        return averaged_of(scores, question, key, noise=noise, **_options(prior, request, rounding))
    question = read_question(threshold, limits, minimize, maximize, alpha, beta, gamma, sigma, noise)
    return warn_if_unreliable(sample_study(select(scores, question).study, key, request, show))


def _default_method(question: Question) -> PosteriorMethod:
    return _OF_ALL_THRESHOLDS if leaves_open(question) else _OF_ONE_THRESHOLD


def _options(prior: Prior | None, request: Request, rounding: Rounding) -> dict[str, Any]:
    shape = request.num_chains, request.num_samples
    return {"prior": prior, "shape": shape, "confidence": request.confidence, "unit": read_rounding(rounding)}


def sample_posterior_many(
    studies: Sequence[ArrayLike],
    *,
    threshold: Threshold = AUTO,
    limits: Limits | Sequence[Limits] | None = None,
    minimize: bool | None = None,
    maximize: bool | None = None,
    alpha: Constraint = None,
    beta: Constraint = None,
    gamma: Constraint = (1, 5),
    sigma: Constraint = None,
    prior: Prior | None = None,
    key: Array,
    method: PosteriorMethod | None = None,
    num_chains: int = 4,
    num_warmup: int = 500,
    num_samples: int = 1000,
    confidence: float = 0.95,
    progress: bool = False,
    rounding: Rounding = AUTO,
) -> list[Posterior | AveragedPosterior | Failure]:
    """Sample the posteriors of many searches at once.

    Parameters
    ----------
    studies : sequence of array_like
        The scores of each study.
    threshold : float, "auto" or None
        Where the regime ends, as for `nqjax.fit`; by default it is chosen for each study.
    limits : pair of float, or one for each study, optional
        The regime instead.
    minimize, maximize, alpha, beta, gamma, sigma, prior
        As for `nqjax.sample_posterior`.
    method, num_chains, num_warmup, num_samples, confidence, progress, rounding
        As for `nqjax.sample_posterior`.
    key : Array
        A JAX random key; study i gets the i-th of ``jax.random.split(key, len(studies))``.

    Returns
    -------
    list of AveragedPosterior, Posterior or Failure
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
    >>> post, failure = nqjax.sample_posterior_many(
    ...     studies, threshold=None, gamma=2, key=jax.random.key(0), method="quadrature"
    ... )
    >>> post.num_scores, failure.reason
    (24, '2 scores are too few to fit: give at least 3, better 24 or more')
    """
    question = read_question(threshold, limits, minimize, maximize, alpha, beta, gamma, sigma)
    method = method or _default_method(question)
    request = read_request(prior, method, num_chains, num_warmup, num_samples, confidence)
    key, show = as_key(key), as_flag("progress", progress)
    request.prior.log_gamma(*question.constraints.gamma)  # raises InputError before anything is compiled
    if method == _OF_ALL_THRESHOLDS:
        return [*averaged_of_many(studies, question, key, **_options(prior, request, rounding))]
    chosen = select_many(studies, question)
    return [*sample_many(chosen, jax.random.split(key, max(len(chosen), 1)), request, show)]


def sample_posterior_shared(
    studies: Sequence[ArrayLike],
    *,
    threshold: Threshold = AUTO,
    limits: Limits | Sequence[Limits] | None = None,
    minimize: bool | None = None,
    maximize: bool | None = None,
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

    gamma is a property of the hyperparameters' space, not of the tuned model (Lourie, He, Cho 2025), so that searches
    of one space have it in common. Their noise levels are pooled as far as they agree.

    Parameters
    ----------
    studies : sequence of array_like
        The scores of each search.
    threshold : float, "auto" or None
        Where the regime ends, as for `nqjax.fit`; by default it is chosen for each search.
    limits : pair of float, or one for each study, optional
        The regime instead.
    minimize, maximize, alpha, beta, gamma, sigma
        As for `nqjax.sample_posterior`, for all searches.
    prior : Prior, optional
        Its ``relative_noise`` is replaced by the pooling.
    pooling : NoisePooling, optional
    key : Array
        A JAX random key.
    num_samples : int
        Draws of each of four chains; all draws are independent, from linearly interpolated grids.
    confidence : float
        Probability of the intervals, unless another is asked for.

    Returns
    -------
    SharedPosterior

    Raises
    ------
    InputError
        No search, a search that cannot be sampled (the message names it), or invalid options.

    Notes
    -----
    Computed by quadrature: given gamma and the centre and spread of the noise levels, the searches are independent, and
    each evidence is a sum over the search's grid, reweighted from the prior under which the grid was computed.

    Examples
    --------
    >>> import jax
    >>> import numpy as np
    >>> import nqjax
    >>> rng = np.random.default_rng(0)
    >>> searches = [rng.random(24), rng.random(24)]
    >>> shared = nqjax.sample_posterior_shared(searches, threshold=None, gamma=(1, 2), key=jax.random.key(0))
    >>> round(sum(shared.gamma_probabilities.values()), 6)
    1.0
    """
    request = read_request(prior, "quadrature", CHAINS, 50, num_samples, confidence)
    key = as_key(key)
    pooling = NoisePooling() if pooling is None else pooling
    if not isinstance(pooling, NoisePooling):
        raise InputError(f"the pooling is {shortened(pooling)}: give a nqjax.NoisePooling")
    question = read_question(threshold, limits, minimize, maximize, alpha, beta, gamma, sigma)
    chosen = select_many(studies, question)
    if not chosen:
        raise InputError("there is no search: give at least one")
    for i, study in enumerate(chosen):
        if isinstance(study, Failure):
            raise InputError(f"search {i}: {study.reason}")
    return sample_shared([study for study in chosen if isinstance(study, Study)], key, request, pooling)
