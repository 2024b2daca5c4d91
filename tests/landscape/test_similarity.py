"""Similarities of landscapes against reference values, scipy and cases worked out by hand."""

import json
import math

import numpy as np
import pytest
from scipy import stats

import nqjax
from nqjax.errors import InputError
from nqjax.landscape.landscape import Landscape
from nqjax.landscape.similarity import MEASURES, compare_losses
from support.landscapes import read, runs_of

NAMES = {"spearman", "kendall", "shake_up", "gamma_set", "transfer_rank", "transfer_regret"}


def check(found, expected):
    assert NAMES | {"top_sizes"} == set(expected)
    for name in NAMES:
        assert getattr(found, name) == pytest.approx(expected[name], rel=1e-9, abs=1e-13), name
    assert list(found.top_sizes) == expected["top_sizes"]


@pytest.fixture(scope="module")
def reference(shared_data):
    return json.loads((shared_data / "landscape" / "reference" / "similarity.json").read_text())


@pytest.fixture(scope="module")
def land_of(shared_data):
    read_files = {}

    def land(name: str) -> Landscape:
        if name not in read_files:
            config, table, _ = read(shared_data, name)
            read_files[name] = Landscape(config, runs_of(name, table))
        return read_files[name]

    return land


@pytest.mark.parametrize("family", ["mlp", "fcnet", "nb201"])
def test_seeds_and_data_sets(reference, land_of, family):
    for pair, expected in reference["seeds (single run against single run)"].items():
        if pair.startswith(family):
            land = land_of(pair.split()[0])
            check(nqjax.similarity(land.run(0), land.run(1)), expected)
    for pair, expected in reference[f"data sets, mean of seeds: {family}"].items():
        a, b = (land_of(name) for name in pair.split(" | "))
        found = nqjax.similarity(a, b)
        check(found, expected)
        assert found.ceiling.spearman > 0.9  # halves of the seeds agree better than data sets
        assert found.of_ceiling("gamma_set") == pytest.approx(found.gamma_set / found.ceiling.gamma_set)


def test_fidelities_and_training_scores(reference, shared_data):
    count = 0
    for group, pairs in reference.items():
        if not group.startswith(("train and test", "fidelities", "data sets: ")):
            continue
        for pair, expected in pairs.items():
            words = [word.split() for word in pair.split(" | ")]
            # "FILE COLUMN | COLUMN", "FILE | FILE" of the test error, or columns of the file in the group's name.
            name = group.split()[1] if "digits_mlp" in group else words[0][0]
            found = []
            for word in words:
                is_file = (shared_data / "landscape" / f"{word[-1]}.parquet").exists()
                config, table, _ = read(shared_data, word[-1] if is_file else name)
                found.append(Landscape(config, np.array(table["test_error_100" if is_file else word[-1]])))
            check(nqjax.similarity(*found), expected)
            count += 1
    assert count == 18


def test_worked_out_by_hand():
    config = {"x": [1, 2, 3, 4, 5]}
    a = Landscape(config, [1.0, 2.0, 3.0, 4.0, 5.0])
    b = Landscape(config, [20.0, 10.0, 30.0, 50.0, 40.0])
    found = nqjax.similarity(a, b, gamma=0.4)
    assert (found.shake_up, found.gamma_set, found.transfer_rank) == (pytest.approx(0.16), 1.0, 0.4)
    assert (found.spearman, found.kendall, found.transfer_regret) == (pytest.approx(0.8), pytest.approx(0.6), 10.0)
    assert nqjax.similarity(a, b, gamma=0.2).gamma_set == 0.0
    assert found.transfer_regret_top == 0.0
    assert found.ceiling is None


def test_independent_ranks():
    rng = np.random.default_rng(0)
    found = compare_losses(rng.normal(size=10_000), rng.normal(size=10_000))
    assert found.shake_up == pytest.approx(1 / 3, abs=0.005)
    assert found.gamma_set == pytest.approx(0.1 / 1.9, abs=0.01)
    assert abs(found.spearman) < 0.04


def test_against_scipy_with_ties():
    rng = np.random.default_rng(1)
    a, b = rng.integers(0, 9, (2, 500)).astype(float)
    found = compare_losses(a, b)
    assert found.spearman == pytest.approx(stats.spearmanr(a, b).statistic)
    assert found.kendall == pytest.approx(stats.kendalltau(a, b).statistic)


def test_failed_runs_are_worst_and_counted():
    a = np.array([1.0, 2.0, 3.0, np.nan, 5.0])
    b = np.array([1.0, np.inf, 3.0, 4.0, 5.0])
    found = compare_losses(a, b, 0.4)
    assert found.num_failed == 2
    assert found.spearman == pytest.approx(1.0)  # of three configurations
    assert compare_losses(b[::-1].copy(), a[::-1].copy(), 0.4).transfer_regret == 0.0
    assert math.isinf(compare_losses(np.array([1.0, 2.0, 3.0]), np.array([np.nan, 2.0, 3.0])).transfer_regret)


def test_shared_configurations_of_two_files():
    x, y = np.indices((5, 4)).reshape(2, -1)
    losses = np.random.default_rng(0).normal(size=20)
    a = Landscape({"x": x * 0.1, "y": [f"c{k}" for k in y]}, losses)
    keep = np.random.default_rng(1).permutation(20)[:12]
    b = Landscape({"y": [f"c{k}" for k in y[keep]], "x": x[keep] * 0.1 * (1 + 1e-12)}, losses[keep] * 2)
    found = nqjax.similarity(a, b)
    assert (found.count, found.spearman) == (12, pytest.approx(1.0))
    matrix = nqjax.similarity_matrix([a, b])
    assert matrix[1][0].count == 12
    assert matrix[0][0].shake_up == 0.0
    with pytest.raises(InputError, match="different hyperparameters: y, z in one only"):
        nqjax.similarity(a, Landscape({"x": x, "z": y}, losses))
    with pytest.raises(InputError, match="share 0"):
        nqjax.similarity(a, Landscape({"x": x + 100, "y": [f"c{k}" for k in y]}, losses))


def test_the_ceiling_of_seeds():
    rng = np.random.default_rng(0)
    x, y = np.indices((10, 10)).reshape(2, -1)
    truth = (x - 4.0) ** 2 + (y - 5.0) ** 2
    runs = truth[:, None] + rng.normal(size=(100, 3)) * 5
    land = Landscape({"x": x, "y": y}, runs)
    ceiling = nqjax.seed_ceiling(land)
    pairs = [nqjax.similarity(land.run(i), land.run(j)) for i, j in ((0, 1), (0, 2), (1, 2))]
    for name in MEASURES[:4]:
        assert getattr(ceiling, name) == pytest.approx(np.mean([getattr(one, name) for one in pairs]))
    halves = nqjax.similarity(land, land).ceiling
    expected = stats.spearmanr((runs[:, 0] + runs[:, 2]) / 2, runs[:, 1]).statistic
    assert halves.spearman == pytest.approx(expected)
    assert nqjax.seed_ceiling(Landscape({"x": x, "y": y}, truth)) is None
