"""What regions of noisy quadratics have in common: intervals of all that follows from the parameters."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nqjax._slices import Slice, ends, mass_ends, quantile_ends
from nqjax.constraints import Constraints
from nqjax.errors import InputError
from nqjax.spacing import as_trials, oriented_limits

Floats = NDArray[np.float64]
PARAMETERS = ("alpha", "beta", "gamma", "sigma", "regime_probability")


class Region(ABC):
    """Confidence intervals for what follows from the parameters, whatever method they come from."""

    confidence: float
    gammas: tuple[int, ...]
    num_scores: int
    limits: tuple[float, float]
    minimize: bool

    @property
    def is_empty(self) -> bool:
        """Whether no noisy quadratic is in the region."""
        return not self.gammas

    @abstractmethod
    def interval(self, name: str) -> tuple[float, float]:
        """Lower and upper end of a parameter; NaN when the region is empty.

        Parameters
        ----------
        name : {"alpha", "beta", "gamma", "sigma", "regime_probability"}

        Raises
        ------
        InputError
            Another name.
        """

    @abstractmethod
    def quantile_tuning_curve_bands(self, n: ArrayLike, q: float = 0.5) -> tuple[Floats, Floats]:
        """Lower and upper end of a quantile of the best score after ``n`` trials, the median by default.

        Raises
        ------
        InputError
            ``n`` is not positive, or ``q`` not between 0 and 1.
        """


def check_name(name: str) -> None:
    """Raise InputError for what is no parameter."""
    if name not in PARAMETERS:
        raise InputError(f"there is no parameter {name!r}: choose one of {', '.join(PARAMETERS)}")


def log_tails(n: ArrayLike, q: float, minimize: bool) -> Floats:
    """The logarithm of the complement of the probability whose quantile is the best of n, oriented to minimisation."""
    n = as_trials(n)
    if not 0 < q < 1:
        raise InputError(f"q is {q}: give a number between 0 and 1, 0.5 for the median")
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

    def interval(self, name: str) -> tuple[float, float]:
        """The lowest and the highest value of a parameter in the region, see `Region.interval`.

        The regime's probability is looked at where the set has corners: with limits on both sides it may reach a little
        further between them.
        """
        check_name(name)
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

    def quantile_tuning_curve_bands(self, n: ArrayLike, q: float = 0.5) -> tuple[Floats, Floats]:
        """The lowest and the highest quantile in the region, see `Region.quantile_tuning_curve_bands`."""
        log_tail = log_tails(n, q, self.minimize)
        if self.is_empty:
            return np.full(log_tail.shape, math.nan), np.full(log_tail.shape, math.nan)
        low, high = (
            self._location + self._scale * a.reshape(log_tail.shape)
            for a in quantile_ends(self._slices, log_tail.ravel())
        )
        return (low, high) if self.minimize else (-high, -low)
