"""Uncertainty of a fitted sigma."""

import math

import jax
import numpy as np

from nqjax.confidence.profile import profile_of
from nqjax.errors import InputError
from nqjax.estimation.fit import Fit
from nqjax.estimation.study import Study


def sigma_interval(fit: Fit, confidence: float) -> tuple[float, float]:
    """Return a confidence interval of the sigma that a fit found.

    A fit does not hold its scores. So the interval is that of the profile region (`nqjax.profile_region`) of an ideal
    search of the same size: its scores are the quantiles of the fitted distribution, with the same limits and gammas.
    It is about as wide as that of the search itself.
    """
    if not fit.beta > fit.alpha:
        return fit.sigma, fit.sigma
    places = (np.arange(fit.num_scores) + 0.5) / fit.num_scores
    with jax.enable_x64(True):
        scores = np.asarray(fit.distribution.icdf(places), np.float64)
    gammas = (min(fit.losses_by_gamma), max(fit.losses_by_gamma))
    try:
        low, high = profile_of(Study.read(scores, fit.limits, fit.minimize, gamma=gammas), confidence).interval("sigma")
    except InputError:  # too few of the quantiles lie inside the limits
        return 0.0, math.inf
    return min(low, fit.sigma), max(high, fit.sigma)
