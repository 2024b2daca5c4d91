"""Changes that must not matter to a landscape, and prominences by their definition."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nqjax.landscape.distance import can_descend_to, distance_to
from nqjax.landscape.landscape import Landscape
from support.landscapes import brute_force_prominences, neighbours_of, random_grid, steps_between

SEEDS = st.integers(0, 2**32 - 1)

#: Numbers that must be the same; raw losses and differences of losses change with the scale.
OF_RANKS = (
    *("num_edges", "n_global", "assortativity_rank", "fdc", "n_lo", "n_lo_flat_noise", "basin_global_share"),
    *("basin_effective", "basin_median", "descent_steps_mean", "access_global", "funnels", "funnel_global_share"),
)

#: Of these, those that do not depend on which of several equal neighbours a descent takes.
WITHOUT_DESCENT = ("num_edges", "n_global", "assortativity_rank", "fdc", "n_lo", "n_lo_flat_noise", "access_global")


def landscape(grid, **options):
    return Landscape(grid.config, grid.losses, categorical=grid.categorical, **options)


def numbers(land, names=OF_RANKS, tolerance=0.5):
    metrics = land.metrics(tolerance)
    return {name: getattr(metrics, name) for name in names}


def assert_same(a, b):
    assert a.keys() == b.keys()
    for name, value in a.items():
        assert value == pytest.approx(b[name], rel=1e-9, abs=1e-12) if value is not None else b[name] is None, name


@pytest.mark.parametrize("ties", [False, True])
def test_prominence_by_its_definition(ties):
    rng = np.random.default_rng(1 + ties)
    for _ in range(100):
        grid = random_grid(rng, ties=ties)
        land = landscape(grid)
        expected = brute_force_prominences(neighbours_of(grid), grid.losses)
        # A node of a plateau is born at the level at which it dies.
        expected = {node: value for node, value in expected.items() if value > 0}
        found = dict(zip(land.basins.optima.tolist(), land.merges.prominence.tolist(), strict=True))
        assert found == pytest.approx(expected)
        assert int(land.optima_above(0)) == len(land.basins)


def test_neighbours_and_distances_by_their_definition():
    rng = np.random.default_rng(3)
    for _ in range(30):
        grid = random_grid(rng, most=40, ties=True)
        land = landscape(grid)
        count = len(land)
        for node, expected in enumerate(neighbours_of(grid)):
            assert sorted(set(land.graph.table[:, node].tolist()) - {count}) == expected
        targets = rng.choice(count, 3, replace=False).astype(np.int32)
        expected = [min(steps_between(grid, node, t) for t in targets) for node in range(count)]
        assert distance_to(land.space, targets).tolist() == expected
        for target in targets:
            alone = [steps_between(grid, node, target) for node in range(count)]
            assert distance_to(land.space, np.array([target])).tolist() == alone


def test_descent_and_access_by_their_definition():
    rng = np.random.default_rng(4)
    for _ in range(40):
        grid = random_grid(rng)
        land = landscape(grid)
        neighbours, losses = neighbours_of(grid), grid.losses
        optimum = land.basins.optima[land.basins.basin]
        best = int(np.argmin(losses))
        reached = can_descend_to(land.graph, land.heights, np.array([best], np.int32))
        good = np.zeros(len(losses), bool)
        for start in np.argsort(losses):
            good[start] = start == best or any(good[n] and losses[n] < losses[start] for n in neighbours[start])
            node, steps = int(start), 0
            while min(losses[neighbours[node]]) < losses[node]:
                node, steps = min(neighbours[node], key=lambda n: losses[n]), steps + 1
            assert (optimum[start], land.basins.steps[start]) == (node, steps)
        assert reached.tolist() == good.tolist()


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.booleans())
def test_order_of_rows(seed, ties):
    rng = np.random.default_rng(seed)
    grid = random_grid(rng, ties=ties)
    order = rng.permutation(len(grid.losses))
    other = Landscape(
        {name: [values[i] for i in order] for name, values in grid.config.items()},
        grid.losses[order],
        categorical=grid.categorical,
    )
    land = landscape(grid)
    # Which of several equal neighbours a descent takes depends on the order of rows, and only then.
    names = WITHOUT_DESCENT if ties else OF_RANKS
    assert_same(numbers(land, names), numbers(other, names))
    assert sorted(land.merges.prominence) == pytest.approx(sorted(other.merges.prominence))


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.booleans())
def test_names_of_levels_and_reversed_axes(seed, ties):
    rng = np.random.default_rng(seed)
    grid = random_grid(rng, ties=ties)
    config = {}
    for name, values in grid.config.items():
        if name in grid.categorical:
            levels = sorted(set(values))
            renamed = dict(zip(levels, rng.permutation(len(levels)), strict=True))
            config[name] = [f"other{renamed[value]}" for value in values]
        else:
            config[name] = [-math.log(value) for value in values]
    other = Landscape(config, grid.losses, categorical=grid.categorical)
    assert_same(numbers(landscape(grid)), numbers(other))


@settings(max_examples=60, deadline=None)
@given(SEEDS, st.booleans())
def test_increasing_maps_mirrors_and_constants(seed, ties):
    grid = random_grid(np.random.default_rng(seed), ties=ties)
    land = landscape(grid)
    assert_same(numbers(land), numbers(landscape(grid._replace(losses=np.exp(grid.losses / 3)))))
    mirrored = landscape(grid._replace(losses=-grid.losses), minimize=False)
    assert land.metrics(0.5) == mirrored.metrics(0.5)
    wider = Landscape({**grid.config, "same": [7] * len(land)}, grid.losses, categorical=grid.categorical)
    assert land.metrics(0.5) == wider.metrics(0.5)
    assert wider.space.constant == ("same",)


@settings(max_examples=40, deadline=None)
@given(SEEDS)
def test_sums_of_basins_and_ends_of_curves(seed):
    rng = np.random.default_rng(seed)
    grid = random_grid(rng, ties=True)
    rows = np.sort(rng.choice(len(grid.losses), max(len(grid.losses) * 97 // 100, 3), replace=False))
    config = {name: [values[i] for i in rows] for name, values in grid.config.items()}
    try:
        land = Landscape(config, grid.losses[rows], categorical=grid.categorical)
        assert land.basins.sizes.sum() == len(land)
    except ValueError:  # too small to be nearly complete
        return
    from nqjax.landscape.plateaus import components

    parts = len(set(components(len(land), *land.graph.edges()).tolist()))
    assert land.optima_above([0, math.inf]).tolist() == [len(land.basins), parts]


def test_ties_of_eight_ulps():
    losses = np.array([0.3, 0.3 * (1 + 6 * 2**-52), 0.3 * (1 + 12 * 2**-52), 0.5])
    land = Landscape({"x": [1, 2, 3, 4]}, losses)
    assert land.heights.rank.tolist() == [0, 0, 0, 1]  # a chain of small gaps
    land = Landscape({"x": [1, 2, 3]}, [0.3, 0.3 * (1 + 20 * 2**-52), 0.5])
    assert land.heights.rank.tolist() == [0, 1, 2]
    assert Landscape({"x": [1, 2, 3]}, [0.0, 1e-300, 1.0]).heights.rank.tolist() == [0, 1, 2]
