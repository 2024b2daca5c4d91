"""Landscapes as GraphFLA sees them, the tool of the paper's first author, given negated losses to maximise."""

import warnings

import numpy as np
import pytest

from nqjax.landscape.assortativity import autocorrelation
from nqjax.landscape.landscape import Landscape
from support.landscapes import random_grid

pytest.importorskip("graphfla")


def theirs_of(grid):
    import pandas as pd
    from graphfla.landscape import Landscape as Theirs
    from graphfla.landscape._basin import determine_basin_of_attraction

    kinds = {name: "categorical" if name in grid.categorical else "ordinal" for name in grid.config}
    found = Theirs(kind="default", maximize=True)
    found.build_from_data(pd.DataFrame(grid.config), -grid.losses, data_types=kinds, verbose=False)
    determine_basin_of_attraction(found, plateau_exit_mode="best-improvement")
    return found


@pytest.mark.parametrize("ties", [False, True])
def test_fifty_random_grids(ties):
    from graphfla.analysis import fdc, global_optima_accessibility, neutrality

    rng = np.random.default_rng(10 + ties)
    kinds = set()
    for _ in range(25):
        grid = random_grid(rng, most=150, ties=ties)
        if ties:  # one best configuration: they take one of several, we take all
            grid.losses[rng.integers(len(grid.losses))] = -1.0
        kinds.add((bool(grid.categorical), len(grid.categorical) < len(grid.config)))
        land = Landscape(grid.config, grid.losses, categorical=grid.categorical)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = theirs_of(grid)
            numbers = theirs.n_lo, fdc(theirs), neutrality(theirs, threshold=1.0)
            access = global_optima_accessibility(theirs)
        start, end = land.graph.edges()
        assert theirs.n_edges == np.sum(land.heights.rank[start] != land.heights.rank[end])
        metrics = land.metrics(1.0)
        assert numbers[0] == metrics.n_lo
        if metrics.fdc is None:
            assert np.isnan(numbers[1])
        else:
            assert numbers[1] == pytest.approx(-metrics.fdc, abs=1e-9)
        assert numbers[2] == pytest.approx(land.neutrality.edge_share(1.0))
        assert access == pytest.approx(metrics.access_global)
        assert theirs.basins.tolist() == land.basins.sizes[land.basins.basin].tolist()
    assert len(kinds) == 3  # ordered, categorical and mixed spaces


def test_their_random_walks_estimate_the_exact_autocorrelation():
    from graphfla.analysis import autocorrelation as sampled

    rng = np.random.default_rng(12)
    grid = random_grid(rng, most=300, axes=3)
    x = np.array([[float(str(value).lstrip("c")) for value in row] for row in grid.rows])
    rough = (x - x.mean(axis=0)) / x.std(axis=0) @ np.array([1.0, 0.5, 0.2]) + rng.normal(size=len(x)) / 3
    grid = grid._replace(losses=rough)
    land = Landscape(grid.config, grid.losses, categorical=grid.categorical)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = sampled(theirs_of(grid), walk_length=20, walk_times=20_000, seed=0)
    # 19 products over 20 squares. The standard error of 20,000 walks is about 0.003.
    assert found / (1 - 1 / 20) == pytest.approx(autocorrelation(land.graph, land.heights.loss)[0], abs=0.012)
