"""Single precision agrees with double within its precision, at every scale; nothing is NaN; mirror images are equal."""

import functools
import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import numpy as np
import pytest

from nqjax.distributions.quadratic import NoisyQuadratic, Quadratic
from support.shapes import CURVES, POINTS, in_chunks

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


def mirrored(p: Points) -> Points:
    return p._replace(y=-p.y, alpha=-p.beta, beta=-p.alpha)


# --- programs: one for all functions of a dtype and a direction, because compilation takes most of the time -----------


def _values_of_one(convex: bool, *p: jax.Array) -> dict[str, jax.Array]:
    return {name: _value(name, convex, *p) for name in FUNCTIONS}


def _value(name: str, convex: bool, y: jax.Array, *parameters: jax.Array) -> jax.Array:
    return getattr(NoisyQuadratic(*parameters, convex=convex), name)(y)


def _values_and_slopes_of_one(convex: bool, *p: jax.Array) -> dict[str, tuple[jax.Array, tuple[jax.Array, ...]]]:
    functions = {name: functools.partial(_value, name, convex) for name in FUNCTIONS}
    return {name: jax.value_and_grad(f, argnums=range(5))(*p) for name, f in functions.items()}


@functools.cache
def _program(convex: bool, slopes: bool) -> Callable[..., Any]:
    of_one = _values_and_slopes_of_one if slopes else _values_of_one
    return jax.jit(jax.vmap(functools.partial(of_one, convex)))


def functions(p: Points, convex: bool = True) -> dict[str, tuple[np.ndarray, tuple[np.ndarray, ...]]]:
    """Return each function's values and slopes by (y, alpha, beta, gamma, sigma), in the dtype of the points."""
    with jax.enable_x64(p.y.dtype == np.float64):
        return in_chunks(_program(convex, slopes=True), *p)


def values(p: Points, convex: bool = True) -> dict[str, np.ndarray]:
    if p.y.dtype == np.float64 and not convex:
        with jax.enable_x64(True):
            return in_chunks(_program(convex, slopes=False), *p)
    # That program is needed anyway.
    return {name: value for name, (value, _) in functions(p, convex).items()}


@functools.cache
def functions_at_extreme_points(count: int, seed: int, dtype: str, convex: bool = True) -> dict[str, Any]:
    points = extreme_points(count, seed)
    points = points.single() if dtype == "float32" else points
    return functions(points if convex else mirrored(points), convex)


def method(
    name: str, p: Points, *arguments: Any, convex: bool = True, noise: bool = True, **options: Any
) -> np.ndarray:
    """Return what a method of the distributions says of arguments that broadcast against the points."""

    def call(alpha: Any, beta: Any, gamma: Any, sigma: Any, *arguments: Any) -> jax.Array:
        d = NoisyQuadratic(alpha, beta, gamma, sigma, convex=convex)
        # NumPyro would warn of scores outside the support.
        d = d if noise else Quadratic(alpha, beta, gamma, convex=convex, validate_args=False)
        result = getattr(d, name)
        return result(*arguments, **options) if callable(result) else result

    size = CURVES if name == "average_tuning_curve" else POINTS
    with jax.enable_x64(p.y.dtype == np.float64):
        return in_chunks(call, p.alpha, p.beta, p.gamma, p.sigma, *arguments, size=size)


# --- no NaN, and mirror images ----------------------------------------------------------------------------------------

_MIRROR = {"log_prob": "log_prob", "log_cdf": "log_sf", "log_sf": "log_cdf"}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_no_nan_in_values_and_gradients(name, dtype):
    count = 200_000 if dtype == "float32" else 20_000
    value, slopes = functions_at_extreme_points(count, 1, dtype)[name]
    assert value.dtype == dtype
    assert value.shape == (count,)
    assert not np.isnan(value).any()
    for slope in slopes:
        assert slope.dtype == dtype
        assert not np.isnan(slope).any()
    by_sigma = slopes[4]
    assert np.all(np.isfinite(by_sigma))
    # Without noise the derivative by sigma is 0, its limit inside the range.
    assert np.all(by_sigma[extreme_points(count, seed=1).sigma == 0] == 0)


@pytest.mark.parametrize("name", list(_MIRROR))
def test_mirror_images_are_equal(name):
    points = extreme_points(200_000, seed=1).single()
    # A point mass counts to the probability at or below it, not to the one above.
    atom = (points.alpha == points.beta) & (points.sigma == 0) & (points.y == points.alpha)
    one, _ = functions_at_extreme_points(200_000, 1, "float32")[name]
    other, _ = functions_at_extreme_points(200_000, 1, "float32", convex=False)[_MIRROR[name]]
    np.testing.assert_array_equal(one[~atom], other[~atom])


