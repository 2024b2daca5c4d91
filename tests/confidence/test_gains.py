"""Gains of more trials, against a simulation and against their definition."""

import dataclasses
import json

import numpy as np
import pytest

import nqjax
from nqjax import cli
from nqjax.errors import InputError
from support import searches

FIT = searches.known_fit()  # alpha 0.09, beta 0.14, gamma 1, sigma 0.001, best score 0.0895


def drawn(rng, shape):
    return 0.09 + 0.05 * rng.random(shape) ** 2 + 0.001 * rng.normal(size=shape)


def test_against_a_simulation():
    """20,000 continuations of 40 trials: each share is within four standard errors."""
    best = drawn(np.random.default_rng(0), (20_000, 40)).min(axis=1)
    gains = nqjax.expected_gains(FIT, 40)
    for share, score in ((gains.probability, 0.0895), (gains.probability_beyond_noise, 0.0885)):
        found = np.mean(best < score)
        assert abs(found - share) < 4 * np.sqrt(share * (1 - share) / 20_000)
    assert gains.median_best == pytest.approx(np.median(np.minimum(best, 0.0895)), abs=2e-5)


def test_the_mirror_image():
    mirrored = dataclasses.replace(
        FIT, alpha=-FIT.beta, beta=-FIT.alpha, minimize=False, limits=(-0.11, np.inf), best_score=-FIT.best_score
    )
    one, other = (nqjax.expected_gains(fit, [1, 10, 100]) for fit in (FIT, mirrored))
    for name in ("probability", "probability_beyond_noise"):
        assert getattr(other, name).tolist() == getattr(one, name).tolist()
    assert other.median_best.tolist() == (-one.median_best).tolist()


def test_a_best_score_of_ones_own():
    """No trial is better than a score far beyond alpha; every one is better than one far beyond beta."""
    assert nqjax.expected_gains(FIT, [1, 1000], best=-1.0).probability.tolist() == [0.0, 0.0]
    sure = nqjax.expected_gains(FIT, 10, best=5.0)
    assert sure.probability == pytest.approx(1.0)
    assert sure.median_best == FIT.quantile_tuning_curve(10)


@pytest.mark.parametrize(
    ("arguments", "part"),
    [((None, 10), "give one from nqjax.fit"), ((FIT, 0), "positive"), ((FIT, "many"), "not numbers")],
)
def test_mistakes(arguments, part):
    with pytest.raises(InputError, match=part):
        nqjax.expected_gains(*arguments)


def test_plan_without_a_question(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    scores = drawn(np.random.default_rng(1), 60)
    (tmp_path / "t.csv").write_text("error\n" + "\n".join(map(repr, scores.tolist())) + "\n")
    assert cli.main(["plan", "t.csv", "--metric", "error", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    gains = nqjax.expected_gains(nqjax.confidence_region(scores), [10, 60, 100, 1000])
    assert [row["trials"] for row in document["gains"]] == [10, 60, 100, 1000]
    assert [row["probability"] for row in document["gains"]] == gains.probability.tolist()
    assert cli.main(["plan", "t.csv", "--metric", "error"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "As many trials again find a better score with probability" in text
    assert "stopping is reasonable" in text or "going on may pay" in text
