"""Every value of `reference/`, from a slow implementation by other hands, and grids worked out by hand."""

import json
import math

import numpy as np
import pytest

import nqjax
from nqjax.landscape.anova import find_anova
from nqjax.landscape.assortativity import autocorrelation, directed_assortativity, rank_losses
from nqjax.landscape.correlations import pearson, spearman
from nqjax.landscape.distance import can_descend_to, distance_to
from nqjax.landscape.funnels import leads_to_best, sinks
from nqjax.landscape.landscape import Landscape
from nqjax.landscape.plateaus import components, optima_within
from nqjax.landscape.replicates import collect
from support.landscapes import read, runs_of

#: Of values that the reference computes in another order of summation.
TOLERANCE = 1e-9

FILES = (
    *("digits_mlp_grid5_s0", "tree_digits", "tree_wine", "svm_digits", "svm_wine", "nb201_cifar10", "nb201_imagenet"),
    *("mlp_phoneme", "mlp_australian", "mlp_car", "mlp_vehicle", "fcnet_naval_propulsion", "fcnet_protein_structure"),
)


def values_of(land: Landscape, tolerances: list[str]) -> dict:
    """Everything that a reference file has, under its names."""
    graph, heights, basins, network = land.graph, land.heights, land.basins, land.network
    ranks = rank_losses(heights)
    best = np.flatnonzero(heights.rank == 0).astype(np.int32)
    distance = distance_to(land.space, best)
    of_optima = heights.loss[basins.optima]
    is_global = heights.rank[basins.optima] == 0
    plateaus = np.bincount(basins.plateau)
    finite = land.merges.prominence[np.isfinite(land.merges.prominence)]
    raw, ranked = autocorrelation(graph, heights.loss, 5), autocorrelation(graph, ranks, 5)
    anova = find_anova(land.space, heights.loss)

    def curve(function):
        return {eps: function(float(eps)) for eps in tolerances}

    return {
        "n": len(land),
        "edges": graph.num_edges,
        "components": len(set(components(len(graph), *graph.edges()).tolist())),
        "degree_min": int(graph.degree.min()),
        "degree_max": int(graph.degree.max()),
        "assortativity": raw[0],
        "autocorrelation": raw.tolist(),
        "assortativity_rank": ranked[0],
        "autocorrelation_rank": ranked.tolist(),
        "assortativity_directed": directed_assortativity(graph, heights),
        "loss_best": heights.loss.min(),
        "n_global": len(best),
        "n_lo_nodes": basins.without_better,
        "n_lo_strict_nodes": basins.strict,
        "n_plateaus": int(np.sum(plateaus > 1)),
        "plateau_nodes": int(plateaus[plateaus > 1].sum()),
        "n_lo": len(basins),
        "basin_mean": len(land) / len(basins),
        "basin_median": float(np.median(basins.sizes)),
        "basin_global_share": basins.shares[is_global].sum(),
        "basin_effective": basins.effective,
        "descent_steps_mean": basins.steps.mean(),
        "descent_steps_max": int(basins.steps.max()),
        "basin_loss_spearman": spearman(basins.sizes.astype(float), of_optima),
        "access_global": can_descend_to(graph, heights, best).mean(),
        "prominence_top": np.sort(finite)[::-1][:10].tolist(),
        "n_lo_prominent": curve(lambda eps: int(land.optima_above(eps))),
        "n_lo_tolerance_plateaus": curve(lambda eps: optima_within(graph, heights, eps)),
        "fdc_spearman": spearman(heights.loss, distance),
        "fdc_pearson": pearson(heights.loss, distance),
        "fdc_optima_spearman": spearman(of_optima, distance[basins.optima]),
        "neutrality": curve(land.neutrality.mean),
        "neutral_edge_share": curve(land.neutrality.edge_share),
        "ndc_spearman": curve(lambda eps: land.neutrality.distance_correlation(eps, distance)),
        "ndc_pearson": curve(lambda eps: land.neutrality.distance_correlation(eps, distance, ranks=False)),
        "neutrality_relative": {eps: land.neutrality.relative(float(eps)) for eps in ("0.001", "0.01")},
        "lon_edges": len(network.first),
        "funnels": int(sinks(heights, basins, network).sum()),
        "funnel_global_share": basins.shares[leads_to_best(heights, basins, network)].sum(),
        "anova_main": anova.main,
        "anova_pairs": {" x ".join(pair): share for pair, share in anova.pairs.items()},
        "anova_additive": anova.additive,
        "anova_order2": anova.order2,
    }


def differences(expected, found, name=""):
    """Yield each value that is not what it should be."""
    if isinstance(expected, dict):
        for key, value in expected.items():
            yield from differences(value, found[key], f"{name}.{key}")
    elif isinstance(expected, list):
        found = found[: len(expected)] if "autocorrelation" in name else found
        assert len(expected) == len(found), name
        for place, (a, b) in enumerate(zip(expected, found, strict=True)):
            yield from differences(a, b, f"{name}[{place}]")
    elif expected is None:
        if not math.isnan(found):
            yield name, expected, found
    # Correlations that are 0 exactly differ by the rounding of sums of order 1.
    elif abs(expected - found) > TOLERANCE * abs(expected) + 1e-13:
        yield name, expected, float(found)


