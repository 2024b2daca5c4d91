"""Consonance regions: against membership by brute force, and lines through segments against linear programs."""

import math
import time

import numpy as np
import pytest
import scipy.optimize

import nqjax
from nqjax.confidence.bands import order_statistic_band
from nqjax.confidence.stabbing import stabbing_polygon
from nqjax.errors import InputError
from nqjax.special.chunked import standard_cdf
from support import searches

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
    inside = np.unique(y[(y > limits[0]) & (y <= limits[1])])
    places = [(v, low[np.searchsorted(y, v, side="right")], high[np.searchsorted(y, v, side="left")]) for v in inside]
    for end in limits:
        if math.isfinite(end):
            i = np.searchsorted(y, end, side="right")
            places.append((end, low[i], high[i]))
    left = np.arange(len(alpha))
    # What one place rules out no other needs to look at; those far from the middle rule out most.
    for place, least, most in sorted(places, key=lambda p: -abs(p[0] - np.median(inside))):
        delta = beta[left] - alpha[left]
        cdf = standard_cdf((place - alpha[left]) / delta, sigma[left] / delta, float(gamma))
        left = left[(cdf >= least - slack) & (cdf <= most + slack)]
    return np.isin(np.arange(len(alpha)), left)


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
            gamma, point = extreme(region, name, end)
            args = (point[:1], point[:1] + point[1:2], gamma, point[2:])
            assert is_member(scores, LIMITS, 0.8, *args, slack=1e-9)[0]
            near = point * np.exp(rng.normal(size=(4000, 3)) * np.geomspace(1e-5, 0.1, 4000)[:, None])
            a, d, s = near.T
            values = {"alpha": a, "beta": a + d, "sigma": s}[name]
            beyond = sign * (values - end) > 1e-4 * span
            allowed = (a >= -1) & (a + d <= 3)
            inside = is_member(scores, LIMITS, 0.8, a, a + d, gamma, s)
            assert not np.any(beyond & allowed & inside)


def extreme(region, name, end):
    """Gamma, and alpha, delta and sigma, at a corner of the region where a parameter has its end."""
    corners = [
        (one.gamma, np.array([region._scaled.location + region._scaled.scale * a, d, math.exp(one.log_s) * d]))
        for one in region._slices
        for a, d in one.corners * [1, region._scaled.scale]
    ]
    value = {"alpha": lambda p: p[0], "beta": lambda p: p[0] + p[1], "sigma": lambda p: p[2]}[name]
    return min(corners, key=lambda corner: abs(value(corner[1]) - end))


def test_bands_of_the_members(scores, region):
    rng = np.random.default_rng(1)
    d = nqjax.NoisyQuadratic
    y, n = np.linspace(scores.min() - 0.05, 0.7, 15), np.array([1.0, 4.0, 20.0, 200.0])
    low, high = region.cdf_bands(y)
    first, last = region.quantile_tuning_curve_band(n)
    assert np.all((low >= 0) & (low <= high) & (high <= 1))
    assert np.all(first <= last)
    for _ in range(60):
        one = region._slices[rng.integers(len(region._slices))]
        alpha, delta = rng.dirichlet(np.ones(len(one.corners))) @ one.corners
        alpha, delta = region._scaled.location + region._scaled.scale * alpha, region._scaled.scale * delta
        s = math.exp(one.log_s)
        member = d(alpha, alpha + delta, float(one.gamma), max(s, 1e-9) * delta)
        cdf, curve = np.asarray(member.cdf(y)), np.asarray(member.quantile_tuning_curve(n))
        assert np.all((cdf >= low - 1e-6) & (cdf <= high + 1e-6))
        within = curve <= 0.7
        assert np.all((curve >= first - 1e-5) & (curve <= last + 1e-5) | ~within)
    assert region.cdf_bands(y[7]) == (low[7], high[7])
    assert region.quantile_tuning_curve_band(4) == (first[1], last[1])
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
    first, last = region.quantile_tuning_curve_band(n)
    np.testing.assert_allclose(mirrored.quantile_tuning_curve_band(n), (-last, -first), rtol=1e-12)


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
    assert 0.02 <= low <= high <= 0.06
    assert narrow.interval("alpha")[0] >= region.interval("alpha")[0] - 1e-6
    bare = nqjax.consonance_region(scores, limits=LIMITS, alpha=(-1, 1), beta=(0, 3), gamma=(1, 4), sigma=0)
    assert bare.interval("sigma") == (0.0, 0.0)


