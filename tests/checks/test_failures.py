"""Parts of the space in which runs fail: found where they are, seldom where they are not."""

import numpy as np
import pytest
import scipy.stats

from nqjax.checks.failures import failing_parts


def test_runs_that_fail_at_high_learning_rates_are_noticed():
    for seed in range(20):
        rng = np.random.default_rng(seed)
        lr, dropout = 10 ** rng.uniform(-4, 0, 96), rng.random(96)
        scores = np.where((lr > 0.2) & (rng.random(96) < 0.9), np.nan, rng.random(96))
        first, *others = failing_parts({"dropout": dropout, "lr": lr}, scores)
        assert first.name == "lr"
        assert not others
        low, high = (float(text) for text in first.values.split(" to "))
        assert high == pytest.approx(lr.max(), rel=0.01)
        assert low > 0.05  # the part is the highest sixth of 96 values, which begins near 0.2
        assert first.failed + first.failed_elsewhere == np.sum(np.isnan(scores))
        assert "runs failed where lr is" in first.sentence


def test_a_category_that_fails_is_named_with_its_counts():
    optimizer = np.repeat(np.array(["adam", "sgd"], object), 20)
    scores = np.concatenate([np.full(20, 0.5), np.full(12, np.inf), np.full(8, 0.5)])
    (found,) = failing_parts({"optimizer": optimizer}, scores)
    assert (found.values, found.failed, found.runs, found.failed_elsewhere, found.runs_elsewhere) == (
        "sgd",
        12,
        20,
        0,
        20,
    )
    assert found.p_value == pytest.approx(scipy.stats.chi2_contingency([[0, 12], [20, 8]]).pvalue)
    assert found.sentence.startswith("12 of 20 runs failed where optimizer is sgd, 0 of 20 elsewhere")


def test_failures_at_random_are_seldom_blamed():
    rng = np.random.default_rng(3)
    blamed = 0
    for _ in range(200):
        config = {f"h{i}": rng.random(96) for i in range(4)}
        blamed += bool(failing_parts(config, np.where(rng.random(96) < 0.2, np.nan, 1.0)))
    assert blamed <= 8


@pytest.mark.parametrize("failed", [0, 3, 40])
def test_few_failures_or_nothing_else_say_nothing(failed):
    scores = np.where(np.arange(40) < failed, np.nan, 0.5)
    assert failing_parts({"h": np.arange(40.0)}, scores) == []
