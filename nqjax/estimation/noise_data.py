"""Noise of one run as it was measured, with its uncertainty."""

import math
from dataclasses import dataclass

import numpy as np
import scipy.special
from numpy.typing import ArrayLike

from nqjax.errors import InputError, show
from nqjax.estimation.constraints import Constraint
from nqjax.inputs import as_count, as_numbers, as_probability, read_number, shortened
from nqjax.types import Floats

#: Confidence of the interval that bounds sigma where noise is given.
_CONFIDENCE = 0.95


@dataclass(frozen=True)
class Noise:
    """Noise of one run, measured by running configurations more than once.

    `nqjax.noise_from_reruns` and `nqjax.noise_from_seeds` make it; `nqjax.fit` and the other analyses take it.

    Attributes
    ----------
    sigma : float
        Pooled standard deviation of one run, on the scale of the scores.
    degrees_of_freedom : int
        Runs that were pooled, less one for each configuration.
    configurations : int
        Number of configurations that were pooled.
    num_runs, num_failed : int
        Runs that were pooled, and failed runs, which are left out.
    num_left_out : int
        Configurations with several runs that are left out: their mean lies outside the limits, or they are among the
        worst and their noise is wider than that of the better ones.

    Examples
    --------
    >>> import nqjax
    >>> noise = nqjax.Noise(sigma=0.01, degrees_of_freedom=16, configurations=8)
    >>> low, high = noise.interval(0.95)
    >>> round(low, 4), round(high, 4)
    (0.0074, 0.0152)
    >>> noise.log_likelihood([0.005, 0.01, 0.02]).round(1).tolist()
    [-12.9, 0.0, -5.1]
    """

    sigma: float
    degrees_of_freedom: int
    configurations: int
    num_runs: int = 0
    num_failed: int = 0
    num_left_out: int = 0

    def __post_init__(self) -> None:
        sigma = read_number(self.sigma)
        if not 0 < sigma < math.inf:
            raise InputError(f"the sigma of the noise is {shortened(self.sigma)}: give a standard deviation above 0")
        object.__setattr__(self, "sigma", sigma)
        for name, least in (
            ("degrees_of_freedom", 1),
            ("configurations", 1),
            ("num_runs", 0),
            ("num_failed", 0),
            ("num_left_out", 0),
        ):
            object.__setattr__(self, name, as_count(name, getattr(self, name), least))

    def interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Return the chi-square interval of sigma, valid for normal noise of one size.

        Raises
        ------
        InputError
            A confidence that is not between 0 and 1.
        """
        confidence = as_probability("confidence", confidence)
        freedom = self.degrees_of_freedom
        # The upper tail's inverse; scipy.stats, which has it too, takes half a second to import.
        most, least = scipy.special.chdtri(freedom, [(1 - confidence) / 2, (1 + confidence) / 2])
        return self.sigma * math.sqrt(freedom / most), self.sigma * math.sqrt(freedom / least)

    def log_likelihood(self, sigma: ArrayLike) -> Floats:
        """Return the log-likelihood of a true standard deviation, relative to that of the pooled one.

        With the pooled variance s**2 of nu degrees of freedom, ``nu s**2 / sigma**2`` is chi-square distributed, so
        this is ``nu (log(s / sigma) + (1 - s**2 / sigma**2) / 2)``.

        Parameters
        ----------
        sigma : array_like
            Standard deviations; values of 0 or less have no likelihood.

        Returns
        -------
        ndarray, shape of sigma
        """
        given = as_numbers("standard deviations", sigma)
        with np.errstate(over="ignore"):
            ratio = self.sigma / np.where(given > 0, given, 1.0)
            found = self.degrees_of_freedom * (np.log(np.maximum(ratio, 1e-300)) + (1 - ratio**2) / 2)
        return np.where(
            given > 0, np.where(np.isinf(given), -np.inf, found), np.where(np.isnan(given), np.nan, -np.inf)
        )


def as_noise(noise: "Noise | None") -> "Noise | None":
    """Return measured noise, or None for none; raise InputError for anything else."""
    if noise is not None and not isinstance(noise, Noise):
        raise InputError(f"the noise is {shortened(noise)}: give one from nqjax.noise_from_reruns, or None")
    return noise


def sigma_within(sigma: Constraint, noise: Noise | None) -> Constraint:
    """Return the constraint on sigma, a pair or a number that was checked, within the interval of measured noise.

    Raises
    ------
    InputError
        The constraint allows nothing within the interval.
    """
    if noise is None:
        return sigma
    low, high = noise.interval(_CONFIDENCE)
    least, most = sigma if isinstance(sigma, tuple | list) else (sigma, sigma) if sigma is not None else (0.0, math.inf)
    if max(low, least) > min(high, most):
        raise InputError(
            f"sigma is constrained to {show(least)} to {show(most)}, but the reruns say {show(low)} to {show(high)}: "
            "leave out the constraint or the noise"
        )
    return max(low, least), min(high, most)
