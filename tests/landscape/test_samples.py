"""Random samples of a grid: what pairs of neighbours tell, and what is refused."""

import numpy as np
import pytest

from nqjax.errors import InputError
from nqjax.landscape.landscape import Landscape
from nqjax.landscape.sampled_pairs import SampledPairs
from support.landscapes import read, runs_of

#: Fewer pairs than samples of these grids have are refused, but their estimates are unbiased all the same.
SAMPLES = {"mlp_phoneme": 0.01, "nb201_cifar10": 0.01, "mlp_vehicle": 0.01, "fcnet_protein_structure": 0.01}


@pytest.mark.parametrize("name", SAMPLES)
def test_pairs_of_a_sample_are_unbiased(shared_data, name):
    config, table, _ = read(shared_data, name)
    config = {axis: np.array(values) for axis, values in config.items()}
    whole = Landscape(config, runs_of(name, table))
    metrics = whole.metrics(SAMPLES[name])
    scores = whole.scores
    rng = np.random.default_rng(0)
    found = []
    for _ in range(200):
        rows = rng.choice(len(whole), 1000, replace=False)
        land = Landscape({axis: values[rows] for axis, values in config.items()}, scores[rows])
        pairs = SampledPairs(land.space, land.graph, land.heights)
        a, b = pairs.assortativity_rank(), pairs.neutrality(SAMPLES[name])
        found.append((a.value, b.value, a.standard_error, b.standard_error))
    values, errors = np.split(np.array(found), 2, axis=1)
    spread = values.std(axis=0, ddof=1)
    bias = values.mean(axis=0) - [metrics.assortativity_rank, metrics.neutrality]
    # Eight means of 200 samples; 3 of their standard errors are 0.2 of that of one sample.
    assert np.all(np.abs(bias) < 3 * spread / np.sqrt(200))
    stated = np.sqrt(np.mean(errors**2, axis=0))
    assert np.all(np.abs(stated / spread - 1) < 0.25)


def grid(sizes=(8, 8, 8), seed=0):
    index = np.indices(sizes).reshape(len(sizes), -1)
    rng = np.random.default_rng(seed)
    losses = sum((values - 3) ** 2 for values in index) + rng.normal(size=index.shape[1])
    return {f"h{i}": values.astype(float) for i, values in enumerate(index)}, losses


def part(share, seed=0):
    config, losses = grid(seed=seed)
    keep = np.random.default_rng(seed).permutation(len(losses))[: round(share * len(losses))]
    return Landscape({name: values[keep] for name, values in config.items()}, losses[keep])


def test_three_per_cent_missing_is_given_with_a_warning():
    land = part(0.97)
    metrics = land.metrics(0.5)
    assert metrics.n_lo is not None
    assert "missing" in metrics.warnings[0]
    assert "of a grid of 512" in repr(land)


def test_ten_per_cent_missing_is_refused():
    land = part(0.9)
    metrics = land.metrics(0.5)
    assert metrics.n_lo is metrics.basin_global_share is metrics.funnels is metrics.ndc is None
    assert "missing" in metrics.reasons["n_lo"]
    assert metrics.assortativity_rank == pytest.approx(part(1.0).metrics(0.5).assortativity_rank, abs=0.03)
    with pytest.raises(InputError, match="missing neighbour"):
        land.optima()


def test_a_sample_of_a_grid_refuses_optima_with_the_reason():
    land = part(0.45)
    metrics = land.metrics(0.5)
    assert metrics.n_lo is None
    assert "sample" in metrics.reasons["n_lo"]
    assert metrics.errors["assortativity_rank"] > 0
    assert (
        abs(metrics.assortativity_rank - part(1.0).metrics().assortativity_rank)
        < 5 * metrics.errors["assortativity_rank"]
    )
    few = part(0.1)
    assert few.metrics(0.5).assortativity_rank is None
    assert "at least 100" in few.metrics(0.5).reasons["neutrality"]
    with pytest.raises(InputError, match="needs the grid"):
        few.importance()


def test_a_continuous_sample_refuses_neighbours():
    x = np.random.default_rng(0).uniform(size=(3, 300))
    land = Landscape({"a": x[0], "b": x[1], "c": x[2]}, x[0])
    metrics = land.metrics(0.1)
    assert land.space.kind == "continuous"
    assert "continuous" in metrics.reasons["assortativity_rank"]
    assert metrics.fdc > 0.3
    assert land.geometry(0.2).counting == ["a"]
    assert land.importance(0.2).share["a"] > 0.9


def test_more_cells_than_64_bits_can_number():
    rng = np.random.default_rng(0)
    config = {f"h{i}": rng.uniform(size=300) for i in range(10)}
    config["k"] = rng.choice(["p", "q"], 300)
    # Ten pairs differ in one hyperparameter only.
    for values in config.values():
        values[:10] = values[10:20]
    config["k"][:10], config["k"][10:20] = "p", "q"
    land = Landscape(config, rng.normal(size=300))
    assert land.space.num_cells > 2**63
    assert land.graph.num_edges == 10
    assert (land.graph.degree[:20] == 1).all()


def test_missing_cells_are_filled_by_least_squares():
    config, losses = grid((4, 5, 3))
    keep = np.random.default_rng(1).permutation(60)[:50]
    land = Landscape({name: values[keep] for name, values in config.items()}, losses[keep])
    found = land.importance(ranks=False)
    # The design of mean, main effects and pairs, solved directly, and its values on the whole grid.
    x = np.array(list(config.values()), int)
    columns = [np.ones(60)]
    one = [[x[h] == level for level in range(1, size)] for h, size in enumerate((4, 5, 3))]
    columns += [c for group in one for c in group]
    columns += [a & b for g in range(3) for h in range(g) for a in one[g] for b in one[h]]
    design = np.array(columns, float).T
    fit = design @ np.linalg.lstsq(design[keep], losses[keep], rcond=None)[0]
    fit[keep] = losses[keep]
    cube = fit.reshape(4, 5, 3)
    variance = cube.var()
    assert found.main["h0"] == pytest.approx(cube.mean(axis=(1, 2)).var() / variance, rel=1e-6)
    assert found.main["h2"] == pytest.approx(cube.mean(axis=(0, 1)).var() / variance, rel=1e-6)
