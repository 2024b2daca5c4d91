"""The interface of confidence regions: intervals for the parameters and for what follows from them."""

from abc import ABC, abstractmethod
from typing import Any, Protocol

from numpy.typing import ArrayLike

from nqjax.inputs import as_choice
from nqjax.types import Floats

PARAMETERS = ("alpha", "beta", "gamma", "sigma", "regime_probability")


class Region(ABC):
    """Confidence intervals for the parameters and for what follows from them, whatever the method.

    `ProfileRegion` and `ConsonanceRegion` are computed at one confidence and raise `InputError` when asked for another.
    `Bootstrap` and `Posterior` answer at any; ``confidence`` is then only the default.

    Attributes
    ----------
    confidence : float
        Probability of the intervals; which statement it refers to depends on the method.
    gammas : tuple of int
        Values of gamma that the region allows.
    num_scores : int
    limits : pair of float
    minimize : bool

    Examples
    --------
    >>> import numpy as np
    >>> import nqjax
    >>> scores = np.random.default_rng(0).random(48)
    >>> region = nqjax.confidence_region(scores, threshold=None, gamma=2, sigma=(0.01, 0.1))
    >>> isinstance(region, nqjax.Region)
    True
    >>> lower, upper = region.quantile_tuning_curve_band([10, 100])
    >>> bool(np.all(lower < upper))
    True
    """

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
    def interval(self, name: str, confidence: float | None = None) -> tuple[float, float]:
        """Return the lower and upper end of a parameter; NaN when the region is empty.

        Parameters
        ----------
        name : {"alpha", "beta", "gamma", "sigma", "regime_probability"}
        confidence : float, optional
            The region's own by default.

        Raises
        ------
        InputError
            Unknown name, or a confidence that the region was not made for.
        """

    @abstractmethod
    def quantile_tuning_curve(self, n: ArrayLike, q: float = 0.5) -> Floats:
        """Return the estimated quantile of the best score after ``n`` trials, the median by default.

        Returns
        -------
        ndarray, shape of n
            The posterior median for a posterior, the curve of the fit for all other methods.

        Raises
        ------
        InputError
            ``n`` is not positive, or ``q`` not between 0 and 1.
        """

    @abstractmethod
    def quantile_tuning_curve_band(
        self, n: ArrayLike, q: float = 0.5, confidence: float | None = None
    ) -> tuple[Floats, Floats]:
        """Return the lower and upper end of a quantile of the best score after ``n`` trials, the median by default.

        Parameters
        ----------
        n : array_like
            Numbers of trials, positive and not necessarily whole.
        q : float
            Probability of the quantile.
        confidence : float, optional
            The region's own by default.

        Returns
        -------
        lower, upper : ndarray, shape of n

        Raises
        ------
        InputError
            ``n`` is not positive, ``q`` not between 0 and 1, or a confidence that the region was not made for.
        """


def check_name(name: str) -> None:
    """Raise InputError for an unknown parameter."""
    as_choice("parameter", name, PARAMETERS)


def tails(confidence: float) -> tuple[float, float]:
    """Return the probabilities at which a central interval ends."""
    return (1 - confidence) / 2, (1 + confidence) / 2


class Answer(Protocol):
    """Point estimates that have a region behind them, such as `nqjax.AveragedFit`."""

    @property
    def posterior(self) -> Region:
        """The region that the estimates are of."""


def region_behind(given: Any) -> Any:
    """Return the region behind point estimates, or else what was given."""
    found = getattr(given, "posterior", None)
    return found if isinstance(found, Region) else given


#: How much wider intervals of the averaged posterior are than the central part of its draws, see `wider_tails`.
_WIDER = 2.5
_MOST_WIDER = 13 / 12


def wider_tails(confidence: float) -> tuple[float, float]:
    """Return the probabilities at which an interval of the averaged posterior ends: 0.022 and 0.978 for 95 %.

    A prior holds on average over the searches it describes, not in each kind of search. There its bias matters most for
    the narrow intervals, so that their tails become smaller: 80 % intervals have 86.7 % of the draws, 95 % ones 95.6 %.
    docs/coverage.md measures both.
    """
    beyond = 1 - confidence
    return tails(min(1 - beyond / (1 + _WIDER * beyond), _MOST_WIDER * confidence))
