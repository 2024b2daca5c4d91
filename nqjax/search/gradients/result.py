"""Hypergradients over seeds, and the rule that refuses them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nqjax.errors import InputError, show

Floats = NDArray[np.float64]

#: Standard deviation of a normal distribution in units of its median absolute deviation.
_NORMAL = 1.4826

#: The mean and the median disagree if they lie further apart than this many robust standard deviations of one seed ...
_APART = 1.0

#: ... and than this share of the median, below which the difference does not matter.
_NEGLIGIBLE = 0.1

#: A derivative is not that of the score if the central difference of the same seeds is further away than this many
#: standard errors of the difference ...
_AWAY = 3.0

#: ... and than this share of the central difference.
_MATTERS = 0.2

#: The sign is told if the mean lies at least this many standard errors from 0.
_TOLD = 2.0


class Derivative(NamedTuple):
    """The derivative of the mean score by one hyperparameter.

    Attributes
    ----------
    name : str
    scale : str
        "log" where it is the derivative by the hyperparameter's natural logarithm, else "linear".
    gradient : float
        The mean over seeds; NaN where it is refused.
    mean, median, standard_error : float
        Over seeds, also of what is refused; the standard error is the mean's.
    signal_to_noise : float
        The mean in units of its standard error.
    reliable : bool
        Whether it is not refused and its sign is told: it lies two standard errors or more from 0.
    refused : bool
    reason : str
        Plain words on that.
    central_difference : float
        The mean over the same seeds, if it was asked for; else NaN.
    """

    name: str
    scale: str
    gradient: float
    mean: float
    median: float
    standard_error: float
    signal_to_noise: float
    reliable: bool
    refused: bool
    reason: str
    central_difference: float = math.nan


@dataclass(frozen=True)
class Hypergradient:
    """Derivatives of a training's score by its hyperparameters: see `nqjax.search.hypergradient`.

    ``found["weight_decay"]`` is the `Derivative` by one of them.

    Attributes
    ----------
    method : str
        "unrolled" or "implicit".
    score : str
        The name of the score.
    derivatives : tuple of Derivative
    by_seed : ndarray, shape (seeds, hyperparameters)
        The derivative for each seed, on its scale.
    scores : ndarray, shape (seeds,)
        The score at the end of each seed's training.
    cost : float
        The time of all derivatives together, in plain trainings; measured.
    """

    method: str
    score: str
    derivatives: tuple[Derivative, ...]
    by_seed: Floats
    scores: Floats
    cost: float

    def __getitem__(self, name: str) -> Derivative:
        for one in self.derivatives:
            if one.name == name:
                return one
        raise InputError(f"there is no derivative by {name!r}: choose one of {', '.join(self.names)}")

    @property
    def names(self) -> tuple[str, ...]:
        """The hyperparameters, in the order of the columns of ``by_seed``."""
        return tuple(one.name for one in self.derivatives)

    @property
    def gradient(self) -> Floats:
        """The derivative by each hyperparameter, NaN where it is refused; shape (hyperparameters,)."""
        return np.array([one.gradient for one in self.derivatives])

    @property
    def reliable(self) -> NDArray[np.bool_]:
        """Whether each derivative may be used; shape (hyperparameters,)."""
        return np.array([one.reliable for one in self.derivatives])

    def __str__(self) -> str:
        """Return a table in plain text."""
        rows: list[tuple[str, ...]] = [("d by", "gradient", "standard error", "median", "signal to noise", "")]
        for one in self.derivatives:
            label = f"log {one.name}" if one.scale == "log" else one.name
            gradient = "refused" if one.refused else f"{one.gradient:.3g}"
            numbers = (f"{value:.3g}" for value in (one.standard_error, one.median, one.signal_to_noise))
            rows.append((label, gradient, *numbers, one.reason))
        widths = [max(len(row[i]) for row in rows) for i in range(5)]
        head = (
            f"{self.method} derivatives of {self.score}, {len(self.scores)} seeds, cost {self.cost:.1f} plain trainings"
        )
        lines = ["  ".join(cell.ljust(w) for cell, w in zip(row, [*widths, 0], strict=True)).rstrip() for row in rows]
        return "\n".join([head, *lines])


def summarize(name: str, scale: str, slopes: Floats, note: str = "", central: Floats | None = None) -> Derivative:
    """Return the derivative by one hyperparameter from those of the seeds.

    It is refused if a seed's is not finite, or if the mean and the median over seeds disagree: they lie more than one
    robust standard deviation of a seed's derivative apart, and more than a tenth of the median. For that, a few seeds
    must be far out: of 16, one that lies 16 standard deviations from the others.

    Parameters
    ----------
    name, scale : str
    slopes : ndarray, shape (seeds,)
        On the scale.
    note : str, optional
        A reason to refuse it that was found before.
    central : ndarray, shape (seeds,), optional
        Central differences on the same scale. The derivative is refused if their mean is three standard errors of the
        difference away, and a fifth of its size.
    """
    finite = np.isfinite(slopes)
    with np.errstate(all="ignore"):
        mean, median = float(np.mean(slopes)), float(np.median(slopes))
        error = float(np.std(slopes, ddof=1) / math.sqrt(len(slopes)))
        spread = _NORMAL * float(np.median(np.abs(slopes - median)))
        signal = _signal(mean, error)
    reason = note
    if not reason and not finite.all():
        reason = f"refused: {np.count_nonzero(~finite)} of {len(slopes)} seeds have no finite derivative"
    if not reason and not slopes.any():
        reason = "refused: every seed's derivative is exactly 0: the score does not depend on it, or only in steps"
    apart = abs(mean - median)
    if not reason and apart > _APART * spread and apart > _NEGLIGIBLE * abs(median):
        reason = (
            f"refused: a few seeds dominate: the mean {show(float(f'{mean:.3g}'))} and the median "
            f"{show(float(f'{median:.3g}'))} disagree, as in an unstable training"
        )
    if not reason and central is not None:
        reason = _compared(slopes, central)
    refused = bool(reason)
    told = not refused and abs(signal) >= _TOLD
    if not refused:
        reason = "reliable" if told else f"the sign is not told: {abs(signal):.1f} standard errors from 0"
    gradient = math.nan if refused else mean
    difference = math.nan if central is None else float(np.mean(central))
    return Derivative(name, scale, gradient, mean, median, error, signal, told, refused, reason, difference)


def _compared(slopes: Floats, central: Floats) -> str:
    """Return why central differences refuse a derivative, or nothing."""
    if not np.isfinite(central).all():
        return "refused: the training fails at a value next to this one"
    apart, expected = slopes - central, float(np.mean(central))
    mean, error = abs(float(np.mean(apart))), float(np.std(apart, ddof=1) / math.sqrt(len(apart)))
    if mean > _AWAY * error and mean > _MATTERS * abs(expected):
        return (
            f"refused: central differences of the same seeds are {expected:.3g}, more than {_AWAY:g} standard errors "
            "away: the training has jumps, as with rectified units"
        )
    return ""


def _signal(mean: float, error: float) -> float:
    """Return the mean in units of its error; seeds that differ by rounding alone have no noise."""
    if mean and error <= 1e-12 * abs(mean):
        return math.copysign(math.inf, mean)
    return mean / error if error else 0.0
