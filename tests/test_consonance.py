"""Consonance regions: against membership by brute force, and lines through segments against linear programs."""

import math

import numpy as np
import pytest
import scipy.optimize
import searches

import nqjax
from nqjax._evaluate import standard_cdf
from nqjax._stabbing import stabbing_polygon
from nqjax.bands import order_statistic_band
from nqjax.errors import InputError

INF = math.inf


# --- lines through segments -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(30))
def test_extremes_are_those_of_the_linear_program(seed):
    rng = np.random.default_rng(seed)
    count = int(rng.integers(2, 25))
    y = np.sort(rng.uniform(size=count))
    t = np.sort(rng.uniform(size=count))
    below, above = (t - rng.uniform(0, 0.4, count), y), (t + rng.uniform(0, 0.4, count), y)
    slope = (0.1, 3.0)
    corners, room = stabbing_polygon(
        (np.append(below[0], 0.0), np.append(y, 5.0)), (np.append(above[0], 0.0), np.append(y, -5.0)), slope
    )
    a_ub = np.concatenate([np.stack([np.ones(count), below[0]], 1), -np.stack([np.ones(count), above[0]], 1)])
    b_ub = np.concatenate([y, -y])
    for direction in ((1, 0), (0, 1), (1, 1), (1, 0.3), (-2, 1)):
        for sign in (1, -1):
            best = scipy.optimize.linprog(
                sign * np.array(direction, float), A_ub=a_ub, b_ub=b_ub, bounds=[(-5, 5), slope], method="highs"
            )
            assert best.success == (len(corners) > 0) == (room >= 0)
            if best.success:
                assert np.min(corners @ (sign * np.array(direction))) == pytest.approx(best.fun, abs=1e-8)


# --- the region -----------------------------------------------------------------------------------------------------


def is_member(scores, limits, confidence, alpha, beta, gamma, sigma, slack=0.0):
    """Whether noisy quadratics (arrays of parameters, minimising) keep within the band at every score and limit."""
    y = np.sort(np.where(np.isfinite(scores), scores, INF))
    band = order_statistic_band(len(y), confidence)
    low, high = np.append(0.0, band.low), np.append(band.high, 1.0)
    inside = y[(y > limits[0]) & (y <= limits[1])]
    places = [(v, low[np.searchsorted(y, v, side="right")], high[np.searchsorted(y, v, side="left")]) for v in inside]
    for end in limits:
        if math.isfinite(end):
            i = np.searchsorted(y, end, side="right")
            places.append((end, low[i], high[i]))
    member = np.ones(np.shape(alpha), bool)
    for place, least, most in places:
        delta = beta - alpha
        cdf = standard_cdf((place - alpha) / delta, sigma / delta, float(gamma))
        member &= (cdf >= least - slack) & (cdf <= most + slack)
    return member


def search(seed=0, size=48, gamma=2, s=0.05):
    return searches.draw(np.random.default_rng(seed), size, gamma, s)


@pytest.fixture(scope="module")
def scores():
    return search()


LIMITS = (-INF, 0.7)


@pytest.fixture(scope="module")
def region(scores):
    return nqjax.consonance_region(scores, limits=LIMITS, confidence=0.8, alpha=(-1, 1), beta=(0, 3), gamma=(1, 4))


@pytest.mark.smoke
def test_it_holds_what_a_grid_keeps(scores, region):
    """Every member of a grid is within the intervals, and close to each end there is one."""
    found = {name: [INF, -INF] for name in ("alpha", "beta", "sigma")}
    gammas = []
    for gamma in range(1, 5):
        grid = np.meshgrid(np.linspace(-0.4, 0.4, 40), np.linspace(0.3, 3, 50), np.geomspace(1e-3, 0.6, 24))
        alpha, beta, sigma = (axis[grid[1] > grid[0]] for axis in grid)
        kept = is_member(scores, LIMITS, 0.8, alpha, beta, gamma, sigma)
        if np.any(kept):
            gammas.append(gamma)
            for name, values in (("alpha", alpha), ("beta", beta), ("sigma", sigma)):
                ends = found[name]
                found[name] = [min(ends[0], values[kept].min()), max(ends[1], values[kept].max())]
    assert set(gammas) <= set(region.gammas)
    for name, (least, most) in found.items():
        low, high = region.interval(name)
        assert low <= least + 1e-9
        assert high >= most - 1e-9
        # A grid's own step, on which the search's range depends.
        assert most - least > 0.5 * (min(high, 3) - max(low, -0.4))


