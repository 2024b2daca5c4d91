"""Funnels: optima from which no move between touching basins leads to a better optimum."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nqjax.landscape.basins import Basins
from nqjax.landscape.prominence import Network
from nqjax.landscape.ties import Heights


def sinks(heights: Heights, basins: Basins, network: Network) -> NDArray[np.bool_]:
    """Return for each optimum whether no basin that touches its own has a better optimum."""
    rank = heights.rank[basins.optima]
    found = np.ones(len(basins), bool)
    found[network.second[rank[network.first] < rank[network.second]]] = False
    return found


def leads_to_best(heights: Heights, basins: Basins, network: Network) -> NDArray[np.bool_]:
    """Return for each optimum whether moves to better optima of touching basins lead from it to a global one."""
    rank = heights.rank[basins.optima]
    down = rank[network.first] < rank[network.second]
    better, worse = network.first[down], network.second[down]
    found = rank == rank[0]
    while True:
        fresh = worse[found[better] & ~found[worse]]
        if not len(fresh):
            return found
        found[fresh] = True
