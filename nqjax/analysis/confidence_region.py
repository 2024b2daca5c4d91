"""Confidence regions under one interface, whatever the method."""

import math
from typing import Literal

from jax import Array
from numpy.typing import ArrayLike

from nqjax.confidence.bootstrap import bootstrap
from nqjax.confidence.consonance import consonance_region
from nqjax.confidence.profile import profile_region
from nqjax.confidence.region import Region
from nqjax.errors import InputError
from nqjax.estimation.constraints import Constraint
from nqjax.inputs import as_probability

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
    """Confidence intervals for the parameters and for all that follows from them.

    Parameters
    ----------
    scores : array_like, shape (num_scores,)
        One score a trial, as for `nqjax.fit`.
    limits, minimize, alpha, beta, gamma, sigma
        As for `nqjax.fit`.
    method : {"profile", "consonance", "bootstrap", "posterior"}
        ``profile``: what fits nearly as well as the best, each interval at the confidence by itself.
        ``consonance``: what keeps within a band, all intervals at the confidence together; wide.
        ``bootstrap``: percentiles of refitted resamples. It covers less than it says for few scores; see
        `docs/coverage.md`, where the coverage of all four is measured. ``posterior``: credible intervals under the
        default prior, by quadrature (`nqjax.sample_posterior` has more); narrower than the profile's, and right on
        average over the prior rather than for every truth.
    confidence : float
        Between 0 and 1.
    key : Array
        A JAX random key; the bootstrap and the posterior need one.
    num_resamples : int
        Of the bootstrap.

    Returns
    -------
    Region
        A `ProfileRegion`, `ConsonanceRegion`, `Bootstrap` or `Posterior`, all of which have ``interval(name)``,
        ``gammas``, ``quantile_tuning_curve(n)`` and ``quantile_tuning_curve_band(n)``.

    Raises
    ------
    InputError
        As `nqjax.fit`; unknown method; invalid confidence; a bootstrap or a posterior without a key.
    """
    study = {"limits": limits, "minimize": minimize, "alpha": alpha, "beta": beta, "gamma": gamma, "sigma": sigma}
    if method == "profile":
        return profile_region(scores, confidence=confidence, **study)  # type: ignore[arg-type]
    if method == "consonance":
        return consonance_region(scores, confidence=confidence, **study)  # type: ignore[arg-type]
    if method not in METHODS:
        raise InputError(f"there is no method {method!r}: choose one of {', '.join(METHODS)}")
    if key is None:
        raise InputError(f"the {method} is random: give a key, such as jax.random.key(0)")
    confidence = as_probability("confidence", confidence)
    if method == "posterior":
        # With it comes NumPyro, which takes as long to import as JAX itself.
        from nqjax.posterior.sample import sample_posterior

        return sample_posterior(scores, key=key, confidence=confidence, method="quadrature", **study)  # type: ignore[arg-type]
    boot = bootstrap(scores, num_resamples, key=key, confidence=confidence, **study)  # type: ignore[arg-type]
    boot.interval("alpha")  # raises InputError for too few resamples
    return boot
