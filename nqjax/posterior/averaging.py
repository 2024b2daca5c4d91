"""Draws of one search averaged over the threshold of its regime.

Every candidate threshold t has a posterior given t, with its evidence: the probability density of the scores inside and
the probability of the number beyond. Times the density of the scores beyond (`nqjax.posterior.beyond`), this is the
density of all scores given t, so that thresholds can be compared. The prior of t is uniform over the candidates.
MacDonald et al. 2011 average over an unknown threshold in this way, with a density without a model for the bulk.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy.special
from jax import Array
from numpy.typing import NDArray

from nqjax.errors import InputError
from nqjax.estimation.candidates import FEWEST, candidate_thresholds
from nqjax.estimation.study import Study
from nqjax.posterior.beyond import log_densities_beyond
from nqjax.posterior.chains import errors_of
from nqjax.posterior.density.data import RegimeData, make_model, read_regime
from nqjax.posterior.density.log_density import Evaluator
from nqjax.posterior.draws import Request, make_seed
from nqjax.posterior.quadrature.integrate import GammaGrid, integrate
from nqjax.posterior.quadrature.metropolis import independent
from nqjax.types import Floats

#: Thresholds and gammas with a smaller probability have no draws.
_LEAST_PROBABILITY = 1e-3

#: Regimes in one model: one number for all searches, as programs are compiled for it.
_MOST_REGIMES = 16


class Average(NamedTuple):
    """Draws over all thresholds of one search; leading axes: chains, draws."""

    theta: Floats  # (..., 3): alpha, beta and sigma, in the caller's direction
    gamma: NDArray[np.int64]
    threshold: Floats  # in the caller's direction
    regimes: list[RegimeData]
    log_probability: Floats  # (thresholds, gammas)
    accepted: float  # share of the proposals
    error: float  # of the probabilities
    seed: int


def average(study: Study, key: Array, request: Request) -> Average:
    """Draw from the posterior of a search, averaged over the thresholds; the limits of the study are not used.

    Raises
    ------
    InputError
        Fewer than five different scores; constraints or a prior that exclude the data.
    """
    regimes = _regimes(study)
    gammas = study.constraints.gamma
    log_prior = request.prior.log_gamma(*gammas)
    model = make_model(regimes, study.constraints, request.prior.parts, _MOST_REGIMES)
    inside, outside = (np.array([float(getattr(r.data, n)) for r in regimes]) for n in ("num_used", "num_above"))
    log_weight = _log_weights(study, regimes, request)
    grids = integrate(model, inside, outside, gammas, log_prior, hopeless=_LEAST_PROBABILITY, log_weight=log_weight)
    joint = np.array([[grid.log_evidence for grid in mine] for mine in grids]) + log_prior + log_weight[:, None]
    if not np.isfinite(joint.max()):
        raise InputError("the prior gives the data no probability: widen it, or the bounds")
    log_probability = joint - scipy.special.logsumexp(joint)
    seed = make_seed(key)
    rng = np.random.default_rng(seed)
    evaluator = Evaluator(model, gammas)
    shares = np.exp(scipy.special.logsumexp(log_probability, axis=1))
    usable = np.array([any(grid.grid is not None for grid in mine) for mine in grids])
    counts = _counts(np.where(usable, shares, 0.0), request.num_samples)
    parts = [
        _part(i, count, grids[i], log_probability[i], evaluator, gammas[0], regimes[i], study, request.num_chains, rng)
        for i, count in enumerate(counts)
        if count
    ]
    theta, gamma, threshold, accepted = (np.concatenate(column, axis=1) for column in zip(*parts, strict=True))
    order = np.stack([rng.permutation(theta.shape[1]) for _ in range(request.num_chains)])
    rows = np.arange(request.num_chains)[:, None]
    errors = [errors_of(mine, log_probability[i])[1] for i, mine in enumerate(grids)]
    return Average(
        theta[rows, order],
        gamma[rows, order],
        threshold[rows, order],
        regimes,
        log_probability,
        float(np.mean(accepted)),
        max(errors),
        seed,
    )


def _regimes(study: Study) -> list[RegimeData]:
    """Return the data of each candidate threshold that the constraints allow."""
    y = study.orient(study.scores)
    y = np.sort(np.where(np.isfinite(y), y, math.inf))
    if len(np.unique(y[np.isfinite(y)])) < FEWEST:
        raise InputError(f"a posterior over thresholds needs {FEWEST} different scores: run more trials")
    found, reason = [], ""
    for end in candidate_thresholds(y):
        limits = (-math.inf, end) if study.minimize else (-end, math.inf)
        try:
            found.append(read_regime(study._replace(limits=limits)))
        except InputError as error:
            reason = reason or str(error)
    if not found:
        raise InputError(reason)
    return found


def _log_weights(study: Study, regimes: Sequence[RegimeData], request: Request) -> Floats:
    """Return what is added to the log evidence of each regime on its own scale, for their comparison."""
    y = study.orient(study.scores)
    ends = np.array([regime.data.worst if math.isinf(regime.limits[1]) else regime.limits[1] for regime in regimes])
    log_scale = np.log([regime.scale for regime in regimes])
    used = np.array([regime.data.num_used for regime in regimes])
    beyond = log_densities_beyond(y[np.isfinite(y)], ends)
    return beyond - used * log_scale + (0.0 if request.prior.width is None else log_scale)


def _counts(shares: Floats, total: int) -> NDArray[np.int64]:
    """Return how many of the draws belong to each threshold: in proportion, rounded so that they add up."""
    edges = np.rint(np.cumsum(shares) / np.sum(shares) * total).astype(np.int64)
    return np.diff(edges, prepend=0)


def _part(
    place: int,
    count: int,
    grids: list[GammaGrid],
    log_probability: Floats,
    evaluator: Evaluator,
    first_gamma: int,
    regime: RegimeData,
    study: Study,
    num_chains: int,
    rng: np.random.Generator,
) -> tuple[Floats, NDArray[np.int64], Floats, NDArray[np.bool_]]:
    """Return draws given one threshold: parameters in the caller's direction, gamma, the threshold, acceptance."""
    given = log_probability - scipy.special.logsumexp(log_probability)
    number, theta, _, accepted = independent(grids, given, evaluator, place, first_gamma, (num_chains, count), rng)
    first = regime.data.best + regime.scale * theta[..., 0]
    delta, sigma = regime.scale * np.exp(theta[..., 1]), regime.scale * np.exp(theta[..., 2])
    parameters = study.restore(first, first + delta, sigma)
    end = regime.data.worst if math.isinf(regime.limits[1]) else regime.limits[1]
    threshold = np.full(number.shape, end if study.minimize else -end)
    return np.stack(parameters, axis=-1), np.asarray(number + first_gamma, np.int64), threshold, accepted
