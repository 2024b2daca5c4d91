"""Confidence regions by five methods under one interface, and by two of them with their own options."""

import warnings
from dataclasses import replace
from typing import Literal

from jax import Array
from numpy.typing import ArrayLike

from nqjax.analysis.averaged import Rounding, averaged_of, leaves_open, read_rounding
from nqjax.analysis.bootstrap import bootstrap_of
from nqjax.analysis.cautions import cautions_without_fit, warn_of_cautions
from nqjax.analysis.threshold import Selection, p_value_of, read_question, select, warn_if_chosen, warn_if_rejected
from nqjax.confidence.bands import BandMethod
from nqjax.confidence.bootstrap import Bootstrap, check_resamples
from nqjax.confidence.consonance import ConsonanceRegion, region_within
from nqjax.confidence.profile import ProfileRegion, profile_of
from nqjax.confidence.region import Region
from nqjax.errors import FitWarning, InputError
from nqjax.estimation.constraints import Constraint
from nqjax.estimation.noise_data import Noise
from nqjax.inputs import AUTO, Limits, Threshold, as_choice, as_count, as_key, as_probability

RegionMethod = Literal["averaged", "profile", "consonance", "bootstrap", "posterior"]

METHODS = ("averaged", "profile", "consonance", "bootstrap", "posterior")


def confidence_region(
    scores: ArrayLike,
    *,
    threshold: Threshold = AUTO,
    limits: Limits | None = None,
    method: RegionMethod | None = None,
    confidence: float = 0.95,
    minimize: bool | None = None,
    maximize: bool | None = None,
    alpha: Constraint = None,
    beta: Constraint = None,
    gamma: Constraint = (1, 5),
    sigma: Constraint = None,
    noise: Noise | None = None,
    key: Array | None = None,
    num_resamples: int = 1000,
    rounding: Rounding = AUTO,
) -> Region:
    """Return confidence intervals for the parameters and for what follows from them.

    Parameters
    ----------
    scores : array_like, shape (num_scores,)
        One score a trial, as for `nqjax.fit`.
    threshold, limits, minimize, maximize, alpha, beta, gamma, sigma, noise
        As for `nqjax.fit`. All methods but ``averaged`` take a threshold that is chosen for known.
    method : {"averaged", "profile", "consonance", "bootstrap", "posterior"}, optional
        ``averaged``, the default without a threshold: credible intervals averaged over every threshold and over real
        gammas. They hold where the regime is a small share of the scores, where those of the other methods do not.
        ``profile``, the default with a threshold: every distribution that fits nearly as well as the best; each
        interval has the confidence by itself. ``consonance``: every distribution within a confidence band; all
        intervals together have the confidence, and are wide. ``bootstrap``: percentiles of refitted resamples; coverage
        is too low for few scores. ``posterior``: credible intervals under the default prior, by quadrature (see
        `nqjax.sample_posterior`); narrower than the profile's, with coverage that is right on average over the prior.
        `docs/coverage.md` has the measured coverage of all five.
    confidence : float
        Nominal coverage, between 0 and 1.
    key : Array, optional
        A JAX random key; the bootstrap and the posterior need one. The averaged answer hardly depends on it.
    num_resamples : int
        Number of resamples of the bootstrap.
    rounding : float or "auto"
        The unit to which scores are rounded, such as 0.01 for two decimals; 0 if they are exact. By default it is found
        from the scores. Only the averaged method uses it.

    Returns
    -------
    Region
        An `AveragedPosterior`, `ProfileRegion`, `ConsonanceRegion`, `Bootstrap` or `Posterior`, all of which have
        ``interval(name)``, ``gammas``, ``quantile_tuning_curve(n)`` and ``quantile_tuning_curve_band(n)``.

    Raises
    ------
    InputError
        As `nqjax.fit`; unknown method; invalid confidence; a bootstrap or a posterior without a key.

    Examples
    --------
    >>> import numpy as np
    >>> import nqjax
    >>> scores = np.random.default_rng(0).random(48)
    >>> region = nqjax.confidence_region(scores, threshold=None, gamma=2, sigma=(0.01, 0.1), confidence=0.9)
    >>> low, high = region.interval("alpha")
    >>> low < high
    True
    """
    if method is not None:
        as_choice("method", method, METHODS)
    unit = read_rounding(rounding)
    confidence = as_probability("confidence", confidence)
    count = as_count("num_resamples", num_resamples)
    check_resamples(count)
    if key is None and method in ("bootstrap", "posterior"):
        raise InputError(f"the {method} is random: give a key, such as jax.random.key(0)")
    question = read_question(threshold, limits, minimize, maximize, alpha, beta, gamma, sigma)
    method = method or ("averaged" if leaves_open(question) else "profile")
    if method == "averaged":
        average = averaged_of(scores, question, key, confidence=confidence, unit=unit, noise=noise)
        for caution in cautions_without_fit(average.study, average.limits):
            warnings.warn(caution, FitWarning, stacklevel=2)
        return average
    chosen = select(scores, read_question(threshold, limits, minimize, maximize, alpha, beta, gamma, sigma, noise))
    region = region_of(chosen, method, confidence, None if key is None else as_key(key), count)
    warn_if_chosen(chosen)
    if isinstance(region, ProfileRegion | Bootstrap):
        warn_if_rejected(region.fit)
        warn_of_cautions(chosen.study, region.fit)
    elif method == "posterior":
        from nqjax.posterior.posterior import Posterior
        from nqjax.posterior.sample import warn_if_unreliable

        if isinstance(region, Posterior):
            warn_if_unreliable(region)
    return region


