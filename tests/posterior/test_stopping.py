"""The stopping rule against the gains it is made of."""

import numpy as np
import pytest

import nqjax
from nqjax.errors import InputError
from nqjax.posterior.next_trials import simulated_gains


@pytest.fixture(scope="module")
def answer():
    rng = np.random.default_rng(3)
    return nqjax.fit(rng.random(60) ** 2 + 0.05 * rng.normal(size=60))


def test_the_chance_is_that_of_the_simulated_gains(answer):
    kept, _ = simulated_gains(answer, np.array([50.0]))
    worths = np.quantile(kept[:, 0], [0.5, 0.85, 0.95])
    rules = [nqjax.may_stop(answer, worth=max(float(worth), 1e-6)) for worth in worths]
    for worth, rule in zip(worths, rules, strict=True):
        assert rule.probability == np.mean(kept[:, 0] > max(worth, 1e-6))
        assert rule.stop == (rule.probability <= 0.1)
    assert rules[-1].stop
    chances = [rule.probability for rule in rules]
    assert chances == sorted(chances, reverse=True)


def test_more_trials_make_a_gain_more_probable(answer):
    chances = [nqjax.may_stop(answer, n, worth=0.01).probability for n in (1, 10, 100, 1000)]
    assert chances == sorted(chances)
    assert chances[0] < chances[-1]


def test_worth_is_a_quarter_of_sigma(answer):
    rule = nqjax.may_stop(answer)
    assert rule.worth == 0.25 * answer.sigma
    assert rule == nqjax.may_stop(answer.posterior)


def test_a_mirrored_search_has_the_same_rule():
    rng = np.random.default_rng(4)
    scores = rng.random(48) + 0.05 * rng.normal(size=48)
    down, up = nqjax.may_stop(nqjax.fit(scores)), nqjax.may_stop(nqjax.fit(-scores, minimize=False))
    assert down == pytest.approx(up)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"worth": 0}, "above 0"),
        ({"worth": -1}, "above 0"),
        ({"worth": np.nan}, "finite"),
        ({"risk": 1.5}, "risk"),
        ({"trials": 2.5}, "whole"),
        ({"trials": [1, 2]}, "one number"),
        ({"trials": 20_000}, "at most 10,000"),
    ],
)
def test_invalid_arguments(answer, options, word):
    with pytest.raises(InputError, match=word):
        nqjax.may_stop(answer, **options)


def test_an_answer_within_one_threshold_is_refused():
    found = nqjax.fit(np.random.default_rng(0).random(40), threshold=None)
    with pytest.raises(InputError, match="without a threshold"):
        nqjax.may_stop(found)