def check(expected: dict, land: Landscape) -> None:
    found = values_of(land, list(expected["n_lo_prominent"]))
    assert list(differences(expected, found)) == []
    curve = land.neutrality.curve([float(eps) for eps in expected["neutrality"]])
    np.testing.assert_allclose(curve, list(expected["neutrality"].values()), rtol=TOLERANCE, atol=1e-13)


@pytest.mark.parametrize("name", FILES)
def test_reference_files(shared_data, name):
    config, table, reference = read(shared_data, name)
    assert reference.pop("name") == name
    noise = reference.pop("noise", None)
    if noise:
        land = Landscape(config, runs_of(name, table))
        assert land.sigma == pytest.approx(noise["sigma_top10"], rel=TOLERANCE)
        assert land.replicates.seeds == pytest.approx(noise["seeds"], rel=TOLERANCE)
        two_sd = 2 * math.sqrt(2) * land.replicates.standard_error
        assert two_sd == pytest.approx(noise["two_sd_of_difference_of_means"], rel=TOLERANCE)
        check(reference.pop("mean"), land)
        check(reference.pop("seed0"), land.run(0))
    for column, expected in reference.items():
        losses = 1 - np.array(table["val_accuracy_30"]) if column == "val_error_30" else np.array(table[column])
        check(expected, Landscape(config, losses))


@pytest.mark.parametrize("name", ["A", "B", "C"])
def test_grids_worked_out_by_hand(shared_data, name):
    case = json.loads((shared_data / "landscape" / "reference" / "hand_made.json").read_text())[name]
    config = {axis: [row[i] for row in case["rows"]] for i, axis in enumerate(case["types"])}
    check(case["values"], Landscape(config, case["loss"]))


# The same three grids, so that something is checked where the shared data are absent.
def test_a_line():
    land = nqjax.Landscape({"x": [1, 2, 3, 4, 5]}, [3.0, 1.0, 2.0, 0.0, 4.0])
    metrics = land.metrics(tolerance=1.0)
    assert metrics.assortativity == pytest.approx(-89 / 111)
    assert metrics.assortativity == pytest.approx(metrics.autocorrelation[0])  # no ties, and ranks are losses plus 1
    assert (metrics.n_lo, metrics.n_lo_prominent, metrics.num_edges) == (2, 1, 4)
    assert metrics.basin_global_share == metrics.access_global == 0.6
    assert metrics.basin_effective == pytest.approx(25 / 13)
    assert metrics.neutrality == pytest.approx(0.2)
    assert land.merges.prominence.tolist() == [math.inf, 1.0]


def test_a_plateau_is_one_optimum():
    config = {"x": [1, 1, 1, 2, 2, 2, 3, 3, 3], "y": [1, 2, 3] * 3}
    land = nqjax.Landscape(config, [2.0, 2.0, 5.0, 3.0, 2.0, 4.0, 1.0, 6.0, 0.0])
    assert (len(land.basins), land.basins.without_better, land.basins.strict) == (3, 5, 2)
    assert land.basins.sizes.tolist() == [3, 2, 4]
    assert land.merges.prominence.tolist() == [math.inf, 3.0, 1.0]
    assert land.optima_above([0, 1, 3]).tolist() == [3, 2, 1]
    assert [one.size for one in land.optima()] == [1, 1, 3]
    assert land.metrics(0.0).access_global == pytest.approx(4 / 9)


def test_a_categorical_axis():
    config = {"x": [1, 1, 1, 2, 2, 2, 3, 3, 3], "k": ["p", "q", "r"] * 3}
    land = nqjax.Landscape(config, [4.0, 7.0, 3.0, 2.0, 6.0, 8.0, 5.0, 1.0, 9.0])
    assert (land.graph.num_edges, len(land.basins)) == (15, 3)
    assert land.basins.effective == pytest.approx(81 / 29)
    assert land.merges.prominence.tolist() == [math.inf, 3.0, 1.0]
    assert land.merges.saddle.tolist() == [math.inf, 5.0, 4.0]


def test_the_noise_of_one_run_is_that_of_the_best_tenth():
    rng = np.random.default_rng(0)
    mean = np.arange(200.0)
    runs = mean[:, None] + rng.normal(size=(200, 3)) * (1 + mean[:, None] / 10)
    found = collect(runs, np.arange(200), 200)
    best = np.argsort(runs.mean(axis=1))[:20]
    assert found.sigma == pytest.approx(np.sqrt(runs[best].var(axis=1, ddof=1).mean()))
    assert found.standard_error == pytest.approx(found.sigma / np.sqrt(3))
