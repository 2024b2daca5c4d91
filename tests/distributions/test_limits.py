"""Distributions without noise or without width, their equality and representation, and invalid numbers of trials."""

import math

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import opda.parametric
import pytest

import nqjax
from nqjax.distributions.quadratic import NoisyQuadratic, Quadratic
from nqjax.errors import InputError

pytestmark = pytest.mark.usefixtures("x64")

# NumPyro would warn of scores outside the support.
FAMILIES = {
    "Quadratic": lambda *args, **options: Quadratic(*args, **options, validate_args=False),
    "NoisyQuadratic": lambda *args, **options: NoisyQuadratic(*args, 0.0, **options),
}
both_families = pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
both_directions = pytest.mark.parametrize("convex", [True, False])


@both_families
@both_directions
def test_a_point_mass_is_opdas(family, convex):
    ours = family(0.5, 0.5, 1.0, convex=convex)
    theirs = opda.parametric.NoisyQuadraticDistribution(0.5, 0.5, 1, 0.0, convex=convex)
    y = np.array([-1.0, 0.5, np.nextafter(0.5, 0), np.nextafter(0.5, 1), 2.0])
    np.testing.assert_array_equal(ours.cdf(y), theirs.cdf(y))
    np.testing.assert_array_equal(np.exp(ours.log_prob(y)), theirs.pdf(y))
    np.testing.assert_array_equal(ours.icdf([0.0, 0.3, 1.0]), theirs.ppf(np.array([0.0, 0.3, 1.0])))
    np.testing.assert_array_equal(np.exp(ours.log_cdf(y)), theirs.cdf(y))
    np.testing.assert_array_equal(np.exp(ours.log_sf(y)), 1 - theirs.cdf(y))
    assert ours.mean == 0.5
    assert ours.variance == 0
    for minimize in (True, False):
        np.testing.assert_array_equal(ours.quantile_tuning_curve([1, 9], minimize=minimize), [0.5, 0.5])
        np.testing.assert_array_equal(ours.average_tuning_curve([1, 9], minimize=minimize), [0.5, 0.5])


@both_families
@both_directions
@pytest.mark.parametrize("gamma", [1, 2, 3])
def test_the_ends_are_opdas(family, convex, gamma):
    ours = family(0.25, 1.0, float(gamma), convex=convex)
    theirs = opda.parametric.QuadraticDistribution(0.25, 1.0, gamma, convex=convex)
    y = np.array([0.2, 0.25, 0.5, 1.0, 1.1])
    # The density at the better end is infinite, finite or 0 as gamma is 1, 2 or more.
    np.testing.assert_allclose(np.exp(ours.log_prob(y)), theirs.pdf(y), rtol=1e-14)
    np.testing.assert_allclose(ours.cdf(y), theirs.cdf(y), rtol=1e-14)


@both_families
@pytest.mark.parametrize("place", [1e-300, 1e-100, 1e-61, 1e-20, 0.5])
def test_logarithms_far_below_any_noise(family, place):
    for gamma in (1.0, 2.0, 7.3):
        d = family(0.0, 1.0, gamma)
        with mp.workdps(40):
            u = mp.mpf(place)
            exact = [mp.mpf(gamma) / 2 * mp.log(u), mp.log(mp.mpf(gamma) / 2) + (mp.mpf(gamma) / 2 - 1) * mp.log(u)]
            rest = mp.log1p(-mp.exp(exact[0]))
        assert float(d.log_cdf(place)) == pytest.approx(float(exact[0]), rel=1e-14)
        assert float(d.log_prob(place)) == pytest.approx(float(exact[1]), rel=1e-14, abs=1e-14)
        assert float(d.log_sf(place)) == pytest.approx(float(rest), rel=1e-13)


def test_gradients_without_noise_are_those_of_the_quadratic():
    def of(family, name):
        return jax.grad(lambda p: getattr(family(p[0], p[1], p[2]), name)(p[3]))

    for point in ([0.0, 1.0, 1.0, 0.3], [-2.0, 5.0, 3.3, 4.9]):
        for name in ("log_prob", "cdf", "log_cdf", "log_sf", "icdf"):
            inside = jnp.array(point if name != "icdf" else [*point[:3], 0.3])
            found, expected = (of(family, name)(inside) for family in FAMILIES.values())
            np.testing.assert_allclose(found, expected, rtol=1e-12)
    # At the ends and outside they are finite.
    for y in (-1.0, 0.0, 1.0, 2.0):
        for gamma in (1.0, 2.0, 3.0):
            for name in ("log_prob", "cdf", "log_cdf", "log_sf"):
                for family in FAMILIES.values():
                    assert np.all(np.isfinite(of(family, name)(jnp.array([0.0, 1.0, gamma, y]))))


