"""Sets of noisy quadratics as slices: polygons of (alpha, delta) at one gamma and one ratio of noise to range.

With both fixed the noisy quadratics are a location-scale family: alpha, beta, sigma and every quantile are linear in
(alpha, delta), the CDF at a score increases with the score's place ``(y - alpha) / delta``: all are extreme at
a corner.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from nqjax.confidence.region import Region, check_name
from nqjax.errors import InputError
from nqjax.estimation.constraints import Constraints
from nqjax.inputs import as_quantile, as_trials, oriented_limits
from nqjax.special.chunked import standard_cdf, standard_quantile
from nqjax.types import Floats

#: Alpha and delta are sought within so many ranges of the scores; what ends near there has no end.
FAR = 1e7


_NEAR = FAR / 100


class Slice(NamedTuple):
    """The part of a set with one gamma and one ratio of noise to range, on the scale of the knots."""

    gamma: int
    log_s: float  # -inf for no noise
    corners: Floats  # (corners, 2): alpha, delta
    room: float  # by how much the bounds can be met, or fail to be


def values(one: Slice, name: str) -> Floats:
    """A parameter at the corners of one slice."""
    alpha, delta = one.corners.T
    return {"alpha": alpha, "beta": alpha + delta, "sigma": math.exp(one.log_s) * delta}[name]


def ends(slices: Sequence[Slice], name: str) -> tuple[float, float]:
    """The lowest and the highest value of a parameter; infinite where it was as far as was sought."""
    found = np.concatenate([values(one, name) for one in slices])
    low, high = float(found.min()), float(found.max())
    return (-math.inf if low < -_NEAR else low), (math.inf if high > _NEAR else high)


def cdf_ends(slices: Sequence[Slice], x: Floats) -> tuple[Floats, Floats]:
    """The lowest and the highest CDF at each place."""
    low, high = np.empty((len(slices), len(x))), np.empty((len(slices), len(x)))
    for i, one in enumerate(slices):
        alpha, delta = one.corners.T[..., None]
        u = (x - alpha) / np.maximum(delta, 1e-300)
        low[i], high[i] = u.min(axis=0), u.max(axis=0)
    s, gamma = _shapes(slices)
    both = (standard_cdf(u, s, gamma) for u in (low, high))
    return next(both).min(axis=0), next(both).max(axis=0)


def mass_ends(slices: Sequence[Slice], start: float, end: float) -> tuple[float, float]:
    """The lowest and the highest probability between two places, at the corners."""
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
    """The lowest and the highest quantile of each probability, given by the logarithm of its complement.

    Infinite where it is so far away that the slices end only where the search did.
    """
    t = standard_quantile(np.broadcast_to(log_tail, (len(slices), len(log_tail))), *_shapes(slices))
    low, high = np.full(len(log_tail), math.inf), np.full(len(log_tail), -math.inf)
    for one, row in zip(slices, t, strict=True):
        alpha, delta = one.corners.T[..., None]
        y = alpha + delta * row
        low, high = np.minimum(low, y.min(axis=0)), np.maximum(high, y.max(axis=0))
    return np.where(low < -_NEAR, -math.inf, low), np.where(high > _NEAR, math.inf, high)


def _shapes(slices: Sequence[Slice]) -> tuple[Floats, Floats]:
    return np.exp([[one.log_s] for one in slices]), np.array([[float(one.gamma)] for one in slices])


def clip_polygon(corners: Floats, normal: tuple[float, float], most: float) -> Floats:
    """The part of a polygon, given by its corners in order, where ``normal @ corner <= most`` (Sutherland, Hodgman)."""
    if not len(corners) or math.isinf(most):
        return corners
    height = corners @ np.array(normal) - most
    # What was cut at one of two equal bounds must not fall to rounding at the other.
    inside = height <= 1e-9 * max(1.0, abs(most))
    if np.all(inside):
        return corners
    following, over = np.roll(corners, -1, axis=0), np.roll(height, -1)
    crosses = inside != np.roll(inside, -1)
    share = height / np.where(crosses, height - over, 1.0)
    cuts = corners + share[:, None] * (following - corners)
    # In order: a corner that is inside, then where the edge after it crosses.
    both = np.stack([corners, cuts], axis=1).reshape(-1, 2)
    return both[np.stack([inside, crosses], axis=1).ravel()]


def log_tails(n: ArrayLike, q: float, minimize: bool) -> Floats:
    """The logarithm of the complement of the probability whose quantile is the best of n, oriented to minimisation."""
    n, q = as_trials(n), as_quantile(q)
    return np.log1p(-(q if minimize else 1 - q)) / n


@dataclass(frozen=True, eq=False)
class SlicedRegion(Region):
    """A region that is a set of noisy quadratics.

    Attributes
    ----------
    confidence : float
        Probability that the method's answer holds; see the method for what it holds of.
    gammas : tuple of int
        Those for which something is in the region.
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
    _location: float = field(repr=False)
    _scale: float = field(repr=False)
    _constraints: Constraints = field(repr=False)

    def _check_confidence(self, confidence: float | None) -> None:
        if confidence is not None and confidence != self.confidence:
            raise InputError(
                f"this region was computed at the confidence {self.confidence:g}: make another at {confidence:g}"
            )

    def interval(self, name: str, confidence: float | None = None) -> tuple[float, float]:
        """Return the lowest and the highest value of a parameter in the region, see `Region.interval`.

        The regime's probability is looked at where the set has corners: with limits on both sides it may reach a little
        further between them.
        """
        check_name(name)
        self._check_confidence(confidence)
        if self.is_empty:
            return math.nan, math.nan
        if name == "gamma":
            return float(min(self.gammas)), float(max(self.gammas))
        if name == "regime_probability":
            start, end = ((x - self._location) / self._scale for x in oriented_limits(self.limits, self.minimize))
            return mass_ends(self._slices, start, end)
        as_is = self.minimize or name == "sigma"
        swapped = name if as_is else {"alpha": "beta", "beta": "alpha"}[name]
        location = 0.0 if name == "sigma" else self._location
        # Rounding must not carry a parameter past its constraint.
        bounds = getattr(self._constraints, swapped)
        low, high = (float(np.clip(location + self._scale * x, *bounds)) for x in ends(self._slices, swapped))
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
            self._location + self._scale * a.reshape(log_tail.shape)
            for a in quantile_ends(self._slices, log_tail.ravel())
        )
        return (low, high) if self.minimize else (-high, -low)
