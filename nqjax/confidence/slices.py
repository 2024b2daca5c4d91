"""Sets of noisy quadratics as slices: polygons of (alpha, delta) at one gamma and one ratio of noise to range.

With both fixed, noisy quadratics are a location-scale family: alpha, beta, sigma and every quantile are linear in
(alpha, delta), and the CDF at a score increases with the score's place ``(y - alpha) / delta``. So all of these are
extreme at a corner.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from nqjax.confidence.region import Region, check_name
from nqjax.errors import InputError
from nqjax.estimation.study import ScaledStudy, Study
from nqjax.inputs import as_probability, as_quantile, as_trials, oriented_limits
from nqjax.special.chunked import standard_cdf, standard_quantile
from nqjax.types import Floats

#: Search bounds for alpha and delta, in ranges of the scores.
FAR = 1e7

#: An end beyond this is reported as infinite.
_UNBOUNDED = FAR / 100


class Slice(NamedTuple):
    """The part of a set with one gamma and one ratio of noise to range, on the scale of the knots."""

    gamma: int
    log_s: float  # -inf for no noise
    corners: Floats  # (corners, 2): alpha, delta
    room: float  # margin by which the bounds are met; negative if they are not


def values(one: Slice, name: str) -> Floats:
    """Return a parameter at the corners of one slice."""
    alpha, delta = one.corners.T
    return {"alpha": alpha, "beta": alpha + delta, "sigma": math.exp(one.log_s) * delta}[name]


def ends(slices: Sequence[Slice], name: str) -> tuple[float, float]:
    """Return the lowest and the highest value of a parameter; infinite beyond the search bounds."""
    found = np.concatenate([values(one, name) for one in slices])
    low, high = float(found.min()), float(found.max())
    return (-math.inf if low < -_UNBOUNDED else low), (math.inf if high > _UNBOUNDED else high)


def cdf_ends(slices: Sequence[Slice], x: Floats) -> tuple[Floats, Floats]:
    """Return the lowest and the highest CDF at each score x, on the scale of the knots."""
    low, high = np.empty((len(slices), len(x))), np.empty((len(slices), len(x)))
    for i, one in enumerate(slices):
        alpha, delta = one.corners.T[..., None]
        u = (x - alpha) / np.maximum(delta, 1e-300)
        low[i], high[i] = u.min(axis=0), u.max(axis=0)
    s, gamma = _shapes(slices)
    both = (standard_cdf(u, s, gamma) for u in (low, high))
    return next(both).min(axis=0), next(both).max(axis=0)


def mass_ends(slices: Sequence[Slice], start: float, end: float) -> tuple[float, float]:
    """Return the lowest and the highest probability between two places, at the corners."""
    alpha, delta = np.concatenate([one.corners for one in slices]).T
    s, gamma = _shapes(slices)
    counts = [len(one.corners) for one in slices]
    shape = np.repeat(s[:, 0], counts), np.repeat(gamma[:, 0], counts)
    delta = np.maximum(delta, 1e-300)
    below, upto = (
        np.full(len(alpha), float(place > 0)) if math.isinf(place) else standard_cdf((place - alpha) / delta, *shape)
        for place in (start, end)
    )
    mass = upto - below
    return float(mass.min()), float(mass.max())


def quantile_ends(slices: Sequence[Slice], log_tail: Floats) -> tuple[Floats, Floats]:
    """Return the lowest and the highest quantile of probabilities p, given as ``log(1 - p)``.

    Infinite where the slices end at the search bounds.
    """
    t = standard_quantile(np.broadcast_to(log_tail, (len(slices), len(log_tail))), *_shapes(slices))
    low, high = np.full(len(log_tail), math.inf), np.full(len(log_tail), -math.inf)
    for one, row in zip(slices, t, strict=True):
        alpha, delta = one.corners.T[..., None]
        y = alpha + delta * row
        low, high = np.minimum(low, y.min(axis=0)), np.maximum(high, y.max(axis=0))
    return np.where(low < -_UNBOUNDED, -math.inf, low), np.where(high > _UNBOUNDED, math.inf, high)


def _shapes(slices: Sequence[Slice]) -> tuple[Floats, Floats]:
    return np.exp([[one.log_s] for one in slices]), np.array([[float(one.gamma)] for one in slices])


def clip_polygon(corners: Floats, normal: tuple[float, float], most: float) -> Floats:
    """Return the part of a polygon where ``normal @ corner <= most`` (Sutherland, Hodgman); corners are in order."""
    if not len(corners) or math.isinf(most):
        return corners
    height = corners @ np.array(normal) - most
    # Rounding at one of two equal bounds must not remove what the other leaves.
    inside = height <= 1e-9 * max(1.0, abs(most))
    if np.all(inside):
        return corners
    following, over = np.roll(corners, -1, axis=0), np.roll(height, -1)
    crosses = inside != np.roll(inside, -1)
    share = height / np.where(crosses, height - over, 1.0)
    cuts = corners + share[:, None] * (following - corners)
    # In order: a corner that is inside, then the point where the edge after it crosses.
    both = np.stack([corners, cuts], axis=1).reshape(-1, 2)
    return both[np.stack([inside, crosses], axis=1).ravel()]


def log_tails(n: ArrayLike, q: float, minimize: bool) -> Floats:
    """Return ``log(1 - p)``, where the p quantile of one score is the q quantile of the best of n scores.

    Scores are oriented to minimisation.
    """
    n, q = as_trials(n), as_quantile(q)
    return np.log1p(-(q if minimize else 1 - q)) / n


@dataclass(frozen=True, eq=False)
class SlicedRegion(Region):
    """A region that is a set of noisy quadratics.

    Attributes
    ----------
    confidence : float
        Coverage, of each interval or of all together depending on the method.
    gammas : tuple of int
        Values of gamma that occur in the region.
    num_scores : int
    limits : pair of float
    minimize : bool
    """

    confidence: float
    gammas: tuple[int, ...]
    num_scores: int
    limits: tuple[float, float]
    minimize: bool
    _slices: list[Slice] = field(repr=False)
    _scaled: ScaledStudy = field(repr=False)

    @property
    def study(self) -> Study:
        """The scores that the region is of, with limits, direction and constraints."""
        return self._scaled.study

    def _check_confidence(self, confidence: float | None) -> None:
        if confidence is not None and as_probability("confidence", confidence) != self.confidence:
            raise InputError(
                f"this region was computed at the confidence {self.confidence:g}: make another at {confidence:g}"
            )

    def interval(self, name: str, confidence: float | None = None) -> tuple[float, float]:
        """Return the lowest and the highest value of a parameter in the region, see `Region.interval`.

        The regime's probability is computed at the corners: with limits on both sides it may be a little more extreme
        between them.
        """
        check_name(name)
        self._check_confidence(confidence)
        if self.is_empty:
            return math.nan, math.nan
        if name == "gamma":
            return float(min(self.gammas)), float(max(self.gammas))
        if name == "regime_probability":
            ends_of_regime = oriented_limits(self.limits, self.minimize)
            start, end = ((x - self._scaled.location) / self._scaled.scale for x in ends_of_regime)
            return mass_ends(self._slices, start, end)
        as_is = self.minimize or name == "sigma"
        swapped = name if as_is else {"alpha": "beta", "beta": "alpha"}[name]
        location = 0.0 if name == "sigma" else self._scaled.location
        # Rounding must not carry a parameter past its constraint.
        bounds = getattr(self._scaled.study.constraints, swapped)
        low, high = (float(np.clip(location + self._scaled.scale * x, *bounds)) for x in ends(self._slices, swapped))
        return (low, high) if as_is else (-high, -low)

    def quantile_tuning_curve_band(
        self, n: ArrayLike, q: float = 0.5, confidence: float | None = None
    ) -> tuple[Floats, Floats]:
        """Return the lowest and the highest quantile in the region, see `Region.quantile_tuning_curve_band`."""
        self._check_confidence(confidence)
        log_tail = log_tails(n, q, self.minimize)
        if self.is_empty:
            return np.full(log_tail.shape, math.nan), np.full(log_tail.shape, math.nan)
        low, high = (
            self._scaled.location + self._scaled.scale * a.reshape(log_tail.shape)
            for a in quantile_ends(self._slices, log_tail.ravel())
        )
        return (low, high) if self.minimize else (-high, -low)
