"""Uniform and normal draws: the generator's bits are JAX's own, the normal quantile SciPy's."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats

from nqjax.special import uniforms

DOUBLE = jnp.dtype("float64")
SINGLE = jnp.dtype("float32")


@pytest.mark.parametrize("shape", [(), (5,), (3, 4)])
def test_the_bits_are_those_of_jax(x64, shape):
    for key in (jax.random.key(5), jax.random.PRNGKey(7)):
        high, low = uniforms._words(key, shape)
        together = (high.astype(jnp.uint64) << 32) | low.astype(jnp.uint64)
        np.testing.assert_array_equal(together, jax.random.bits(key, shape, jnp.uint64))


def test_other_generators_serve(x64):
    key = jax.random.key(0, impl="rbg")
    draws = np.asarray(uniforms.uniform(key, (1000,), DOUBLE))
    assert scipy.stats.kstest(draws, "uniform").pvalue > 1e-4


def test_keys_can_be_mapped(x64):
    keys = jax.random.split(jax.random.key(3), 4)
    together = jax.vmap(lambda key: uniforms.uniform(key, (6,), DOUBLE))(keys)
    for key, row in zip(keys, together, strict=True):
        np.testing.assert_array_equal(row, uniforms.uniform(key, (6,), DOUBLE))


def test_the_normal_quantile(x64):
    """The relative error is below 2e-12 down to the smallest draw: no number of draws could show it."""
    u = np.concatenate([np.linspace(0.001, 0.999, 2001), 2.0 ** -np.arange(2, 55), 1 - 2.0 ** -np.arange(2, 54)])
    np.testing.assert_allclose(uniforms.normal_quantile(jnp.asarray(u)), scipy.special.ndtri(u), rtol=2e-12, atol=1e-14)


@pytest.mark.parametrize("dtype", [DOUBLE, SINGLE])
def test_draws_are_inside_and_normal(x64, dtype):
    u = np.asarray(uniforms.uniform(jax.random.key(1), (200_000,), dtype))
    assert u.dtype == dtype
    assert 0 < u.min() < u.max() < 1
    assert scipy.stats.kstest(u.astype(float), "uniform").pvalue > 1e-4
    z = np.asarray(uniforms.normal(jax.random.key(2), (200_000,), dtype))
    assert scipy.stats.kstest(z.astype(float), "norm").pvalue > 1e-4


def test_single_precision_without_double():
    z = uniforms.normal(jax.random.key(2), (1000,), SINGLE)
    assert z.dtype == SINGLE
    assert bool(jnp.all(jnp.isfinite(z)))


def test_half_precision_is_finite():
    z = uniforms.normal(jax.random.key(2), (100_000,), jnp.dtype("float16"))
    assert z.dtype == jnp.float16
    assert bool(jnp.all(jnp.isfinite(z)))
