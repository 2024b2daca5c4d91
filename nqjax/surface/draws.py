"""Draws of a response surface, and what follows from each draw."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from nqjax.inputs import as_choice
from nqjax.surface.coordinates import Box
from nqjax.surface.intervals import Interval, intervals_of
from nqjax.surface.minimum import lowest_points
from nqjax.types import Floats

#: Points of the box with which the regime's volume is measured, and draws that are used there.
_CLOUD = 4096
FEW_DRAWS = 256


@dataclass(frozen=True, eq=False, repr=False)
class SurfaceDraws:
    """Draws of the surface ``f(z) = lowest + (z - optimum)' curvature (z - optimum) / 2`` near the best scores.

    Scores are on the user's scale and oriented as the user's; curvatures and depths are always counted upwards from the
    best. z has one coordinate from -1 to 1 for each numeric hyperparameter, see `box`.

    Attributes
    ----------
    box : Box
    minimize : bool
    lowest : ndarray, shape (draws,)
        Oriented to minimisation.
    centre : ndarray, shape (draws, d)
        The unconstrained optimum of the reference categories.
    curvature : ndarray, shape (draws, d, d)
    noise : ndarray, shape (draws,)
        sigma, the standard deviation of one run.
    levels : ndarray, shape (draws, categories)
        How much worse a category is than its reference.
    shifts : ndarray, shape (draws, categories, d)
        Where its optimum is, less that of the reference.
    accident : ndarray, shape (draws,)
        The share of runs that end beyond the threshold wherever they are.
    threshold : ndarray, shape (draws,)
        The threshold of each draw, on the user's scale.
    thresholds, threshold_probabilities : ndarray, shape (thresholds,)
    points, present, groups : ndarray
        The trials in the box.
    scores : ndarray, shape (trials,)
    mixing : float
        The larger split R-hat of the best score and of sigma, over chains of one threshold; 1 if chains agree.
    warnings : tuple of str
    """

    box: Box
    minimize: bool
    lowest: Floats
    centre: Floats
    curvature: Floats
    noise: Floats
    levels: Floats
    shifts: Floats
    accident: Floats
    threshold: Floats
    thresholds: Floats
    threshold_probabilities: Floats
    points: Floats
    present: Floats
    groups: Floats
    scores: Floats
    mixing: float
    warnings: tuple[str, ...] = field(default=())

    @property
    def sign(self) -> int:
        """1 if lower scores are better, else -1."""
        return 1 if self.minimize else -1

    @cached_property
    def lowest_in_box(self) -> tuple[Floats, NDArray[np.int_], Floats]:
        """Return the lowest point of each draw, its row of `combinations`, and its loss."""
        best = np.full(len(self.lowest), np.inf)
        where, which = np.zeros_like(self.centre), np.zeros(len(best), int)
        for number, row in enumerate(self.combinations):
            centre = self.centre + np.einsum("c,mcd->md", row, self.shifts)
            present = self.box.present(row[None])[0]
            # An absent hyperparameter costs nothing, and bends no other.
            curvature = self.curvature * np.outer(present, present) + np.diag(1 - present)
            z = lowest_points(curvature, centre)
            away = present * (z - centre)
            value = self.lowest + self.levels @ row + 0.5 * np.einsum("mi,mij,mj->m", away, self.curvature, away)
            lower = value < best
            best, which = np.where(lower, value, best), np.where(lower, number, which)
            where = np.where(lower[:, None], z, where)
        return where, which, best

    @cached_property
    def combinations(self) -> Floats:
        """Return the combinations of categories that occur, those with the best scores first: at most 64."""
        order = np.argsort(np.where(np.isfinite(self.scores), self.sign * self.scores, np.inf), kind="stable")
        rows = self.groups[order]
        _, first = np.unique(rows, axis=0, return_index=True)
        return np.asarray(rows[np.sort(first)[:64]])

    @property
    def best_draws(self) -> Floats:
        """The lowest noise-free score within the box, on the user's scale: shape (draws,)."""
        return self.sign * self.lowest_in_box[2]

    def interval(self, name: str, confidence: float = 0.9) -> Interval:
        """Return an estimate with an interval.

        Parameters
        ----------
        name : str
            ``"best"``, ``"sigma"``, ``"effective_number"`` or ``"accidents"``.
        confidence : float, optional

        Raises
        ------
        InputError
            No such name, or no such confidence.
        """
        draws = {
            "best": lambda: self.best_draws,
            "sigma": lambda: self.noise,
            "effective_number": lambda: self.effective_numbers,
            "accidents": lambda: self.accident,
        }
        values = draws[as_choice("quantity of a surface", name, tuple(draws))]()
        return intervals_of(values[:, None], confidence)[0]

    @cached_property
    def spectrum_draws(self) -> Floats:
        """Eigenvalues of the curvature, the largest first: shape (draws, d), see `spectrum` for the unit."""
        return np.asarray(np.linalg.eigvalsh(self.curvature)[:, ::-1])

    def spectrum(self, confidence: float = 0.9) -> list[Interval]:
        """Return the eigenvalues of the curvature with intervals, the largest first.

        The unit is scores for half the width of the box: half an eigenvalue is what it costs to move so far from the
        optimum in its direction.
        """
        return intervals_of(self.spectrum_draws, confidence)

    @cached_property
    def effective_numbers(self) -> Floats:
        """The effective number of hyperparameters of some draws, comparable with gamma: shape (at most 256,).

        The share of the box within a distance r of the best score grows as ``r**(gamma / 2)``; this is its exponent
        over the regime. So directions that the box cuts off before they matter do not count.
        """
        some = np.linspace(0, len(self.lowest) - 1, min(len(self.lowest), FEW_DRAWS)).astype(int)
        cloud = self.box.cloud(_CLOUD, 0)
        found = np.empty(len(some))
        for i, m in enumerate(some):
            row = self.combinations[self.lowest_in_box[1][m]]
            present, centre = self.box.present(row[None]), self.centre[m] + row @ self.shifts[m]
            # In units of the curvature: of a surface that is nearly flat, differences of losses would be rounded to 0.
            unit = max(float(np.trace(self.curvature[m])), 1e-300)
            away, lowest = present * (cloud - centre), present[0] * (self.lowest_in_box[0][m] - centre)
            shape = self.curvature[m] / unit
            depth = 0.5 * (np.einsum("ni,ij,nj->n", away, shape, away) - lowest @ shape @ lowest)
            reach = (self.sign * self.threshold[m] - self.lowest_in_box[2][m]) / unit
            # With few points inside, the exponent of the 16 next ones stands for it.
            reach = max(reach, np.partition(depth, 16)[16])
            inside = depth[(depth <= reach) & (depth > 0)]
            found[i] = 2 / max(float(np.mean(np.log(reach / inside))), 1e-3) if inside.size else float(len(centre))
        return found

    def losses(self, points: Floats, present: Floats, groups: Floats, draws: NDArray[np.int_] | None = None) -> Floats:
        """Return noise-free losses of points in the box, oriented to minimisation, by all draws or by these.

        The shape is (draws, points).
        """
        chosen = np.arange(len(self.lowest)) if draws is None else draws
        found = np.empty((len(chosen), len(points)))
        for row, m in zip(found, chosen, strict=True):
            away = present * (points - self.centre[m] - groups @ self.shifts[m])
            row[:] = self.lowest[m] + groups @ self.levels[m] + 0.5 * np.sum(away @ self.curvature[m] * away, axis=1)
        return found
