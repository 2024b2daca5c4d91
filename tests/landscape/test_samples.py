"""Random samples of a grid: what pairs of neighbours tell, and what is refused."""

import itertools
import math
from typing import NamedTuple

import numpy as np
import pytest

from nqjax.errors import InputError
from nqjax.landscape.correlations import average_ranks
from nqjax.landscape.landscape import Landscape
from nqjax.landscape.sampled_pairs import SampledPairs, _GridRanks
from nqjax.landscape.ties import find_heights
from support.landscapes import read, runs_of

#: Grids with at least 2,400 configurations, and a tolerance. Samples of some have fewer pairs than the 100 that are
#: asked for, but their estimates are unbiased all the same.
GRIDS = (
    *("mlp_phoneme", "mlp_australian", "mlp_car", "mlp_vehicle", "nb201_cifar10", "nb201_imagenet"),
    *("fcnet_naval_propulsion", "fcnet_protein_structure", "digits_mlp_grid5_s0", "tree_digits"),
)
TOLERANCE = 0.01

#: Samples of a set.
SAMPLES = 200

#: Sets of samples of each grid.
SETS = 2


def whole_grid(folder, name):
    config, table, _ = read(folder, name)
    config = {axis: np.array(values) for axis, values in config.items()}
    single = {"digits_mlp_grid5_s0": "val_loss_30", "tree_digits": "test_error_100"}.get(name)
    return config, runs_of(name, table) if single is None else np.array(table[single], float)


@pytest.fixture(scope="module")
def samples(shared_data):
    """For each grid the true values, and the estimates and standard errors of all its samples."""
    found = {}
    for name in GRIDS:
        config, losses = whole_grid(shared_data, name)
        whole = Landscape(config, losses)
        metrics, scores = whole.metrics(TOLERANCE), whole.scores
        rng = np.random.default_rng(0)
        rows_of = (rng.choice(len(whole), 1000, replace=False) for _ in range(SETS * SAMPLES))
        lands = (Landscape({axis: one[rows] for axis, one in config.items()}, scores[rows]) for rows in rows_of)
        pairs = (SampledPairs(land.space, land.graph, land.heights) for land in lands)
        both = [(one.assortativity_rank(), one.neutrality(TOLERANCE)) for one in pairs]
        found[name] = (
            np.array([metrics.assortativity_rank, metrics.neutrality]),
            np.array([[one.value for one in pair] for pair in both]),
            np.array([[one.standard_error for one in pair] for pair in both]),
        )
    return found


def test_pairs_of_a_sample_are_unbiased(samples):
    """The mean of all samples is within 2 standard errors of a mean of 200 of them, for each grid and number."""
    for name, (truth, values, _) in samples.items():
        limit = 2 * values.std(axis=0, ddof=1) / math.sqrt(SAMPLES)
        assert np.all(np.abs(values.mean(axis=0) - truth) < limit), name


def test_sets_of_samples_are_within_two_standard_errors(samples):
    # Of 40 sets 2 are outside by chance where there is no bias, and more than 5 in 1 % of cases.
    outside = [
        np.abs(part.mean(axis=0) - truth) > 2 * part.std(axis=0, ddof=1) / math.sqrt(SAMPLES)
        for truth, values, _ in samples.values()
        for part in np.split(values, SETS)
    ]
    assert np.size(outside) == 40
    assert np.sum(outside) <= 5


def test_standard_errors_of_a_sample_are_right(samples):
    for name, (_, values, errors) in samples.items():
        stated = np.sqrt(np.mean(errors**2, axis=0))
        assert np.all(np.abs(stated / values.std(axis=0, ddof=1) - 1) < 0.15), name


class NineCells(NamedTuple):
    """The part of a space that ranks ask for: the number of configurations of the whole grid."""

    expected: int = 9


@pytest.mark.parametrize("ties", [False, True])
def test_products_of_ranks_in_the_grid_are_unbiased(ties):
    """Over all samples that hold a pair the mean is exact, also of squares and where losses are equal."""
    rng = np.random.default_rng(3)
    losses = rng.integers(0, 4, 9).astype(float) if ties else rng.permutation(9).astype(float)
    ranks = average_ranks(losses) - 5
    for pair in itertools.combinations(range(9), 2):
        rest = [node for node in range(9) if node not in pair]
        found = []
        for others in itertools.combinations(rest, 4):
            ends = np.array([0]), np.array([1])
            found.append(np.ravel(_GridRanks(NineCells(), find_heights(losses[[*pair, *others]])).of_pairs(*ends)))
        a, b = ranks[list(pair)]
        assert np.mean(found, axis=0) == pytest.approx([a, b, a * b, (a**2 + b**2) / 2])


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