def test_what_has_no_end(scores):
    """Four scores in the regime admit any spread and any noise, so that nothing bounds the best score."""
    limit = float(np.sort(scores)[3])
    region = nqjax.consonance_region(scores, limits=(-INF, limit), alpha=(-3, 0), gamma=(1, 2))
    assert region.interval("alpha") == (-3, 0)
    assert region.interval("beta")[1] == INF
    assert region.interval("sigma")[1] == INF
    first, last = region.quantile_tuning_curve_band([100, 1000])
    assert np.all(first == -INF)
    assert np.all(np.isfinite(last))


def test_nothing_is_consonant_with_two_heaps():
    rng = np.random.default_rng(0)
    y = np.concatenate([rng.normal(0, 1e-3, 150), rng.normal(1, 1e-3, 150)])
    region = nqjax.consonance_region(y, confidence=0.8, threshold=None)
    assert region.is_empty
    assert all(math.isnan(x) for x in region.interval("alpha"))
    band = nqjax.confidence_bands(y, 0.8)
    np.testing.assert_allclose(region.cdf_bands([0.5])[0], band.lower.cdf([0.5]), rtol=1e-14)
    assert np.all(np.isfinite(region.quantile_tuning_curve_band([20])))


def test_failed_runs_ties_and_few_scores():
    y = np.round(search(3, 40, 1, 0.1), 2)
    failed = np.append(y, [math.nan] * 6)
    region = nqjax.consonance_region(failed, limits=(-INF, 0.8), gamma=(1, 2))
    assert region.num_scores == 46
    assert not region.is_empty
    few = nqjax.consonance_region([0.1, 0.2, 0.4], gamma=(1, 2), threshold=None)
    low, high = few.interval("alpha")
    assert low < 0.1 < high


