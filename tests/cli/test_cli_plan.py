"""`nqjax plan`: intervals of its counts, and no number where a score is out of reach."""

import json
import math
import re

import jax
import numpy as np
import pytest
import scipy.stats

import nqjax
from nqjax import cli
from nqjax.errors import InputError


@pytest.fixture(scope="module")
def boot():
    y = 0.1 + 0.5 * np.random.default_rng(0).random(64) + 0.02 * np.random.default_rng(1).normal(size=64)
    return nqjax.bootstrap(y, 200, key=jax.random.key(0), threshold=None, gamma=2)


@pytest.fixture(scope="module")
def averaged():
    y = 0.1 + 0.5 * np.random.default_rng(0).random(64) + 0.02 * np.random.default_rng(1).normal(size=64)
    return nqjax.confidence_region(y)


def test_a_score_that_only_luck_of_one_in_a_million_reaches(shared_cases, capsys):
    argv = ["plan", str(shared_cases / "replicated-search.csv"), "--metric", "val_loss", "--probability", "0.9"]
    for more in ([], ["--threshold", "0.04"]):
        assert cli.main([*argv, *more, "--score", "0.02"]) == 0
        text = " ".join(capsys.readouterr().out.split())
        assert (
            "To reach 0.02 or below with probability 90 % is out of reach of this search as far as the scores" in text
        )
        assert not re.search(r"[\d,]+ trials reach", text)
        assert cli.main([*argv, *more, "--score", "0.02", "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert (found["required_trials"], found["out_of_reach"]) == (None, True)
        assert cli.main([*argv, *more, "--score", "0.033"]) == 0
        text = " ".join(capsys.readouterr().out.split())
        assert re.search(
            r"[\d,]+ trials reach 0.033 or below with probability 90 % \(95 % interval: [\d,]+ to [\d,]+", text
        )


@pytest.mark.parametrize("region", ["boot", "averaged"])
def test_answers_are_those_of_one_draw_after_another(region, request):
    region = request.getfixturevalue(region)
    some = zip(*(np.ravel(getattr(region, name)) for name in ("alpha", "beta", "gamma", "sigma")), strict=True)
    counts, better = [], []
    z = np.linspace(-9, 9, 4001)
    weight = scipy.stats.norm.pdf(z) * (z[1] - z[0])
    for a, b, g, s in some:
        tail = float(weight @ np.clip((0.11 - s * z - a) / (b - a), 0, 1) ** (g / 2))  # the law, by its definition
        counts.append(math.ceil(math.log(0.1) / math.log1p(-tail)) if tail > 0 else math.inf)
        better.append(-math.expm1(50 * math.log1p(-tail)))
    expected = np.quantile(counts, [0.025, 0.5, 0.975], method="nearest")
    asked = {"score": 0.11, "probability": 0.9}
    low, high = nqjax.required_trials_interval(region, **asked, confidence=0.95)
    assert [low, nqjax.required_trials(region, **asked), high] == pytest.approx(expected, rel=5e-3)
    gains = nqjax.expected_gains(region, 50, best=0.11, confidence=0.95)
    assert gains.probability == pytest.approx(np.mean(better), abs=1e-3)
    np.testing.assert_allclose(gains.intervals.probability, np.quantile(better, [0.025, 0.975]), atol=1e-3)


def test_numbers_broadcast_and_grow(averaged):
    found = nqjax.required_trials(averaged, score=[[0.3], [0.2], [0.14]], probability=[0.5, 0.9])
    low, high = nqjax.required_trials_interval(averaged, score=[[0.3], [0.2], [0.14]], probability=[0.5, 0.9])
    assert found.shape == low.shape == high.shape == (3, 2)
    assert np.all(np.diff(found, axis=0) > 0)
    assert np.all(np.diff(found, axis=1) > 0)
    assert np.all((low <= found) & (found <= high))


def test_no_numbers_of_trials_give_no_answers(averaged):
    gains = nqjax.expected_gains(averaged, [])
    assert gains.probability.shape == gains.median_best.shape == (0,)
    assert gains.intervals.median_best.shape == (2, 0)
    assert nqjax.required_trials(averaged, score=[], probability=0.5).shape == (0,)


def test_as_many_trials_again_are_better_half_of_the_time():
    """The best of 2 n trials is among the last n with probability 1/2, whatever the scores follow."""
    found = []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        post = nqjax.confidence_region(0.1 + 0.5 * rng.random(48) + 0.02 * rng.normal(size=48))
        found.append(float(nqjax.expected_gains(post, 48).probability))
    # Given the scores the chance is roughly uniform, with a standard deviation of 0.29 at most.
    assert np.mean(found) == pytest.approx(0.5, abs=4 * 0.29 / math.sqrt(12))


def test_the_mirror_image_of_a_plan(averaged):
    other = nqjax.confidence_region(-averaged.study.scores, maximize=True)
    for one, mirrored in zip(nqjax.expected_gains(averaged)[:3], nqjax.expected_gains(other)[:3], strict=True):
        np.testing.assert_allclose(mirrored, one, rtol=1e-9)
    asked = {"probability": 0.9, "minimize": None}
    assert nqjax.required_trials(other, score=-0.11, **asked) == nqjax.required_trials(averaged, score=0.11, **asked)
    width = {"width": 0.01, "at": 50}
    assert nqjax.required_trials(other, **width) == nqjax.required_trials(averaged, **width)


def test_the_width_shrinks_about_as_the_root_of_the_number_of_trials():
    """A search of four times the trials has half the width, within a factor of 2, in the median of five searches."""
    ratios = []
    for seed in range(5):
        rng = np.random.default_rng(seed)
        y = 0.1 + 0.5 * rng.random(384) + 0.02 * rng.normal(size=384)
        small, large = (nqjax.confidence_region(part) for part in (y[:96], y))
        curve = large.curve(100)
        planned = nqjax.required_trials(small, width=float(curve.high - curve.low), at=100)
        ratios.append(math.sqrt(planned / 384))
    assert 1 / 2 < np.median(ratios) < 2


def test_a_width_that_is_there_takes_no_more_trials(averaged, tmp_path, capsys):
    assert nqjax.required_trials(averaged, width=100.0, at=10) == 64
    curve = averaged.curve(10)
    twice = nqjax.required_trials(averaged, width=float(curve.high - curve.low) / 2, at=10)
    assert twice == pytest.approx(4 * 64, abs=1)
    assert math.isinf(nqjax.required_trials(averaged, width=1e-9, at=10))
    file = tmp_path / "t.csv"
    file.write_text("y\n" + "\n".join(map(repr, averaged.study.scores.tolist())) + "\n")
    for width, part in (
        (100, "The 64 trials that were run are enough: the 95 % interval of the tuning curve at 10 trials is"),
        (0.03, "trials in all are needed for a width of 0.03. Now the 95 % interval"),
        (1e-9, "is out of reach of this search as far as the scores can tell"),
    ):
        assert cli.main(["plan", str(file), "--metric", "y", "--width", str(width), "--at", "10"]) == 0
        assert part in " ".join(capsys.readouterr().out.split())


def test_mistakes(averaged):
    for call, part in (
        (lambda: nqjax.required_trials(averaged, score=0.1), "give either a score"),
        (lambda: nqjax.required_trials(averaged, score=math.nan, probability=0.5), "is NaN"),
        (lambda: nqjax.required_trials(averaged, score=0.1, probability=1), "between 0 and 1"),
        (lambda: nqjax.required_trials(averaged, score=[1, 2], probability=[0.1, 0.2, 0.3]), "do not go together"),
        (lambda: nqjax.required_trials(averaged, width=-1, at=2), "above 0"),
        (lambda: nqjax.required_trials(averaged, score=0.1, probability=0.5, minimize=False), "other direction"),
        (lambda: nqjax.required_trials_interval(None, score=0.1, probability=0.5), "give an averaged"),
        (lambda: nqjax.expected_gains(averaged, 10, confidence=2), "between 0 and 1"),
    ):
        with pytest.raises(InputError, match=part):
            call()


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
