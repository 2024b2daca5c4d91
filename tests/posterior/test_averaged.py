"""The posterior averaged over the threshold, against its parts and against brute force."""

import json
import math

import jax
import numpy as np
import pytest
import scipy.stats

import nqjax
from nqjax import cli
from nqjax.errors import InputError
from nqjax.estimation.candidates import candidate_thresholds
from nqjax.posterior.averaging.beyond import _FACTORS, _NEIGHBOURS, log_densities_beyond

KEY = jax.random.key(0)


@pytest.fixture(scope="module")
def scores():
    """A search whose regime is the best fifth of its scores: gamma 3, ends at 1, alpha 0, sigma 0.1."""
    rng = np.random.default_rng(5)
    y = 2.9 * rng.random(64) ** (2 / 3) + 0.1 * rng.normal(size=64)
    return np.where(y > 1, 1 + np.expm1(2 * (y - 1)) / 2, y)


@pytest.fixture(scope="module")
def averaged(scores):
    return nqjax.confidence_region(scores)


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
                # What the score's own kernel adds to the density there is its share of an effective parameter.
                own = scipy.stats.norm.pdf(0, 0, width[i])
                total -= 0.3 * own / (own + (n - 1) * density[i])
        assert found == pytest.approx(total, rel=1e-9)


def test_nothing_beyond():
    y = np.arange(8.0)
    assert log_densities_beyond(y, np.array([7.0, 9.0])).tolist() == [0, 0]
    assert log_densities_beyond(np.array([0.0, 0.0, 1.0]), np.array([0.5])).tolist() == [0]


def test_it_is_the_default_without_a_threshold(scores, averaged):
    assert isinstance(averaged, nqjax.AveragedPosterior)
    assert isinstance(nqjax.confidence_region(scores, threshold=1.0), nqjax.ProfileRegion)
    assert isinstance(nqjax.confidence_region(scores, sigma=0.1), nqjax.ProfileRegion)
    assert isinstance(nqjax.sample_posterior(scores, key=KEY), nqjax.AveragedPosterior)
    assert isinstance(nqjax.sample_posterior(scores, threshold=1.0, key=KEY), nqjax.Posterior)
    fixed = nqjax.confidence_region(scores, gamma=3)
    assert np.all(fixed.gamma == 3)
    assert fixed.gammas == (3,)


def test_it_holds_the_truth(scores, averaged):
    low, high = averaged.interval("best")
    assert low <= 0 <= high
    low, high = averaged.interval("gamma")
    assert low <= 3 <= high
    assert 3 in averaged.gammas
    assert averaged.mean_used < 0.6 * len(scores)
    assert not averaged.warnings


def test_the_key_hardly_matters(scores, averaged):
    """Draws of another key have the same quantiles, to a few percent of the interval's width."""
    other = nqjax.confidence_region(scores, key=jax.random.key(7))
    assert not np.array_equal(other.alpha, averaged.alpha)
    for name in ("best", "gamma", "sigma"):
        width = np.ptp(averaged.interval(name))
        assert other.interval(name, 0.8) == pytest.approx(averaged.interval(name, 0.8), abs=0.1 * width)
        assert other.estimate(name) == pytest.approx(averaged.estimate(name), abs=0.1 * width)


def test_many_are_each_alone(scores):
    """Draws of study i are those of its key; a study that cannot be sampled is a failure with a reason."""
    studies = [scores, scores + 1, [0.1, 0.2, 0.3], np.full(30, 0.25), np.full(9, np.nan)]
    first, second, *others = nqjax.sample_posterior_many(studies, key=KEY)
    keys = jax.random.split(KEY, len(studies))
    alone = nqjax.sample_posterior(scores, key=keys[0])
    assert first.alpha.tolist() == alone.alpha.tolist()
    assert second.estimate("best") == pytest.approx(1 + first.estimate("best"), abs=0.1)
    assert [one.reason for one in others] == [
        "3 different scores are too few: run more trials, at least 5 different scores are needed",
        "all 30 scores are 0.25: nothing tells them apart",
        "there is no finite score: all runs failed",
    ]


def test_rounded_scores(scores):
    """Rounding is found, and widens the answer as little as it must."""
    exact = nqjax.confidence_region(scores)
    rounded = nqjax.confidence_region(np.round(scores, 1))
    assert rounded.rounding == pytest.approx(0.1)
    assert nqjax.confidence_region(np.round(scores, 1), rounding=0).rounding == 0
    assert nqjax.confidence_region(np.round(scores, 1), rounding=0.1).interval("best") == rounded.interval("best")
    width = np.ptp(exact.interval("best"))
    assert rounded.interval("best", 0.8) == pytest.approx(exact.interval("best", 0.8), abs=0.35 * width)
    for wrong in (-0.1, math.nan, "yes", [1, 2]):
        with pytest.raises(InputError, match="rounding is"):
            nqjax.confidence_region(scores, rounding=wrong)


