"""Functional ANOVA over the cells of a grid: what share of the variance each hyperparameter and each pair explains."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np

from nqjax.landscape.space import Space
from nqjax.types import Floats

#: Cells that are missing are filled in until no value changes by more than this, in standard deviations.
_CONVERGED = 1e-10

_MOST_ROUNDS = 500


@dataclass(frozen=True)
class Anova:
    """Shares of the variance over the grid, all cells with equal weights.

    Attributes
    ----------
    main : dict of str to float
        The share of each hyperparameter alone.
    pairs : dict of tuple of str to float
        The share of the interaction of each pair.
    """

    main: dict[str, float]
    pairs: dict[tuple[str, str], float]

    @property
    def additive(self) -> float:
        """The share of all main effects together."""
        return sum(self.main.values())

    @property
    def order2(self) -> float:
        """The share of main effects and pairs together."""
        return self.additive + sum(self.pairs.values())

    def total(self, name: str) -> float:
        """Return the share of a hyperparameter alone and in pairs."""
        return self.main[name] + sum(share for pair, share in self.pairs.items() if name in pair)


def find_anova(space: Space, values: Floats) -> Anova:
    """Return the functional ANOVA of values on a grid, shape (configurations,).

    Cells without a finite value are filled in by the least-squares fit of main effects and pairs to the others.
    Conditional hyperparameters have no such decomposition, and values that are all equal none either: then the shares
    are NaN.
    """
    keep = np.isfinite(values)
    grid = np.full(space.num_cells, np.nan)
    grid[space.cells[keep]] = values[keep]
    grid = grid.reshape(space.shape)
    known = np.isfinite(grid)
    spread = float(np.std(grid[known])) if known.any() else 0.0
    names = space.names
    if not spread or space.is_conditional:
        pairs = itertools.combinations(names, 2)
        return Anova(dict.fromkeys(names, math.nan), dict.fromkeys(pairs, math.nan))
    grid = (grid - grid[known].mean()) / spread
    if not known.all():
        grid = _filled(grid, known)
    grid = grid - grid.mean()
    variance = float(np.mean(grid**2))
    effects = {(h,): _marginal(grid, (h,)) for h in range(len(names))}
    main = {names[h]: float(np.mean(effect**2)) / variance for (h,), effect in effects.items()}
    pairs_found = {}
    for g, h in itertools.combinations(range(len(names)), 2):
        together = _marginal(grid, (g, h)) - effects[g,] - effects[h,]
        pairs_found[names[g], names[h]] = float(np.mean(together**2)) / variance
    return Anova(main, pairs_found)


def _marginal(grid: Floats, axes: tuple[int, ...]) -> Floats:
    """Return the mean over all other axes, which stay with length 1."""
    return grid.mean(axis=tuple(k for k in range(grid.ndim) if k not in axes), keepdims=True)


def _filled(grid: Floats, known: np.ndarray) -> Floats:
    """Return a grid whose missing cells have the values of the fit; the fit no longer changes when it is repeated."""
    grid = np.where(known, grid, 0.0)
    for _ in range(_MOST_ROUNDS):
        fit = _fit(grid, with_pairs=grid.ndim > 2)
        change = float(np.abs(np.where(known, 0.0, fit - grid)).max())
        grid = np.where(known, grid, fit)
        if change < _CONVERGED:
            break
    return grid


def _fit(grid: Floats, *, with_pairs: bool) -> Floats:
    """Return the sum of the mean, the main effects and the interactions of pairs.

    With two hyperparameters the interaction fits anything, so it cannot fill in a cell and is left out.
    """
    mean = grid.mean()
    count = grid.ndim
    main = [_marginal(grid, (h,)) - mean for h in range(count)]
    fit = np.full(grid.shape, mean)
    for effect in main:
        fit = fit + effect
    if not with_pairs:
        return fit
    for g, h in itertools.combinations(range(count), 2):
        fit += _marginal(grid, (g, h)) - mean - main[g] - main[h]
    return fit
