"""Replicates: several runs of one configuration, in rows or in columns, become a mean and a noise of one run."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nqjax.types import Floats

#: The noise is that of this share of the configurations, the best ones: it usually grows with the loss.
BEST_SHARE = 0.1


@dataclass(frozen=True, eq=False)
class Replicates:
    """Runs of each configuration.

    Attributes
    ----------
    mean : ndarray, shape (configurations,)
        The mean over the runs that ended; NaN where all failed.
    runs : ndarray, shape (configurations, most runs)
        The single losses, NaN where there is none.
    count : ndarray of int, shape (configurations,)
        The number of runs that ended.
    sigma : float or None
        The standard deviation of one run near the best: the root of the mean variance within a configuration over the
        best tenth; None without any repeated configuration there.
    seeds : float
        The mean number of runs of a configuration in the best tenth.
    """

    mean: Floats
    runs: Floats
    count: NDArray[np.int64]
    sigma: float | None
    seeds: float

    @property
    def standard_error(self) -> float | None:
        """The standard deviation of a mean near the best, or None."""
        return None if self.sigma is None else self.sigma / math.sqrt(self.seeds)


def collect(losses: Floats, group: NDArray[np.int64], count: int) -> Replicates:
    """Return the replicates of configurations.

    Parameters
    ----------
    losses : ndarray, shape (rows, columns)
        Losses; those that are not finite failed, or were not run.
    group : ndarray of int, shape (rows,)
        The configuration of each row.
    count : int
        The number of configurations.
    """
    losses = np.where(np.isfinite(losses), losses, np.nan)
    runs = losses if len(losses) == count and (group == np.arange(count)).all() else _gathered(losses, group, count)
    known = np.isfinite(runs)
    number = known.sum(axis=1)
    some = number > 0
    mean = np.full(count, np.nan)
    mean[some] = np.nanmean(runs[some], axis=1) if runs.shape[1] > 1 else runs[some, 0]
    sigma, seeds = _noise(runs, mean, number)
    return Replicates(mean, runs, number, sigma, seeds)


def _gathered(losses: Floats, group: NDArray[np.int64], count: int) -> Floats:
    """Return a row for each configuration with all runs of its rows."""
    order = np.argsort(group, kind="stable")
    size = np.bincount(group, minlength=count)
    within = np.arange(len(group)) - np.repeat(np.cumsum(size) - size, size)
    width = losses.shape[1]
    runs = np.full((count, int(size.max()), width), np.nan)
    runs[group[order], within] = losses[order]
    return runs.reshape(count, -1)


def _noise(runs: Floats, mean: Floats, number: NDArray[np.int64]) -> tuple[float | None, float]:
    """Return the noise of one run, and the number of runs of a configuration, both over the best tenth."""
    known = np.flatnonzero(np.isfinite(mean))
    if not len(known):
        return None, 1.0
    top = known[np.argsort(mean[known], kind="stable")[: max(math.ceil(BEST_SHARE * len(known)), 1)]]
    repeated = top[number[top] > 1]
    sigma = None
    if len(repeated):
        sigma = math.sqrt(float(np.mean(np.nanvar(runs[repeated], axis=1, ddof=1))))
    return sigma, float(np.mean(number[top]))
