"""The posterior averaged over the threshold, against its parts and against brute force."""

import json
import math

import jax
import numpy as np
import pytest
import scipy.special
import scipy.stats

import nqjax
from nqjax import cli
from nqjax.errors import InputError
from nqjax.estimation.candidates import candidate_thresholds
from nqjax.posterior.averaged import averaged_prior
from nqjax.posterior.beyond import _FACTORS, _NEIGHBOURS, log_densities_beyond

KEY = jax.random.key(0)


@pytest.fixture(scope="module")
def scores():
    """A search whose regime is the best fifth of its scores: gamma 3, ends at 1, alpha 0, sigma 0.1."""
    rng = np.random.default_rng(5)
    y = 1.71 * rng.random(64) ** (2 / 3) * 1.71 + 0.1 * rng.normal(size=64)
    return np.where(y > 1, 1 + np.expm1(2 * (y - 1)) / 2, y)


@pytest.fixture(scope="module")
def averaged(scores):
    return nqjax.confidence_region(scores, method="averaged", key=KEY)


def test_the_density_beyond_against_brute_force(scores):
    """Sums over pairs of scores, written down as the definition has them."""
    y = np.sort(scores)
    x = np.log(y[1:] - y[0])
    n = len(x)
    best = (-math.inf, None, None)
    for k in _NEIGHBOURS:
        for factor in _FACTORS:
            width = [max(factor * sorted(abs(x[i] - x))[k], 1e-3 * (x[-1] - x[0])) for i in range(n)]
            density = [
                np.mean([scipy.stats.norm.pdf(x[i], x[j], width[j]) for j in range(n) if j != i]) for i in range(n)
            ]
            best = max(best, (np.sum(np.log(density)), width, density), key=lambda one: one[0])
    _, width, density = best
    ends = candidate_thresholds(y)
    for end, found in zip(ends, log_densities_beyond(scores, np.array(ends)), strict=True):
        total = 0.0
        for i in range(n):
            if y[i + 1] > end:
                mass = [scipy.stats.norm.sf(math.log(end - y[0]), x[j], width[j]) for j in range(n) if j != i]
                total += math.log(density[i]) - x[i] - math.log(np.mean(mass))
        assert found == pytest.approx(total, rel=1e-9)


def test_nothing_beyond():
    y = np.arange(8.0)
    assert log_densities_beyond(y, np.array([7.0, 9.0])).tolist() == [0, 0]
    assert log_densities_beyond(np.array([0.0, 0.0, 1.0]), np.array([0.5])).tolist() == [0]


def test_probabilities_are_those_of_the_parts(scores, averaged):
    """The evidence of each threshold from `sample_posterior`, times the density beyond."""
    ends = np.array(list(averaged.threshold_probabilities))
    posts = [
        nqjax.sample_posterior(scores, threshold=end, prior=averaged_prior(), key=KEY, method="quadrature")
        for end in ends
    ]
    log_weight = np.array([post.log_evidence for post in posts]) + log_densities_beyond(scores, ends)
    expected = scipy.special.softmax(log_weight)
    found = np.array(list(averaged.threshold_probabilities.values()))
    assert found == pytest.approx(expected, abs=0.01)
    gammas = np.array([list(post.gamma_probabilities.values()) for post in posts])
    assert list(averaged.gamma_probabilities.values()) == pytest.approx(expected @ gammas, abs=0.02)
    # Draws: the thresholds have their shares, and the pool has the mean of the parts.
    shares = [np.mean(averaged.threshold == end) for end in ends]
    assert shares == pytest.approx(found, abs=2e-3)
    means = np.array([np.mean(post.alpha) for post in posts])
    spread = np.std(averaged.alpha) / math.sqrt(averaged.alpha.size / 4)
    assert np.mean(averaged.alpha) == pytest.approx(expected @ means, abs=4 * spread)


def test_it_holds_the_truth_that_one_threshold_misses(scores, averaged):
    """With the threshold that the tests choose, the best score and gamma come out wrong."""
    low, high = nqjax.confidence_region(scores, confidence=0.95).interval("alpha")
    assert not low <= 0 <= high
    low, high = averaged.interval("best")
    assert low <= 0 <= high
    assert averaged.gamma_probabilities[3] > 0.1
    assert averaged.mean_used < 0.5 * len(scores)


def test_the_mirror_image(scores, averaged):
    other = nqjax.confidence_region(-scores, method="averaged", key=KEY, maximize=True)
    assert other.beta.tolist() == (-averaged.alpha).tolist()
    assert other.limits == (-averaged.limits[1], math.inf)
    for name in ("best", "sigma", "regime_probability"):
        low, high = averaged.interval(name)
        expected = (-high, -low) if name == "best" else (low, high)
        assert other.interval(name) == pytest.approx(expected, rel=1e-12)
    assert other.quantile_tuning_curve([1, 100]).tolist() == (-averaged.quantile_tuning_curve([1, 100])).tolist()


def test_the_interface_of_a_region(averaged):
    for name in ("best", "alpha", "beta", "gamma", "sigma", "regime_probability", "threshold"):
        low, high = averaged.interval(name, 0.8)
        assert averaged.interval(name)[0] <= low <= high <= averaged.interval(name)[1]
    assert averaged.interval("best") == averaged.interval("alpha")
    low, high = averaged.quantile_tuning_curve_band([1, 10, 640])
    middle = averaged.quantile_tuning_curve([1, 10, 640])
    assert np.all((low < middle) & (middle < high))
    assert averaged.quantile_tuning_curves([1, 2]).shape == (4, 1000, 2)
    assert sum(averaged.threshold_probabilities.values()) == pytest.approx(1)
    assert set(averaged.gammas) <= set(averaged.gamma_probabilities)
    assert averaged.limits[1] == max(averaged.threshold_probabilities, key=averaged.threshold_probabilities.get)
    assert averaged.regime_start > 0
    assert averaged.error < 0.1


def test_few_scores_are_said_to_be_few():
    y = np.random.default_rng(0).random(12)
    (text,) = nqjax.confidence_region(y, method="averaged", key=KEY).warnings
    assert "too few to tell the parameters" in text


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"key": None}, "give a key"),
        ({"threshold": 0.5}, "leave threshold and limits out"),
        ({"threshold": None}, "leave threshold and limits out"),
        ({"limits": (-math.inf, 1)}, "leave threshold and limits out"),
        ({"sigma": 0}, "give sigma an interval"),
    ],
)
def test_mistakes(scores, options, part):
    with pytest.raises(InputError, match=part):
        nqjax.confidence_region(scores, method="averaged", **{"key": KEY, **options})


def test_too_few_different_scores():
    with pytest.raises(InputError, match="5 different scores"):
        nqjax.confidence_region([0.1, 0.2, 0.3] * 5, method="averaged", key=KEY)


def test_the_shell(scores, averaged, tmp_path, capsys):
    path = tmp_path / "t.csv"
    path.write_text("loss\n" + "\n".join(map(repr, scores.tolist())) + "\n")
    assert cli.main(["region", str(path), "--metric", "loss", "--method", "averaged", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["intervals"]["alpha"]["low"], document["intervals"]["alpha"]["high"]) == averaged.interval("alpha")
    assert document["threshold"] == averaged.limits[1]
    assert cli.main(["region", str(path), "--metric", "loss", "--method", "averaged", "--threshold", "1"]) == 2
    assert "leave threshold and limits out" in capsys.readouterr().err
