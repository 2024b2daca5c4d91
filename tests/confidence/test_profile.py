"""Profile regions: their members, their ends, and their coverage; regions of every method under one interface."""

import math

import jax
import numpy as np
import pytest
import scipy.stats

import nqjax
from bench import coverage
from nqjax.confidence.slices import clip_polygon
from nqjax.errors import InputError
from nqjax.estimation.evaluate import group, losses, objective
from support import searches

INF = math.inf
LIMITS = (-INF, 0.7)


@pytest.fixture(scope="module")
def scores():
    return searches.draw(np.random.default_rng(1), 48, 2, 0.05)


@pytest.fixture(scope="module")
def region(scores):
    return nqjax.profile_region(scores, limits=LIMITS, confidence=0.8, gamma=(1, 4))


def loss(scores, alpha, beta, gamma, sigma, limits=LIMITS):
    search = searches.Search("", scores, limits, True, {})
    return searches.loss(search, alpha, beta, gamma, sigma)


# --- the objective at given points ----------------------------------------------------------------------------------


@pytest.mark.parametrize("case", [0, 3, 4, 5])
def test_losses_are_those_of_the_definition(case):
    search = list(searches.simulated(8))[case]
    search = search if search.minimize else search.mirrored()
    data = search.spacings()
    location, scale = data.knots[0], np.ptp(data.knots)
    rng = np.random.default_rng(case)
    gamma = rng.integers(1, 6, size=20)
    theta = np.stack([rng.uniform(-0.5, 0.1, 20), rng.uniform(0, 1.5, 20), np.log(rng.uniform(0.01, 0.5, 20))], axis=1)
    grouped = group([(data, location, scale)])
    found = losses(grouped, np.zeros(20, int), gamma, theta)
    for (a, d, s), g, value in zip(theta, gamma, found, strict=True):
        alpha = location + scale * a
        expected = searches.loss(data, alpha, alpha + scale * math.exp(d), int(g), scale * math.exp(s))
        assert value == pytest.approx(expected, abs=1e-9)
    rough = objective(grouped, np.zeros(20, int), gamma, theta)
    assert rough[:, 0] == pytest.approx(found, abs=1e-5)


# --- the region -----------------------------------------------------------------------------------------------------


def test_the_part_of_a_polygon_below_a_line():
    square = np.array([[0.0, 0.0], [1, 0], [1, 1], [0, 1]])
    half = clip_polygon(square, (1.0, 1.0), 1.0)
    assert {tuple(corner) for corner in half} == {(0, 0), (1, 0), (0, 1)}
    assert len(clip_polygon(square, (1.0, 0.0), -1.0)) == 0
    assert clip_polygon(square, (1.0, 0.0), INF) is square


@pytest.mark.smoke
def test_it_holds_the_fit_and_its_border_is_at_the_level(scores, region):
    fit = nqjax.fit(scores, limits=LIMITS, gamma=(1, 4))
    assert region.fit == fit
    for name in ("alpha", "beta", "gamma", "sigma"):
        low, high = region.interval(name)
        assert low <= getattr(fit, name) <= high
    assert region.interval("regime_probability")[0] < fit.regime_probability < region.interval("regime_probability")[1]
    assert set(region.gammas) == {
        g for g, one in fit.losses_by_gamma.items() if 2 * 49 * (one - fit.loss) < scipy.stats.chi2.ppf(0.8, 1.5)
    }
    most = fit.loss + scipy.stats.chi2.ppf(0.8, 1.5) / (2 * 49)
    rng = np.random.default_rng(0)
    for _ in range(20):
        one = region._slices[rng.integers(len(region._slices))]
        alpha, delta = one.corners[rng.integers(len(one.corners))]
        alpha, delta = region._scaled.location + region._scaled.scale * alpha, region._scaled.scale * delta
        sigma = max(math.exp(one.log_s), 1e-5) * delta
        assert loss(scores, alpha, alpha + delta, one.gamma, sigma) == pytest.approx(most, abs=1e-2 * (most - fit.loss))


def test_its_ends_are_those_of_constrained_fits(scores, region):
    """A fit with alpha fixed at an end of the interval is worse by what the region allows, and further out by more."""
    low, high = region.interval("alpha")
    allowed = scipy.stats.chi2.ppf(0.8, 1.5) / 2 / 49
    width = high - low
    for end, sign in ((low, -1), (high, 1)):
        for step, inside in ((-0.05, True), (0.05, False)):
            place = end + sign * step * width
            fixed = nqjax.fit(scores, limits=LIMITS, gamma=(1, 4), alpha=place)
            assert (fixed.loss - region.fit.loss < allowed) == inside


def test_its_curve_holds_that_of_every_member(scores, region):
    n = np.array([1.0, 10.0, 100.0])
    low, high = region.quantile_tuning_curve_band(n)
    assert np.all(low < high)
    rng = np.random.default_rng(1)
    count = 0
    while count < 30:
        g = int(rng.choice(region.gammas))
        alpha, beta = rng.uniform(*region.interval("alpha")), rng.uniform(*region.interval("beta"))
        sigma = rng.uniform(*region.interval("sigma"))
        if alpha < beta and loss(scores, alpha, beta, g, sigma) < region.fit.loss + 0.9 * 2.46 / 98:
            curve = np.asarray(nqjax.NoisyQuadratic(alpha, beta, float(g), sigma).quantile_tuning_curve(n))
            assert np.all((low - 0.01 <= curve) & (curve <= high + 0.01))
            count += 1
    assert region.quantile_tuning_curve_band(10.0) == (low[1], high[1])


