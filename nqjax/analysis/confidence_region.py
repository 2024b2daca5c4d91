"""Confidence regions by four methods under one interface."""

import math
from typing import Literal

from jax import Array
from numpy.typing import ArrayLike

from nqjax.confidence.bootstrap import refit_all
from nqjax.confidence.consonance import region_within
from nqjax.confidence.profile import profile_of
from nqjax.confidence.region import Region
from nqjax.errors import InputError
from nqjax.estimation.constraints import Constraint
from nqjax.estimation.resamples import Resampler
from nqjax.estimation.study import Study
from nqjax.inputs import as_count, as_devices, as_key, as_probability

RegionMethod = Literal["profile", "consonance", "bootstrap", "posterior"]

METHODS = ("profile", "consonance", "bootstrap", "posterior")


def confidence_region(
    scores: ArrayLike,
    *,
    limits: tuple[float, float] = (-math.inf, math.inf),
    method: RegionMethod = "profile",
    confidence: float = 0.95,
    minimize: bool = True,
    alpha: Constraint = None,
    beta: Constraint = None,
    gamma: Constraint = (1, 5),
    sigma: Constraint = None,
    key: Array | None = None,
    num_resamples: int = 1000,
) -> Region:
    """Return confidence intervals for the parameters and for what follows from them.

    Parameters
    ----------
    scores : array_like, shape (num_scores,)
        One score a trial, as for `nqjax.fit`.
    limits, minimize, alpha, beta, gamma, sigma
        As for `nqjax.fit`.
    method : {"profile", "consonance", "bootstrap", "posterior"}
        ``profile``: every distribution that fits nearly as well as the best; each interval has the confidence by
        itself. ``consonance``: every distribution within a confidence band; all intervals together have the confidence,
        and are wide. ``bootstrap``: percentiles of refitted resamples; coverage is too low for few scores.
        ``posterior``: credible intervals under the default prior, by quadrature (see `nqjax.sample_posterior`);
        narrower than the profile's, with coverage that is right on average over the prior. `docs/coverage.md` has the
        measured coverage of all four.
    confidence : float
        Nominal coverage, between 0 and 1.
    key : Array
        A JAX random key; the bootstrap and the posterior need one.
    num_resamples : int
        Number of resamples of the bootstrap.

    Returns
    -------
    Region
        A `ProfileRegion`, `ConsonanceRegion`, `Bootstrap` or `Posterior`, all of which have ``interval(name)``,
        ``gammas``, ``quantile_tuning_curve(n)`` and ``quantile_tuning_curve_band(n)``.

    Raises
    ------
    InputError
        As `nqjax.fit`; unknown method; invalid confidence; a bootstrap or a posterior without a key.

    Examples
    --------
    >>> import numpy as np
    >>> import nqjax
    >>> scores = np.random.default_rng(0).random(48)
    >>> region = nqjax.confidence_region(scores, gamma=2, sigma=(0.01, 0.1), confidence=0.9)
    >>> low, high = region.interval("alpha")
    >>> low < high
    True
    """
    if method not in METHODS:
        raise InputError(f"there is no method {method!r}: choose one of {', '.join(METHODS)}")
    study = Study.read(scores, limits, minimize, alpha, beta, gamma, sigma)
    if method == "profile":
        return profile_of(study, confidence)
    if method == "consonance":
        return region_within(study, confidence)
    if key is None:
        raise InputError(f"the {method} is random: give a key, such as jax.random.key(0)")
    confidence = as_probability("confidence", confidence)
    if method == "posterior":
        # It imports NumPyro, which takes as long as JAX itself.
        from nqjax.posterior.draws import Request
        from nqjax.posterior.prior import Prior
        from nqjax.posterior.sample import sample_study

        return sample_study(study, as_key(key), Request(Prior(), "quadrature", confidence=confidence))
    resampler = Resampler.make(study, as_key(key), "float64", as_devices(None))
    boot = refit_all(resampler, as_count("num_resamples", num_resamples), confidence)
    boot.interval("alpha")  # raises InputError for too few resamples
    return boot
