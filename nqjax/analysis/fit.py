"""`nqjax.fit`: the fit of one search, averaged over all thresholds unless one is given."""

import warnings
from dataclasses import replace
from typing import overload

from numpy.typing import ArrayLike

from nqjax.analysis.averaged import Rounding, averaged_of, leaves_open, read_rounding
from nqjax.analysis.cautions import cautions_without_fit, warn_of_cautions
from nqjax.analysis.threshold import Selection, p_value_of, read_question, select, warn_if_rejected
from nqjax.errors import FitWarning, show
from nqjax.estimation.constraints import Constraint
from nqjax.estimation.fit import Fit, fit_prepared, point_mass
from nqjax.estimation.noise_data import Noise
from nqjax.estimation.study import prepare
from nqjax.inputs import AUTO, Limits, Threshold
from nqjax.posterior.averaged_fit import AveragedFit, averaged_fit


@overload
def fit(
    scores: ArrayLike,
    *,
    threshold: float | None,
    limits: None = None,
    minimize: bool | None = None,
    maximize: bool | None = None,
    alpha: Constraint = None,
    beta: Constraint = None,
    gamma: Constraint = (1, 5),
    sigma: Constraint = None,
    noise: Noise | None = None,
    rounding: Rounding = AUTO,
) -> Fit: ...


@overload
def fit(
    scores: ArrayLike,
    *,
    limits: Limits,
    minimize: bool | None = None,
    maximize: bool | None = None,
    alpha: Constraint = None,
    beta: Constraint = None,
    gamma: Constraint = (1, 5),
    sigma: Constraint = None,
    noise: Noise | None = None,
    rounding: Rounding = AUTO,
) -> Fit: ...


@overload
def fit(
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
    rounding: Rounding = AUTO,
) -> AveragedFit | Fit: ...


def fit(
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
    rounding: Rounding = AUTO,
) -> AveragedFit | Fit:
    """Fit the noisy quadratic distribution to the scores of a random search.

    Parameters
    ----------
    scores : array_like, shape (num_scores,)
        One score a trial, or one column. NaN, infinite, masked and missing scores are failed runs: they count on the
        losing side.
    threshold : float, "auto" or None
        Where the regime ends, in which the theory is taken to hold. ``"auto"`` averages over all thresholds, as
        `nqjax.confidence_region` does; where alpha, beta or sigma is fixed, it chooses one by tests instead, see
        `nqjax.find_regime`. With a number, scores as good as the threshold or better are fitted, and of the others only
        their number counts; None uses all scores.
    limits : pair of float, optional
        Both ends of the regime, instead of a threshold: ``(lo, hi]`` when minimising, ``[lo, hi)`` when maximising.
    minimize, maximize : bool, optional
        Whether lower or higher scores are better; one of the two is enough. By default lower scores are better.
        Fitting ``-scores`` in the other direction, with threshold and constraints mirrored, gives the mirrored
        parameters to the last digit.
    alpha, beta, gamma, sigma : float or pair of float, optional
        A number fixes the parameter, a pair bounds it. gamma is whole, from 1 to 50. ``sigma=0`` fits the noiseless
        quadratic.
    noise : Noise, optional
        Noise that was measured by reruns, see `nqjax.noise_from_reruns`: a factor of the likelihood in the average;
        within one threshold, sigma is kept within its 95 % interval.
    rounding : float or "auto"
        The unit to which scores are rounded, see `nqjax.confidence_region`; only the average uses it.

    Returns
    -------
    AveragedFit or Fit
        The parameters, on the scale of the scores: an `AveragedFit`, which has an interval for each, where the
        threshold is not given; a `Fit` within one threshold.

    Raises
    ------
    InputError
        Fewer than five different scores, or with a threshold fewer than three in the regime (two with ``sigma=0``);
        no threshold is acceptable for fixed parameters; limits or constraints that are the wrong way round, exclude the
        data or are out of the solver's reach. It is a ValueError.

    Warns
    -----
    FitWarning
        The scores in the regime do not follow the fitted distribution (p < 0.05); one score decides the fit; the scores
        look like noise alone; or all scores are used and are equal, so that the fit is a point mass, whose gamma cannot
        be told.

    Notes
    -----
    Without a threshold the estimates are medians of a posterior, see docs/posterior.md. Within one, the fit is that of
    the censored maximum product of spacings (Lourie, He, Cho 2025): maximum likelihood on the data grouped between
    order statistics, which stays consistent where plain maximum likelihood does not. For every gamma a damped Newton
    method with exact derivatives runs from several starts. Computations are in float64 whatever JAX's setting is.

    Examples
    --------
    >>> import numpy as np
    >>> import nqjax
    >>> rng = np.random.default_rng(0)
    >>> scores = 0.1 + 0.5 * rng.random(200) + 0.02 * rng.normal(size=200)  # gamma = 2
    >>> fit = nqjax.fit(scores, threshold=None, gamma=2)
    >>> fit.converged
    True
    >>> round(fit.alpha, 2), round(fit.beta, 2), round(fit.sigma, 2)
    (0.1, 0.6, 0.02)
    >>> low, high = nqjax.fit(scores).interval("best", 0.95)  # averaged over all thresholds
    >>> low < 0.1 < high
    True
    """
    unit = read_rounding(rounding)
    question = read_question(threshold, limits, minimize, maximize, alpha, beta, gamma, sigma)
    if leaves_open(question):
        post = averaged_of(scores, question, unit=unit, noise=noise)
        for caution in cautions_without_fit(post.study, post.limits):
            warnings.warn(caution, FitWarning, stacklevel=2)
        return averaged_fit(post)
    chosen = select(scores, read_question(threshold, limits, minimize, maximize, alpha, beta, gamma, sigma, noise))
    found = fit_of(chosen)
    warn_of_cautions(chosen.study, found)
    if found.alpha == found.beta:
        warnings.warn(
            f"all {found.num_scores} scores are {show(found.alpha)}: the fit is a point mass, of any gamma",
            FitWarning,
            stacklevel=2,
        )
    return warn_if_rejected(found)


def fit_of(chosen: Selection) -> Fit:
    """Fit a study within its limits, and test the fit; see `fit`."""
    point = point_mass(chosen.study)
    if point is not None:
        return point
    found = chosen.regime.fit if chosen.regime is not None else None
    if found is None:
        found = fit_prepared(prepare(chosen.study))
    return replace(found, p_value=p_value_of(found, chosen))