@pytest.mark.parametrize("name", list(_MIRROR))
def test_gradients_of_mirror_images_are_equal(name):
    _, one = functions_at_extreme_points(200_000, 1, "float32")[name]
    _, other = functions_at_extreme_points(200_000, 1, "float32", convex=False)[_MIRROR[name]]
    for mine, its, sign in zip(
        one, (other[0], other[2], other[1], other[3], other[4]), (-1, -1, -1, 1, 1), strict=True
    ):
        np.testing.assert_array_equal(mine, sign * its)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_other_functions_of_mirror_images_are_equal(dtype):
    points = Points(*(x.astype(dtype) for x in extreme_points(300, seed=3)))
    # For these probabilities 1 - q is exact.
    q = np.array([[1, 2, 3, 1000, 4096, 8191]]).T.astype(dtype) / dtype(8192)
    n = np.array([[0.5, 1.0, 7.0, 1e4]], dtype).T
    flipped = mirrored(points)
    np.testing.assert_array_equal(method("icdf", points, q), -method("icdf", flipped, 1 - q, convex=False))
    np.testing.assert_array_equal(method("mean", points), -method("mean", flipped, convex=False))
    np.testing.assert_array_equal(method("variance", points), method("variance", flipped, convex=False))
    with jax.enable_x64(dtype == np.float64):
        key = jax.random.key(0)
        mine = NoisyQuadratic(*points[1:]).sample(key, (3,))
        its = NoisyQuadratic(*flipped[1:], convex=False).sample(key, (3,))
        np.testing.assert_array_equal(mine, -np.asarray(its))
    curve = "quantile_tuning_curve"
    for share in (0.5, 0.125):
        for best in (True, False):
            mine = method(curve, points, n, np.full_like(n, share), minimize=best)
            its = method(curve, flipped, n, np.full_like(n, 1 - share), minimize=not best, convex=False)
            np.testing.assert_array_equal(mine, -its)
    curve = "average_tuning_curve"
    np.testing.assert_array_equal(method(curve, points, n), -method(curve, flipped, n, convex=False))


# --- single against double precision ----------------------------------------------------------------------------------


@functools.cache
def _brackets() -> tuple[Points, dict[str, tuple[np.ndarray, np.ndarray]]]:
    """Return points, and each exact function's range while y - alpha and beta - alpha move by a rounding error each."""
    p = extreme_points(20_000, seed=4)
    # Rounding decides whether noise of just this size counts.
    p = p.some(np.abs(p.sigma / np.maximum(p.beta - p.alpha, TINY) - 1e-17) > 1e-19)
    r, delta = p.y - p.alpha, p.beta - p.alpha
    # What single precision takes as no noise. The function is monotone or bends slowly in between.
    sigma = np.where(p.sigma <= 1e-17 * delta, 0.0, p.sigma)
    factors = itertools.product((1 - EPS, 1, 1 + EPS), repeat=2)
    exact = [values(Points(r * a, np.zeros_like(r), delta * b, p.gamma, sigma)) for a, b in factors]
    ends = {}
    for name in FUNCTIONS:
        those = [found[name] for found in exact]
        ends[name] = np.min(those, axis=0), np.max(those, axis=0)
    return p, ends


@functools.cache
def _values_in_single_precision() -> dict[str, np.ndarray]:
    return values(_brackets()[0].single())


#: Rounding errors, in units of the value or of 1: a logarithm is a sum of a few terms of its own size. The survival
#: function beyond beta, where the noise spans the whole range, is a difference of two much larger tails.
ULPS = {"log_prob": 64, "cdf": 32, "log_cdf": 64, "log_sf": 4096}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions(name):
    points, brackets = _brackets()
    low, high = brackets[name]
    found = _values_in_single_precision()[name].astype(np.float64)
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
    expected = method(name, points, argument.astype(float))
    found = method(name, points.single(), argument).astype(np.float64)
    # Noise that single precision cannot tell has no reach.
    bare = points.sigma <= 1e-17 * (points.beta - points.alpha)
    expected = np.where(bare, np.clip(expected, points.alpha, points.beta), expected)
    _places_agree(found, expected, points)


def test_moments():
    points = extreme_points(3000, seed=6)
    mean, variance = (method(name, points) for name in ("mean", "variance"))
    found, spread = (method(name, points.single()).astype(float) for name in ("mean", "variance"))
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
    points = points._replace(sigma=sigma)
    q = np.linspace(0, 1, 20_000).astype(dtype)
    noisy = values(points, convex)
    for name in FUNCTIONS:
        bare = method(name, points, points.y, convex=convex, noise=False)
        np.testing.assert_array_equal(noisy[name], bare, err_msg=name)
    for name, *arguments in (("icdf", q), ("mean",), ("quantile_tuning_curve", q + 1)):
        found, bare = (method(name, points, *arguments, convex=convex, noise=noise) for noise in (True, False))
        np.testing.assert_array_equal(found, bare, err_msg=name)
    some, three = points.some(slice(0, 20_000, 200)), np.asarray(3, dtype)
    found, bare = (method("average_tuning_curve", some, three, convex=convex, noise=noise) for noise in (True, False))
    np.testing.assert_array_equal(found, bare)


def test_the_first_example():
    sigma = np.array([0.0, 1e-30, 1e-18, 1e-16, 1e-9], np.float32)
    one = np.ones_like(sigma)
    points = Points(0.3 * one, 0 * one, one, 2 * one, sigma)
    # Traced, with noise for some members only, and just above and below what single precision can tell.
    np.testing.assert_allclose(values(points)["cdf"], 0.3, rtol=1e-6)
    np.testing.assert_allclose(method("icdf", points, 0.5 * one), 0.5, rtol=1e-6)
    with jax.enable_x64(False):
        d = NoisyQuadratic(0.0, 1.0, 2.0, 0.0)
        assert d.alpha.dtype == np.float32
        assert float(d.cdf(0.3)) == pytest.approx(0.3, rel=1e-6)
        assert float(d.icdf(0.5)) == pytest.approx(0.5, rel=1e-6)
        median = jax.jit(jax.vmap(lambda s: NoisyQuadratic(0.0, 1.0, 2.0, s).icdf(0.5)))(sigma)
        np.testing.assert_allclose(median, 0.5, rtol=1e-6)
        slope = jax.grad(lambda s: NoisyQuadratic(0.0, 1.0, 1.0, s).log_prob(0.3))
        first, second = jax.jit(lambda s: (slope(s), jax.grad(slope)(s)))(0.0)
        assert float(first) == 0
        assert math.isfinite(float(second))
