"""Confidence bands: their coverage is what they say, by theory, by enumeration and by simulation."""

import math

import numpy as np
import pytest
import scipy.integrate
import scipy.stats
from opda.nonparametric import EmpiricalDistribution

import nqjax
from nqjax.confidence.bands import order_statistic_band
from nqjax.confidence.crossing import probability_within
from nqjax.errors import InputError

METHODS = ("ld_highest_density", "ld_equal_tailed", "ks", "dkw")


def by_integration(low, high):
    """Return the probability that three order statistics keep within their bounds, by quadrature."""
    value, _ = scipy.integrate.tplquad(
        lambda z, y, x: 6.0,
        low[0],
        high[0],
        lambda x: max(low[1], x),
        lambda x: max(high[1], low[1], x),
        lambda x, y: max(low[2], y),
        lambda x, y: max(high[2], low[2], y),
        epsabs=1e-9,
    )
    return value


def test_three_order_statistics_by_integration():
    low, high = np.array([0.0, 0.2, 0.35]), np.array([0.5, 0.7, 1.0])
    assert probability_within(low, high) == pytest.approx(by_integration(low, high), abs=1e-7)


@pytest.mark.parametrize("n", [1, 2, 5, 20, 100])
def test_crossing_is_kolmogorovs_distribution(n):
    """The band of one height has Kolmogorov's distribution, which SciPy has to 1e-13 for n up to 140."""
    i = np.arange(1, n + 1)
    for level in (0.3, 0.8, 0.99):
        d = scipy.stats.kstwo.ppf(level, n)
        found = probability_within(np.clip(i / n - d, 0, 1), np.clip((i - 1) / n + d, 0, 1))
        assert found == pytest.approx(level, abs=1e-11)


def test_crossing_at_the_edges():
    n = 30
    zero, one = np.zeros(n), np.ones(n)
    assert probability_within(zero, one) == pytest.approx(1, abs=1e-13)
    assert probability_within(one, one) == 0
    assert probability_within(one, zero) == 0
    # No point before 0.1, and all of them before 0.9.
    assert probability_within(np.full(n, 0.1), np.full(n, 0.9)) == pytest.approx(0.8**n, rel=1e-12)
    # One bound alone is a quantile of the Beta distribution.
    high = one.copy()
    high[:10] = 0.4
    assert probability_within(zero, high) == pytest.approx(scipy.stats.beta.cdf(0.4, 10, 21), rel=1e-12)


@pytest.mark.smoke
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("confidence", [0.5, 0.8, 0.99])
@pytest.mark.parametrize("n", [1, 2, 3, 7, 48, 101])
def test_coverage_is_what_is_asked_for(method, confidence, n):
    band = order_statistic_band(n, confidence, method)
    coverage = probability_within(band.low, band.high)
    if method == "dkw":
        assert coverage >= confidence
    else:
        assert coverage == pytest.approx(confidence, abs=1e-8)
    # The mirror image of the scores has the mirror image of the band.
    np.testing.assert_allclose(band.low, 1 - band.high[::-1], atol=1e-12)
    assert np.all(np.diff(band.low) >= 0)
    assert np.all(np.diff(band.high) >= 0)


@pytest.mark.parametrize("n", [2, 5, 30])
def test_highest_density(n):
    """All intervals have one coverage, and the density is the same at both ends, or higher at the end of the range."""
    band = order_statistic_band(n, 0.8, "ld_highest_density")
    i = np.arange(1, n + 1)
    beta = scipy.stats.beta(i, n + 1 - i)
    mass = beta.cdf(band.high) - beta.cdf(band.low)
    np.testing.assert_allclose(mass, mass[0], rtol=1e-10)
    np.testing.assert_allclose(beta.pdf(band.low)[1:-1], beta.pdf(band.high)[1:-1], rtol=1e-7)
    assert band.low[0] == 0
    assert band.high[-1] == 1


@pytest.mark.parametrize("method", ["ld_highest_density", "ld_equal_tailed"])
def test_simulated_coverage(method):
    """Two hundred thousand samples of 20: within four standard errors."""
    band = order_statistic_band(20, 0.8, method)
    u = np.sort(np.random.default_rng(0).uniform(size=(200_000, 20)), axis=1)
    found = np.mean(np.all((u >= band.low) & (u <= band.high), axis=1))
    assert abs(found - 0.8) < 4 * math.sqrt(0.8 * 0.2 / 200_000)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["ld_highest_density", "ld_equal_tailed"])
@pytest.mark.parametrize("n", [5, 48])
def test_ten_million_samples(method, n):
    band = order_statistic_band(n, 0.8, method)
    rng, inside, rounds = np.random.default_rng(n), 0, 100
    for _ in range(rounds):
        u = np.sort(rng.uniform(size=(100_000, n)), axis=1)
        inside += np.count_nonzero(np.all((u >= band.low) & (u <= band.high), axis=1))
    assert abs(inside / (1e5 * rounds) - 0.8) < 4 * math.sqrt(0.8 * 0.2 / (1e5 * rounds))


