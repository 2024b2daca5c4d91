"""Profile regions: every noisy quadratic that fits the scores nearly as well as the best one.

Twice the number of scores times the excess of a true fit's loss over the lowest is, in large samples, chi-square
distributed, as a likelihood ratio is: products of spacings and likelihoods agree to first order (Ekström 2013, Lourie,
He, Cho 2025). With one degree of freedom this gives an interval for whatever number follows from the parameters: from
its lowest to its highest value among the fits whose loss is near enough (Venzon and Moolgavkar 1988). Where gamma is
chosen, too, the ratio is larger: gamma is a whole number, so the theory does not say by how much, but simulations do,
and one degree of freedom and a half serves the least favourable of them (docs/coverage.md).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import scipy.stats
from numpy.typing import ArrayLike

from nqjax.confidence.level_sets import HARDLY, Resolution, level_sets
from nqjax.confidence.slices import Slice, SlicedRegion, clip_polygon
from nqjax.estimation.constraints import Constraint, Constraints, read_constraints
from nqjax.estimation.fit import Fit, fit_prepared
from nqjax.estimation.study import Prepared, prepare
from nqjax.inputs import as_probability
from nqjax.types import Floats

#: Degrees of freedom of the likelihood ratio where gamma is chosen.
_FREE_GAMMA = 1.5


@dataclass(frozen=True, eq=False)
class ProfileRegion(SlicedRegion):
    """All noisy quadratics whose loss is near the lowest.

    Attributes
    ----------
    confidence : float
        Coverage of each interval by itself, in large samples. The region answers at no other.
    gammas : tuple of int
        Those for which something is in the region.
    num_scores : int
    limits : pair of float
    minimize : bool
    fit : Fit
        The best of them.
    """

    fit: Fit = field(repr=False)

    def quantile_tuning_curve(self, n: ArrayLike, q: float = 0.5) -> Floats:
        """Return the tuning curve of the fit, see `Fit.quantile_tuning_curve`."""
        return self.fit.quantile_tuning_curve(n, q)


def profile_region(
    scores: ArrayLike,
    *,
    limits: tuple[float, float] = (-math.inf, math.inf),
    confidence: float = 0.95,
    minimize: bool = True,
    alpha: Constraint = None,
    beta: Constraint = None,
    gamma: Constraint = (1, 5),
    sigma: Constraint = None,
) -> ProfileRegion:
    """Every noisy quadratic that fits the scores nearly as well as the best one.

    Parameters
    ----------
    scores : array_like, shape (num_scores,)
        One score a trial. NaN and infinite scores are failed runs: they count on the losing side.
    limits, minimize, alpha, beta, gamma, sigma
        As for `nqjax.fit`.
    confidence : float
        Of each interval by itself, between 0 and 1.

    Returns
    -------
    ProfileRegion

    Raises
    ------
    InputError
        As `nqjax.fit`, or a confidence that is none.
    """
    constraints = read_constraints(alpha, beta, gamma, sigma, minimize)
    study = prepare(scores, limits, minimize, constraints)
    excess = allowed_excess(confidence, study.data.num_scores, constraints.gamma[0] < constraints.gamma[1])
    fit = fit_prepared(study, constraints, limits, minimize)
    ((slices,),) = level_sets([study], [fit], [excess], Resolution())
    return as_region(slices, study, constraints, fit, confidence)


def allowed_excess(confidence: float, num_scores: int, free_gamma: bool) -> float:
    """By how much the loss of a member may exceed the lowest one; more where gamma is chosen, too.

    Raises
    ------
    InputError
        A confidence that is none.
    """
    confidence = as_probability("confidence", confidence)
    return float(scipy.stats.chi2.ppf(confidence, _FREE_GAMMA if free_gamma else 1.0)) / (2 * (num_scores + 1))


def as_region(
    slices: Sequence[Slice], study: Prepared, constraints: Constraints, fit: Fit, confidence: float
) -> ProfileRegion:
    """Keep what the constraints allow, and the way back to the scale of the scores."""
    location, scale = study.location, study.scale
    (a_low, a_high), (b_low, b_high) = (
        tuple((end - location) / scale for end in pair) for pair in (constraints.alpha, constraints.beta)
    )
    kept = []
    for one in slices:
        s = math.exp(one.log_s)
        noiseless = s <= 2 * HARDLY  # hardly any noise stands for none
        corners = one.corners
        for normal, most in (
            ((1.0, 0.0), a_high),
            ((-1.0, 0.0), -a_low),
            ((1.0, 1.0), b_high),
            ((-1.0, -1.0), -b_low),
            ((0.0, s), math.inf if noiseless else constraints.sigma[1] / scale),
            ((0.0, -s), -constraints.sigma[0] / scale),
        ):
            corners = clip_polygon(corners, normal, most)
        if len(corners):
            kept.append(one._replace(corners=corners, log_s=-math.inf if noiseless else one.log_s))
    # Where constraints leave little more than the fit, it is there all the same.
    best, delta = (fit.alpha if fit.minimize else -fit.beta), max(fit.beta - fit.alpha, 1e-300)
    log_ratio = math.log(fit.sigma / delta) if fit.sigma > 0 else -math.inf
    kept.append(Slice(fit.gamma, log_ratio, np.array([[(best - location) / scale, delta / scale]]), 0.0))
    gammas = tuple(sorted({one.gamma for one in kept}))
    place = location, scale
    return ProfileRegion(confidence, gammas, fit.num_scores, fit.limits, fit.minimize, kept, *place, constraints, fit)
