"""What regions of noisy quadratics have in common: intervals of all that follows from the parameters."""

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nqjax.errors import InputError

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
