"""The prominence of optima that pure noise makes on a graph, which others must exceed to be more than noise."""

from __future__ import annotations

import numpy as np

from nqjax.landscape.basins import find_basins
from nqjax.landscape.graph import Graph
from nqjax.landscape.prominence import find_merges
from nqjax.landscape.ties import find_heights
from nqjax.types import Floats

#: Nodes in all draws together, and the limits of the number of draws.
_NODES_IN_ALL = 1_000_000

_FEWEST_DRAWS = 24

_MOST_DRAWS = 400

#: Euler's constant: the mean of a standard Gumbel variable.
_EULER = 0.5772156649015329


def largest_prominences(graph: Graph, draws: int, seed: int = 0) -> Floats:
    """Return the largest finite prominence in each of some draws of standard normal noise, shape (draws,).

    0 where a draw has one optimum only.
    """
    rng = np.random.default_rng(seed)
    found = np.zeros(draws)
    for draw in range(draws):
        heights = find_heights(rng.standard_normal(len(graph)))
        basins = find_basins(graph, heights)
        prominence = find_merges(graph, heights, basins).prominence
        found[draw] = np.max(prominence[np.isfinite(prominence)], initial=0.0)
    return found


def noise_tolerance(graph: Graph, *, confidence: float = 0.95, draws: int | None = None, seed: int = 0) -> float:
    """Return what the most prominent optimum of flat noise exceeds with probability ``1 - confidence``.

    In standard deviations of the noise of one node. A Gumbel distribution is fitted to the largest prominences of
    simulated noise on the same graph: a quantile of few draws would be rougher.

    Parameters
    ----------
    graph : Graph
    confidence : float
    draws : int, optional
        The number of simulated landscapes; by default 400, fewer on large graphs, at least 24.
    seed : int
        The seed of the simulation.
    """
    if draws is None:
        draws = min(max(_NODES_IN_ALL // len(graph), _FEWEST_DRAWS), _MOST_DRAWS)
    return gumbel_quantile(largest_prominences(graph, draws, seed), confidence)


def gumbel_quantile(values: Floats, probability: float) -> float:
    """Return a quantile of the Gumbel distribution with the probability-weighted moments of some values."""
    ordered = np.sort(values)
    count = len(ordered)
    mean = float(ordered.mean())
    weighted = float(np.arange(count) @ ordered) / (count * (count - 1))
    scale = (2 * weighted - mean) / np.log(2)
    return float(mean - _EULER * scale - scale * np.log(-np.log(probability)))
