"""`nqjax.fit`: the fit of one search, within a regime that is chosen unless it is given."""

import warnings
from dataclasses import replace

from numpy.typing import ArrayLike

from nqjax.analysis.cautions import warn_of_cautions
from nqjax.analysis.threshold import Selection, p_value_of, read_question, select, warn_if_rejected
from nqjax.errors import FitWarning, show
from nqjax.estimation.constraints import Constraint
from nqjax.estimation.fit import Fit, fit_prepared, point_mass
from nqjax.estimation.noise_data import Noise
from nqjax.estimation.study import prepare
from nqjax.inputs import AUTO, Limits, Threshold


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
) -> Fit:
    """Fit the noisy quadratic distribution to the scores of a random search.

    Parameters
    ----------
    scores : array_like, shape (num_scores,)
        One score a trial, or one column. NaN, infinite, masked and missing scores are failed runs: they count on the
        losing side.
    threshold : float, "auto" or None
        Where the regime ends, in which the theory is taken to hold: scores as good as the threshold or better are
        fitted; of the others only their number counts. ``"auto"`` chooses it by tests, see `nqjax.find_regime`; None
        uses all scores.
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
        Noise that was measured by reruns, see `nqjax.noise_from_reruns`: sigma is kept within its 95 % interval.

    Returns
    -------
    Fit
        The parameters, on the scale of the scores.

    Raises
    ------
    InputError
        No threshold is acceptable; fewer than three different scores in the regime (two suffice with ``sigma=0``);
        limits or constraints that are the wrong way round, exclude the data or are out of the solver's reach. It is a
        ValueError.

    Warns
    -----
    FitWarning
        The scores in the regime do not follow the fitted distribution (p < 0.05); one score decides the fit; the scores
        look like noise alone; or all scores are used and are
        equal, so that the fit is a point mass, whose gamma cannot be told.

    Notes
    -----
    Censored maximum product of spacings (Lourie, He, Cho 2025): maximum likelihood on the data grouped between order
    statistics, which stays consistent where plain maximum likelihood does not. For every gamma a damped Newton method
    with exact derivatives runs from several starts. Computations are in float64 whatever JAX's setting is.

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
    """
    question = read_question(threshold, limits, minimize, maximize, alpha, beta, gamma, sigma, noise)
    chosen = select(scores, question)
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
