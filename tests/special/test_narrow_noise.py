"""Polynomials for whole gammas and narrow noise: against 40-digit values, the quadrature, and themselves under jit."""

import functools

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

import nqjax
from nqjax.special import by_quadrature, fast_cdf, narrow_noise, narrow_quantile, power_moments
from nqjax.special.log_probability import log_complement
from nqjax.special.quantile import quantile_by_newton

pytestmark = pytest.mark.usefixtures("x64")

EPS = np.finfo(float).eps
GAMMAS = range(1, power_moments.LARGEST_GAMMA + 1)


def exact_moment(gamma: int, order: int, z: float) -> mp.mpf:
    """The moment's derivative by its parabolic cylinder function."""
    p = mp.mpf(gamma) / 2
    value = mp.exp(-(mp.mpf(z) ** 2) / 4) * mp.pcfd(order - p - 1, -mp.mpf(z))
    return mp.gamma(p + 1) * value / mp.sqrt(2 * mp.pi)


@pytest.mark.parametrize("gamma", GAMMAS)
def test_moments_are_the_exact_ones(gamma):
    """On all pieces and at their ends, to rounding: 40 multiplications, and z**2 / 2 in the exponent."""
    rng = np.random.default_rng(gamma)
    places = np.concatenate([[-30, -1e-9, 0, 1e-9, 4 - 1e-9, 4, 12 - 1e-9], rng.uniform(-37, 12, 60)])
    far = np.concatenate([[12.0, 13], 12 / rng.uniform(0.05, 1, 20)])
    size = jnp.full(1, float(gamma))
    table = power_moments.polynomials(size)
    values, exponent = power_moments.left_moments(jnp.asarray(places), size, table, (0, 1))
    beyond = power_moments.far_moments(jnp.asarray(far), table, (0, 1))
    with mp.workdps(40):
        for order in (0, 1):
            logs = np.log(np.asarray(values[order])) + np.asarray(exponent)
            exact = [float(mp.log(exact_moment(gamma, order, z))) for z in places]
            # For the largest gammas a piece's values span a factor of a thousand; rounding is relative to the largest.
            np.testing.assert_allclose(logs, exact, rtol=4 * EPS, atol=(20 if gamma <= 6 else 200) * EPS)
            exact = [float(exact_moment(gamma, order, z) / mp.mpf(z) ** (mp.mpf(gamma) / 2 - order)) for z in far]
            np.testing.assert_allclose(np.asarray(beyond[order]), exact, rtol=20 * EPS)


def test_the_third_moment_follows_from_two():
    """gamma / 2 * M = z M' + M''."""
    z = jnp.linspace(12.0, 15.0, 50)
    for gamma in (1.0, 3.0, 5.0, 8.0):
        table = power_moments.polynomials(jnp.full(1, gamma))
        m, slope, curve = power_moments.far_moments(z, table, (0, 1, 2))
        # In units of z**(gamma/2), where the difference loses the digits of z**2.
        np.testing.assert_allclose(gamma / 2 * m - slope, curve / z**2, rtol=0, atol=1e-14 * gamma**2)


@functools.cache
def points(seed: int = 0) -> np.ndarray:
    """Places r, delta = 1, sigma and gamma over the whole range of the formulas: shape (4, points)."""
    rng = np.random.default_rng(seed)
    count = 20_000
    s = 10 ** rng.uniform(-9, np.log10(1 / narrow_noise.NARROW), count)
    near_low, near_high = s * rng.uniform(-36, 40, count), 1 - s * rng.uniform(-9, 20, count)
    r = np.choose(rng.integers(0, 3, count), [near_low, rng.uniform(0, 1, count), near_high])
    r = np.minimum(r, 1 + 0.99 * narrow_noise.REACH * s)
    return np.stack([r, np.ones(count), s, rng.integers(1, power_moments.LARGEST_GAMMA + 1, count)])


