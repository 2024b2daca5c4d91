"""The landscape as a user makes it: conditional spaces, failed runs, replicates, sizes, and input that is refused."""

import math
import subprocess
import sys
import time

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

import nqjax
from nqjax.errors import InputError
from nqjax.landscape.distance import distance_to
from nqjax.landscape.geometry import ball_radius, expected_relevance, gamma_from_geometry
from nqjax.landscape.landscape import Landscape


def grid(sizes=(6, 5, 4), seed=0):
    index = np.indices(sizes).reshape(len(sizes), -1)
    losses = np.random.default_rng(seed).normal(size=index.shape[1])
    return {f"h{i}": values for i, values in enumerate(index)}, losses


def test_a_conditional_space_is_complete_without_its_impossible_cells():
    rows = [("linear", None, c) for c in (1, 10)]
    rows += [(kernel, g, c) for kernel in ("rbf", "poly") for g in (0.1, 0.2, 0.3, 0.4) for c in (1, 10)]
    config = {"kernel": [r[0] for r in rows], "gamma": [r[1] for r in rows], "C": [r[2] for r in rows]}
    land = Landscape(config, np.arange(18.0))
    assert (land.space.kind, land.space.expected, land.space.num_cells) == ("complete", 18, 30)
    # A linear kernel has no gamma: it differs from all others in two hyperparameters, so only C connects it.
    assert land.graph.degree[:2].tolist() == [1, 1]
    assert "some configurations only" in land.warnings[0]
    with pytest.raises(InputError, match="functional ANOVA on a grid cannot"):
        land.importance()
    assert land.optima()[0].configuration == {"kernel": "linear", "gamma": None, "C": 1.0}


def test_one_step_leads_from_having_a_hyperparameter_to_not_having_it():
    rows = [(momentum, c) for momentum in (None, 0.5, 0.9, 0.95, 0.99) for c in (1, 10)]
    land = Landscape({"momentum": [r[0] for r in rows], "C": [r[1] for r in rows]}, np.arange(10.0))
    start, end = land.graph.edges()
    steps = dijkstra(csr_array((np.ones(len(start)), (start, end)), shape=(10, 10)), directed=False, unweighted=True)
    for target in range(10):
        expected = distance_to(land.space, np.array([target]))
        np.testing.assert_array_equal(expected[:2], steps[target, :2])
        both = distance_to(land.space, np.array([target, 9 - target]))
        np.testing.assert_array_equal(both, np.minimum(expected, distance_to(land.space, np.array([9 - target]))))
    assert land.graph.degree[0] == 5  # four momenta, and the other C


def test_failed_runs_are_worse_than_all_and_left_out_of_correlations():
    config, losses = grid()
    losses = losses.copy()
    losses[[3, 50, 80]] = np.nan, np.inf, -np.inf
    land = Landscape(config, losses)
    metrics = land.metrics(0.1)
    assert metrics.num_failed == 3
    assert land.heights.rank[[3, 50, 80]].tolist() == [117] * 3
    # By the definition, over the edges without a failed run.
    start, end = land.graph.edges()
    good = np.isfinite(losses)
    keep = good[start] & good[end]
    a, b = losses[start[keep]], losses[end[keep]]
    both = np.corrcoef(np.r_[a, b], np.r_[b, a])[0, 1]
    assert metrics.assortativity == pytest.approx(both)
    assert land.neutrality.edge_share(0.5) == pytest.approx(np.mean(np.abs(a - b) <= 0.5))
    assert land.neutrality.curve([0.5])[0] == pytest.approx(land.neutrality.mean(0.5))
    assert land.basins.sizes.sum() == 120


def test_rows_and_columns_of_one_configuration_are_its_runs():
    config, losses = grid()
    twice = {name: np.r_[values, values[::-1]] for name, values in config.items()}
    runs = np.r_[losses, losses[::-1] + 0.2]
    land = Landscape(twice, runs)
    assert (len(land), land.num_rows, land.num_seeds) == (120, 240, 2)
    np.testing.assert_allclose(land.scores, losses + 0.1)
    assert land.sigma == pytest.approx(0.2 / math.sqrt(2))
    wide = Landscape(config, np.c_[losses, losses + 0.2])
    assert land.metrics(0.1) == wide.metrics(0.1)
    assert land.run(1).scores.tolist() == pytest.approx((losses + 0.2).tolist())
    maximised = Landscape(config, -np.c_[losses, losses + 0.2], minimize=False)
    assert maximised.metrics(0.1) == wide.metrics(0.1)
    assert maximised.optima()[0].score == pytest.approx(-losses.min() - 0.1)


