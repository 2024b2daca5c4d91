"""Lines and planes through the optimum of a response surface."""

import dataclasses
from typing import NamedTuple

import numpy as np

from nqjax.surface.coordinates import ABSENT, Axis
from nqjax.surface.draws import FEW_DRAWS
from nqjax.surface.intervals import tails
from nqjax.surface.surface import ResponseSurface
from nqjax.types import Floats

#: Most hyperparameters that have a line of their own.
_MOST = 3


class Slice(NamedTuple):
    """The surface along one hyperparameter, or over two, with all others at their optimum.

    Attributes
    ----------
    axes : tuple of Axis
        One hyperparameter, or two.
    numbers : tuple of int
        Their columns in the points of the surface.
    values : tuple of ndarray
        In the user's units, for each hyperparameter.
    draws : ndarray, shape (draws, points)
        Noise-free scores; of a plane the last hyperparameter varies fastest.
    """

    axes: tuple[Axis, ...]
    numbers: tuple[int, ...]
    values: tuple[Floats, ...]
    draws: Floats

    def bounds(self, confidence: float) -> tuple[Floats, Floats, Floats]:
        """Return the lower end of the band, the median, and the upper end."""
        ends = tails(confidence)
        low, middle, high = np.quantile(self.draws, [ends[0], 0.5, ends[1]], axis=0)
        return low, middle, high


def strongest(surface: ResponseSurface) -> list[str]:
    """Return the numeric hyperparameters that matter most among good trials, at most three, the first one most."""
    shares = surface.importance()
    names = [axis.name for axis in surface.box.axes]
    return sorted(names, key=lambda one: -shares[one].estimate)[:_MOST]


def find_slice(surface: ResponseSurface, names: tuple[str, ...], steps: int) -> Slice:
    """Return the surface along one hyperparameter, or over two (of some of its draws), through its optimum."""
    known = [axis.name for axis in surface.box.axes]
    numbers = tuple(known.index(one) for one in names)
    optimum = surface.box.place({name: [value] for name, value in surface.optimum.items()})
    along = np.linspace(-1, 1, steps)
    grid = np.meshgrid(*[along] * len(names), indexing="ij")
    count = grid[0].size
    points, present, groups = (np.repeat(part, count, axis=0) for part in optimum)
    for number, place in zip(numbers, grid, strict=True):
        points[:, number], present[:, number] = place.ravel(), 1.0
        if (known[number], ABSENT) in surface.box.categories:
            groups[:, surface.box.categories.index((known[number], ABSENT))] = 0.0
    axes = tuple(surface.box.axes[number] for number in numbers)
    # Between whole numbers the line goes on: only trials are at whole numbers.
    values = tuple(axis._replace(whole=False).from_box(along) for axis in axes)
    used = surface if len(names) == 1 else _some_draws(surface)
    return Slice(axes, numbers, values, surface.sign * used.losses(points, present, groups))


def _some_draws(surface: ResponseSurface) -> ResponseSurface:
    """Return the surface with fewer draws: a plane has thousands of points."""
    some = np.linspace(0, len(surface.lowest) - 1, min(len(surface.lowest), FEW_DRAWS)).astype(int)
    names = ("lowest", "centre", "curvature", "noise", "levels", "shifts", "accident", "threshold")
    return dataclasses.replace(surface, **{name: getattr(surface, name)[some] for name in names})
