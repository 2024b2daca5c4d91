"""Worth in random trials: against known answers, simulations, and bad input."""

import math

import numpy as np
import pytest

import nqjax
from nqjax.analysis.worth import worth
from nqjax.errors import InputError


class _Uniform:
    """Scores of random trials are uniform."""

    def cdf(self, y):
        return np.clip(y, 0.0, 1.0)


def _runs(searches=200, trials=50, seed=0):
    return np.random.default_rng(seed).uniform(size=(searches, trials))


@pytest.mark.parametrize(("searches", "baseline"), [(50, None), (200, None), (50, 1024), (20, 20_000)])
def test_random_search_is_worth_its_own_trials(searches, baseline):
    """The interval holds the number at all budgets in 95 % of simulations or more; 100 of them, so 88 % is 3 s.e."""
    at, held, estimates = [5, 10, 20, 50], [], []
    rng = np.random.default_rng(3)
    for _ in range(100):
        reference = _Uniform() if baseline is None else rng.uniform(size=baseline)
        found = worth(rng.uniform(size=(searches, 50)), reference, at, minimize=True)
        held.append(np.all((found.lower <= found.at) & (found.at <= found.upper)))
        estimates.append(found.estimate)
    assert np.mean(held) >= 0.88
    # The median of the estimates has no bias: 4 standard errors of a median of 100 draws.
    error = 1.25 * 4 * np.std(np.log(estimates), axis=0) / 10
    assert np.all(np.abs(np.median(np.log(estimates), axis=0) - np.log(at)) < error)


def test_intervals_of_few_searches_hold():
    held, rng = [], np.random.default_rng(4)
    for _ in range(200):
        found = worth(rng.uniform(size=(3, 30)), rng.uniform(size=500), [10, 30], minimize=True)
        assert found.by_mean
        held.append(np.all((found.mean_lower <= found.at) & (found.at <= found.mean_upper)))
    assert np.mean(held) >= 0.95 - 3 * math.sqrt(0.05 * 0.95 / 200)


def test_a_method_that_wastes_every_second_trial_is_worth_half():
    runs = np.repeat(_runs(1000, 20), 2, axis=1)
    found = worth(runs, _Uniform(), [40], minimize=True)
    assert found.lower[0] < 20 < found.upper[0]
    assert found.estimate[0] == pytest.approx(20, rel=0.15)
    assert found.speedup[0] == found.estimate[0] / 40


def test_the_best_of_several_is_worth_their_number():
    several = _runs(1000, 200).reshape(1000, 40, 5).min(axis=2)
    found = worth(several, _Uniform(), [10, 40], minimize=True)
    np.testing.assert_allclose(found.estimate, [50, 200], rtol=0.15)
    assert np.all(found.shape_p > 0.001)
    assert np.all(found.better_p < 1e-6)


def test_increasing_maps_of_scores_change_nothing():
    runs, baseline = _runs(), _runs(1, 3000, seed=1)[0]
    one = worth(runs, baseline, [10, 50], minimize=True)
    other = worth(np.exp(5 * runs), np.exp(5 * baseline), [10, 50], minimize=True)
    mirrored = worth(-runs, -baseline, [10, 50], maximize=True)
    for name in ("estimate", "lower", "upper", "worse_quartile", "better_quartile", "mean", "shape_p", "better_p"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
        np.testing.assert_array_equal(getattr(one, name), getattr(mirrored, name))


def test_searches_of_two_kinds_are_not_one_number():
    rng = np.random.default_rng(5)
    runs = np.concatenate([rng.uniform(size=(100, 20)), rng.uniform(size=(100, 20)) / 100])
    found = worth(runs, _Uniform(), [20], minimize=True)
    assert found.shape_p[0] < 0.01
    assert found.worse_quartile[0] < 60
    assert found.better_quartile[0] > 500


def test_scores_beyond_the_baseline_have_no_upper_end():
    found = worth(_runs() / 1e6, _runs(1, 500, seed=1)[0], [10], minimize=True)
    assert found.upper[0] == math.inf
    assert found.sentence("it").startswith(
        "After 10 trials, it equals random search after more than 500 trials (95 %: at"
    )


def test_ties_are_within_the_interval():
    rng = np.random.default_rng(6)
    runs, baseline = rng.integers(0, 30, (200, 20)), rng.integers(0, 30, 5000)
    found = worth(runs.astype(float), baseline.astype(float), [5, 20], minimize=True)
    assert np.all(found.lower <= found.at)
    assert np.all(found.at <= found.upper)


def test_failed_trials_count_as_worst():
    runs = _runs()
    failing = np.where(np.random.default_rng(7).uniform(size=runs.shape) < 0.5, np.nan, runs)
    found = worth(failing, _Uniform(), [40], minimize=True)
    assert found.estimate[0] == pytest.approx(20, rel=0.3)


def test_luck_is_told_from_worth():
    """All configurations are equally good: what differs is noise, so the incumbent is worth one trial."""
    rng = np.random.default_rng(8)

    def search(*shape):
        true = rng.uniform(size=shape)
        return true, true + 100 * rng.normal(size=shape)

    (true, observed), (of_baseline, baseline) = search(400, 40), search(20_000)
    observed_worth = worth(observed, baseline, [40], minimize=True)
    honest = worth(observed, baseline, [40], minimize=True, true=(true, of_baseline))
    assert observed_worth.estimate[0] == pytest.approx(40, rel=0.4)
    assert honest.lower[0] < 40
    assert honest.score == "true"


def test_without_noise_both_scores_agree():
    runs, baseline = _runs(300, 50), _runs(1, 20_000, seed=1)[0]
    one = worth(runs, baseline, [10, 50], minimize=True)
    other = worth(runs, baseline, [10, 50], minimize=True, true=(runs, baseline))
    np.testing.assert_allclose(one.estimate, other.estimate, rtol=0.02)


def test_studies_say_their_direction():
    rng = np.random.default_rng(9)

    def study(count):
        return nqjax.read_study(
            [{"x": float(v), "acc": float(v)} for v in rng.uniform(size=count)], "acc", maximize=True
        )

    found = nqjax.worth([study(20) for _ in range(8)], study(400), [20])
    assert found.lower[0] < 20 < found.upper[0]


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (([], [0.1, 0.2]), "give the scores of each search"),
        ((["a"], [0.1, 0.2]), "give the scores of each search"),
        (([[0.1, 0.2]], [0.1]), "the baseline has 1 scores"),
        (([[0.1, 0.2]], [0.1, 0.2], [3]), "give at most 2"),
        (([[0.1, 0.2]], [0.1, 0.2], [0]), "give numbers of trials"),
        (([[0.1, 0.2]], [0.1, 0.2], ["x"]), "give numbers of trials"),
        ((None, [0.1, 0.2]), "give the scores of each search"),
        (([[0.1, 0.2]], None), "give the scores of each search"),
    ],
)
def test_bad_input_is_refused_in_one_line(arguments, word):
    with pytest.raises(InputError, match=word) as caught:
        worth(*arguments)
    assert "\n" not in str(caught.value)


def test_a_quantile_must_be_inside():
    with pytest.raises(InputError, match="between 0 and 1"):
        worth(_runs(), _Uniform(), quantile=1.0)
