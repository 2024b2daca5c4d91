"""Importance sampling of a density in a few dimensions that is costly to evaluate, with proposals that adapt.

A proposal is a mixture of normal kernels around points drawn from the weights of the round before (West 1993). Early
rounds flatten the density, so that some of their points count; the last round is larger and its weights are exact. If
few of its points count, it is repeated with an adapted proposal, and the points of all last rounds are weighed by the
mean density of their proposals (Owen and Zhou 2000).
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy.special

from nqjax.types import Floats

#: Points of the round that looks for the density.
_FIRST_POINTS = 4096

#: It is repeated until this number of its points have a density.
_FEWEST_FIRST = 64

#: Most repetitions of it.
_MOST_FIRST_ROUNDS = 6

#: Points of a round that adapts the proposal.
_POINTS = 1536

#: Kernels of a proposal; their width in units of a normal density's best one; share and factor of the wide ones.
_KERNELS = 256
_WIDE_SHARE = 0.2
_WIDE_FACTOR = 2.5

#: Effective points that a flattened density keeps, as a share of a round.
_KEPT = 0.06

#: The last round is repeated until this share of its points is effective.
_ENOUGH = 0.1

#: Most repetitions of the last round.
_MOST_LAST_ROUNDS = 4

#: Most rounds, and rounds without flattening before the last.
_MOST_ROUNDS = 12
_ROUNDS_UNFLATTENED = 2


class Weighted(NamedTuple):
    """Points of a density with normalised weights."""

    x: Floats  # (points, dimensions)
    weight: Floats  # (points,), they sum to 1
    log_integral: float  # of the density
    effective: float  # number of independent points that tell as much
    parts: Floats  # (points, parts), what the density was summed of


class _Kernels(NamedTuple):
    """A mixture of normal densities."""

    centers: Floats  # (kernels, dimensions)
    root: Floats  # (dimensions, dimensions), lower Cholesky factor of the narrow kernels

    def draw(self, count: int, rng: np.random.Generator) -> Floats:
        """Return points, the same number around each center as nearly as possible."""
        which = rng.permutation(np.resize(rng.permutation(len(self.centers)), count))
        factor = np.where(rng.random(count) < _WIDE_SHARE, _WIDE_FACTOR, 1.0)
        noise = rng.standard_normal((count, self.centers.shape[1])) * factor[:, None]
        return np.asarray(self.centers[which] + noise @ self.root.T)

    def log_density(self, x: Floats) -> Floats:
        """Return the log density at the points."""
        inverse = np.linalg.inv(self.root)
        a, b = (x - self.centers[0]) @ inverse.T, (self.centers - self.centers[0]) @ inverse.T
        square = np.maximum((a**2).sum(1)[:, None] + (b**2).sum(1) - 2 * a @ b.T, 0.0)
        d = x.shape[1]
        density = (1 - _WIDE_SHARE) * np.exp(-0.5 * square).sum(1)
        density += _WIDE_SHARE / _WIDE_FACTOR**d * np.exp(-0.5 / _WIDE_FACTOR**2 * square).sum(1)
        scale = np.log(np.diag(self.root)).sum() + 0.5 * d * np.log(2 * np.pi) + np.log(len(self.centers))
        return np.asarray(np.log(np.maximum(density, 1e-300)) - scale)


def sample(
    log_density: Callable[[Floats], Floats],
    first: Callable[[int], tuple[Floats, Floats]],
    count: int,
    rng: np.random.Generator,
) -> Weighted | None:
    """Return weighted points of a density; None if no point has one.

    Parameters
    ----------
    log_density : callable
        From points (points, dimensions) to the log densities of parts, (points, parts); the density is their sum.
    first : callable
        From a number to that many points of the first round, and the log density of their proposal.
    count : int
        Points of the last round, and of each repetition.
    """
    x, log_ratio = _first_round(log_density, first)
    if not len(x):
        return None
    unflattened = 0
    for _ in range(_MOST_ROUNDS):
        power = _flattening(log_ratio)
        unflattened += power == 1.0
        proposal = _kernels(x, power * log_ratio, rng)
        if unflattened == _ROUNDS_UNFLATTENED:
            break
        x = proposal.draw(_POINTS, rng)
        x, log_ratio = _possible(x, _total(log_density(x)) - proposal.log_density(x))
        if not len(x):
            return None
    points, densities, proposals = [], [], []
    for _ in range(_MOST_LAST_ROUNDS):
        points.append(proposal.draw(count, rng))
        densities.append(log_density(points[-1]))
        proposals.append(proposal)
        x, parts = np.concatenate(points), np.concatenate(densities)
        log_weight = _total(parts) - _log_mixture(proposals, x)
        if effective_number(log_weight) >= _ENOUGH * count:
            break
        likely, ratio = _possible(x, log_weight)
        if not len(likely):
            return None
        proposal = _kernels(likely, _flattening(ratio) * ratio, rng)
    top = scipy.special.logsumexp(log_weight)
    weight = np.exp(log_weight - top)
    return Weighted(x, weight, float(top - np.log(len(x))), float(1 / np.sum(weight**2)), parts)


def _log_mixture(proposals: list[_Kernels], x: Floats) -> Floats:
    """Return the log of the mean density of proposals of which as many points were drawn each."""
    found = np.stack([one.log_density(x) for one in proposals])
    return np.asarray(scipy.special.logsumexp(found, axis=0) - np.log(len(proposals)))


def _total(parts: Floats) -> Floats:
    return np.asarray(scipy.special.logsumexp(np.where(np.isnan(parts), -np.inf, parts), axis=1))


def _possible(x: Floats, log_ratio: Floats) -> tuple[Floats, Floats]:
    """Return the points that have a density, and its ratio to the proposal."""
    kept = np.isfinite(log_ratio)
    return x[kept], log_ratio[kept]


def _first_round(
    log_density: Callable[[Floats], Floats], first: Callable[[int], tuple[Floats, Floats]]
) -> tuple[Floats, Floats]:
    """Return points that have a density, of which bounds may leave few."""
    found: list[tuple[Floats, Floats]] = []
    for _ in range(_MOST_FIRST_ROUNDS):
        x, log_proposal = first(_FIRST_POINTS)
        found.append(_possible(x, _total(log_density(x)) - log_proposal))
        if sum(len(x) for x, _ in found) >= _FEWEST_FIRST:
            break
    return np.concatenate([x for x, _ in found]), np.concatenate([ratio for _, ratio in found])


def effective_number(log_weight: Floats) -> float:
    """Return the effective number of points with these log weights, 0 if none is above 0."""
    top = log_weight.max()
    if not np.isfinite(top):
        return 0.0
    weight = np.exp(log_weight - top)
    return float(weight.sum() ** 2 / np.sum(weight**2))


def _flattening(log_ratio: Floats) -> float:
    """Return the largest power of the ratio of density and proposal, at most 1, that keeps enough effective points."""
    least = _KEPT * len(log_ratio)
    if effective_number(log_ratio) >= least:
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(30):
        middle = (low + high) / 2
        if effective_number(middle * log_ratio) >= least:
            low = middle
        else:
            high = middle
    return low


def _kernels(x: Floats, log_weight: Floats, rng: np.random.Generator) -> _Kernels:
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    steps = (np.arange(_KERNELS) + rng.random()) / _KERNELS
    chosen = np.minimum(np.searchsorted(np.cumsum(weight), steps), len(x) - 1)
    d = x.shape[1]
    apart = x - weight @ x
    covariance = (weight[:, None] * apart).T @ apart + 1e-8 * np.eye(d)
    width = (4 / ((d + 2) * min(_KERNELS, effective_number(log_weight)))) ** (1 / (d + 4))
    return _Kernels(x[chosen], width * np.linalg.cholesky(covariance))
