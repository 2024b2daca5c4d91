"""Draws from a posterior on a grid.

Proposals are independent draws from the linear interpolation of the grid. A Metropolis step with the exact density
corrects the interpolation's error, and accepts nearly all proposals.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nqjax.posterior.density.log_density import Evaluator
from nqjax.posterior.quadrature.integrate import GammaGrid, Grid, Points, densities
from nqjax.types import Floats


class Proposals(NamedTuple):
    """Independent draws from interpolated grids; arrays have a leading axis of draws."""

    number: NDArray[np.integer]  # of the gamma
    x: Floats  # (draws, 3), straightened
    log_density: Floats  # of the interpolation, the gamma's probability included


def propose(grids: Sequence[GammaGrid], log_probability: Floats, count: int, rng: np.random.Generator) -> Proposals:
    """Draw from the grids of all gammas of a study, given their log probabilities."""
    usable = np.array([one.grid is not None for one in grids])
    share = np.where(usable, np.exp(log_probability), 0.0)
    number = rng.choice(len(grids), size=count, p=share / share.sum())
    x, log_density = np.empty((count, 3)), np.empty(count)
    for i in np.unique(number):
        grid, mine = grids[i].grid, np.flatnonzero(number == i)
        assert grid is not None
        x[mine] = from_grid(grid, len(mine), rng)
        log_density[mine] = log_probability[i] + _interpolated(grid, x[mine])
    return Proposals(number, x, log_density)


def from_grid(grid: Grid, count: int, rng: np.random.Generator) -> Floats:
    """Return draws from one grid in straightened coordinates, shape (count, 3)."""
    weights = grid.weights.ravel()
    place = np.unravel_index(rng.choice(len(weights), size=count, p=weights / weights.sum()), grid.weights.shape)
    step = grid.nodes[:, 1] - grid.nodes[:, 0]
    corner = np.stack([grid.nodes[axis][place[axis]] for axis in range(3)], axis=1)
    # A triangular density around each node makes the sum over nodes a linear interpolation.
    return np.asarray(corner + step * (rng.random((count, 3)) + rng.random((count, 3)) - 1))


def _interpolated(grid: Grid, x: Floats) -> Floats:
    """Return the log of the density that `from_grid` draws from."""
    step = grid.nodes[:, 1] - grid.nodes[:, 0]
    place = (x - grid.nodes[:, 0]) / step
    first = np.floor(place).astype(int)
    total = np.zeros(len(x))
    size = grid.weights.shape[0]
    for corner in np.ndindex(2, 2, 2):
        here = first + np.array(corner)
        inside = np.all((here >= 0) & (here < size), axis=1)
        at = tuple(np.where(inside, here[:, axis], 0) for axis in range(3))
        total += np.where(inside, np.prod(1 - np.abs(place - here), axis=1) * grid.weights[at], 0.0)
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(total / grid.weights.sum()) - np.log(step).sum())


def independent(
    grids: Sequence[GammaGrid],
    log_probability: Floats,
    evaluator: Evaluator,
    study: int,
    first_gamma: int,
    shape: tuple[int, int],
    rng: np.random.Generator,
) -> tuple[NDArray[np.integer], Floats, Floats, NDArray[np.bool_]]:
    """Draw chains of one study.

    Returns
    -------
    number, theta, log_density, accepted
        Of shape (chains, draws); theta with a last axis of 3, on the scale of the regime.
    """
    chains, draws = shape
    # Each chain starts from one more proposal.
    proposals = propose(grids, log_probability, chains * (draws + 1), rng)
    target, theta = np.empty(len(proposals.x)), np.empty((len(proposals.x), 3))
    places, some = [], []
    for i in np.unique(proposals.number):
        mine, grid = np.flatnonzero(proposals.number == i), grids[i].grid
        assert grid is not None
        places.append(mine)
        some.append(Points(grid.shape, proposals.x[mine], study, first_gamma + i))
    for i, mine, (value, found) in zip(
        np.unique(proposals.number), places, densities(evaluator, some, exact=True), strict=True
    ):
        theta[mine] = found
        target[mine] = value + (log_probability[i] - grids[i].log_evidence)
    ratio = (target - proposals.log_density).reshape(chains, draws + 1)
    luck = np.log(rng.random((chains, draws + 1)))
    kept = np.zeros((chains, draws + 1), int)
    accepted = np.ones((chains, draws + 1), bool)
    for i in range(1, draws + 1):
        last = ratio[np.arange(chains), kept[:, i - 1]]
        accepted[:, i] = luck[:, i] < ratio[:, i] - last
        kept[:, i] = np.where(accepted[:, i], i, kept[:, i - 1])
    place = (np.arange(chains)[:, None] * (draws + 1) + kept)[:, 1:]
    return proposals.number[place], theta[place], target[place], accepted[:, 1:]
