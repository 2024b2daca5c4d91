"""Trials that depend on their number are warned of; independent ones are not."""

import numpy as np
import pytest
import scipy.stats

import nqjax
from nqjax.trials.readers.drift import ranks, spearman, spread_of_halves


def warned(study):
    return any("learn from earlier trials" in one for one in study.warnings)


def test_an_adaptive_search_is_told_from_a_random_one(shared_cases):
    assert warned(nqjax.read_study(shared_cases / "adaptive.csv", "value"))
    assert not warned(nqjax.read_study(shared_cases / "three-hyperparameters.csv", "value"))


def random_search(seed, count=60):
    rng = np.random.default_rng(seed)
    x = rng.random((count, 3))
    return {"trial": range(count), **{f"params_{i}": x[:, i] for i in range(3)}, "loss": np.sum(x**2, axis=1)}


def test_independent_trials_are_seldom_warned_of():
    # 1 % by design; 200 searches give 8 or more with probability 0.001.
    assert sum(warned(nqjax.read_study(random_search(seed), "loss")) for seed in range(200)) < 8


def test_the_order_of_rows_is_not_that_of_trials():
    table = random_search(0)
    order = np.argsort(table["loss"])
    assert not warned(nqjax.read_study({name: np.asarray(column)[order] for name, column in table.items()}, "loss"))


def test_a_grid_in_its_own_order_is_not_taken_for_a_search_that_learns():
    points = [{"param_a": i // 8, "param_b": i % 8, "mean_test_score": (i // 8) / 9 + (i % 8) / 90} for i in range(64)]
    assert not warned(nqjax.read_study([{"": i} | point for i, point in enumerate(points)]))


@pytest.mark.parametrize("seed", range(5))
def test_proposals_that_narrow_are_warned_of(seed):
    table = random_search(seed)
    width = np.where(np.arange(60) < 30, 1, 0.2)
    table["params_1"] = 0.5 + width * (table["params_1"] - 0.5)
    assert warned(nqjax.read_study(table, "loss"))


def test_the_tests_are_those_of_scipy():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=200), rng.integers(0, 20, 200).astype(float)
    np.testing.assert_array_equal(ranks(b), scipy.stats.rankdata(b))
    rho, p = spearman(a, b)
    expected = scipy.stats.spearmanr(a, b)
    assert rho == pytest.approx(expected.statistic, abs=1e-12)
    assert p == pytest.approx(expected.pvalue, abs=0.01)
    p, _ = spread_of_halves(a)
    order = scipy.stats.rankdata(a)
    assert p == pytest.approx(scipy.stats.levene(order[:100], order[100:], center="median").pvalue, abs=0.01)
