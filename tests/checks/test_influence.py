"""Influence of single hyperparameters, and ends of the space at which the best trials pile up."""

import numpy as np
import pytest
import scipy.stats

from nqjax.checks import influence
from nqjax.checks.influence import edges, influences


def test_the_share_is_that_of_the_ranks_of_the_groups():
    """Two categories of equal size: the statistic and the share by SciPy and by hand, failed runs last."""
    rng = np.random.default_rng(0)
    scores = rng.normal(size=40) + np.repeat([0.0, 1.0], 20)
    scores[3] = np.nan
    values = np.repeat(np.array(["a", "b"], object), 20)
    (found,) = influences({"optimizer": values}, scores, True)
    ranks = scipy.stats.rankdata(np.where(np.isfinite(scores), scores, np.inf))
    statistic, p_value = scipy.stats.kruskal(ranks[:20], ranks[20:])
    assert found.share == pytest.approx((statistic - 1) / 38)
    assert found.p_value == pytest.approx(p_value)
    (mirror,) = influences({"optimizer": values}, -scores, False)
    assert mirror == found


def test_hyperparameters_without_effect_are_seldom_named():
    """About 1 % of 300 searches with eight hyperparameters without effect name one at the level of 1 %."""
    rng = np.random.default_rng(1)
    named = 0
    for _ in range(300):
        config = {f"h{i}": rng.random(64) for i in range(8)}
        named += influences(config, rng.normal(size=64), True)[0].p_value < 0.01
    assert named <= 10


def test_the_one_that_matters_comes_first_whatever_its_scale():
    rng = np.random.default_rng(2)
    for seed in range(10):
        rng = np.random.default_rng(seed)
        lr, other = 10 ** rng.uniform(-5, 0, 96), rng.random(96)
        scores = (np.log10(lr) + 2.5) ** 2 + 0.3 * rng.normal(size=96)
        first, second = influences({"other": other, "lr": lr, "fixed": np.full(96, 3.0)}, scores, True)
        assert (first.name, second.name) == ("lr", "other")
        assert first.share > 0.5
        assert influences({"lr": np.log10(lr)}, scores, True)[0].share == pytest.approx(first.share)


def test_best_trials_at_an_end_of_the_range_are_noticed():
    found, false = 0, 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        config = {"lr": rng.random(128), "dropout": rng.random(128)}
        scores = config["lr"] + 0.05 * rng.normal(size=128)
        named = [(one.name, one.end) for one in edges(config, scores, True)]
        found += ("lr", "lowest") in named
        false += len(edges(config, rng.normal(size=128), True))
        assert [(one.name, one.end) for one in edges(config, -scores, False)] == named
    assert found == 40
    assert false <= 3


@pytest.mark.parametrize(
    "values",
    [np.full(30, np.nan), np.full(30, None, object), np.full(30, 1.0), np.arange(30.0).astype(str).astype(object)],
    ids=["missing", "no text", "one value", "all different"],
)
def test_columns_that_say_nothing_are_left_out(values):
    scores = np.random.default_rng(0).random(30)
    assert influences({"h": values}, scores, True) == []
    assert edges({"h": values}, scores, True) == []


@pytest.mark.parametrize("values", [30, 5])
def test_the_statistic_and_ranks_are_those_of_scipy(values):
    rng = np.random.default_rng(values)
    groups = [rng.integers(0, values, size).astype(float) for size in (7, 1, 12, 20)]
    expected = scipy.stats.kruskal(*groups)
    found = influence._kruskal_wallis(groups)
    np.testing.assert_allclose(found, [expected.statistic, expected.pvalue], rtol=1e-12)
    y = np.concatenate(groups)
    np.testing.assert_array_equal(influence._average_ranks(y)[0], scipy.stats.rankdata(y))


def test_the_chance_of_so_many_best_trials_at_an_end_is_binomial():
    trials = np.arange(1.0, 101.0)
    (edge,) = edges({"x": trials}, trials, True)
    expected = scipy.stats.binomtest(edge.count, edge.num_best, 0.1, "greater").pvalue
    assert edge.p_value == pytest.approx(2 * expected, rel=1e-9)  # two ends are tested