def test_numbers_that_a_file_rounds_are_one_level_and_texts_of_numbers_are_numbers():
    land = Landscape({"x": [0.1 + 0.2, 0.3, "0.5", "1e1"], "y": [1, 2, 1, 2]}, [1.0, 2.0, 3.0, 4.0])
    assert land.space.axes[0].levels == (0.3, 0.5, 10.0)
    ordered = Landscape(
        {"size": ["s", "m", "l", "s"], "y": [1, 1, 1, 2]}, [1.0, 2, 3, 4], order={"size": ["s", "m", "l"]}
    )
    assert ordered.space.axes[0].levels == ("s", "m", "l")
    assert ordered.space.axes[0].ordered
    flags = Landscape({"bias": [True, False, True, False], "y": [1, 1, 2, 2]}, [1.0, 2, 3, 4])
    assert not flags.space.axes[0].ordered
    with pytest.raises(InputError, match="the order of 'size' lacks 'l'"):
        Landscape({"size": ["s", "m", "l"]}, [1.0, 2, 3], order={"size": ["s", "m"]})


def test_a_constant_loss_has_one_optimum_and_no_correlation():
    config, _ = grid()
    metrics = Landscape(config, np.ones(120)).metrics(0.1)
    assert (metrics.n_lo, metrics.n_global, metrics.basin_global_share) == (1, 120, 1.0)
    assert metrics.assortativity is metrics.fdc is metrics.ndc is None
    assert metrics.reasons["fdc"] == "undefined: all losses are equal"


@pytest.mark.parametrize(
    ("config", "scores", "message"),
    [
        ({"x": [1, 1, 1]}, [1.0, 2, 3], "no hyperparameter varies"),
        ({"x": [1, 2]}, [1.0, 2.0], "at least 3"),
        ({"x": [1, 2, 3]}, [np.nan, np.inf, None], "all runs failed"),
        ({"x": [1, 2, 3]}, ["a", "b", "c"], "not numbers"),
        ({"x": [1, 2, 3]}, [1.0, 2.0], "'x' has 3 values for 2 rows"),
        ({}, [1.0, 2.0], "no hyperparameters"),
        ({"x": [1, 2, 3]}, np.ones((3, 2, 2)), "shape"),
        (
            {"x": [1, 2] * 15, "id": list(range(30))},
            np.arange(30.0),
            "'id' has another whole number in each of 30 rows",
        ),
        ({"x": [1, 2] * 15, "name": [f"run{i}" for i in range(30)]}, np.arange(30.0), "'name' has another value"),
    ],
)
def test_input_that_is_refused(config, scores, message):
    with pytest.raises(InputError, match=message):
        Landscape(config, scores)


def test_options_that_are_refused():
    config, losses = grid()
    land = Landscape(config, losses)
    for call, message in (
        (lambda: Landscape(config, losses, categorical=["h9"]), "no hyperparameter 'h9'"),
        (lambda: Landscape(config, losses, minimize=1), "minimize is 1"),
        (lambda: land.metrics("often"), "the tolerance is 'often'"),
        (lambda: land.metrics(-1.0), "0 or more"),
        (lambda: land.metrics(sigma=-1.0), "sigma is -1"),
        (lambda: land.run(1), "there is no run 1"),
        (lambda: land.importance(-100.0), "as good as -100"),
        (lambda: nqjax.regime_geometry(land, None), "no threshold"),
        (lambda: nqjax.regime_geometry([1.0], 0.5), "give a Landscape or a study"),
        (lambda: nqjax.regime_geometry(land, np.sort(losses)[5]), "at least 10"),
        (lambda: nqjax.similarity(land, land, gamma=2.0), "gamma is 2"),
    ):
        with pytest.raises(InputError, match=message):
            call()


def test_a_seed_is_kept_where_one_asks_for_it():
    land = Landscape({"x": [1, 2] * 15, "id": list(range(30))}, np.arange(30.0), keep=["id"])
    assert land.space.names == ("x", "id")


