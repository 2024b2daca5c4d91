"""Importance inside a region of good configurations (PED-ANOVA): how far its hyperparameters differ from all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nqjax.landscape.levels import Axis, Codes
from nqjax.landscape.space import Space

#: Levels of an ordered hyperparameter are put into at most this number of groups of equal size.
_MOST_GROUPS = 10


@dataclass(frozen=True)
class RegionImportance:
    """The Pearson divergence of each hyperparameter between a region and all configurations.

    Attributes
    ----------
    divergence : dict of str to float
        0 if the hyperparameter has the same values inside as everywhere.
    by_chance : dict of str to float
        What a region of this size, taken at random, would have on average.
    num_inside : int
        Configurations in the region.
    """

    divergence: dict[str, float]
    by_chance: dict[str, float]
    num_inside: int

    @property
    def share(self) -> dict[str, float]:
        """Divergences over their sum, each less what chance makes; all are 0 if none exceeds it."""
        beyond = {name: max(value - self.by_chance[name], 0.0) for name, value in self.divergence.items()}
        total = sum(beyond.values())
        return {name: value / total if total else 0.0 for name, value in beyond.items()}


def find_region_importance(space: Space, inside: NDArray[np.bool_]) -> RegionImportance:
    """Return the importance of each hyperparameter for being in a region (Watanabe et al. 2023, PED-ANOVA)."""
    divergence, chance = {}, {}
    count, within = len(space), int(inside.sum())
    for axis, codes in zip(space.axes, space.codes, strict=True):
        group = level_groups(axis, codes)
        divergence[axis.name] = pearson_divergence(group, inside)
        # The mean of a sample without replacement.
        chance[axis.name] = int(group.max()) / within * (count - within) / (count - 1)
    return RegionImportance(divergence, chance, within)


def level_groups(axis: Axis, codes: Codes) -> Codes:
    """Return the level of each configuration; an ordered hyperparameter with many levels has groups of them."""
    if not axis.ordered or len(axis.levels) <= _MOST_GROUPS:
        return codes
    below = np.cumsum(np.bincount(codes, minlength=len(axis.levels))) / len(codes)
    group = np.minimum((below - 1e-12) * _MOST_GROUPS, _MOST_GROUPS - 1).astype(np.int32)
    if axis.has_inactive:
        group[-1] = _MOST_GROUPS
    return np.unique(group[codes], return_inverse=True)[1].astype(np.int32).ravel()


def pearson_divergence(group: Codes, inside: NDArray[np.bool_]) -> float:
    """Return the sum over groups of p (q/p - 1)^2, p the share of all and q that of the region."""
    everything = np.bincount(group) / len(group)
    region = np.bincount(group[inside], minlength=len(everything)) / int(inside.sum())
    return float(np.sum((region - everything) ** 2 / everything))
