"""Weighted points of the posterior of one search, averaged over the threshold of its regime and over real gammas.

Every candidate threshold t gives a density of all scores: that of the scores inside by the noisy quadratic, the
probability of as many beyond, and the density of those beyond without a model (`nqjax.posterior.averaging.beyond`). So
thresholds can be compared, and the sum over them is the density that is sampled. MacDonald et al. 2011 average over an
unknown threshold in this way.
"""

import functools
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import scipy.special

from nqjax.errors import InputError
from nqjax.estimation.constraints import Constraints
from nqjax.estimation.noise_data import Noise
from nqjax.estimation.study import Study
from nqjax.posterior.averaging.data import Search, read_search
from nqjax.posterior.averaging.density import log_densities
from nqjax.posterior.averaging.importance import sample
from nqjax.posterior.averaging.likelihood import Parameters
from nqjax.posterior.averaging.prior import log_prior_of_gamma, parts_of
from nqjax.posterior.averaging.space import Space
from nqjax.types import Floats

if TYPE_CHECKING:
    from nqjax.posterior.prior import Prior

#: A range of whole gammas from 1 to at least this stands for real ones from `_LOWEST` to `_MORE` above its end: so the
#: default, 1 to 5, stands for 0.5 to 6.5.
_WIDE_RANGE = 5
_LOWEST = 0.5
_MORE = 1.5

#: Points of the answer.
POINTS = 8192


class Average(NamedTuple):
    """Weighted points of the posterior of one search; parameters oriented to minimisation, on the scale of the scores.

    Fields without another shape have shape (points,).
    """

    alpha: Floats
    beta: Floats
    sigma: Floats
    gamma: Floats
    thresholds: Floats  # (points, thresholds), probabilities of the thresholds
    weight: Floats  # they sum to 1
    effective: float  # number of independent points that tell as much
    search: Search
    gamma_range: tuple[float, float]


def average(
    study: Study,
    prior: "Prior | None",
    unit: float,
    rng: np.random.Generator,
    count: int = POINTS,
    noise: Noise | None = None,
) -> Average:
    """Return the posterior of a search; the limits of the study are not used.

    Parameters
    ----------
    study : Study
    prior : Prior, optional
    unit : float
        The unit to which the scores are rounded, 0 for exact scores.
    rng : Generator
    count : int
        Number of points.
    noise : Noise, optional
        What reruns say of sigma.

    Raises
    ------
    InputError
        Fewer than five different scores; bounds or a prior that exclude the data.
    """
    search = read_search(study, unit)
    bounds = study.constraints
    low, high = (float(end) for end in bounds.gamma)
    span = (_LOWEST, high + _MORE) if low == 1 and high >= _WIDE_RANGE else (low, high)
    number = len(search.thresholds)
    space = Space(span, np.asarray(search.scores.thresholds)[:number], search.used, search.beyond)

    def more(at: Parameters) -> Floats:
        known = 0.0 if noise is None else noise.log_likelihood(search.scale * np.asarray(at.sigma))
        return log_prior_of_gamma(np.asarray(at.gamma), prior) + _log_bounds(at, bounds, search) + known

    density = log_densities(search, space, parts_of(prior), more)
    found = sample(density, functools.partial(space.first, rng=rng), count, rng)
    if found is None or not np.isfinite(found.log_integral):
        raise InputError("the prior gives the data no probability: widen it, or the bounds")
    at, _ = space.to_parameters(found.x)
    alpha = search.best + search.scale * np.asarray(at.alpha)
    given = scipy.special.softmax(np.maximum(found.parts, -1e300), axis=1)
    return Average(
        alpha,
        alpha + search.scale * np.asarray(at.delta),
        search.scale * np.asarray(at.sigma),
        np.asarray(at.gamma),
        given,
        found.weight,
        found.effective,
        search,
        span,
    )


def _log_bounds(at: Parameters, bounds: Constraints, search: Search) -> Floats:
    """Return 0 inside the bounds of alpha, beta and sigma, else -inf."""
    alpha = search.best + search.scale * np.asarray(at.alpha)
    beta, sigma = alpha + search.scale * np.asarray(at.delta), search.scale * np.asarray(at.sigma)
    pairs = zip((alpha, beta, sigma), (bounds.alpha, bounds.beta, bounds.sigma), strict=True)
    allowed = np.all([(x >= low) & (x <= high) for x, (low, high) in pairs], axis=0)
    return np.where(allowed, 0.0, -np.inf)
