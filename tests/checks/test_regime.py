"""The regime: the tests keep their level, find what does not belong, and choose the published fits."""

import math

import numpy as np
import pytest

import nqjax
from nqjax.checks.null_distributions import p_value
from nqjax.checks.regime import find_regimes, fits_at_shares
from nqjax.errors import InputError
from nqjax.estimation.constraints import read_constraints
from support import searches

INF = math.inf
FREE = read_constraints(None, None, (1, 5), None, True)


def with_a_tail(rng, count, size, gamma, s, stretch=4.0):
    """Searches whose best 60 % are a regime, and its end; beyond it the scores run off."""
    y = np.stack([searches.draw(rng, size, gamma, s) for _ in range(count)])
    end = float(nqjax.NoisyQuadratic(0.0, 1.0, float(gamma), s).icdf(0.6))
    over = np.maximum(y - end, 0) / end
    return np.where(over > 0, end * (1 + np.expm1(stretch * over) / stretch), y), end


@pytest.mark.smoke
def test_a_search_with_a_tail_of_bad_scores():
    (y,), end = with_a_tail(np.random.default_rng(0), 1, 600, 2, 0.05)
    regime = nqjax.find_regime(y)
    assert regime.found
    assert regime.limits == (-INF, regime.threshold)
    assert 0.3 * end < regime.threshold < 1.3 * end
    assert regime.fit.gamma == 2
    assert regime.fit.alpha == pytest.approx(0, abs=0.05)
    assert regime.probability == pytest.approx(np.mean(y <= regime.threshold), abs=0.02)
    # It is the first of the path that is not rejected, and its fit is that of `nqjax.fit`.
    chosen = next(one for one in regime.path if one.p_value > regime.level)
    assert chosen.threshold == regime.threshold
    fit = nqjax.fit(y, limits=regime.limits)
    assert (fit.alpha, fit.beta, fit.gamma) == pytest.approx((chosen.fit.alpha, chosen.fit.beta, chosen.fit.gamma))
    assert [one.num_used for one in regime.path] == sorted((one.num_used for one in regime.path), reverse=True)


def test_the_mirror_image_is_exact():
    (y,), _ = with_a_tail(np.random.default_rng(1), 1, 100, 2, 0.1)
    one, other = nqjax.find_regime(y), nqjax.find_regime(-y, minimize=False)
    assert other.threshold == -one.threshold
    assert other.limits == (-one.limits[1], INF)
    assert [c.p_value for c in other.path] == [c.p_value for c in one.path]
    assert [c.misfit for c in other.path] == [c.misfit for c in one.path]


def test_location_scale_order_and_failed_runs_do_not_matter():
    rng = np.random.default_rng(2)
    (y,), _ = with_a_tail(rng, 1, 80, 1, 0.05)
    one = nqjax.find_regime(y)
    two = nqjax.find_regime(1024 * rng.permutation(y))
    assert two.threshold == 1024 * one.threshold
    assert [c.p_value for c in two.path] == pytest.approx([c.p_value for c in one.path], rel=1e-6)
    worst = y > np.sort(y)[70]
    failed = nqjax.find_regime(np.where(worst, np.nan, y))
    assert failed.threshold == one.threshold


@pytest.mark.parametrize(("gamma", "s"), [(2, 0.05), (1, 0.02)])
def test_a_true_regime_is_seldom_rejected(gamma, s):
    """The first candidate of pure noisy quadratics is true: no more than a tenth are rejected, within 4 errors."""
    rng = np.random.default_rng(3)
    found = find_regimes([searches.draw(rng, 60, gamma, s) for _ in range(200)], True, FREE, 0.1)
    rejected = np.mean([regime.path[0].p_value <= 0.1 for regime in found])
    assert rejected <= 0.1 + 4 * math.sqrt(0.1 * 0.9 / 200)
    # Each test by itself has p-values that are close to uniform.
    for name in ("misfit_p_value", "instability_p_value"):
        p = np.array([getattr(regime.path[0], name) for regime in found])
        for level in (0.1, 0.3):
            assert np.mean(p <= level) == pytest.approx(level, abs=0.03 + 4 * math.sqrt(level * (1 - level) / 200))