@pytest.mark.parametrize("ulp", [16, 256])
@pytest.mark.parametrize("maximize", [False, True])
def test_rounding_errors_break_nothing(ulp, maximize):
    """Every score twice, apart by a few units of the last place, as from two ways to add the same numbers."""
    rng = np.random.default_rng(ulp)
    for shift, sigma in ((0.0, 0.0), (0.0, 0.02), (-0.5, 0.02), (1e6, 0.02)):
        y = np.repeat(shift + rng.random(20) ** 2 + sigma * rng.normal(size=20), 2)
        y = y + ulp * np.spacing(np.abs(y)) * rng.integers(0, 2, len(y))
        post = nqjax.confidence_region(-y if maximize else y, maximize=maximize)
        assert math.isfinite(post.estimate("best"))
        assert post.effective_draws > 100


def test_other_priors_and_bounds(scores, averaged):
    few = nqjax.sample_posterior(scores, prior=nqjax.Prior(gamma={1: 1.0}), key=KEY)
    assert few.gamma_probabilities[1] == pytest.approx(1)
    assert nqjax.sample_posterior(scores, prior=nqjax.Prior(), key=KEY).estimate("best") == pytest.approx(
        averaged.estimate("best"), abs=0.1 * np.ptp(averaged.interval("best"))
    )
    bounded = nqjax.confidence_region(scores, alpha=(0, 1), sigma=(0.05, 0.2))
    assert 0 <= bounded.interval("best")[0] < bounded.interval("best")[1] <= 1
    assert 0.05 <= bounded.sigma.min() < bounded.sigma.max() <= 0.2
    with pytest.raises(InputError, match="no probability"):
        nqjax.confidence_region(scores, beta=(-5, -4))


def test_the_mirror_image(scores, averaged):
    other = nqjax.confidence_region(-scores, maximize=True)
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
    curve = averaged.curve([1, 10, 640], 0.8)
    assert np.all((curve.low < curve.estimate) & (curve.estimate < curve.high))
    assert np.all((low < curve.low) & (curve.high < high))
    assert averaged.effective_draws > 800


def test_few_scores_are_said_to_be_few():
    y = np.random.default_rng(0).random(12)
    text = nqjax.confidence_region(y).warnings[0]
    assert "too few to tell the parameters" in text


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"threshold": 0.5}, "leave threshold and limits out"),
        ({"threshold": None}, "leave threshold and limits out"),
        ({"limits": (-math.inf, 1)}, "leave threshold and limits out"),
        ({"sigma": 0}, "give sigma an interval"),
        ({"alpha": 0.1}, "give alpha an interval"),
    ],
)
def test_mistakes(scores, options, part):
    with pytest.raises(InputError, match=part):
        nqjax.confidence_region(scores, method="averaged", **options)


def test_too_few_different_scores():
    with pytest.raises(InputError, match="3 different scores are too few"):
        nqjax.confidence_region([0.1, 0.2, 0.3] * 5)


def test_the_shell(scores, averaged, tmp_path, capsys):
    path = tmp_path / "t.csv"
    path.write_text("loss\n" + "\n".join(map(repr, scores.tolist())) + "\n")
    assert cli.main(["region", str(path), "--metric", "loss", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["intervals"]["alpha"]["low"], document["intervals"]["alpha"]["high"]) == averaged.interval("alpha")
    assert document["threshold"] == averaged.limits[1]
    assert cli.main(["region", str(path), "--metric", "loss", "--method", "averaged", "--threshold", "1"]) == 2
    assert "leave threshold and limits out" in capsys.readouterr().err


def test_gamma_at_the_end_of_its_range_is_warned_of():
    """Eight hyperparameters, alpha known, and gammas up to 3: more than half of the probability lies above 2.5."""
    y = np.random.default_rng(0).random(256) ** (2 / 8)
    known = {"alpha": (-0.05, 0.05), "sigma": (0.001, 0.02)}
    narrow, wide = (nqjax.confidence_region(y, gamma=(1, most), **known) for most in (3, 12))
    assert np.mean(narrow.gamma > 2.5) > 0.5
    assert any("gamma is at the highest value that is tried, 3: try a wider range" in text for text in narrow.warnings)
    assert np.mean(wide.gamma > 11.5) < 0.5
    assert not any("gamma is at" in text for text in wide.warnings)


def test_scores_that_run_off_too_fast_have_no_parameters():
    """Five good scores, the others worse by orders of magnitude: gamma would be below any that is tried."""
    bad = [1.9, 3.2, 4.2, 4.7, 6, 7.6, 15, 790, 2e4]
    scores = np.concatenate([[0.18, 0.22, 0.23, 0.28, 0.52], bad, 10.0 ** np.linspace(7, 30, 34)])
    found = nqjax.confidence_region(scores)
    assert found.untold == "steep"
    assert not found.tells_parameters
    assert "faster than near the optimum" in found.warnings[0]
    mirrored = nqjax.confidence_region(-scores, minimize=False)
    assert mirrored.untold == "steep"


def test_a_quadratic_in_one_hyperparameter_is_not_too_steep():
    rng = np.random.default_rng(0)
    for n in (24, 128):
        found = nqjax.confidence_region(rng.uniform(-1, 1, n) ** 2 + 0.01 * rng.normal(size=n))
        assert found.untold == ""
        assert found.tells_parameters
