"""Single precision agrees with double within its precision, at every scale; nothing is NaN; mirror images are equal."""

import functools
import itertools
import math
from collections.abc import Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nqjax.distributions.quadratic import NoisyQuadratic, Quadratic
from nqjax.special import noisy_quadratic

EPS = float(np.finfo(np.float32).eps)
TINY = float(np.finfo(np.float32).tiny)
FUNCTIONS = ("log_prob", "cdf", "log_cdf", "log_sf")


@pytest.fixture(scope="module", autouse=True)
def programs() -> Iterator[None]:
    """Drop the programs compiled here: each takes memory maps, of which a process has a limited number."""
    yield
    jax.clear_caches()


class Points(NamedTuple):
    """Scores and parameters, all numbers of single precision in an array of double precision."""

    y: np.ndarray
    alpha: np.ndarray
    beta: np.ndarray
    gamma: np.ndarray
    sigma: np.ndarray

    def single(self) -> "Points":
        return Points(*(x.astype(np.float32) for x in self))

    def some(self, which: np.ndarray | slice) -> "Points":
        return Points(*(x[which] for x in self))


def rounded(x: np.ndarray) -> np.ndarray:
    """Round to single precision; numbers so small that they have fewer digits become 0, as XLA takes them."""
    with np.errstate(under="ignore"):
        x = np.clip(x, -1e36, 1e36).astype(np.float32).astype(np.float64)
    return np.where(np.abs(x) < TINY, 0.0, x)


@functools.cache
def extreme_points(count: int, seed: int) -> Points:
    """Widths and offsets of 60 orders of magnitude, noise from none to far more than the width, scores everywhere."""
    rng = np.random.default_rng(seed)

    def power(low: float, high: float) -> np.ndarray:
        return 10 ** rng.uniform(low, high, count)

    def one_of(*choices: np.ndarray | float) -> np.ndarray:
        number = rng.integers(0, len(choices), count)
        return np.choose(number, [np.broadcast_to(c, count) for c in choices])

    width = one_of(1.0, power(-3, 3), power(-30, 30), power(-30, 30))
    width = np.where(rng.random(count) < 0.05, 0.0, width)
    span = np.where(width > 0, width, 1.0)
    sign = rng.choice([-1.0, 1.0], count)
    alpha = rounded(one_of(0.0, 0.0, sign * span * power(-3, 3), -span))
    beta = rounded(np.maximum(alpha, alpha + width))
    sigma = rounded(span * one_of(0.0, power(-40, -15), power(-18, 0), power(-6, 1), power(0, 10)))
    gamma = rounded(one_of(rng.integers(1, 11, count), rng.integers(1, 51, count), rng.uniform(1, 50, count)))
    end = one_of(alpha, beta)
    normal = rng.normal(size=count)
    y = one_of(
        alpha,
        beta,
        alpha + width * rng.random(count),
        alpha + width * power(-38, 0),
        beta - width * power(-8, 0),
        end + sigma * normal,
        end + 10 * sigma * normal,
        end + span * normal * power(-6, 6),
        alpha + width * rng.random(count) + sigma * normal,
    )
    return Points(rounded(y), alpha, beta, gamma, sigma)


def distribution(p: Points, convex: bool = True) -> NoisyQuadratic:
    return NoisyQuadratic(p.alpha, p.beta, p.gamma, p.sigma, convex=convex)


def mirrored(p: Points) -> Points:
    return p._replace(y=-p.y, alpha=-p.beta, beta=-p.alpha)


# --- no NaN, and mirror images ----------------------------------------------------------------------------------------

_MIRROR = {"log_prob": "log_prob", "log_cdf": "log_sf", "log_sf": "log_cdf"}


@functools.cache
def _slopes(name: str, convex: bool):
    def value(y: jax.Array, alpha: jax.Array, beta: jax.Array, gamma: jax.Array, sigma: jax.Array) -> jax.Array:
        return getattr(NoisyQuadratic(alpha, beta, gamma, sigma, convex=convex), name)(y)

    def both(*p: jax.Array) -> tuple[jax.Array, tuple[jax.Array, ...]]:
        result, pullback = jax.vjp(value, *p)
        return result, pullback(jnp.ones_like(result))

    return jax.jit(both)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_no_nan_in_values_and_gradients(name, dtype):
    points = extreme_points(200_000 if dtype == "float32" else 20_000, seed=1)
    with jax.enable_x64(dtype == "float64"):
        value, slopes = _slopes(name, True)(*(points if dtype == "float64" else points.single()))
        value, slopes = np.asarray(value), [np.asarray(x) for x in slopes]
    assert value.dtype == dtype
    assert not np.isnan(value).any()
    for slope in slopes:
        assert slope.dtype == dtype
        assert not np.isnan(slope).any()
    by_sigma = slopes[4]
    assert np.all(np.isfinite(by_sigma))
    # Without noise the derivative by sigma is 0, its limit inside the range.
    assert np.all(by_sigma[points.sigma == 0] == 0)