def test_its_ends_are_members_and_nothing_beyond_is(scores, region):
    """The extreme points are in the region, to rounding; around them there is none beyond by 1e-4 of the range."""
    rng = np.random.default_rng(0)
    span = np.ptp(scores[scores <= 0.7])
    for name in ("alpha", "beta", "sigma"):
        low, high = region.interval(name)
        for end, sign in ((low, -1), (high, 1)):
            at = min(
                ((one, corner) for one in region._slices for corner in one.corners),
                key=lambda pair: abs(parameter(region, pair, name) - end),
            )
            one, (alpha, delta) = at
            alpha, delta = region._location + region._scale * alpha, region._scale * delta
            point = np.array([alpha, delta, math.exp(one.log_s) * delta])
            args = (point[:1], point[:1] + point[1:2], one.gamma, point[2:])
            assert is_member(scores, LIMITS, 0.8, *args, slack=1e-9)[0]
            near = point * np.exp(rng.normal(size=(4000, 3)) * np.geomspace(1e-5, 0.1, 4000)[:, None])
            a, d, s = near.T
            values = {"alpha": a, "beta": a + d, "sigma": s}[name]
            beyond = sign * (values - end) > 1e-4 * span
            allowed = (a >= -1) & (a + d <= 3)
            inside = is_member(scores, LIMITS, 0.8, a, a + d, one.gamma, s)
            assert not np.any(beyond & allowed & inside)


def parameter(region, pair, name):
    one, (alpha, delta) = pair
    a, d = region._location + region._scale * alpha, region._scale * delta
    return {"alpha": a, "beta": a + d, "sigma": math.exp(one.log_s) * d}[name]


def test_bands_of_the_members(scores, region):
    rng = np.random.default_rng(1)
    d = nqjax.NoisyQuadratic
    y, n = np.linspace(scores.min() - 0.05, 0.7, 15), np.array([1.0, 4.0, 20.0, 200.0])
    low, high = region.cdf_bands(y)
    first, last = region.quantile_tuning_curve_bands(n)
    assert np.all((low >= 0) & (low <= high) & (high <= 1))
    assert np.all(first <= last)
    for _ in range(60):
        one = region._slices[rng.integers(len(region._slices))]
        alpha, delta = rng.dirichlet(np.ones(len(one.corners))) @ one.corners
        alpha, delta = region._location + region._scale * alpha, region._scale * delta
        s = math.exp(one.log_s)
        member = d(alpha, alpha + delta, float(one.gamma), max(s, 1e-9) * delta)
        cdf, curve = np.asarray(member.cdf(y)), np.asarray(member.quantile_tuning_curve(n))
        assert np.all((cdf >= low - 1e-6) & (cdf <= high + 1e-6))
        within = curve <= 0.7
        assert np.all((curve >= first - 1e-5) & (curve <= last + 1e-5) | ~within)
    assert region.cdf_bands(y[7]) == (low[7], high[7])
    assert region.quantile_tuning_curve_bands(4) == (first[1], last[1])
    # Within the regime the region is no wider than the band it comes from, outside it is the band.
    band = nqjax.confidence_bands(scores, 0.8)
    assert np.all(low >= band.lower.cdf(y) - 1e-9)
    assert np.all(high <= band.upper.cdf(y) + 1e-9)
    far = np.array([0.8, 1.0])
    np.testing.assert_allclose(region.cdf_bands(far)[0], band.lower.cdf(far), rtol=1e-14)


def test_mirror_image(scores, region):
    mirrored = nqjax.consonance_region(
        -scores, limits=(-0.7, INF), confidence=0.8, minimize=False, alpha=(-3, 0), beta=(-1, 1), gamma=(1, 4)
    )
    assert mirrored.gammas == region.gammas
    for name, other in (("alpha", "beta"), ("beta", "alpha"), ("sigma", "sigma")):
        low, high = region.interval(name)
        expected = (low, high) if name == "sigma" else (-high, -low)
        assert mirrored.interval(other) == expected
    n = np.array([1.0, 10.0])
    first, last = region.quantile_tuning_curve_bands(n)
    np.testing.assert_allclose(mirrored.quantile_tuning_curve_bands(n), (-last, -first), rtol=1e-12)