def region_of(
    chosen: Selection,
    method: RegionMethod,
    confidence: float,
    key: Array | None,
    num_resamples: int,
    band: BandMethod = "ld_highest_density",
) -> Region:
    """Return a region of a study within its limits, see `confidence_region`; the arguments are checked."""
    if method == "profile":
        return _profile(chosen, confidence)
    if method == "consonance":
        return region_within(chosen.study, confidence, band)
    if key is None:
        raise InputError(f"the {method} is random: give a key, such as jax.random.key(0)")
    if method == "posterior":
        # It imports NumPyro, which takes as long as JAX itself.
        from nqjax.posterior.draws import Request
        from nqjax.posterior.prior import Prior
        from nqjax.posterior.sample import sample_study

        return sample_study(chosen.study, key, Request(Prior(), "quadrature", confidence=confidence))
    boot = bootstrap_of(chosen, num_resamples, key, confidence)
    boot.interval("alpha")  # raises InputError for too few resamples
    return boot


def profile_region(
    scores: ArrayLike,
    *,
    threshold: Threshold = AUTO,
    limits: Limits | None = None,
    confidence: float = 0.95,
    minimize: bool | None = None,
    maximize: bool | None = None,
    alpha: Constraint = None,
    beta: Constraint = None,
    gamma: Constraint = (1, 5),
    sigma: Constraint = None,
    noise: Noise | None = None,
) -> ProfileRegion:
    """Return every noisy quadratic that fits the scores nearly as well as the best one.

    Parameters
    ----------
    scores : array_like, shape (num_scores,)
        One score a trial. NaN and infinite scores are failed runs: they count on the losing side.
    threshold, limits, minimize, maximize, alpha, beta, gamma, sigma, noise
        As for `nqjax.fit`. A threshold that is chosen is then taken for known.
    confidence : float
        Coverage of each interval by itself in large samples, between 0 and 1.

    Returns
    -------
    ProfileRegion
        With intervals on the scale of the scores.

    Raises
    ------
    InputError
        As `nqjax.fit`, or an invalid confidence.

    Examples
    --------
    >>> import numpy as np
    >>> import nqjax
    >>> scores = np.random.default_rng(0).random(48)
    >>> region = nqjax.profile_region(scores, threshold=None, gamma=2, sigma=(0.01, 0.1))
    >>> low, high = region.interval("alpha")
    >>> low <= region.fit.alpha <= high
    True
    """
    confidence = as_probability("confidence", confidence)
    chosen = select(scores, read_question(threshold, limits, minimize, maximize, alpha, beta, gamma, sigma, noise))
    region = _profile(chosen, confidence)
    warn_if_rejected(region.fit)
    warn_if_chosen(chosen)
    return region


def _profile(chosen: Selection, confidence: float) -> ProfileRegion:
    region = profile_of(chosen.study, confidence)
    return replace(region, fit=replace(region.fit, p_value=p_value_of(region.fit, chosen)))


def consonance_region(
    scores: ArrayLike,
    *,
    threshold: Threshold = AUTO,
    limits: Limits | None = None,
    confidence: float = 0.8,
    minimize: bool | None = None,
    maximize: bool | None = None,
    alpha: Constraint = None,
    beta: Constraint = None,
    gamma: Constraint = (1, 5),
    sigma: Constraint = None,
    noise: Noise | None = None,
    method: BandMethod = "ld_highest_density",
) -> ConsonanceRegion:
    """Return every noisy quadratic that keeps within a simultaneous confidence band over the regime.

    Parameters
    ----------
    scores : array_like, shape (num_scores,)
        One score a trial. NaN and infinite scores are failed runs: they count on the losing side.
    threshold, limits, minimize, maximize, alpha, beta, gamma, sigma, noise
        As for `nqjax.fit`. A threshold that is chosen is then taken for known.
    confidence : float
        Confidence of the band, between 0 and 1.
    method : {"ld_highest_density", "ld_equal_tailed", "ks", "dkw"}
        The band, see `nqjax.confidence_bands`.

    Returns
    -------
    ConsonanceRegion
        With intervals on the scale of the scores.

    Raises
    ------
    InputError
        As `nqjax.fit`, invalid confidence or unknown method.

    Examples
    --------
    >>> import numpy as np
    >>> import nqjax
    >>> scores = np.random.default_rng(0).random(32)
    >>> region = nqjax.consonance_region(scores, threshold=None, gamma=(1, 2))
    >>> region.gammas
    (1, 2)
    >>> low, high = region.interval("alpha")
    >>> low < high
    True
    """
    confidence = as_probability("confidence", confidence)
    chosen = select(scores, read_question(threshold, limits, minimize, maximize, alpha, beta, gamma, sigma, noise))
    warn_if_chosen(chosen)
    return region_within(chosen.study, confidence, method)