@pytest.mark.parametrize("name", list(_MIRROR))
def test_mirror_images_are_equal(name):
    points = extreme_points(200_000, seed=1).single()
    # A point mass counts to the probability at or below it, not to the one above.
    atom = (points.alpha == points.beta) & (points.sigma == 0) & (points.y == points.alpha)
    with jax.enable_x64(False):
        one = getattr(distribution(points), name)(points.y)
        flipped = mirrored(points)
        other = getattr(distribution(flipped, convex=False), _MIRROR[name])(flipped.y)
    np.testing.assert_array_equal(np.asarray(one)[~atom], np.asarray(other)[~atom])


@pytest.mark.parametrize("name", list(_MIRROR))
def test_gradients_of_mirror_images_are_equal(name):
    points = extreme_points(20_000, seed=2).single()
    with jax.enable_x64(False):
        _, one = _slopes(name, True)(*points)
        _, other = _slopes(_MIRROR[name], False)(*mirrored(points))
    for mine, its, sign in zip(
        one, (other[0], other[2], other[1], other[3], other[4]), (-1, -1, -1, 1, 1), strict=True
    ):
        np.testing.assert_array_equal(mine, sign * np.asarray(its))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_other_functions_of_mirror_images_are_equal(dtype):
    points = Points(*(x.astype(dtype) for x in extreme_points(300, seed=3)))
    # For these probabilities 1 - q is exact.
    q = np.array([[1, 2, 3, 1000, 4096, 8191]]).T.astype(dtype) / dtype(8192)
    n = np.array([[0.5, 1.0, 7.0, 1e4]], dtype).T
    with jax.enable_x64(dtype == np.float64):
        one, other = distribution(points), distribution(mirrored(points), convex=False)
        np.testing.assert_array_equal(one.icdf(q), -np.asarray(other.icdf(1 - q)))
        np.testing.assert_array_equal(one.mean, -np.asarray(other.mean))
        np.testing.assert_array_equal(one.variance, other.variance)
        key = jax.random.key(0)
        np.testing.assert_array_equal(one.sample(key, (3,)), -np.asarray(other.sample(key, (3,))))
        for share in (0.5, 0.125):
            for best in (True, False):
                mine = one.quantile_tuning_curve(n, share, minimize=best)
                its = other.quantile_tuning_curve(n, 1 - share, minimize=not best)
                np.testing.assert_array_equal(mine, -np.asarray(its))
        np.testing.assert_array_equal(one.average_tuning_curve(n), -np.asarray(other.average_tuning_curve(n)))


# --- single against double precision ----------------------------------------------------------------------------------


def _bracket(name: str, p: Points) -> tuple[np.ndarray, np.ndarray]:
    """Return the range of the exact function while y - alpha and beta - alpha move by a rounding error each."""
    r, delta = p.y - p.alpha, p.beta - p.alpha
    values = []
    # What single precision takes as no noise. The function is monotone or bends slowly in between.
    sigma = np.where(p.sigma <= 1e-17 * delta, 0.0, p.sigma)
    with jax.enable_x64(True):
        function = jax.jit(getattr(noisy_quadratic, name))
        for a, b in itertools.product((1 - EPS, 1, 1 + EPS), repeat=2):
            value = np.asarray(function(r * a, delta * b, sigma, p.gamma))
            values.append(value)
    return np.min(values, axis=0), np.max(values, axis=0)


#: Rounding errors, in units of the value or of 1: a logarithm is a sum of a few terms of its own size. The survival
#: function beyond beta, where the noise spans the whole range, is a difference of two much larger tails.
ULPS = {"log_prob": 64, "cdf": 32, "log_cdf": 64, "log_sf": 4096}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name):
    points = extreme_points(20_000, seed=4)
    # Rounding decides whether noise of just this size counts.
    points = points.some(np.abs(points.sigma / np.maximum(points.beta - points.alpha, TINY) - 1e-17) > 1e-19)
    # The kernel's own names.
    low, high = _bracket({"log_prob": "log_pdf"}.get(name, name), points)
    with jax.enable_x64(False):
        found = np.asarray(getattr(distribution(points.single()), name)(points.single().y), np.float64)
    # An exponential of terms of size z**2 / 2, each rounded.
    size = np.ones_like(low) if name == "cdf" else np.maximum(1, np.abs(np.where(np.isfinite(low), low, high)))
    size = np.where(np.isfinite(size), size, 1.0)
    tolerance = ULPS[name] * EPS * size
    wrong = ~((found >= low - tolerance) & (found <= high + tolerance))
    # Distances are cut off at 1e17 sigmas, whose square is still a number.
    wrong &= (found > -1e33) | (high > -1e33)
    worst = np.flatnonzero(wrong)[:5]
    assert not wrong.any(), [(found[i], low[i], high[i], *(float(x[i]) for x in points)) for i in worst]