def test_constraints_and_mirror_image(scores):
    region = nqjax.profile_region(scores, limits=LIMITS, alpha=(-0.01, 0.02), beta=(0.5, 1.2), sigma=(0.01, 0.06))
    for name, (least, most) in {"alpha": (-0.01, 0.02), "beta": (0.5, 1.2), "sigma": (0.01, 0.06)}.items():
        low, high = region.interval(name)
        assert least - 1e-9 <= low < high <= most + 1e-9
    other = nqjax.profile_region(
        -scores, limits=(-0.7, INF), minimize=False, beta=(-0.02, 0.01), alpha=(-1.2, -0.5), sigma=(0.01, 0.06)
    )
    assert other.interval("beta") == tuple(-x for x in region.interval("alpha")[::-1])
    assert other.gammas == region.gammas
    ours, theirs = region.quantile_tuning_curve_band([5, 50]), other.quantile_tuning_curve_band([5, 50])
    assert theirs[0] == pytest.approx(-ours[1])
    assert theirs[1] == pytest.approx(-ours[0])


def test_intervals_grow_with_the_confidence(scores, region):
    wide = nqjax.profile_region(scores, limits=LIMITS, confidence=0.95, gamma=(1, 4))
    for name in ("alpha", "beta", "sigma", "regime_probability"):
        (low, high), (lower, higher) = region.interval(name), wide.interval(name)
        assert lower <= low
        assert high <= higher
    assert set(region.gammas) <= set(wide.gammas)


# --- one interface --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["profile", "consonance", "bootstrap", "posterior"])
def test_every_method_answers_the_same_questions(scores, method):
    region = nqjax.confidence_region(
        scores, limits=LIMITS, method=method, confidence=0.8, key=jax.random.key(0), num_resamples=100
    )
    assert isinstance(region, nqjax.Region)
    assert (region.confidence, region.num_scores, region.limits, region.minimize) == (0.8, 48, LIMITS, True)
    assert not region.is_empty
    assert 2 in region.gammas
    for name in ("alpha", "beta", "gamma", "sigma", "regime_probability"):
        low, high = region.interval(name)
        assert low <= high
    low, high = region.interval("regime_probability")
    assert low < np.mean(scores <= 0.7) < high
    low, high = region.quantile_tuning_curve_band([2, 20])
    assert np.all(low < high)
    assert np.shape(region.quantile_tuning_curve_band(2)) == (2,)
    curve = region.quantile_tuning_curve([2, 20])
    assert curve.shape == (2,)
    assert np.all((low <= curve) & (curve <= high))
    if method in ("profile", "consonance"):
        for ask in (
            lambda: region.interval("alpha", 0.9),
            lambda: region.quantile_tuning_curve_band(2, confidence=0.9),
        ):
            with pytest.raises(InputError, match=r"computed at the confidence 0\.8: make another at 0\.9"):
                ask()
        assert region.interval("alpha", 0.8) == region.interval("alpha")
    else:
        assert region.interval("alpha", 0.9)[0] < region.interval("alpha")[0]
        assert region.quantile_tuning_curve_band(2, confidence=0.9)[0] < low[0]
        assert region.quantile_tuning_curves([2, 20]).shape[-1] == 2
    with pytest.raises(InputError, match="no parameter"):
        region.interval("delta")


def test_bootstrap_probabilities_mirror(scores):
    one = nqjax.bootstrap(scores, 20, key=jax.random.key(0), limits=(0.1, 0.7))
    two = nqjax.bootstrap(-scores, 20, key=jax.random.key(0), limits=(-0.7, -0.1), minimize=False)
    assert two.regime_probability == pytest.approx(one.regime_probability)


def test_errors(scores):
    with pytest.raises(InputError, match="no method"):
        nqjax.confidence_region(scores, method="magic", threshold=None)
    with pytest.raises(InputError, match="give a key"):
        nqjax.confidence_region(scores, method="bootstrap", threshold=None)
    for method in ("profile", "consonance", "bootstrap", "posterior"):
        with pytest.raises(InputError, match="confidence"):
            nqjax.confidence_region(scores, method=method, confidence=1.5, key=jax.random.key(0), threshold=None)
    with pytest.raises(InputError, match="different scores"):
        nqjax.profile_region([1.0, 1.0, 1.0, 2.0], threshold=None)


# --- coverage -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [60, pytest.param(300, marks=pytest.mark.slow)])
def test_it_covers(count):
    """At n = 24, within some points of what is said (fewer and more than docs/coverage.md has) and four errors."""
    cell = coverage.Search(2, 0.05, 24)
    y = cell.draw(np.random.default_rng(0), count)
    limits = (-INF, cell.threshold)
    fits = nqjax.fit_many(list(y), limits=limits)
    ends = coverage._profile(cell, [(one, limits, fit) for one, fit in zip(y, fits, strict=True)])
    truth = np.array([0.0, cell.gamma, *cell.curve()])
    covered = np.mean((ends[..., 0] <= truth) & (truth <= ends[..., 1]), axis=0)
    for level, shares in zip(coverage.LEVELS, covered, strict=True):
        error = 4 * math.sqrt(level * (1 - level) / count)
        assert np.all(shares > level - 0.05 - error)
        # gamma is discrete and may cover more.
        assert np.all(shares[[0, 2, 3]] < level + 0.1 + error)