@pytest.mark.parametrize("name", ["cdf", "log_cdf", "log_sf", "log_pdf"])
def test_narrow_noise_equals_quadrature(name):
    """Two methods that share nothing but r, delta, sigma and gamma; the quadrature is tested against 40 digits."""
    quadrature = {
        "cdf": fast_cdf.cdf_by_quadrature,
        "log_cdf": by_quadrature.log_cdf,
        "log_sf": by_quadrature.log_sf,
        "log_pdf": by_quadrature.log_pdf,
    }[name]
    r, delta, s, gamma = points()
    ours = np.asarray(jax.jit(getattr(narrow_noise, name))(r, delta, s, gamma))
    theirs = np.asarray(jax.jit(functools.partial(quadrature, bits=0))(r, delta, s, gamma))
    # Rounding of r changes a place by EPS / s sigmas and, gamma / 2 times, the power; both methods have it.
    place = EPS / s * (1 + np.minimum(np.abs(r), np.abs(r - 1)) / s)
    tolerance = 1e-13 if name == "cdf" else 1e-12 + 10 * place
    assert np.max(np.abs(ours - theirs) / tolerance) < 1


@pytest.mark.parametrize("s", [1 / 24.1, 0.02, 1e-4])
def test_quantiles_equal_the_safeguarded_solver(s):
    rng = np.random.default_rng(0)
    log_p = np.concatenate([-rng.exponential(size=500), -(10 ** rng.uniform(-15, 2.5, 500))])
    log_q = np.asarray(log_complement(jnp.asarray(log_p)))
    keep = log_q > narrow_quantile._LEAST_LOG_TAIL
    log_p, log_q = log_p[keep], log_q[keep]
    for gamma in GAMMAS:
        arguments = jnp.asarray(log_p), jnp.asarray(log_q), *(jnp.full(1, x) for x in (1.0, s, float(gamma)))
        ours, theirs = jax.jit(narrow_quantile.quantile)(*arguments), jax.jit(quantile_by_newton)(*arguments)
        np.testing.assert_allclose(ours, theirs, rtol=1e-13, atol=1e-13 * s)


def test_an_array_of_gammas_is_each_of_them():
    y = jnp.linspace(0.0, 1.0, 60)
    gamma = jnp.asarray(np.resize([1.0, 2.0, 5.0], 60))
    together = nqjax.NoisyQuadratic(0.0, 1.0, gamma, 0.02)
    for i in range(0, 60, 7):
        alone = nqjax.NoisyQuadratic(0.0, 1.0, gamma[i], 0.02)
        np.testing.assert_allclose(together.cdf(y)[i], alone.cdf(y[i]), rtol=10 * EPS)
        np.testing.assert_allclose(together.icdf(y)[i], alone.icdf(y[i]), rtol=10 * EPS, atol=10 * EPS)


@pytest.mark.parametrize("gamma", [2.0, 2.5])
@pytest.mark.parametrize("sigma", [0.02, 0.3])
def test_mapped_and_traced_is_eager(gamma, sigma):
    """Under `vmap` the call is broadcast, so that one formula is computed, not all of them."""
    y = jnp.linspace(-0.1, 1.1, 30)

    def of(function):
        return lambda g, s, y: getattr(nqjax.NoisyQuadratic(0.0, 1.0, g, s), function)(y)

    for function in ("cdf", "log_prob"):
        eager = of(function)(gamma, sigma, y)
        np.testing.assert_allclose(jax.jit(of(function))(gamma, sigma, y), eager, rtol=10 * EPS, atol=10 * EPS)
        mapped = jax.vmap(of(function), in_axes=(None, None, 0))(gamma, sigma, y)
        np.testing.assert_allclose(mapped, eager, rtol=20 * EPS, atol=20 * EPS)
        over_parameters = jax.vmap(of(function), in_axes=(0, 0, None))(
            jnp.array([gamma, 3.0]), jnp.array([sigma, 0.01]), y
        )
        np.testing.assert_allclose(over_parameters[0], eager, rtol=1e-12, atol=1e-13)


def test_a_mapped_choice_stays_a_choice():
    """A mapped condition would be a selection, for which every formula is computed."""
    text = str(
        jax.make_jaxpr(jax.vmap(lambda g, y: nqjax.NoisyQuadratic(0.0, 1.0, g, 0.02).cdf(y)))(jnp.ones(3), jnp.ones(3))
    )
    assert "cond[" in text


def test_no_parameters_and_no_places():
    empty = nqjax.NoisyQuadratic(0.0, 1.0, jnp.zeros(0) + 2, 0.02)
    assert empty.cdf(0.3).shape == empty.log_prob(0.3).shape == empty.icdf(0.3).shape == (0,)
    assert nqjax.NoisyQuadratic(0.0, 1.0, 2.0, 0.02).cdf(jnp.zeros(0)).shape == (0,)
