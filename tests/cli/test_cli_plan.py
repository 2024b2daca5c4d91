"""`nqjax plan`: intervals of its counts, and no number where a score is out of reach."""

import json
import math

import jax
import numpy as np
import pytest

import nqjax
from nqjax import cli
from nqjax.confidence.uncertain_plan import PlanDraws, gain_intervals, trials_interval


@pytest.fixture(scope="module")
def boot():
    y = 0.1 + 0.5 * np.random.default_rng(0).random(64) + 0.02 * np.random.default_rng(1).normal(size=64)
    return nqjax.bootstrap(y, 200, key=jax.random.key(0), threshold=None, gamma=2)


def test_a_score_that_only_luck_of_one_in_a_million_reaches(shared_cases, capsys):
    argv = ["plan", str(shared_cases / "replicated-search.csv"), "--metric", "val_loss", "--probability", "0.9"]
    assert cli.main([*argv, "--score", "0.02"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "out of reach of this search as far as the scores can tell" in text
    assert "2,211" not in text
    assert cli.main([*argv, "--score", "0.02", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["required_trials"], found["out_of_reach"]) == (None, True)
    assert cli.main([*argv, "--score", "0.033"]) == 0
    assert "(95 % interval: " in " ".join(capsys.readouterr().out.split())


def test_intervals_are_those_of_one_refit_after_another(boot):
    draws = PlanDraws.of(boot)
    counts, better = [], []
    for a, b, g, s in zip(boot.alpha, boot.beta, boot.gamma, boot.sigma, strict=True):
        d = nqjax.NoisyQuadratic(a, b, float(g), s) if s else nqjax.Quadratic(a, b, float(g))
        tail = float(d.cdf(0.11))
        counts.append(math.ceil(math.log(0.1) / math.log1p(-tail)) if tail > 0 else math.inf)
        better.append(-math.expm1(50 * math.log1p(-tail)))
    low, high = trials_interval(draws, 0.11, 0.9)
    assert low == pytest.approx(np.quantile(counts, 0.025, method="nearest"), rel=1e-3)
    assert high == pytest.approx(np.quantile(counts, 0.975, method="nearest"), rel=1e-3)
    found = gain_intervals(draws, np.array([50.0]), 0.11).probability[:, 0]
    np.testing.assert_allclose(found, np.quantile(better, [0.025, 0.975]), atol=1e-4)


def test_gains_are_within_their_intervals(shared_cases, capsys):
    assert cli.main(["plan", str(shared_cases / "replicated-search.csv"), "--metric", "val_loss", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["gains"]
    assert [row["trials"] for row in rows] == [10, 100, 192, 1000]
    for row in rows:
        for name, ends in row["intervals"].items():
            assert ends["low"] <= row[name] <= ends["high"]


def test_fractions_of_a_trial_are_refused(shared_cases, capsys):
    argv = ["plan", str(shared_cases / "replicated-search.csv"), "--metric", "val_loss", "--width", "0.01"]
    assert cli.main([*argv, "--at", "2.5"]) == 2
    assert "give a whole number from 1 up" in capsys.readouterr().err