def test_too_large_a_regime_is_found_out():
    y, end = with_a_tail(np.random.default_rng(4), 40, 400, 1, 0.02, stretch=6.0)
    found = find_regimes(list(y), True, FREE, 0.1)
    # The largest candidate holds 65 % of the scores, the regime 60 %.
    assert np.mean([regime.threshold <= 1.05 * end for regime in found]) > 0.6
    assert np.mean([regime.fit.gamma == 1 for regime in found if regime.found]) > 0.8


@pytest.mark.parametrize(
    ("name", "draw"),
    [
        ("uniform", lambda rng: rng.uniform(2, 3, size=500)),
        ("bimodal", lambda rng: np.concatenate([rng.normal(1, 0.01, 15), rng.normal(2, 0.01, 485)])),
        ("a few values", lambda rng: rng.integers(0, 12, size=400) / 7.0),
    ],
)
def test_searches_without_a_regime(name, draw):
    regime = nqjax.find_regime(draw(np.random.default_rng(5)))
    assert not regime.found
    assert regime.fit is None
    assert math.isnan(regime.threshold)
    assert math.isnan(regime.probability)
    assert "uniform" in regime.reason if name == "uniform" else "no threshold is acceptable" in regime.reason


def test_few_scores():
    regime = nqjax.find_regime(np.random.default_rng(6).normal(size=9))
    assert regime.found
    assert len(regime.path) == 1
    with pytest.raises(InputError, match="4 different scores are too few"):
        nqjax.find_regime([1.0, 2.0, 3.0, 4.0, 4.0, math.nan])
    with pytest.raises(InputError, match="level"):
        nqjax.find_regime(np.arange(20.0), level=1.0)
    with pytest.raises(InputError, match="excludes the data"):
        nqjax.find_regime(np.arange(20.0), alpha=(100, 200))


def test_ties_at_the_thresholds():
    y = np.round(searches.draw(np.random.default_rng(7), 200, 2, 0.1), 2)
    regime = nqjax.find_regime(y)
    thresholds = [one.threshold for one in regime.path]
    assert len(set(thresholds)) == len(thresholds)
    assert all(one.num_used == np.sum(y <= one.threshold) for one in regime.path)


@pytest.mark.parametrize(
    ("name", "gamma", "best"),
    [("DeBERTaV3, error", 1, "alpha"), ("DeBERTaV3, accuracy", 1, "beta"), ("ConvNeXt, top-1", 2, "beta")],
)
def test_the_reference_searches(shared_data, name, gamma, best):
    """The published gamma, and the best score of the regime within the 95 % interval of the published fit."""
    search = searches.published(shared_data)[name]
    regime = nqjax.find_regime(search.scores, minimize=search.minimize, **search.constraints)
    assert regime.found
    assert regime.fit.gamma == gamma
    published = nqjax.profile_region(
        search.scores, limits=search.limits, minimize=search.minimize, **search.constraints
    )
    low, high = published.interval(best)
    assert low <= getattr(regime.fit, best) <= high


def test_p_values_fall_with_the_statistic():
    for name in ("misfit", "instability"):
        x = np.geomspace(1e-3, 50, 200)
        p = np.array([p_value(name, one, 0.05, 2.0, 40) for one in x])
        assert np.all(np.diff(p) <= 0)
        assert np.all((p > 0) & (p <= 1))
        assert p[0] > 0.9
        assert p[-1] < 1e-3
    assert p_value("instability", 0.0, 0.05, 2.0, 40) == 1
    assert p_value("misfit", 0.5, INF, 2.0, 10**6) > 0


def test_fits_at_shares():
    y = searches.draw(np.random.default_rng(8), 100, 2, 0.1)
    found = fits_at_shares(y, (0.25, 0.5))
    assert [share for share, *_ in found] == [0.25, 0.5]
    assert [fit.num_used for *_, fit in found] == [25, 50]
