"""Noise-free scores of the best trials: against quadrature, and on simulated searches whose truth is known."""

import numpy as np
import pytest

import nqjax
from nqjax.errors import InputError
from nqjax.posterior.noise_free import noise_free_draws


@pytest.mark.parametrize(
    ("y", "sigma", "gamma"),
    [(0.05, 0.05, 1.0), (0.05, 0.05, 2.5), (-0.1, 0.05, 0.6), (0.3, 0.001, 3.0), (0.02, 0.2, 5.0), (-1.0, 0.05, 1.0)],
)
def test_draws_have_the_moments_of_the_exact_law(y, sigma, gamma):
    """Given q uniform on [0, 1] and V = q**(2 / gamma), moments of V given Y = V + noise, by a fine sum over q."""
    count = 40_000
    parameters = [np.full(count, value) for value in (0.0, 1.0, sigma, gamma)]
    draws = noise_free_draws(np.array([y]), *parameters, np.random.default_rng(0))[:, 0]
    v = ((np.arange(1_000_000) + 0.5) / 1_000_000) ** (2 / gamma)
    log_weight = -0.5 * ((y - v) / sigma) ** 2
    weight = np.exp(log_weight - log_weight.max())
    mean = np.average(v, weights=weight)
    deviation = np.sqrt(np.average((v - mean) ** 2, weights=weight))
    # The sum over q is coarse where only few of its points matter.
    assert draws.mean() == pytest.approx(mean, abs=5 * deviation / np.sqrt(count) + 0.004 * sigma)
    assert draws.std() == pytest.approx(deviation, rel=0.02, abs=0.004 * sigma)


def test_without_noise_a_trial_scores_the_same_again():
    y = np.array([0.1, 0.5])
    parameters = [np.full(50, value) for value in (0.0, 1.0, 0.0, 2.0)]
    assert noise_free_draws(y, *parameters, np.random.default_rng(0)) == pytest.approx(
        np.broadcast_to(y, (50, 2)), abs=1e-9
    )


@pytest.fixture(scope="module")
def searches():
    """Noise-free scores and answers of searches with gamma 2 and sigma 0.1 of the range."""
    found = []
    for seed in range(10):
        rng = np.random.default_rng([7, seed])
        noise_free = rng.random(96)
        scores = noise_free + 0.1 * rng.normal(size=96)
        found.append((noise_free, scores, nqjax.confidence_region(scores)))
    return found


def test_the_best_trial_scores_worse_again_and_by_how_much(searches):
    """The best score is lucky by more than one sigma; its expected rerun is off by a small part of that."""
    ranked = [(noise_free, nqjax.rank_trials(post)) for noise_free, _, post in searches]
    lucky = np.mean([found.score[0] - noise_free[found.index[0]] for noise_free, found in ranked])
    error = np.mean([found.rerun[0] - noise_free[found.index[0]] for noise_free, found in ranked])
    assert lucky < -0.1
    assert abs(error) < 0.05
    inside = [
        found.noise_free_low[0] <= noise_free[found.index[0]] <= found.noise_free_high[0]
        for noise_free, found in ranked
    ]
    assert np.mean(inside) >= 0.8


def test_a_mirrored_search_has_the_mirrored_ranking(searches):
    _, scores, post = searches[0]
    found = nqjax.rank_trials(post, 5)
    mirror = nqjax.rank_trials(nqjax.confidence_region(-scores, maximize=True), 5)
    assert mirror.index.tolist() == found.index.tolist()
    assert mirror.rerun == pytest.approx(-found.rerun, rel=1e-9)
    assert mirror.rerun_low == pytest.approx(-found.rerun_high, rel=1e-9)
    assert mirror.probability_best.tolist() == found.probability_best.tolist()


def test_the_ranking_is_of_the_best_scores_within_the_regime(searches):
    _, scores, post = searches[0]
    found = nqjax.rank_trials(post, 1000)
    assert found.index.tolist() == np.argsort(scores)[: np.sum(scores <= post.limits[1])].tolist()
    assert found.score.tolist() == scores[found.index].tolist()
    assert np.all(found.rerun_low < found.noise_free_low)


def test_a_plan_of_reruns_reaches_its_probability(searches):
    """Simulated again with other noise, the trial that is picked is the best as often as promised."""
    found = nqjax.rank_trials(searches[0][2], 4)
    plan = found.plan(0.6)
    assert plan.probability >= 0.6
    assert 2 <= plan.trials <= 4
    more = found.plan(0.7)
    assert more is None or more.trials * more.reruns >= plan.trials * plan.reruns
    rng = np.random.default_rng(5)
    reruns = found.draws[:, : plan.trials] + found.noise[:, None] / np.sqrt(plan.reruns) * rng.normal(
        size=(len(found.draws), plan.trials)
    )
    # Reruns alone are a worse guess than reruns and the old score together.
    assert np.mean(np.argmin(reruns, axis=1) == np.argmin(found.draws, axis=1)) < plan.probability + 0.05


def test_mistakes(searches):
    with pytest.raises(InputError, match=r"give one from nqjax\.fit"):
        nqjax.rank_trials(nqjax.fit(searches[0][1], threshold=None))
    with pytest.raises(InputError, match="top"):
        nqjax.rank_trials(searches[0][2], 0)
    with pytest.raises(InputError, match="confidence"):
        nqjax.rank_trials(searches[0][2], confidence=2)
