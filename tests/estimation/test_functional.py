"""Fitting inside compiled programs gives what `nqjax.fit` gives."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import nqjax
from support import searches

INF = math.inf


@functools.cache
def compiled(minimize):
    """Return one compiled fit for all cases of a direction."""
    return jax.jit(lambda y, *ends: nqjax.fit_arrays(y, ends, minimize=minimize))


def cases():
    rng = np.random.default_rng(2)
    y = searches.draw(rng, 100, 2, 0.2)
    tied = np.round(y, 2)
    failed = np.where(np.arange(100) < 9, np.nan, y)
    yield "plain", y, (-INF, INF), True
    yield "ties and two limits", tied, (float(np.sort(tied)[2]), float(np.sort(tied)[70])), True
    yield "failures, maximised", -failed, (-0.5, INF), False


@pytest.mark.parametrize(("name", "scores", "limits", "minimize"), list(cases()))
def test_inside_jit(name, scores, limits, minimize):
    with jax.enable_x64(True):
        found = jax.tree.map(np.asarray, compiled(minimize)(scores, *limits))
    fit = nqjax.fit(scores, limits=limits, minimize=minimize)
    assert found.gamma == fit.gamma
    assert found.loss == pytest.approx(fit.loss, abs=1e-9)
    np.testing.assert_allclose(found.losses, list(fit.losses_by_gamma.values()), atol=1e-7)
    # A parameter that the scores hardly tell has fewer digits than the loss.
    for parameter in ("alpha", "beta", "sigma"):
        assert getattr(found, parameter) == pytest.approx(getattr(fit, parameter), abs=1e-3)


@pytest.mark.smoke
def test_batches_maps_and_bad_members():
    rng = np.random.default_rng(0)
    scores = rng.uniform(size=(2, 3, 80)) ** 2 + 0.1 * rng.normal(size=(2, 3, 80))
    scores[0, 1], scores[1, 2] = 0.5, np.nan
    with jax.enable_x64(True):
        batch = jax.jit(lambda y: nqjax.fit_arrays(y, (-INF, 0.6), gamma=(1, 3)))
        found, mapped = batch(scores), jax.jit(jax.vmap(batch))(scores)
        for one, other in zip(found, mapped, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-9)
        found = jax.tree.map(np.asarray, found)
    assert found.losses.shape == (2, 3, 3)
    bad = np.zeros((2, 3), bool)
    bad[0, 1] = bad[1, 2] = True
    np.testing.assert_array_equal(np.isnan(found.alpha), bad)
    np.testing.assert_array_equal(found.gamma == 0, bad)
    assert found.loss[0, 0] == pytest.approx(nqjax.fit(scores[0, 0], limits=(-INF, 0.6), gamma=(1, 3)).loss, abs=1e-9)


def test_single_precision_is_the_dtype_of_the_scores():
    rng = np.random.default_rng(0)
    scores = (rng.uniform(size=300) ** 2 + 0.1 * rng.normal(size=300)).astype(np.float32)
    found = jax.jit(lambda y: nqjax.fit_arrays(y, (-INF, 0.6)))(jnp.asarray(scores))
    assert found.alpha.dtype == np.float32
    fit = nqjax.fit(scores, limits=(-INF, 0.6))
    assert found.gamma == fit.gamma
    assert float(found.loss) == pytest.approx(fit.loss, abs=2e-5)


def test_whole_numbers_are_scores():
    assert np.isfinite(nqjax.fit_arrays(jnp.arange(20), gamma=(1, 2)).loss)


def test_mistakes():
    for scores, options, part in (
        (jnp.ones(5, jnp.bfloat16), {}, "float32"),
        (jnp.ones((0, 30)), {}, "shape"),
        (jnp.ones(()), {}, "shape"),
        (jnp.ones(5), {"sigma": 0}, "some noise"),
    ):
        with pytest.raises(nqjax.InputError, match=part):
            nqjax.fit_arrays(scores, **options)
    with pytest.raises(nqjax.InputError, match="gamma"):
        nqjax.fit_arrays(jnp.ones(5), gamma=(0, 3))
