"""The bootstrap: its resamples are what `nqjax.fit` makes of them, and its intervals are the textbook's."""

import math
import pickle

import jax
import numpy as np
import pytest
import scipy.stats

import nqjax
from nqjax.confidence.bootstrap import _bca
from nqjax.errors import InputError
from nqjax.estimation import resamples
from nqjax.estimation.spacings import spacings
from nqjax.estimation.study import Study
from support import searches

INF = math.inf


def drawn(scores, count, key):
    """Draw the scores of the first resamples."""
    ranks = np.asarray(resamples._draw(key, 0, count=count, size=len(scores)))
    return [np.asarray(scores)[row] for row in ranks]


def case(name):
    rng = np.random.default_rng(1)
    y = searches.draw(rng, 60, 2, 0.05)
    if name == "plain":
        return y, (-INF, INF), True
    if name == "maximised with failures":
        y[:7] = np.nan
        return -y, (-0.6, INF), False
    if name == "two limits, ties, one at the limit":
        y = np.round(y, 2)
        return y, (float(np.sort(y)[3]), float(np.sort(y)[40])), True
    if name == "winning side censored":
        return y, (float(np.sort(y)[5]), INF), True
    raise ValueError(name)


CASES = ("plain", "maximised with failures", "two limits, ties, one at the limit", "winning side censored")


@pytest.mark.parametrize("name", CASES)
def test_resamples_are_what_fit_makes_of_them(name):
    scores, limits, minimize = case(name)
    key = jax.random.key(3)
    boot = nqjax.bootstrap(scores, 40, key=key, limits=limits, minimize=minimize)
    direct = nqjax.fit_many(drawn(scores, 40, key), limits=limits, minimize=minimize)
    # Where the winning side is censored alpha may run off to a bound, which depends on the range of the scores.
    np.testing.assert_allclose(boot.loss, direct.loss, atol=1e-3 if name == "winning side censored" else 1e-8)
    assert np.median(np.abs(boot.loss - direct.loss)) < 1e-9
    assert np.mean(boot.gamma == direct.gamma) > 0.95
    assert np.median(np.abs(boot.alpha - direct.alpha)) < 1e-6
    whole = nqjax.fit(scores, limits=limits, minimize=minimize)
    assert boot.fit.loss == pytest.approx(whole.loss, abs=1e-10)
    assert np.all(boot.gradient_norm[boot.converged] <= 1e-3)


@pytest.mark.parametrize("name", CASES)
def test_spacings_of_resamples(name):
    """Knots and counts are to the last digit those of the resampled scores."""
    scores, limits, minimize = case(name)
    key = jax.random.key(3)
    study = Study.read(scores, limits, minimize)
    resampler = resamples.Resampler.make(study, key, "float64", tuple(jax.devices()))
    knots, shares, used = resampler._knots(resampler.draw(0, 200))
    for i, sample in enumerate(drawn(scores, 200, key)):
        expected = spacings(sample, limits, minimize)
        n = used[i]
        np.testing.assert_array_equal(
            knots[i, 1 : n + 1], (expected.knots - resampler.scaled.location) / resampler.scaled.scale
        )
        np.testing.assert_allclose(shares[i, : n + 1] * (len(scores) + 1), expected.counts, rtol=1e-12)
        assert not np.any(shares[i, n + 1 :])
        assert np.all(knots[i, n + 1 :] == 1e12)


@pytest.mark.smoke
def test_warm_starts_find_the_same():
    rng = np.random.default_rng(0)
    scores = searches.draw(rng, 400, 1, 0.05)
    key, limits = jax.random.key(0), (-INF, 0.6)
    boot = nqjax.bootstrap(scores, 400, key=key, limits=limits)
    last = drawn(scores, 400, key)[resamples.AUDITED :]
    direct = nqjax.fit_many(last, limits=limits)
    # The first resamples are fitted from all starts; then few evaluations must do.
    assert boot._evaluations / 400 < 150
    np.testing.assert_allclose(boot.loss[resamples.AUDITED :], direct.loss, atol=1e-6)
    assert np.all(boot.gradient_norm <= 1e-6)


