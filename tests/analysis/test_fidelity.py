"""The fidelity report: correlations, halving and extrapolation against definitions, and on the reference searches."""

import json
import math

import jax
import numpy as np
import pytest
from scipy import stats

import nqjax
from bench import curves as reference
from bench.common import reference_folder
from nqjax import search
from nqjax.analysis.fidelity import POWER_LAW_LIMIT, _correlations
from nqjax.errors import InputError
from support import tiny_task

needs_reference = pytest.mark.skipif(reference_folder() is None, reason="the reference searches are absent")


def _curves(count=300, epochs=20, seed=0, noise=0.02):
    rng = np.random.default_rng(seed)
    steps = np.arange(1, epochs + 1)
    return [
        end + rate * np.exp(-steps / 4) + noise * rng.normal(size=epochs) for end, rate in rng.uniform(size=(count, 2))
    ]


def test_correlations_and_halving_as_they_are_defined():
    curves = _curves()
    report = nqjax.fidelity_report(curves, [0.5, 0.1], best=0.2, top=15, minimize=True)
    assert report.fractions.tolist() == [0.1, 0.5]
    best = [np.minimum.accumulate(one) for one in curves]
    final = np.array([one[-1] for one in best])
    winners = np.argsort(final)
    for k, epoch in enumerate((2, 10)):
        early = np.array([one[epoch - 1] for one in best])
        assert report.correlation[k] == pytest.approx(stats.spearmanr(early, final)[0], abs=1e-12)
        good = winners[:60]
        assert report.best_correlation[k] == pytest.approx(stats.spearmanr(early[good], final[good])[0], abs=1e-12)
        for factor, kept in zip(report.factors, report.kept[k], strict=True):
            assert kept == len(set(winners[:15]) & set(np.argsort(early)[: 300 // factor]))
        lost = [factor for factor, kept in zip(report.factors, report.kept[k], strict=True) if kept < 13.5]
        assert report.safe_factor[k] == (min(lost) - 1 if lost else 10)
    assert (report.num_trials, report.num_best, report.top) == (300, 60, 15)


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
def test_intervals_hold_the_correlation(rho):
    """Those of normal pairs, whose rank correlation is known; 2,000 samples of 60, four standard errors of 95 %."""
    rng = np.random.default_rng(0)
    truth = 6 / np.pi * np.arcsin(rho / 2)
    held = 0
    for _ in range(2000):
        x, z = rng.normal(size=(2, 60))
        _, low, high = _correlations(x[:, None], rho * x + math.sqrt(1 - rho**2) * z, 0.95)
        held += low[0] <= truth <= high[0]
    assert held / 2000 > 0.93


@pytest.mark.parametrize(
    ("curve", "extrapolates"),
    [
        (lambda f: f**-0.5, True),
        (lambda f: f**-2.0, True),
        (lambda f: np.exp(-4 * f), True),
        (lambda f: 1 - f, False),
        (lambda f: 1 - f**3, False),
    ],
)
def test_what_falls_faster_than_a_power_law_does_not_extrapolate(curve, extrapolates):
    rng = np.random.default_rng(0)
    shares = np.arange(1, 41) / 40
    curves = [
        end + scale * curve(shares)
        for end, scale in zip(rng.uniform(size=200), rng.uniform(0.9, 1.1, 200), strict=True)
    ]
    report = nqjax.fidelity_report(curves, minimize=True)
    assert report.extrapolates is extrapolates
    assert ("do not extrapolate" in report.sentences[-1]) is (not extrapolates)
    if extrapolates:
        assert report.gain_ratio < POWER_LAW_LIMIT


def test_the_limit_is_that_of_slow_power_laws():
    for k in (1e-6, 0.1, 1.0, 3.0):
        ratio = (0.75**-k - 1) / (0.5**-k - 0.75**-k)
        assert ratio < POWER_LAW_LIMIT + 1e-6
    slow = (0.75**-1e-6 - 1) / (0.5**-1e-6 - 0.75**-1e-6)
    assert slow == pytest.approx(POWER_LAW_LIMIT, abs=1e-5)


def test_a_power_law_is_predicted_exactly():
    curves = [0.2 + i / 1000 + 0.5 * (np.arange(1, 41) / 40) ** -0.7 for i in range(100)]
    report = nqjax.fidelity_report(curves, minimize=True)
    assert report.predicted == pytest.approx(report.observed, abs=2e-3)
    assert report.observed == pytest.approx(0.2 + 0.5 + 0.0125, abs=2e-3)


def test_higher_scores_and_affine_changes_give_the_same():
    curves = _curves(seed=1)
    report = nqjax.fidelity_report(curves, minimize=True)
    mirrored = nqjax.fidelity_report([5 - 2 * one for one in curves], maximize=True)
    assert np.array_equal(report.correlation, mirrored.correlation)
    assert np.array_equal(report.kept, mirrored.kept)
    assert mirrored.gain_ratio == pytest.approx(report.gain_ratio)
    assert mirrored.predicted == pytest.approx(5 - 2 * report.predicted)
    json.dumps(report.to_dict(), allow_nan=False)


def test_failed_trials_keep_what_they_had():
    """A trial that fails is not the best for that, and one without any value is the worst."""
    curves = [*_curves(40), np.array([0.9, math.nan]), np.array([])]
    report = nqjax.fidelity_report(curves, rounds=[20] * 42, minimize=True)
    final = [one.min() for one in curves[:40]] + [0.9, np.inf]
    early = [one[:2].min() for one in curves[:40]] + [0.9, np.inf]
    assert report.correlation[0] == pytest.approx(stats.spearmanr(early, final)[0], abs=1e-12)
    many = nqjax.fidelity_report([*curves, *[[]] * 600], rounds=[20] * 642, minimize=True)
    assert many.extrapolates is None
    assert many.to_dict()["predicted"] is None
    assert "open" in many.sentences[-1]


def test_a_search_of_ours_and_its_file(tmp_path):
    out = tmp_path / "trials.jsonl"
    trials = search.run(tiny_task.Line(), num_trials=30, key=jax.random.key(0), out=out)
    report = nqjax.fidelity_report(trials)
    assert report.num_trials == 30
    again = nqjax.fidelity_report(nqjax.read_study(out))
    assert np.array_equal(report.correlation, again.correlation)
    assert report.sentences == again.sentences


def test_what_cannot_be_answered_is_refused(tmp_path):
    stopped = search.run(tiny_task.Line(), num_trials=30, key=jax.random.key(0), method="halving")
    plain = nqjax.read_study([{"trial": i, "loss": i} for i in range(30)], "loss")
    curves = _curves(30)
    for arguments, options, part in (
        ((stopped,), {}, "were stopped early"),
        ((plain,), {}, "has no learning curves"),
        ((curves[:5],), {"minimize": True}, "5 trials"),
        ((curves,), {}, "minimize=True"),
        ((curves, [0.0]), {"minimize": True}, "between 0 and 1"),
        ((curves, "half"), {"minimize": True}, "between 0 and 1"),
        ((curves,), {"minimize": True, "best": 2}, "best is 2"),
        ((curves,), {"minimize": True, "top": 31}, "give a random search of 31"),
        ((curves,), {"minimize": True, "shares": [[1.0]]}, "shares must rise"),
        ((7,), {"minimize": True}, "values of each trial"),
        (([[]] * 20,), {"rounds": [5] * 20, "minimize": True}, "0 of 20 trials have a finite score"),
    ):
        with pytest.raises(InputError, match=part) as error:
            nqjax.fidelity_report(*arguments, **options)
        assert "\n" not in str(error.value)


@needs_reference
@pytest.mark.parametrize(
    ("name", "every", "best", "extrapolates"),
    [
        ("deberta", [0.79, 0.94, 0.96, 0.98], [0.51, 0.74, 0.79, 0.88], True),
        ("convnext", [0.73, 0.90, 0.97, 0.98], [0.36, 0.62, 0.78, 0.83], False),
    ],
)
def test_the_reference_searches(name, every, best, extrapolates):
    """Correlations that were computed before, by another program and to two digits: their early evaluations differ."""
    own = getattr(reference, name)()
    report = nqjax.fidelity_report(own.values, best=0.4, shares=own.shares, minimize=True)
    assert np.abs(report.correlation - every).max() < 0.0125
    assert np.abs(report.best_correlation - best).max() < 0.025
    assert report.extrapolates is extrapolates
    assert np.all(report.safe_factor >= 3)
    kept = report.kept[:2, report.factors.index(3)]
    assert kept.tolist() == [10, 10]
