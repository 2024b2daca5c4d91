"""The best trials ranked by the surface and the scores, and the test whether a quadratic fits."""

import warnings

import numpy as np
import pytest

import nqjax
from nqjax.errors import InputError
from nqjax.search import Uniform
from nqjax.surface.lack_of_fit import _features, _tests

SIGMA = 0.02
SPACE = {"a": Uniform(-1.0, 1.0), "b": Uniform(-1.0, 1.0)}


def draw(seed, n=48):
    rng = np.random.default_rng([71, seed])
    z = rng.uniform(-1, 1, (n, 2))
    noise_free = (z[:, 0] - 0.2) ** 2 + 0.3 * (z[:, 1] + 0.1) ** 2
    return z, noise_free, noise_free + SIGMA * rng.normal(size=n)


@pytest.fixture(scope="module")
def searches():
    found = []
    for seed in range(8):
        z, noise_free, y = draw(seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", nqjax.FitWarning)
            surface = nqjax.fit_surface({"a": z[:, 0], "b": z[:, 1]}, y, SPACE)
            found.append((noise_free, y, surface, nqjax.confidence_region(y)))
    return found


def test_the_surface_tells_what_the_best_trial_scores_again(searches):
    errors = {"shown": [], "surface": [], "both": []}
    for noise_free, y, surface, post in searches:
        best = int(np.argmin(y))
        errors["shown"].append(y[best] - noise_free[best])
        for name, ranked in (("surface", surface.rank_trials()), ("both", surface.rank_trials(post))):
            assert ranked.source == name
            assert ranked.index[0] == best
            errors[name].append(ranked.rerun[0] - noise_free[best])
    mean = {name: np.mean(values) / SIGMA for name, values in errors.items()}
    assert mean["shown"] < -0.4  # the best of many noisy scores is lucky
    # The mean error of one search is about half a sigma, so that of eight is 0.2.
    assert abs(mean["surface"]) < 0.5
    assert abs(mean["both"]) < 0.5


def test_intervals_and_probabilities(searches):
    held, chances, ours = [], [], []
    for noise_free, _, surface, post in searches:
        ranked = surface.rank_trials(post)
        held.append(
            (ranked.noise_free_low <= noise_free[ranked.index]) & (noise_free[ranked.index] <= ranked.noise_free_high)
        )
        chances.append(ranked.probability_best[np.argmin(noise_free[ranked.index])])
        ours.append(np.sum(ranked.probability_best**2))
        assert ranked.probability_best.sum() == pytest.approx(1)
        alone = surface.rank_trials()
        assert np.all(alone.rerun_low < alone.noise_free_low)
        assert np.all(alone.noise_free_high < alone.rerun_high)
    assert np.mean(held) > 0.85
    assert abs(np.mean(chances) - np.mean(ours)) < 0.2


def test_a_mirrored_search_has_the_mirrored_ranking(searches):
    z, _, y = draw(0)
    up = nqjax.fit_surface({"a": z[:, 0], "b": z[:, 1]}, -y, SPACE, minimize=False)
    found, mirror = searches[0][2].rank_trials(top=4), up.rank_trials(top=4)
    assert mirror.index.tolist() == found.index.tolist()
    assert np.allclose(mirror.rerun, -found.rerun, atol=SIGMA / 5)
    assert not mirror.minimize
    assert np.all(mirror.rerun_low < mirror.rerun_high)


def test_the_share_of_each_view_is_its_precision(searches):
    """Known noise makes the scores alone precise, too: then both views count."""
    _, _, surface, post = searches[1]
    alone, mine, both = nqjax.rank_trials(post), surface.rank_trials(), surface.rank_trials(post)
    weight = np.var(alone.draws[:, 0]) / (np.var(alone.draws[:, 0]) + np.var(mine.draws[:, 0]))
    expected = weight * mine.rerun[0] + (1 - weight) * alone.rerun[0]
    assert both.rerun[0] == pytest.approx(expected, abs=SIGMA / 10)


def test_bad_arguments_are_refused(searches):
    surface, other = searches[0][2], searches[1][3]
    with pytest.raises(InputError, match="of different trials"):
        surface.rank_trials(other)
    with pytest.raises(InputError, match=r"give what nqjax\.confidence_region returns"):
        surface.rank_trials(3)
    with pytest.raises(InputError, match="top"):
        surface.rank_trials(top=0)
    with pytest.raises(InputError, match="confidence"):
        surface.rank_trials(confidence=2)


def test_the_test_of_fit_has_its_level_with_few_trials():
    """Twenty trials and ten coefficients: residuals of the fit alone would look like patterns."""
    rng = np.random.default_rng(3)
    p_values, power = [], []
    for _ in range(400):
        z = rng.uniform(-1, 1, (20, 3))
        fitted = _features(z, np.ones_like(z), np.zeros((20, 0)))
        powers = np.polynomial.legendre.legvander(z[:, 0], 4)
        extra = powers[:, 3:]
        for shape, into in ((0.0, p_values), (8.0, power)):
            y = rng.normal(size=20) + shape * z[:, 0] ** 3
            residual = y - fitted @ np.linalg.lstsq(fitted, y, rcond=None)[0]
            into.append(_tests(powers, fitted, residual)[0])
            # The same test by two least-squares fits.
            both = np.concatenate([fitted, extra], axis=1)
            rest = y - both @ np.linalg.lstsq(both, y, rcond=None)[0]
            ratio = ((residual @ residual - rest @ rest) / 2) / (rest @ rest / (20 - 12))
            assert 0 <= into[-1] <= 1
            import scipy.stats

            assert into[-1] == pytest.approx(scipy.stats.f.sf(ratio, 2, 8), rel=1e-6)
    # Of 400 p-values, the share below 0.1 has a standard deviation of 0.015.
    assert 0.04 < np.mean(np.array(p_values) < 0.1) < 0.16
    assert np.mean(np.array(power) < 0.1) > 0.5


def test_equal_configurations_share_their_chances_and_reruns_are_not_wasted():
    z, _, y = draw(1)
    z = np.concatenate([z, np.tile(z[np.argmin(y)], (3, 1))])
    y = np.append(y, y.min() + SIGMA * np.array([0.5, 1.0, 1.5]))
    surface = nqjax.fit_surface({"a": z[:, 0], "b": z[:, 1]}, y, SPACE)
    ranked = surface.rank_trials()
    twins = np.isin(ranked.index, [int(np.argmin(y)), 48, 49, 50])
    assert np.ptp(ranked.probability_best[twins]) < 1e-12
    # A likeliest trial that is sure enough needs no reruns; else those that are run again hold it.
    for probability in (0.2, 0.6, 0.9):
        plan = ranked.plan(probability)
        if plan is not None:
            assert plan.probability >= probability
            assert plan.places[0] == ranked.index[np.argmax(ranked.probability_best)]
            assert plan.trials == len(plan.places)
            assert (plan.reruns == 0) == (ranked.probability_best.max() >= probability)


def test_values_without_a_place_are_refused(searches):
    rng = np.random.default_rng(0)
    lr = 10 ** rng.uniform(-4, 0, 40)
    space = {"lr": nqjax.search.LogUniform(1e-4, 1.0)}
    surface = nqjax.fit_surface({"lr": lr}, (np.log10(lr) + 2) ** 2 + 0.05 * rng.normal(size=40), space)
    for value in (-1.0, 0.0):
        with pytest.raises(InputError, match=r"lr is .* give numbers above 0"):
            surface.predict({"lr": value})
    for value in (np.nan, None, "a"):
        with pytest.raises(InputError, match="lr is missing or no number"):
            surface.predict({"lr": value})
    with pytest.raises(InputError, match="lr is -1: its scale is log"):
        nqjax.fit_surface({"lr": np.append(lr[:-1], -1.0)}, lr, space)