def test_a_resample_depends_on_the_key_and_its_number_alone():
    scores, limits, _ = case("plain")
    few, more = (nqjax.bootstrap(scores, n, key=jax.random.key(1), limits=limits) for n in (20, 150))
    np.testing.assert_array_equal(few.alpha, more.alpha[:20])
    other = nqjax.bootstrap(scores, 20, key=jax.random.key(2), limits=limits)
    assert not np.any(few.alpha == other.alpha)


def test_resamples_that_cannot_be_fitted():
    scores = [0.1, 0.2, 0.3, 0.4, 9.0, 9.0, 9.0, 9.0]
    boot = nqjax.bootstrap(scores, 60, key=jax.random.key(0), limits=(-INF, 1.0))
    distinct = [len({x for x in y if x <= 1}) for y in drawn(scores, 60, jax.random.key(0))]
    np.testing.assert_array_equal(np.isnan(boot.loss), np.array(distinct) < 3)
    assert 0 < boot.num_failed < 60
    assert not np.any(boot.converged[np.array(distinct) < 3])
    assert sum(boot.gamma_probabilities.values()) == pytest.approx(1)
    assert np.isnan(boot.quantile_tuning_curves([1, 2])[boot.gamma == 0]).all()


def test_without_noise():
    rng = np.random.default_rng(0)
    scores = rng.uniform(size=50) ** 2
    boot = nqjax.bootstrap(scores, 30, key=jax.random.key(0), sigma=0, threshold=None)
    assert np.all(boot.sigma == 0)
    direct = nqjax.fit_many(drawn(scores, 30, jax.random.key(0)), sigma=0, threshold=None)
    np.testing.assert_allclose(boot.loss, direct.loss, atol=1e-8)


@pytest.fixture(scope="module")
def boot():
    scores, limits, _ = case("plain")
    return nqjax.bootstrap(scores, 600, key=jax.random.key(5), limits=limits, gamma=(1, 3))


def test_percentile_interval(boot):
    assert boot.interval("alpha", 0.9) == pytest.approx(np.quantile(boot.alpha, [0.05, 0.95]))
    assert boot.interval("gamma", 0.9) == tuple(np.sort(boot.gamma)[[30, 569]])
    assert list(boot.gamma_probabilities) == [1, 2, 3]
    assert boot.gamma_probabilities[2] == np.mean(boot.gamma == 2)


def test_bca_interval_is_the_textbooks(boot):
    """Efron 1987, with the jackknife by brute force."""
    scores, limits, _ = case("plain")
    left_out = nqjax.fit_many([np.delete(scores, i) for i in range(len(scores))], limits=limits, gamma=(1, 3))
    pull = left_out.beta.mean() - left_out.beta
    a = np.sum(pull**3) / (6 * np.sum(pull**2) ** 1.5)
    z0 = scipy.stats.norm.ppf(np.mean(boot.beta < boot.fit.beta))
    z = scipy.stats.norm.ppf([0.025, 0.975])
    shares = scipy.stats.norm.cdf(z0 + (z0 + z) / (1 - a * (z0 + z)))
    assert boot.interval("beta", method="bca") == pytest.approx(np.quantile(boot.beta, shares), rel=1e-5)


@pytest.mark.smoke
def test_tuning_curves(boot):
    curves = boot.quantile_tuning_curves([1, 10, 100])
    assert curves.shape == (600, 3)
    assert np.all(np.diff(curves, axis=1) < 0)
    i = 17
    d = nqjax.NoisyQuadratic(boot.alpha[i], boot.beta[i], float(boot.gamma[i]), boot.sigma[i])
    np.testing.assert_allclose(curves[i], d.quantile_tuning_curve(np.array([1.0, 10.0, 100.0])), rtol=1e-4)
    band = boot.quantile_tuning_curve_band([1, 10, 100], confidence=0.9)
    np.testing.assert_allclose(band, np.quantile(curves, [0.05, 0.95], axis=0))
    np.testing.assert_array_equal(boot.quantile_tuning_curve([1, 10]), boot.fit.quantile_tuning_curve([1, 10]))
    assert boot.quantile_tuning_curves(7).shape == (600,)


def test_bca_needs_every_study_with_one_left_out():
    boot = nqjax.bootstrap([0.1, 0.2, 0.4], 300, key=jax.random.key(0), gamma=(1, 3), threshold=None)
    with pytest.raises(InputError, match="without each score"):
        boot.interval("alpha", method="bca")