@pytest.mark.parametrize("method", ["ks", "dkw"])
@pytest.mark.parametrize("support", [(-math.inf, math.inf), (0.0, 1.0)])
def test_opdas_bands(method, support):
    rng = np.random.default_rng(0)
    for n, confidence in ((1, 0.8), (7, 0.5), (48, 0.8), (200, 0.95)):
        y = rng.uniform(size=n)
        y = np.round(y, 2) if method == "dkw" else y
        ours = nqjax.confidence_bands(y, confidence, method=method, support=support)
        theirs = EmpiricalDistribution.confidence_bands(y, confidence, *support, method=method)
        places = np.concatenate([y, y + 1e-3, [0.0, 1.0]])
        for mine, other in zip(ours, theirs, strict=True):
            # Theirs is good to 1e-5 or so of the distance.
            np.testing.assert_allclose(mine.cdf(places), other.cdf(places), atol=2e-5 if method == "ks" else 1e-12)


@pytest.mark.parametrize("method", ["ld_highest_density", "ld_equal_tailed"])
def test_opdas_ld_bands(method):
    """opda simulates a hundred thousand samples, so the bands agree to a few thousandths."""
    y = np.random.default_rng(0).uniform(size=20)
    ours = nqjax.confidence_bands(y, 0.8, method=method, support=(0, 1))
    theirs = EmpiricalDistribution.confidence_bands(
        y, 0.8, 0, 1, method=method, generator=np.random.default_rng(0), n_jobs=1
    )
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine.cdf(y), other.cdf(y), atol=5e-3)


def test_the_band_holds_a_cdf_and_its_tuning_curve():
    y = np.random.default_rng(3).uniform(size=30)
    lower, point, upper = nqjax.confidence_bands(y, 0.95, support=(0, 1))
    places = np.linspace(0, 1, 200)
    assert np.all(lower.cdf(places) <= point.cdf(places))
    assert np.all(point.cdf(places) <= upper.cdf(places))
    n = np.arange(1, 50)
    for minimize in (True, False):
        assert np.all(
            upper.quantile_tuning_curve(n, minimize=minimize) <= lower.quantile_tuning_curve(n, minimize=minimize)
        )
    assert lower.cdf(1.0) == 1
    assert upper.icdf(1e-9) == 0


@pytest.mark.parametrize("minimize", [True, False])
def test_bands_know_their_direction(minimize):
    y = np.random.default_rng(3).uniform(size=30)
    bands = nqjax.confidence_bands(y, 0.8, support=(0, 1), minimize=minimize)
    lower, point, upper = bands
    assert (lower, point, upper) == (bands.lower, bands.point, bands.upper)
    assert (bands.minimize, bands.confidence) == (minimize, 0.8)
    n = np.arange(1, 60)
    low, high = bands.quantile_tuning_curve_band(n)
    np.testing.assert_array_equal(low, upper.quantile_tuning_curve(n, minimize=minimize))
    np.testing.assert_array_equal(high, lower.quantile_tuning_curve(n, minimize=minimize))
    np.testing.assert_array_equal(bands.quantile_tuning_curve(n), point.quantile_tuning_curve(n, minimize=minimize))


@pytest.mark.parametrize("minimize", [True, False])
@pytest.mark.parametrize("method", METHODS)
def test_up_to_which_number_of_trials_the_best_is_bounded(minimize, method):
    for count in (1, 5, 48, 300):
        for q in (0.5, 0.1):
            y = np.random.default_rng(count).uniform(size=count)
            bands = nqjax.confidence_bands(y, 0.9, method=method, minimize=minimize)
            found = bands.bounded_trials(q)
            assert found == nqjax.bounded_trials(count, 0.9, q=q if minimize else 1 - q, method=method)
            low, high = bands.quantile_tuning_curve_band(np.arange(1, found + 3), q)
            bounded = np.isfinite(low if minimize else high)
            np.testing.assert_array_equal(bounded, np.arange(1, found + 3) <= found)


def test_ties_are_told():
    with pytest.warns(UserWarning, match="2 of 5 scores repeat others"):
        nqjax.confidence_bands([0.1, 0.1, 0.1, 0.2, 0.3])
    # Failed runs at the end of the support are meant to be equal.
    nqjax.confidence_bands([0.1, 0.2, 1.0, 1.0], support=(0, 1))
    nqjax.confidence_bands([0.1, 0.2, math.inf, math.inf])


@pytest.mark.parametrize("given", [0, -3, 1.5, "many"])
def test_numbers_of_scores(given):
    with pytest.raises(InputError, match="num_scores"):
        nqjax.bounded_trials(given)


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"confidence": 1.0}, "between 0 and 1"),
        ({"confidence": 0}, "between 0 and 1"),
        ({"method": "dkwm"}, "no method"),
        ({"support": (0.2, 1)}, "not within the support"),
    ],
)
def test_mistakes(options, part):
    with pytest.raises(InputError, match=part):
        nqjax.confidence_bands([0.1, 0.5], **options)


def test_ten_thousand_scores():
    band = order_statistic_band(10_000, 0.95)
    assert probability_within(band.low, band.high) == pytest.approx(0.95, abs=1e-6)