def test_a_table_that_would_be_too_large_is_refused_with_its_size():
    config = {"x": np.arange(40_000) % 20_000, "y": np.arange(40_000) // 20_000}
    land = Landscape(config, np.arange(40_000.0), categorical=["x"])
    with pytest.raises(InputError, match="800,040,000 cells"):
        land.metrics(0.1)


def test_divergence_of_a_region():
    # Four levels, of which the region has two: p (q/p - 1)^2 is 1/4 for each.
    config = {"x": [0, 1, 2, 3] * 4, "y": [0] * 4 + [1] * 4 + [2] * 4 + [3] * 4}
    found = Landscape(config, [0.0, 0.0, 1.0, 1.0] * 4).importance(0.5)
    assert found.divergence == {"x": pytest.approx(1.0), "y": pytest.approx(0.0)}
    assert found.by_chance["x"] == pytest.approx(3 / 8 * 8 / 15)
    assert found.share == {"x": 1.0, "y": 0.0}


def test_divergence_by_chance_is_the_mean_over_random_regions():
    from nqjax.landscape.region_importance import pearson_divergence

    rng = np.random.default_rng(0)
    group = rng.integers(0, 5, 200).astype(np.int32)
    found = [pearson_divergence(group, rng.permutation(200) < 40) for _ in range(4000)]
    error = np.std(found) / math.sqrt(4000)
    assert abs(np.mean(found) - 4 / 40 * 160 / 199) < 4 * error


def test_balls_and_cubes():
    assert ball_radius(1, 0.4) == pytest.approx(0.2)
    assert ball_radius(2, 0.3) == pytest.approx(math.sqrt(0.3 / math.pi))
    assert ball_radius(3, 0.1) == pytest.approx((0.1 * 3 / (4 * math.pi)) ** (1 / 3))
    # One direction: the variance of an interval of length P is P^2 / 12.
    assert expected_relevance(1, 0.4) == pytest.approx(1 - 0.4**2)
    for gamma in (1.0, 2.5, 4.0):
        assert gamma_from_geometry(expected_relevance(gamma, 0.2), 0.2) == pytest.approx(gamma)
    assert gamma_from_geometry(0.0, 0.2) is None
    assert gamma_from_geometry(100.0, 0.2) is None


def test_hyperparameters_of_the_published_regimes(shared_data):
    deberta = nqjax.read_study(shared_data / "deberta_v3_multinli.csv", "accuracy_matched", maximize=True)
    geometry = nqjax.regime_geometry(deberta, 1 - 0.11)
    assert geometry.share == pytest.approx(0.574, abs=0.001)
    assert geometry.relevance["learning_rate"].value == pytest.approx(0.61, abs=0.02)
    assert geometry.total == pytest.approx(0.71, abs=0.05)
    assert geometry.counting == ["learning_rate"]
    convnext = nqjax.read_study(shared_data / "convnext_tiny_imagenet.csv", "top_1", maximize=True)
    geometry = nqjax.regime_geometry(convnext, 0.60)
    assert geometry.relevance["lr"].value == pytest.approx(0.68, abs=0.02)
    assert geometry.relevance["weight_decay"].value == pytest.approx(0.62, abs=0.02)
    assert geometry.total == pytest.approx(1.75, abs=0.05)
    assert geometry.counting == ["lr", "weight_decay"]


@pytest.mark.parametrize(("gamma", "share"), [(1, 0.4), (2, 0.4), (3, 0.4), (4, 0.2)])
def test_synthetic_searches_name_their_hyperparameters(gamma, share):
    """A simulation of LANDSCAPE's section 6: log-scaled and integer hyperparameters have their sampling scale."""
    rng = np.random.default_rng(gamma)
    near = named = 0
    for _ in range(60):
        u = rng.uniform(size=(6, 1024))
        weight = np.where(np.arange(6) < gamma, np.exp(rng.uniform(-0.35, 0.35, 6)), 0.0)
        losses = weight @ (u - rng.uniform(0.3, 0.7, 6)[:, None]) ** 2
        losses += rng.normal(size=1024) * 0.02 * losses.std()
        config = {f"h{i}": values for i, values in enumerate(u)}
        config["h0"] = 10 ** (-5 * u[0])
        config["h5"] = np.floor(np.exp(6 * u[5]))
        geometry = Landscape(config, losses).geometry(float(np.quantile(losses, share)))
        near += abs(geometry.gamma - gamma) < 0.5
        named += set(geometry.counting) == {f"h{i}" for i in range(gamma)}
        assert geometry.expected_total(gamma) == pytest.approx(expected_relevance(gamma, share), rel=0.01)
    assert near >= 57
    assert named >= 59


def test_a_ball_that_leaves_the_cube_is_said():
    x = np.random.default_rng(0).uniform(size=(4, 2000))
    losses = ((x - 0.5) ** 2).sum(axis=0)
    land = Landscape({f"h{i}": values for i, values in enumerate(x)}, losses)
    assert land.geometry(float(np.quantile(losses, 0.7))).leaves_cube
    assert not land.geometry(float(np.quantile(losses, 0.1))).leaves_cube


def test_a_large_grid_takes_little_time():
    config, losses = grid((10, 10, 10, 10, 10))
    losses = losses + sum((values - 4) ** 2 for values in config.values())
    land = Landscape(config, losses)
    began = time.process_time()
    metrics = land.metrics(0.1)
    assert metrics.num_edges == 450_000
    assert time.process_time() - began < 5  # 0.3 s on an idle machine


def test_jax_is_not_imported():
    code = (
        "import sys, nqjax; land = nqjax.Landscape({'x': [1, 2, 3, 4]}, [[3, 2], [1, 2], [2, 2], [0, 1]]);"
        "land.metrics(); nqjax.similarity(land, land); nqjax.regime_geometry; assert 'jax' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