def _places_agree(found: np.ndarray, expected: np.ndarray, p: Points) -> None:
    """Compare scores: to a few units of the last place of alpha and beta, and to 1e-5 of width and noise."""
    size = 4 * EPS * np.maximum(np.abs(p.alpha), np.abs(p.beta)) + 2e-5 * (p.beta - p.alpha + 10 * p.sigma) + 2 * TINY
    same = found == expected
    wrong = ~same & ~(np.abs(np.where(same, 0.0, found) - np.where(same, 0.0, expected)) <= size)
    worst = np.argwhere(wrong)[:5]
    assert not wrong.any(), [(*i, found[tuple(i)], expected[tuple(i)], *(float(x[i[-1]]) for x in p)) for i in worst]


@pytest.mark.parametrize("name", ["icdf", "quantile_tuning_curve", "average_tuning_curve"])
def test_places(name):
    points = extreme_points(300 if name == "average_tuning_curve" else 3000, seed=5)
    q = np.array([0.0, 1e-30, 1e-6, 0.3, 0.5, 0.99, 1.0], np.float32)[:, None]
    n = np.array([0.5, 1.0, 10.0, 1e6], np.float32)[:, None]
    argument = q if name == "icdf" else n
    with jax.enable_x64(True):
        expected = np.asarray(getattr(distribution(points), name)(argument.astype(float)))
    with jax.enable_x64(False):
        found = np.asarray(getattr(distribution(points.single()), name)(argument), np.float64)
    # Noise that single precision cannot tell has no reach.
    bare = points.sigma <= 1e-17 * (points.beta - points.alpha)
    expected = np.where(bare, np.clip(expected, points.alpha, points.beta), expected)
    _places_agree(found, expected, points)


def test_moments():
    points = extreme_points(3000, seed=6)
    with jax.enable_x64(True):
        exact = distribution(points)
        mean, variance = np.asarray(exact.mean), np.asarray(exact.variance)
    with jax.enable_x64(False):
        single = distribution(points.single())
        found, spread = np.asarray(single.mean, float), np.asarray(single.variance, float)
    _places_agree(found, mean, points)
    size = np.maximum(points.beta - points.alpha, points.sigma) ** 2
    seen = (size > 1e-30) & (size < 1e37) & (points.alpha == 0)
    np.testing.assert_allclose(spread[seen], variance[seen], rtol=1e-6)


# --- no noise ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("convex", [True, False])
def test_no_noise_is_the_quadratic_exactly(dtype, convex):
    points = Points(*(x.astype(dtype) for x in extreme_points(20_000, seed=7)))
    least = 1e-17 if dtype == np.float32 else 1e-60
    sigma = np.where(np.arange(20_000) % 2, 0.5 * least * (points.beta - points.alpha), 0).astype(dtype)
    q = np.linspace(0, 1, 20_000).astype(dtype)
    with jax.enable_x64(dtype == np.float64):
        noisy = NoisyQuadratic(points.alpha, points.beta, points.gamma, sigma, convex=convex)
        # NumPyro would warn of scores outside the support.
        bare = Quadratic(points.alpha, points.beta, points.gamma, convex=convex, validate_args=False)
        for name in FUNCTIONS:
            np.testing.assert_array_equal(getattr(noisy, name)(points.y), getattr(bare, name)(points.y), err_msg=name)
        np.testing.assert_array_equal(noisy.icdf(q), bare.icdf(q))
        np.testing.assert_array_equal(noisy.mean, bare.mean)
        np.testing.assert_array_equal(noisy.quantile_tuning_curve(q + 1), bare.quantile_tuning_curve(q + 1))
        few = slice(0, 20_000, 200)
        some = (x[few] for x in (points.alpha, points.beta, points.gamma))
        noisy = NoisyQuadratic(points.alpha[few], points.beta[few], points.gamma[few], sigma[few], convex=convex)
        bare = Quadratic(*some, convex=convex)
        np.testing.assert_array_equal(noisy.average_tuning_curve(3.0), bare.average_tuning_curve(3.0))


def test_the_first_example():
    with jax.enable_x64(False):
        d = NoisyQuadratic(0.0, 1.0, 2.0, 0.0)
        assert d.alpha.dtype == np.float32
        assert float(d.cdf(0.3)) == pytest.approx(0.3, rel=1e-6)
        assert float(d.icdf(0.5)) == pytest.approx(0.5, rel=1e-6)
        # Traced, with noise for some members only, and just above and below what single precision can tell.
        sigma = jnp.array([0.0, 1e-30, 1e-18, 1e-16, 1e-9])
        cdf = jax.jit(jax.vmap(lambda s: NoisyQuadratic(0.0, 1.0, 2.0, s).cdf(0.3)))(sigma)
        np.testing.assert_allclose(cdf, 0.3, rtol=1e-6)
        median = jax.jit(jax.vmap(lambda s: NoisyQuadratic(0.0, 1.0, 2.0, s).icdf(0.5)))(sigma)
        np.testing.assert_allclose(median, 0.5, rtol=1e-6)
        slope = jax.grad(lambda s: NoisyQuadratic(0.0, 1.0, 1.0, s).log_prob(0.3))
        assert float(slope(0.0)) == 0
        assert math.isfinite(float(jax.jit(jax.grad(slope))(0.0)))