@pytest.mark.parametrize(
    ("call", "part"),
    [
        (lambda r: r.interval("delta"), "no parameter"),
        (lambda r: r.quantile_tuning_curve_band([0]), "positive"),
        (lambda r: r.quantile_tuning_curve_band([1], 1.5), "between 0 and 1"),
        (lambda r: nqjax.consonance_region([1.0, 2.0], threshold=None), "too few"),
        (lambda r: nqjax.consonance_region([1.0, 2.0, 3.0], confidence=2, threshold=None), "between 0 and 1"),
        (lambda r: nqjax.consonance_region([1.0, 2.0, 3.0], method="x", threshold=None), "no method"),
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


# --- acceptance: 48 trials of a published search ----------------------------------------------------------------------

#: Limits of the regime.
PUBLISHED = (-INF, 0.104)
#: Bounds on alpha, beta and sigma.
BOX = ((0, 1), (0, 2), (0, INF))
NAMES = ("alpha", "beta", "sigma")


def published_trials(shared_data, seed):
    """The first 48 errors of DeBERTaV3, or 48 drawn at random."""
    error = 1 - searches.column(shared_data, "deberta_v3_multinli.csv", "accuracy_matched")
    return error[:48] if seed is None else np.random.default_rng(seed).choice(error, 48, replace=False)


def kept(points, y, gamma):
    """Those of points (parameters, points) that are members."""
    points = np.stack([np.clip(row, *bounds) for row, bounds in zip(points, BOX, strict=True)])
    points = points[:, points[0] < points[1]]
    return points[:, is_member(y, PUBLISHED, 0.8, points[0], points[1], gamma, points[2])]


def members_of_a_grid(y, gamma, sizes):
    """Members on a grid over all that is possible with these scores, and generously beyond what is kept."""
    best = y.min()
    span = PUBLISHED[1] - best
    axes = (
        np.linspace(best - 2 * span, PUBLISHED[1], sizes[0]),
        np.linspace(best, best + 20 * span, sizes[1]),
        np.append(0.0, np.geomspace(1e-3 * span, 2 * span, sizes[2] - 1)),
    )
    return kept(np.stack(np.meshgrid(*axes, indexing="ij")).reshape(3, -1), y, gamma)


def furthest(y, gamma, members, i, sign, size, step):
    """The furthest member in one direction of one parameter, by finer and finer grids around the furthest so far.

    The grids lie along the principal axes of the further half of the last one's members, as the ends are sharp.
    """
    best, axes = members[:, np.argmax(sign * members[i])], np.ptp(members, axis=1) * np.eye(3)
    unit = np.stack(np.meshgrid(*[np.linspace(-2, 2, size)] * 3, indexing="ij")).reshape(3, -1)
    for _ in range(60):
        if members.shape[1] >= 20:
            further = members[:, np.argsort(-sign * members[i])[: max(20, members.shape[1] // 2)]]
            variances, vectors = np.linalg.eigh(np.cov(further - best[:, None]))
            axes = vectors * np.sqrt(np.maximum(variances, (step / 10) ** 2))
        else:
            axes = axes / 2
        members = kept(best[:, None] + axes @ unit, y, gamma)
        best = max([best, *members.T], key=lambda point: sign * point[i])
        if np.linalg.norm(axes[i]) * 4 / (size - 1) < step:
            break
    return float(best[i])


def check_published(y, gammas, sizes, size):
    """Everything that grids keep is in the region, and its ends are 1e-4 of the scores' range or less beyond that."""
    region = nqjax.consonance_region(y, limits=PUBLISHED, confidence=0.8, alpha=BOX[0], beta=BOX[1], gamma=gammas)
    used = y[y <= PUBLISHED[1]]
    span = np.ptp(used)
    places = np.linspace(used.min() - span / 2, PUBLISHED[1], 13)
    low, high = region.cdf_bands(places)
    ends = {(name, sign): [] for name in NAMES for sign in (-1, 1)}
    for gamma in range(gammas[0], gammas[1] + 1):
        members = members_of_a_grid(y, gamma, sizes)
        if not members.size:
            continue
        assert gamma in region.gammas
        alpha, beta, sigma = members[..., None]
        cdf = standard_cdf((places - alpha) / (beta - alpha), sigma / (beta - alpha), float(gamma))
        assert np.all((cdf >= low - 1e-9) & (cdf <= high + 1e-9))
        for name, row in zip(NAMES, members, strict=True):
            least, most = region.interval(name)
            assert least - 1e-9 <= row.min()
            assert row.max() <= most + 1e-9
        for (name, sign), found in ends.items():
            found.append(sign * furthest(y, gamma, members, NAMES.index(name), sign, size, 1e-5 * span))
    for (name, sign), found in ends.items():
        end = region.interval(name)[0 if sign < 0 else 1]
        # A grid may find a little that the region lacks: where delta ends at 1e-5 of sigma, and by its own parts.
        assert -1e-5 * span < sign * end - max(found) < 1e-4 * span, (name, sign)
        gamma, (alpha, delta, sigma) = extreme(region, name, end)
        there = (np.array([value]) for value in (alpha, alpha + delta))
        assert is_member(y, PUBLISHED, 0.8, *there, gamma, np.array([sigma]), slack=1e-9)[0], (name, sign)


@pytest.mark.smoke
def test_published_trials_with_one_gamma(shared_data):
    check_published(published_trials(shared_data, None), (2, 2), (32, 64, 32), 15)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [None, 0, 1])
def test_published_trials(shared_data, seed):
    y = published_trials(shared_data, seed)
    check_published(y, (1, 5), (128, 256, 64), 15)
    began = time.perf_counter()
    nqjax.consonance_region(y, limits=PUBLISHED, confidence=0.8, alpha=BOX[0], beta=BOX[1])
    assert time.perf_counter() - began < 5
