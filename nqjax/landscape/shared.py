"""Similarities between landscapes, over the configurations that they share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nqjax.errors import InputError, visible
from nqjax.landscape.checks import as_share, shown
from nqjax.landscape.landscape import Landscape
from nqjax.landscape.regimes import as_landscape
from nqjax.landscape.similarity import Similarity, compare_losses, halves_similarity, mean_similarity

#: Fewer shared configurations than this are not compared.
_FEWEST_SHARED = 3


def similarity(a: Any, b: Any, gamma: float = 0.1) -> Similarity:
    """Return how far the ranks of one landscape carry over to another, and how far those of two runs of one do.

    Parameters
    ----------
    a, b : Landscape or StudyTable
        Two landscapes with the same hyperparameters, such as two data sets, a low and the full fidelity, or training
        and test scores. Only configurations that both have are compared.
    gamma : float
        The share of configurations that are the best ones.

    Returns
    -------
    Similarity

    Raises
    ------
    InputError
        If they do not have the same hyperparameters, or share fewer than three configurations.

    Examples
    --------
    >>> import nqjax
    >>> config = {"lr": [1, 2, 3, 4, 5]}
    >>> a = nqjax.Landscape(config, [1.0, 2.0, 3.0, 4.0, 5.0])
    >>> b = nqjax.Landscape(config, [20.0, 10.0, 30.0, 50.0, 40.0])
    >>> found = nqjax.similarity(a, b, gamma=0.4)
    >>> round(found.spearman, 3), found.gamma_set, found.transfer_regret
    (0.8, 1.0, 10.0)
    """
    a, b = as_landscape(a), as_landscape(b)
    gamma = as_share("gamma", gamma)
    first, second = shared_configurations(a, b)
    if len(first) < _FEWEST_SHARED:
        raise InputError(f"the landscapes share {len(first)} configurations: at least 3 are needed")
    found = compare_losses(a.heights.loss[first], b.heights.loss[second], gamma)
    halves = [
        halves_similarity(land.replicates.runs[rows], gamma)
        for land, rows in (((a, first),) if a is b else ((a, first), (b, second)))
    ]
    ceiling = mean_similarity([one for one in halves if one is not None])
    return Similarity(**{**found.__dict__, "ceiling": ceiling})


def seed_ceiling(land: Landscape, gamma: float = 0.1) -> Similarity | None:
    """Return the mean similarity between two single runs (seeds) of a landscape; None if it has one run only."""
    land, gamma = as_landscape(land), as_share("gamma", gamma)
    runs = land.replicates.runs
    found = []
    for j in range(runs.shape[1]):
        for i in range(j):
            both = np.isfinite(runs[:, i]) & np.isfinite(runs[:, j])
            if both.sum() >= _FEWEST_SHARED:
                found.append(compare_losses(runs[both, i], runs[both, j], gamma))
    return mean_similarity(found)


def run_matrix(land: Landscape, gamma: float = 0.1, most: int | None = None) -> list[list[Similarity]]:
    """Return the similarity of each run of a landscape (row) to each other one (column).

    Of each pair of runs, only configurations that ended in both are compared.

    Raises
    ------
    InputError
        If two runs share fewer than three configurations.
    """
    runs = land.replicates.runs[:, :most]

    def compared(i: int, j: int) -> Similarity:
        both = np.isfinite(runs[:, i]) & np.isfinite(runs[:, j])
        if both.sum() < _FEWEST_SHARED:
            raise InputError(f"runs {i} and {j} share {both.sum()} configurations: at least 3 are needed")
        return compare_losses(runs[both, i], runs[both, j], gamma)

    return [[compared(i, j) for j in range(runs.shape[1])] for i in range(runs.shape[1])]


def similarity_matrix(landscapes: Sequence[Any], gamma: float = 0.1) -> list[list[Similarity]]:
    """Return the similarity of each landscape (row) to each other one (column).

    The transfer of a pair is that from the row's landscape to the column's, so the matrix is not symmetric in it.

    Parameters
    ----------
    landscapes : sequence of Landscape or StudyTable
    gamma : float
        The share of configurations that are the best ones.

    Raises
    ------
    InputError
        As for `similarity`.

    Examples
    --------
    >>> import nqjax
    >>> config = {"lr": [1, 2, 3, 4]}
    >>> lands = [nqjax.Landscape(config, losses) for losses in ([1, 2, 3, 4], [4, 3, 2, 1])]
    >>> [[round(one.spearman) for one in row] for row in nqjax.similarity_matrix(lands)]
    [[1, -1], [-1, 1]]
    """
    if not isinstance(landscapes, list | tuple):
        raise InputError(f"the landscapes are {shown(landscapes)}: give a list of them")
    lands = [as_landscape(one) for one in landscapes]
    return [[similarity(a, b, gamma) for b in lands] for a in lands]


def shared_configurations(a: Landscape, b: Landscape) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the nodes of both landscapes that have the same configuration, pairs in the order of the first."""
    if a.space is b.space:
        every = np.arange(len(a))
        return every, every
    names = a.space.names
    if set(names) != set(b.space.names):
        other = sorted(set(names) ^ set(b.space.names))
        raise InputError(f"the landscapes have different hyperparameters: {', '.join(map(visible, other))} in one only")
    where = {axis.name: h for h, axis in enumerate(b.space.axes)}
    rows, known = [], np.ones(len(b), bool)
    for axis in a.space.axes:
        other_axis, codes = b.space.axes[where[axis.name]], b.space.codes[where[axis.name]]
        place = {_name_of(level): index for index, level in enumerate(axis.levels)}
        translate = np.array([place.get(_name_of(level), -1) for level in other_axis.levels])
        rows.append(translate[codes])
        known &= translate[codes] >= 0
    theirs = np.flatnonzero(known)
    both = np.concatenate([a.space.codes, np.stack(rows)[:, theirs]], axis=1)
    _, label = np.unique(both, axis=1, return_inverse=True)
    label = label.ravel()
    mine = np.full(int(label.max()) + 1, -1)
    mine[label[: len(a)]] = np.arange(len(a))
    found = mine[label[len(a) :]]
    pairs = found[found >= 0], theirs[found >= 0]
    order = np.argsort(pairs[0])
    return pairs[0][order], pairs[1][order]


def _name_of(level: Any) -> Any:
    """Return what levels of two files have in common that are the same: numbers are rounded by files."""
    return float(f"{level:.9g}") if isinstance(level, float) else level