def test_scale_and_shift(scores, region):
    moved = nqjax.consonance_region(
        1e6 * scores + 1e7,
        limits=(-INF, 0.7e6 + 1e7),
        alpha=(9e6, 1.1e7),
        beta=(1e7, 1.3e7),
        gamma=(1, 4),
    )
    for name in ("alpha", "beta"):
        np.testing.assert_allclose((np.array(moved.interval(name)) - 1e7) / 1e6, region.interval(name), atol=1e-6)
    np.testing.assert_allclose(np.array(moved.interval("sigma")) / 1e6, region.interval("sigma"), atol=1e-6)


def test_constraints_narrow_it(scores, region):
    narrow = nqjax.consonance_region(scores, limits=LIMITS, alpha=(-1, 1), beta=(0, 3), gamma=2, sigma=(0.02, 0.06))
    assert narrow.gammas == (2,)
    low, high = narrow.interval("sigma")
    assert 0.02 - 1e-12 <= low <= high <= 0.06 + 1e-12
    assert narrow.interval("alpha")[0] >= region.interval("alpha")[0] - 1e-6
    bare = nqjax.consonance_region(scores, limits=LIMITS, alpha=(-1, 1), beta=(0, 3), gamma=(1, 4), sigma=0)
    assert bare.interval("sigma") == (0.0, 0.0)


def test_nothing_is_consonant_with_two_heaps():
    rng = np.random.default_rng(0)
    y = np.concatenate([rng.normal(0, 1e-3, 150), rng.normal(1, 1e-3, 150)])
    region = nqjax.consonance_region(y, confidence=0.8)
    assert region.is_empty
    assert all(math.isnan(x) for x in region.interval("alpha"))
    band = nqjax.confidence_bands(y, 0.8)
    np.testing.assert_allclose(region.cdf_bands([0.5])[0], band.lower.cdf([0.5]), rtol=1e-14)
    assert np.all(np.isfinite(region.quantile_tuning_curve_bands([20])))


def test_failed_runs_ties_and_few_scores():
    y = np.round(search(3, 40, 1, 0.1), 2)
    failed = np.append(y, [math.nan] * 6)
    region = nqjax.consonance_region(failed, limits=(-INF, 0.8), gamma=(1, 2))
    assert region.num_scores == 46
    assert not region.is_empty
    few = nqjax.consonance_region([0.1, 0.2, 0.4], gamma=(1, 2))
    low, high = few.interval("alpha")
    assert low < 0.1 < high


@pytest.mark.parametrize(
    ("call", "part"),
    [
        (lambda r: r.interval("delta"), "no parameter"),
        (lambda r: r.quantile_tuning_curve_bands([0]), "positive"),
        (lambda r: r.quantile_tuning_curve_bands([1], 1.5), "between 0 and 1"),
        (lambda r: nqjax.consonance_region([1.0, 2.0]), "too few"),
        (lambda r: nqjax.consonance_region([1.0, 2.0, 3.0], confidence=2), "between 0 and 1"),
        (lambda r: nqjax.consonance_region([1.0, 2.0, 3.0], method="x"), "no method"),
    ],
)
def test_mistakes(region, call, part):
    with pytest.raises(InputError, match=part):
        call(region)


def test_coverage():
    """The truth is in the region as often as the confidence says: 2,000 searches, four standard errors."""
    count, size = 2000, 30
    y = np.sort([search(seed, size, 2, 0.1) for seed in range(count)], axis=1)
    band = order_statistic_band(size, 0.8)
    u = standard_cdf(y, 0.1, 2.0)
    inside = np.mean(np.all((u >= band.low) & (u <= band.high), axis=1))
    assert abs(inside - 0.8) < 4 * math.sqrt(0.16 / count)
    # Over a part of the range the band holds more often; what is a member by these inequalities is one for the region.
    for seed in range(3):
        member = is_member(y[seed], (-INF, 0.6), 0.8, np.zeros(1), np.ones(1), 2, np.full(1, 0.1))[0]
        region = nqjax.consonance_region(y[seed], limits=(-INF, 0.6), gamma=2)
        found = region.interval("alpha")[0] <= 0 <= region.interval("alpha")[1]
        assert found or not member