def test_it_can_be_stored(boot):
    again = pickle.loads(pickle.dumps(boot))
    assert again.interval("alpha", method="bca") == boot.interval("alpha", method="bca")
    assert again.quantile_tuning_curves([[1, 2], [3, 4]]).shape == (600, 2, 2)
    old = nqjax.bootstrap(case("plain")[0], 10, key=jax.random.PRNGKey(5), gamma=(1, 3), threshold=None)
    new = nqjax.bootstrap(case("plain")[0], 10, key=jax.random.key(5), gamma=(1, 3), threshold=None)
    np.testing.assert_array_equal(old.alpha, new.alpha)


_TAILS = np.array([0.0005, 0.9995])


@pytest.mark.parametrize(
    ("call", "part"),
    [
        (lambda b: b.interval("delta"), "no parameter"),
        (lambda b: b.interval("alpha", 1.0), "between 0 and 1"),
        (lambda b: b.interval("alpha", 0.999), "too few"),
        (lambda b: b.interval("alpha", method="t"), "no method"),
        (lambda b: b.interval("gamma", method="bca"), "discrete"),
        (lambda b: b.interval("regime_probability", method="bca"), "no BCa"),
        (lambda b: b.quantile_tuning_curve([0]), "positive"),
        (lambda b: _bca(0.975 * np.ones(2), np.arange(100.0), 99.4, np.arange(5.0), np.ones(5)), "beyond"),
        (lambda b: _bca(_TAILS, np.arange(100.0), 50.0, np.array([1e9] + [0.0] * 999), np.ones(1000)), "beyond"),
        (lambda b: nqjax.bootstrap([1.0, 2.0, 3.0], 9, key=0, threshold=None), "random key"),
        (
            lambda b: nqjax.bootstrap([1.0, 2.0, 3.0], 9, key=jax.random.split(jax.random.key(0)), threshold=None),
            "random key",
        ),
        (lambda b: nqjax.bootstrap([1.0, 2.0, 3.0], 1e2, key=jax.random.key(0), threshold=None), "whole number"),
        (lambda b: nqjax.bootstrap([1.0, 2.0, 3.0], 0, key=jax.random.key(0), threshold=None), "at least 1"),
        (lambda b: nqjax.bootstrap([1.0, 2.0], 9, key=jax.random.key(0), threshold=None), "too few"),
    ],
)
def test_mistakes(boot, call, part):
    with pytest.raises(InputError, match=part):
        call(boot)


def test_ctrl_c_returns_what_is_done(monkeypatch):
    scores, limits, _ = case("plain")
    real = resamples.Resampler.resampled

    def interrupted(self, count):
        yield next(real(self, count))
        raise KeyboardInterrupt

    monkeypatch.setattr(resamples.Resampler, "resampled", interrupted)
    options = {"key": jax.random.key(0), "limits": limits}
    with pytest.raises(KeyboardInterrupt):
        nqjax.bootstrap(scores, 200, **options)
    boot = nqjax.bootstrap(scores, 200, on_interrupt="return", **options)
    assert 0 < boot.num_resamples < 200
    assert np.all(boot.converged)


def test_single_precision():
    scores, limits, _ = case("plain")
    double, single = (
        nqjax.bootstrap(scores, 100, key=jax.random.key(0), limits=limits, gamma=2, dtype=t)
        for t in ("float64", "float32")
    )
    assert np.quantile(np.abs(single.loss - double.loss), 0.9) < 1e-5
    assert np.quantile(np.abs(single.alpha - double.alpha), 0.9) < 0.01 * double.alpha.std()


@pytest.mark.slow
def test_the_reference_search_against_a_cold_multi_start(shared_data):
    search = searches.published(shared_data)["DeBERTaV3, error"]
    key = jax.random.key(1)
    boot = nqjax.bootstrap(search.scores, 500, key=key, limits=search.limits)
    direct = nqjax.fit_many(drawn(search.scores, 500, key), limits=search.limits)
    worse = boot.loss - direct.loss
    assert np.mean(np.abs(worse) < 1e-6) >= 0.998
    assert worse.max() < 1e-3
    assert np.all(boot.gradient_norm <= 1e-6)
