"""The combinations of hyperparameters that matter, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from nqjax.surface.coordinates import Axis
from nqjax.surface.intervals import Interval, intervals_of
from nqjax.types import Floats

if TYPE_CHECKING:
    from nqjax.surface.draws import SurfaceDraws

#: A hyperparameter is part of a direction if its weight is at least this share of the largest.
_LEAST_SHARE = 0.3


class Direction(NamedTuple):
    """A direction in which the loss rises.

    Attributes
    ----------
    words : str
        The combination: a product of powers where all its hyperparameters have logarithmic scales, else a sum in units
        of half the width of the box.
    weights : dict of str to float
        The unit vector in the coordinates of the box.
    cost : float
        The loss, in scores, half the width of the box away from the optimum.
    probability : float
        That this cost exceeds sigma.
    """

    words: str
    weights: dict[str, float]
    cost: float
    probability: float


def find_directions(surface: SurfaceDraws) -> list[Direction]:
    """Return the principal directions of the mean curvature, the most costly first."""
    found = []
    for v, costs in zip(*_principal(surface), strict=True):
        weights = {axis.name: float(w) for axis, w in zip(surface.box.axes, v, strict=True)}
        probability = float(np.mean(costs > surface.noise))
        found.append(Direction(_words(surface.box.axes, v), weights, float(np.median(costs)), probability))
    return found


def costs_of_directions(surface: SurfaceDraws, confidence: float) -> list[Interval]:
    """Return what half the width of the box costs in each principal direction, with intervals."""
    return intervals_of(_principal(surface)[1].T, confidence)


def _principal(surface: SurfaceDraws) -> tuple[Floats, Floats]:
    """Return the principal directions (d, d), one a row, and their costs (d, draws)."""
    _, vectors = np.linalg.eigh(np.mean(surface.curvature, axis=0))
    rows = vectors.T[::-1]
    largest = rows[np.arange(len(rows)), np.argmax(np.abs(rows), axis=1)]
    rows = rows * np.sign(largest)[:, None]
    return rows, 0.5 * np.einsum("ki,mij,kj->km", rows, surface.curvature, rows)


def _words(axes: tuple[Axis, ...], v: Floats) -> str:
    """Return a direction as a formula."""
    kept = [j for j in np.argsort(-np.abs(v)) if abs(v[j]) >= _LEAST_SHARE * np.max(np.abs(v))]
    if len(kept) == 1:
        return axes[kept[0]].name
    if any(axes[j].scale == "linear" or axes[j].bend for j in kept):
        terms = [f"{'-' if v[j] < 0 else '+'} {abs(v[j]):.2g} {axes[j].name}" for j in kept]
        return " ".join(terms).removeprefix("+ ")
    ends = [axes[j].warp(np.array([axes[j].low, axes[j].high])) for j in kept]
    powers = np.array([v[j] / (high - low) for j, (low, high) in zip(kept, ends, strict=True)])
    powers /= powers[0]
    above: list[str] = []
    below: list[str] = []
    for j, power in zip(kept, powers, strict=True):
        # The coordinate of log(1 - x) rises as 1 - x falls.
        name, sign = (f"(1 - {axes[j].name})", -1) if axes[j].scale == "log of 1 - x" else (axes[j].name, 1)
        size = f"{abs(power):.1f}".removesuffix(".0")
        if size == "0":
            continue
        (above if sign * power > 0 else below).append(name if size == "1" else f"{name}^{size}")
    return " / ".join([" * ".join(above) or "1", *([" / ".join(below)] if below else [])])
