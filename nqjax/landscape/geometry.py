"""The geometry of the good configurations: which hyperparameters decide whether a configuration is one of them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nqjax.errors import InputError
from nqjax.landscape.correlations import average_ranks
from nqjax.landscape.region_importance import pearson_divergence
from nqjax.landscape.space import Space

#: A hyperparameter counts if its relevance is this many standard deviations of that of one that does not matter.
_STANDARD_DEVIATIONS = 3.0

#: The variance, times the number of configurations, of a uniform variable's sample variance over its own.
_UNIFORM = 0.8

#: Effective numbers of hyperparameters are sought from 0 up to this.
_MOST_GAMMA = 50.0


@dataclass(frozen=True)
class Relevance:
    """Measure of how much the good configurations are narrowed along one hyperparameter.

    Attributes
    ----------
    value : float
        Ordered: 1 less the ratio of its variance inside to that of all, on the scale of its sampling distribution; 1 if
        one value only is good, 0 if all are. Categorical: the Pearson divergence over the number of levels less one.
    least : float
        What it must exceed to count.
    ordered : bool
    """

    value: float
    least: float
    ordered: bool

    @property
    def counts(self) -> bool:
        """Whether the value is larger than chance makes it."""
        return self.value > self.least


@dataclass(frozen=True)
class Geometry:
    """The regime, seen as a set of configurations.

    Attributes
    ----------
    threshold : float
        The worst score of the regime.
    share : float
        The share of the configurations that are in it.
    num_inside : int
        Their number.
    relevance : dict of str to Relevance
        By hyperparameter, the most relevant first.
    """

    threshold: float
    share: float
    num_inside: int
    relevance: dict[str, Relevance]

    @property
    def counting(self) -> list[str]:
        """Names of the hyperparameters that count."""
        return [name for name, one in self.relevance.items() if one.counts]

    @property
    def total(self) -> float:
        """The sum over all ordered hyperparameters."""
        return sum(one.value for one in self.relevance.values() if one.ordered)

    @property
    def counting_total(self) -> float:
        """The sum over the ordered hyperparameters that count."""
        return sum(one.value for one in self.relevance.values() if one.counts and one.ordered)

    @property
    def gamma(self) -> float | None:
        """The number of equally curved directions that would give the sum of those that count; None if none does.

        It agrees with the truth on simulated noisy quadratics. On real searches it mostly follows the regime's share,
        and its agreement with a fitted gamma is not shown.
        """
        return gamma_from_geometry(self.counting_total, self.share)

    @property
    def leaves_cube(self) -> bool:
        """Whether the ball of that share reaches beyond the space, where the formula does not hold."""
        return self.gamma is not None and ball_radius(self.gamma, self.share) > 0.5

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers as plain Python objects, for JSON."""
        return {
            "threshold": self.threshold,
            "share": self.share,
            "configurations": self.num_inside,
            "relevance": {
                name: {
                    "value": one.value,
                    "least": one.least if math.isfinite(one.least) else None,
                    "counts": one.counts,
                    "ordered": one.ordered,
                }
                for name, one in self.relevance.items()
            },
            "counting": self.counting,
            "relevance_sum": self.total,
            "gamma_from_geometry": self.gamma,
            "ball_leaves_the_space": self.leaves_cube,
        }

    def expected_total(self, gamma: float) -> float:
        """Return the sum that ``gamma`` equally curved directions would give at this share."""
        return expected_relevance(gamma, self.share)


def find_geometry(space: Space, inside: NDArray[np.bool_], threshold: float) -> Geometry:
    """Return the geometry of a regime: the relevance of each hyperparameter.

    Raises
    ------
    InputError
        If fewer than 10 configurations are inside.
    """
    within = int(inside.sum())
    if within < 10:
        raise InputError(f"{within} configurations are in the regime: at least 10 are needed; choose another threshold")
    found = {}
    for axis, codes in zip(space.axes, space.codes, strict=True):
        if axis.ordered:
            active = codes < axis.num_active
            found[axis.name] = _of_ordered(codes[active].astype(np.float64), inside[active])
        else:
            free = len(axis.levels) - 1
            value = pearson_divergence(codes, inside) / free
            found[axis.name] = Relevance(
                value, (1 + _STANDARD_DEVIATIONS * math.sqrt(2 / free)) / within, ordered=False
            )
    order = sorted(found, key=lambda name: -found[name].value)
    return Geometry(threshold, within / len(inside), within, {name: found[name] for name in order})


def _of_ordered(values: NDArray[Any], inside: NDArray[np.bool_]) -> Relevance:
    """Return the relevance of a hyperparameter with an order, on the scale of its ranks."""
    within = int(inside.sum())
    place = average_ranks(values)
    everything = float(place.var())
    if within < 2 or not everything:
        return Relevance(0.0, math.inf, ordered=True)
    least = _STANDARD_DEVIATIONS * math.sqrt(_UNIFORM / within)
    return Relevance(1 - float(place[inside].var(ddof=1)) / everything, least, ordered=True)


def ball_radius(gamma: float, share: float) -> float:
    """Return the radius of the ball in ``gamma`` dimensions that has a share of the unit cube's volume."""
    log_volume = gamma / 2 * math.log(math.pi) - math.lgamma(gamma / 2 + 1)
    return math.exp((math.log(share) - log_volume) / gamma)


def expected_relevance(gamma: float, share: float) -> float:
    """Return the sum of relevances of ``gamma`` equally curved directions whose regime has a share of the space.

    Uniform in a ball of radius r, each coordinate has the variance r^2 / (gamma + 2); uniform in the cube, 1/12.
    """
    return gamma * (1 - 12 * ball_radius(gamma, share) ** 2 / (gamma + 2))


def gamma_from_geometry(total: float, share: float) -> float | None:
    """Return the gamma whose expected sum of relevances is ``total``; None for a sum that is not positive."""
    if total <= 0 or share >= 1:
        return None
    low, high = 1e-3, _MOST_GAMMA
    if expected_relevance(high, share) < total:
        return None
    # The sum grows with gamma wherever it is positive.
    for _ in range(100):
        middle = (low + high) / 2
        if expected_relevance(middle, share) < total:
            low = middle
        else:
            high = middle
    return (low + high) / 2