def test_little_noise_joins_no_noise():
    # Where the formulas change, at 1e-60 of the width, nothing is to be seen.
    sigma = jnp.array([0.0, 0.9e-60, 1.1e-60, 1e-40])
    for gamma in (1.0, 2.0, 3.7):
        d = NoisyQuadratic(0.0, 1.0, gamma, sigma)
        for y in (1e-15, 0.3, 1 - 1e-15):
            for name in ("cdf", "log_cdf", "log_prob", "log_sf"):
                values = np.asarray(getattr(d, name)(y))
                np.testing.assert_allclose(values, values[0], rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_is_computed_in_single(dtype):
    parameters = [jnp.asarray(x, dtype) for x in (0.25, 1.0, 3.0, 0.125)]
    d, exact = NoisyQuadratic(*parameters), NoisyQuadratic(0.25, 1.0, 3.0, 0.125)
    y = jnp.asarray([0.125, 0.5, 0.75, 1.5], dtype)
    for name in ("cdf", "log_cdf", "log_prob", "log_sf"):
        found = getattr(d, name)(y)
        assert found.dtype == dtype
        np.testing.assert_allclose(found.astype(float), getattr(exact, name)(y.astype(float)), rtol=2e-2, atol=2e-2)
    assert np.all(np.isfinite(d.icdf(jnp.asarray([0.1, 0.5], dtype)).astype(float)))


# --- representation and equality ------------------------------------------------------------------------------------


def test_representation_shows_the_parameters():
    d = NoisyQuadratic(0.1, 0.5, 2, 0.02, convex=False)
    assert repr(d) == "NoisyQuadratic(alpha=0.1, beta=0.5, gamma=2., sigma=0.02, convex=False)"
    assert repr(Quadratic([0.0, 0.25], 0.5, 1)) == "Quadratic(alpha=[0. , 0.25], beta=[0.5], gamma=[1.], convex=True)"
    assert len(repr(Quadratic(np.zeros(1000), 1.0))) < 200
    seen = []
    jax.jit(lambda a: seen.append(repr(Quadratic(a, 1.0))) or a)(0.0)
    assert "alpha=" in seen[0]


def test_distributions_with_equal_parameters_are_equal():
    one, other = NoisyQuadratic(0.1, 0.5, 2, 0.02), NoisyQuadratic(0.1, 0.5, 2, 0.02)
    assert one == other
    assert hash(one) == hash(other)
    different = [
        NoisyQuadratic(0.1, 0.5, 2, 0.03),
        NoisyQuadratic(0.1, 0.5, 2, 0.02, convex=False),
        NoisyQuadratic([0.1], 0.5, 2, 0.02),
        Quadratic(0.1, 0.5, 2),
        "a distribution",
    ]
    assert all(one != d for d in different)
    assert NoisyQuadratic([0.1, 0.1], 0.5, 2, 0.02) == NoisyQuadratic(0.1, [0.5, 0.5], 2, 0.02)
    assert jax.tree.unflatten(jax.tree.structure(one), jax.tree.leaves(one)) == one


# --- numbers of trials ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [0, -1, [1, 0], math.nan])
def test_numbers_of_trials_are_positive_everywhere(n):
    scores = np.random.default_rng(0).random(48)
    fit = nqjax.fit(scores, limits=(-math.inf, math.inf), gamma=2, sigma=0)
    bands = nqjax.confidence_bands(scores, support=(0, 1))
    empirical = nqjax.Empirical(scores)
    curves = [
        *(f for d in (NoisyQuadratic(), Quadratic(), fit) for f in (d.quantile_tuning_curve, d.average_tuning_curve)),
        *(getattr(empirical, f"{name}_tuning_curve") for name in ("quantile", "average", "naive", "u", "v")),
        bands.quantile_tuning_curve,
        bands.quantile_tuning_curve_band,
    ]
    for curve in curves:
        with pytest.raises(InputError, match="positive"):
            curve(n)


def test_traced_numbers_of_trials_are_not_checked():
    curve = jax.jit(lambda n: NoisyQuadratic().quantile_tuning_curve(n))
    assert np.isfinite(curve(3.0))
