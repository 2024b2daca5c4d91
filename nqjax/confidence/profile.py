"""Profile regions: every noisy quadratic that fits the scores nearly as well as the best one.

Twice the number of scores times the excess of the true distribution's loss over the lowest loss is chi-square
distributed in large samples, like a likelihood ratio: products of spacings and likelihoods agree to first order
(Ekström 2013; Lourie, He, Cho 2025). With one degree of freedom this gives an interval for any number that follows from
the parameters: from its lowest to its highest value among the fits whose excess is below the quantile (Venzon and
Moolgavkar 1988). If gamma is estimated, too, the ratio is larger. As gamma is a whole number, theory does not say by
how much; in simulations one and a half degrees of freedom suffice in the least favourable case (docs/coverage.md).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import scipy  # its parts are imported when they are used
from numpy.typing import ArrayLike

from nqjax.confidence.level_sets import HARDLY, Resolution, level_sets
from nqjax.confidence.slices import Slice, SlicedRegion, cdf_ends, clip_polygon
from nqjax.estimation.fit import Fit, fit_prepared
from nqjax.estimation.study import ScaledStudy, Study, prepare
from nqjax.inputs import as_probability
from nqjax.types import Floats

#: Degrees of freedom of the likelihood ratio where gamma is estimated.
_FREEDOM_WITH_GAMMA = 1.5


@dataclass(frozen=True, eq=False)
class ProfileRegion(SlicedRegion):
    """All noisy quadratics whose loss is near the lowest.

    Attributes
    ----------
    confidence : float
        Coverage of each interval by itself, in large samples. The region has no intervals at another one.
    gammas : tuple of int
        Values of gamma that occur in the region.
    num_scores : int
    limits : pair of float
    minimize : bool
    fit : Fit
        The fit with the lowest loss.

    Examples
    --------
    >>> import numpy as np
    >>> import nqjax
    >>> scores = np.random.default_rng(0).random(48)
    >>> region = nqjax.profile_region(scores, threshold=None, gamma=2, sigma=(0.01, 0.1))
    >>> region.gammas, region.confidence
    ((2,), 0.95)
    """

    fit: Fit = field(repr=False)

    def quantile_tuning_curve(self, n: ArrayLike, q: float = 0.5) -> Floats:
        """Return the tuning curve of the fit, see `Fit.quantile_tuning_curve`."""
        return self.fit.quantile_tuning_curve(n, q)

    def cdf_bands(self, y: ArrayLike) -> tuple[Floats, Floats]:
        """Return the lowest and the highest CDF in the region at scores y, each of the shape of y.

        The members describe scores in the regime; beyond the threshold they only count them.
        """
        y = np.asarray(y, np.float64)
        x = (y if self.minimize else -y).ravel()
        low, high = cdf_ends(self._slices, (x - self._scaled.location) / self._scaled.scale)
        low, high = low.reshape(y.shape), high.reshape(y.shape)
        return (low, high) if self.minimize else (1 - high, 1 - low)


def profile_of(study: Study, confidence: float) -> ProfileRegion:
    """Return the profile region of a study, see `nqjax.profile_region`."""
    scaled = prepare(study)
    excess = allowed_excess(confidence, scaled.data.num_scores, len(study.gammas) > 1)
    fit = fit_prepared(scaled)
    ((slices,),) = level_sets([scaled], [fit], [excess], Resolution())
    return _as_region(slices, scaled, fit, confidence)


def allowed_excess(confidence: float, num_scores: int, free_gamma: bool) -> float:
    """Return how far the loss of a member of the region may exceed the lowest loss.

    ``free_gamma`` is true if gamma is estimated.

    Raises
    ------
    InputError
        Invalid confidence.
    """
    confidence = as_probability("confidence", confidence)
    freedom = _FREEDOM_WITH_GAMMA if free_gamma else 1.0
    return float(scipy.special.gammaincinv(freedom / 2, confidence)) / (num_scores + 1)


def _as_region(slices: Sequence[Slice], scaled: ScaledStudy, fit: Fit, confidence: float) -> ProfileRegion:
    """Return the region, which has the parts of the slices that meet the constraints, and the fit itself."""
    location, scale, constraints = scaled.location, scaled.scale, scaled.study.constraints
    (a_low, a_high), (b_low, b_high) = (
        tuple((end - location) / scale for end in pair) for pair in (constraints.alpha, constraints.beta)
    )
    kept = []
    for one in slices:
        s = math.exp(one.log_s)
        noiseless = s <= 2 * HARDLY  # the smallest ratio that is tried stands for no noise
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
    # The fit meets the constraints even if no part of a slice does.
    best, delta = (fit.alpha if fit.minimize else -fit.beta), max(fit.beta - fit.alpha, 1e-300)
    log_ratio = math.log(fit.sigma / delta) if fit.sigma > 0 else -math.inf
    kept.append(Slice(fit.gamma, log_ratio, np.array([[(best - location) / scale, delta / scale]]), 0.0))
    gammas = tuple(sorted({one.gamma for one in kept}))
    return ProfileRegion(confidence, gammas, fit.num_scores, fit.limits, fit.minimize, kept, scaled, fit)
