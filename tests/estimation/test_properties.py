"""Properties that hold for all scores, tried on examples that Hypothesis draws.

Scores come at every scale that floating point has, with ties, failed runs and limits on none, one or both sides. Each
answer is right or an `InputError` of one line; warnings are errors in this suite. Examples are the same in every run;
``NQJAX_PROPERTIES=thorough`` draws many others.
"""

import math
import os
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import nqjax
from nqjax.confidence.bands import order_statistic_band
from nqjax.confidence.crossing import probability_within
from nqjax.errors import InputError
from nqjax.special.chunked import standard_cdf
from support import searches

INF = math.inf
settings.register_profile("every run", derandomize=True, deadline=None, database=None, max_examples=50)
settings.register_profile("thorough", deadline=None, max_examples=2000)
settings.load_profile(os.environ.get("NQJAX_PROPERTIES", "every run"))
#: Regions take a few tenths of a second each.
few = settings(max_examples=max(1, settings().max_examples // 8))

#: Few sizes and one range of gamma: few programs to compile.
SIZES = (3, 8, 24)
GAMMA = (1, 2)
TRIALS = np.array([0.7, 1.3, 3.1, 10.3, 101.7])  # no probability among them is one where an empirical CDF may step
SCALES = (1e-300, 1e-30, 1e-3, 1.0, 1e9, 1e300)
METHODS = ("ld_highest_density", "ld_equal_tailed", "ks", "dkw")


# --- examples -------------------------------------------------------------------------------------------------------


@st.composite
def samples(
    draw: st.DrawFn,
    scales: tuple[float, ...] = SCALES,
    sides: tuple[str, ...] = ("none", "losing", "winning", "both"),
    failed: tuple[float, ...] = (0.0, 0.0, 0.1, 0.3),
    grid: float = 0.0,
) -> searches.Search:
    """A search: scores that are all different, tied in a quarter, rounded, or all the same; on a grid if asked for."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    size = draw(st.sampled_from(SIZES))
    y = searches.draw(rng, size, draw(st.integers(1, 5)), draw(st.sampled_from([0.0, 1e-3, 0.1, 1.0])))
    kind = draw(st.sampled_from(["different", "different", "tied", "rounded", "constant"]))
    if kind == "tied":
        y[: size // 4 + 1] = y[0]
    elif kind == "rounded":
        y = np.round(y, 1)
    elif kind == "constant":
        y[:] = y[0]
    y = y + draw(st.sampled_from([0.0, -0.5, 3.0, -1000.0]))
    ends = np.quantile(y, [draw(st.sampled_from([0.0, 0.1, 0.3])), draw(st.sampled_from([0.6, 0.9, 1.0]))])
    y, (low, high) = (np.round(a / grid) * grid if grid else a for a in (y, ends))
    scale = draw(st.sampled_from(scales))
    sides = draw(st.sampled_from(["none", "losing", "winning", "both"]))
    limits = (
        low * scale if sides in ("winning", "both") else -INF,
        high * scale if sides in ("losing", "both") else INF,
    )
    assume(limits[0] < limits[1])
    y = rng.permutation(y * scale)
    y[: math.ceil(size * draw(st.sampled_from(failed)))] = draw(st.sampled_from([math.nan, INF, -INF]))
    search = searches.Search(kind, rng.permutation(y), (float(limits[0]), float(limits[1])), True, {"gamma": GAMMA})
    return search if draw(st.booleans()) else search.mirrored()


#: Anything that floating point has.
anything = st.sampled_from(SIZES).flatmap(lambda n: st.lists(st.floats(), min_size=n, max_size=n))


def fit(search: searches.Search) -> nqjax.Fit:
    return search.fit()


def region(search: searches.Search) -> nqjax.ConsonanceRegion:
    return nqjax.consonance_region(search.scores, limits=search.limits, minimize=search.minimize, **search.constraints)


def answer(function: Callable, *arguments: object, **options: object):
    """Return the function's result, or None when it raises an `InputError` of one line."""
    try:
        return function(*arguments, **options)
    except InputError as error:
        message = str(error)
    assert "\n" not in message
    assert len(message) > 20
    return None


def answers(function: Callable, *asked: object) -> list:
    """The answers to questions that all have one, or none of them."""
    found = [answer(function, one) for one in asked]
    assert len({one is None for one in found}) == 1
    assume(found[0] is not None)
    return found


def parameters(found: nqjax.Fit) -> np.ndarray:
    return np.array([found.alpha, found.beta, found.sigma])


def intervals(found: nqjax.ConsonanceRegion) -> np.ndarray:
    return np.array([found.interval(name) for name in ("alpha", "beta", "sigma")])


def whole(found: nqjax.Fit) -> tuple:
    return found.gamma, found.converged, found.loss, found.losses_by_gamma, found.num_used, found.num_censored


# --- an answer is a number, or there is none --------------------------------------------------------------------------


@given(anything, st.booleans())
def test_fits_of_anything(scores, minimize):
    check_fit(answer(nqjax.fit, scores, threshold=None, minimize=minimize, gamma=GAMMA), np.array(scores))


@given(samples())
def test_fits_at_every_scale(search):
    check_fit(answer(fit, search), search.scores)


def check_fit(found, scores):
    if found is None:
        return
    assert np.all(np.isfinite(parameters(found)))
    assert found.alpha <= found.beta
    assert found.sigma >= 0
    assert found.gamma in range(GAMMA[0], GAMMA[1] + 1)
    assert math.isfinite(found.loss)
    assert 0 <= found.regime_probability <= 1
    assert found.regime_start >= 0
    curve = found.quantile_tuning_curve(TRIALS)
    assert np.all(np.isfinite(curve))
    assert np.all(np.diff(curve) <= 0 if found.minimize else np.diff(curve) >= 0)
    assert found.num_used + found.num_censored + found.num_failed == len(scores)


@few
@given(anything, st.booleans())
def test_regions_of_anything(scores, minimize):
    check_region(
        answer(nqjax.consonance_region, scores, threshold=None, minimize=minimize, gamma=GAMMA), np.array(scores)
    )


@few
@given(samples())
def test_regions_at_every_scale(search):
    check_region(answer(region, search), search.scores)


def check_region(found, scores):
    if found is None:
        return
    if not found.is_empty:
        ends = intervals(found)
        assert np.all(ends[:, 0] <= ends[:, 1])
        assert ends[2, 0] >= 0
    places = scores[np.isfinite(scores)]
    low, high = found.cdf_bands(places)
    assert np.all((low >= 0) & (low <= high) & (high <= 1))
    first, last = found.quantile_tuning_curve_band(TRIALS)
    assert np.all(first <= last)  # NaN is not


@pytest.mark.filterwarnings("ignore:.* repeat others")
@given(st.lists(st.floats(), min_size=1, max_size=24), st.sampled_from(METHODS), st.floats(0.01, 0.999))
def test_bands_of_anything(scores, method, confidence):
    bands = answer(nqjax.confidence_bands, scores, confidence, method=method)
    if bands is None:
        assert np.any(np.isnan(scores))
        return
    lower, point, upper = bands
    places = np.array(scores)
    assert np.all(lower.cdf(places) <= point.cdf(places))
    assert np.all(point.cdf(places) <= upper.cdf(places))
    for minimize in (True, False):
        curves = [one.quantile_tuning_curve(TRIALS, minimize=minimize) for one in (upper, point, lower)]
        assert np.all(curves[0] <= curves[1])
        assert np.all(curves[1] <= curves[2])


@given(st.lists(st.floats(), min_size=1, max_size=24), st.booleans())
def test_empirical_distributions_of_anything(scores, minimize):
    found = answer(nqjax.Empirical, scores)
    if found is None:
        assert np.any(np.isnan(scores))
        return
    y = np.sort(scores)
    assert found.cdf(y[-1]) == 1
    assert np.sum(found.pmf(np.unique(y))) == pytest.approx(1, rel=1e-12)
    assert np.all(np.isin(found.icdf([1e-9, 0.3, 0.7, 1.0]), y))
    trials = np.array([1, 2, 30])
    curves = {name: answer(getattr(found, f"{name}_tuning_curve"), trials, minimize=minimize) for name in "uv"}
    curves["average"] = answer(found.average_tuning_curve, trials, minimize=minimize)
    for curve in curves.values():
        if curve is None:
            assert y[0] == -INF
            assert y[-1] == INF
        else:
            assert np.all((curve >= y[0]) & (curve <= y[-1]))


# --- symmetries -----------------------------------------------------------------------------------------------------


@given(samples())
def test_fits_of_mirror_images(search):
    one, other = answers(fit, search, search.mirrored())
    assert (other.alpha, other.beta, other.sigma) == (-one.beta, -one.alpha, one.sigma)
    assert whole(one) == whole(other)
    np.testing.assert_array_equal(one.quantile_tuning_curve(TRIALS), -other.quantile_tuning_curve(TRIALS))


@few
@given(samples())
def test_regions_of_mirror_images(search):
    one, other = answers(region, search, search.mirrored())
    assert one.gammas == other.gammas
    alpha, beta, sigma = intervals(one)
    np.testing.assert_array_equal(intervals(other), [-beta[::-1], -alpha[::-1], sigma])
    for mine, mirrored in zip(
        one.quantile_tuning_curve_band(TRIALS), other.quantile_tuning_curve_band(TRIALS)[::-1], strict=True
    ):
        np.testing.assert_array_equal(mine, -mirrored)


@pytest.mark.filterwarnings("ignore:.* repeat others")
@given(samples(), st.sampled_from(METHODS))
def test_bands_of_mirror_images(search, method):
    y = search.scores[np.isfinite(search.scores)]
    for one, other in zip(
        nqjax.confidence_bands(y, 0.8, method=method), nqjax.confidence_bands(-y, 0.8, method=method)[::-1], strict=True
    ):
        np.testing.assert_array_equal(
            one.quantile_tuning_curve(TRIALS), -other.quantile_tuning_curve(TRIALS, minimize=False)
        )


FACTORS = st.sampled_from([2.0**-960, 2.0**-20, 2.0**31, 2.0**960])


def scaled(search, factor):
    """The same search with the scores in other units; by a power of two nothing is rounded."""
    limits = (search.limits[0] * factor, search.limits[1] * factor)
    return search._replace(scores=search.scores * factor, limits=limits)


@given(samples((1.0,)), FACTORS)
def test_fits_in_other_units(search, factor):
    one, other = answers(fit, search, scaled(search, factor))
    np.testing.assert_array_equal(parameters(one) * factor, parameters(other))
    assert whole(one) == whole(other)
    assert other.regime_probability == pytest.approx(one.regime_probability, rel=1e-12)
    curve = one.quantile_tuning_curve(TRIALS)
    np.testing.assert_allclose(
        other.quantile_tuning_curve(TRIALS) / factor, curve, rtol=1e-9, atol=1e-9 * np.ptp(curve)
    )


@few
@given(samples((1.0,)), FACTORS)
def test_regions_in_other_units(search, factor):
    one, other = answers(region, search, scaled(search, factor))
    assert one.gammas == other.gammas
    np.testing.assert_array_equal(intervals(one) * factor, intervals(other))
    for mine, theirs in zip(
        one.quantile_tuning_curve_band(TRIALS), other.quantile_tuning_curve_band(TRIALS), strict=True
    ):
        np.testing.assert_array_equal(mine * factor, theirs)


def shifted(search, shift):
    limits = (search.limits[0] + shift, search.limits[1] + shift)
    return search._replace(scores=search.scores + shift, limits=limits)


#: On such a grid scores and their shifts by whole numbers are exact.
GRID = 2.0**-32


@given(samples((1.0,), grid=GRID), st.sampled_from([-4096.0, 1.0, 777.0]))
def test_fits_elsewhere(search, shift):
    one, other = answers(fit, search, shifted(search, shift))
    assert whole(one) == whole(other)
    assert one.sigma == other.sigma
    # Only the last step, back to the place of the scores, is rounded.
    np.testing.assert_allclose(parameters(one)[:2] + shift, parameters(other)[:2], rtol=1e-15, atol=1e-12)


@few
@given(samples((1.0,), grid=GRID), st.sampled_from([-4096.0, 1.0, 777.0]))
def test_regions_elsewhere(search, shift):
    one, other = answers(region, search, shifted(search, shift))
    assert one.gammas == other.gammas
    np.testing.assert_allclose(intervals(one)[:2] + shift, intervals(other)[:2], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(intervals(one)[2], intervals(other)[2], rtol=1e-12)


@given(samples(), st.randoms(use_true_random=False))
def test_the_order_of_the_trials_says_nothing(search, random):
    y = search.scores.tolist()
    random.shuffle(y)
    one, other = answers(fit, search, search._replace(scores=np.array(y)))
    np.testing.assert_array_equal(parameters(one), parameters(other))
    assert whole(one) == whole(other)


# --- statistics -----------------------------------------------------------------------------------------------------


def without_failures(search):
    """The same search with a score beyond the losing limit in place of each failed run."""
    worst = search.limits[1] if search.minimize else search.limits[0]
    beyond = worst + (1 if search.minimize else -1) * max(1.0, abs(worst))
    return search._replace(scores=np.where(np.isfinite(search.scores), search.scores, beyond))


@given(samples((1.0, 1e300), ("losing", "both"), (0.1, 0.3)))
def test_failed_runs_are_the_worst(search):
    """Where the losing side has a limit, a failed run is a score beyond it, for fits as for regions."""
    one, two = answers(fit, search, without_failures(search))
    np.testing.assert_array_equal(parameters(one), parameters(two))
    assert (one.loss, one.gamma) == (two.loss, two.gamma)


@few
@given(samples((1.0, 1e300), ("losing", "both"), (0.1, 0.3)))
def test_failed_runs_are_the_worst_for_regions(search):
    one, two = answers(region, search, without_failures(search))
    np.testing.assert_array_equal(intervals(one), intervals(two))


@given(st.sampled_from([1, 2, *SIZES, 60]), st.sampled_from(METHODS), st.floats(1e-4, 1 - 1e-6))
def test_coverage_of_bands(n, method, confidence):
    band = order_statistic_band(n, confidence, method)
    coverage = probability_within(band.low, band.high)
    assert coverage >= confidence - 2e-9
    assert method == "dkw" or coverage <= confidence + 2e-9


@few
@given(samples(), st.sampled_from([0.5, 0.8, 0.99]))
def test_a_region_holds_the_fit_that_keeps_within_the_band(search, confidence):
    found = answer(fit, search)
    assume(found is not None)
    sign = 1 if search.minimize else -1
    y = np.sort(np.where(np.isfinite(search.scores), sign * search.scores, INF))
    start, end = sorted(sign * np.array(found.limits))
    band = order_statistic_band(len(y), confidence)
    inside = (y > start) & (y <= end)
    places = np.append(y[inside], [x for x in (start, end) if math.isfinite(x)])
    i = np.searchsorted(y, places[inside.sum() :], side="right")
    least = np.append(band.low[inside], np.append(0.0, band.low)[i])
    most = np.append(band.high[inside], np.append(band.high, 1.0)[i])
    alpha = found.alpha if search.minimize else -found.beta
    delta = found.beta - found.alpha
    cdf = standard_cdf((places - alpha) / delta, found.sigma / delta, float(found.gamma))
    assume(np.all((cdf >= least + 1e-6) & (cdf <= most - 1e-6)))
    kept = nqjax.consonance_region(
        search.scores, limits=search.limits, minimize=search.minimize, confidence=confidence, gamma=GAMMA
    )
    assert found.gamma in kept.gammas
    scale = np.ptp(y[inside])
    for name in ("alpha", "beta", "sigma"):
        low, high = kept.interval(name)
        assert low - 1e-6 * scale <= getattr(found, name) <= high + 1e-6 * scale
