"""The objective with its derivatives: against the definition, through the kernel and in high precision."""

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest

from nqjax.estimation.spacings import spacings
from nqjax.solver.knots import families, out_of_reach
from nqjax.solver.objective import BY_POLYNOMIALS, BY_QUADRATURE, WITHOUT_NOISE, mps, mps_of_pieces
from nqjax.special import noisy_quadratic
from support import reference, searches

pytestmark = pytest.mark.usefixtures("x64", "strict_ranks")

INF = math.inf
FAR = 1e12
ROWS = np.array([[0, 1, 2], [1, 3, 4], [2, 4, 5]])
_mps = jax.jit(
    lambda theta, family, knots, counts, bits, noiseless, fine=True, gaps=None: mps(
        theta, family, knots, counts / jnp.sum(counts), gaps, fine, bits, noiseless
    ),
    static_argnums=(4, 5),
)


class Knots(NamedTuple):
    """Knots of a search, and the number of scores in each interval."""

    knots: np.ndarray
    counts: np.ndarray


def evaluate(theta: Sequence[float], gamma: int, data: Knots, *, bits: int = 6, noiseless: bool = False) -> np.ndarray:
    """Return the loss, its gradient and its Hessian (six entries) at (alpha, log(beta - alpha), log sigma)."""
    knots, counts = searches.pad(data.knots, data.counts)
    knots = np.concatenate([[-FAR], knots, [FAR]])
    return np.asarray(_mps(np.asarray(theta, float), searches.family(gamma), knots, counts, bits, noiseless))


def by_definition(theta: jax.Array, gamma: jax.Array, knots: jax.Array, counts: jax.Array) -> jax.Array:
    """Return the loss as plain differences of the kernel's CDF, whose derivatives are checked against 50 digits."""
    cdf = noisy_quadratic.cdf(knots - theta[0], jnp.exp(theta[1]), jnp.exp(theta[2]), gamma)
    mass = jnp.diff(cdf, prepend=0.0, append=1.0)
    used, share = counts > 0, counts / jnp.sum(counts)
    return -jnp.sum(jnp.where(used, share * jnp.log(jnp.where(used, mass, 1.0) / jnp.where(used, share, 1.0)), 0.0))


_definition = jax.jit(lambda *args: (by_definition(*args), *_derivatives(*args)))


def _derivatives(*args: jax.Array) -> tuple[jax.Array, jax.Array]:
    gradient = jax.jacfwd(by_definition)
    return gradient(*args), jax.jacfwd(gradient)(*args)


def sample(gamma: int, s: float, size: int, threshold: float, seed: int = 0) -> Knots:
    y = searches.draw(np.random.default_rng([seed, gamma]), size, gamma, s)
    data = spacings(y, (-INF, float(np.quantile(y, threshold))))
    return Knots(data.knots, data.counts)


# gamma, s; the parameters are then off by some multiples of the noise and of the range.
SHAPES = [(1, 1e-3), (1, 0.02), (2, 0.1), (3, 1e-4), (5, 0.3), (7, 2.0), (50, 0.05)]


@pytest.mark.smoke
@pytest.mark.parametrize(("gamma", "s"), SHAPES)
@pytest.mark.parametrize(("threshold", "off"), [(1.0, 0.0), (0.4, 0.6), (0.7, -0.3)])
def test_value_gradient_and_hessian_against_the_definition(gamma, s, threshold, off):
    data = sample(gamma, s, 60, threshold)
    theta = np.array([off * min(s, 1.0), 0.2 * off, math.log(s) + 0.5 * off + 0.1])
    found = evaluate(theta, gamma, data)
    value, gradient, hessian = map(
        np.asarray, _definition(theta, np.float64(gamma), *searches.pad(data.knots, data.counts))
    )
    # A difference of CDFs is good to 1e-14, a spacing is a thousandth of the whole or more: 1e-11 in its logarithm.
    assert found[0] == pytest.approx(value, abs=2e-11)
    # Derivatives in alpha are in units of 1 / sigma, which so is the unit of comparison. Both sides lose what the
    # difference loses, once more for each derivative.
    unit = np.array([math.exp(min(theta[1:])), 1.0, 1.0])
    assert np.max(np.abs(found[1:4] - gradient) * unit) <= 1e-8
    # The second derivative in sigma is a difference of terms of size (r / sigma)**2, of which rounding leaves 1e-16.
    size = np.max(np.abs(hessian) * unit[:, None] * unit)
    assert np.max(np.abs(found[4:][ROWS] - hessian) * unit[:, None] * unit) <= 1e-7 * max(1, size) + 1e-14 / s**2


@pytest.mark.parametrize(("gamma", "s"), SHAPES)
def test_derivatives_are_those_of_the_value(gamma, s):
    data = sample(gamma, s, 60, 0.6)
    theta = np.array([0.3 * min(s, 1.0), 0.1, math.log(s) + 0.2])
    found = evaluate(theta, gamma, data)
    unit = np.array([math.exp(min(theta[1:])), 1.0, 1.0])
    for i in range(3):
        # Central differences of the fourth order: their error is step**4 = 1e-12 of a fifth derivative and, from
        # rounding, 1e-14 / step = 1e-11 of the function (1e-9 for the gradient, whose own rounding is larger).
        step = 1e-3
        places = [theta + k * step * unit * np.eye(3)[i] for k in (-2, -1, 1, 2)]
        a, b, c, d = (evaluate(place, gamma, data) for place in places)
        slope = (a - 8 * b + 8 * c - d) / (12 * step)
        assert slope[0] == pytest.approx(found[1 + i] * unit[i], abs=1e-7)
        np.testing.assert_allclose(slope[1:4] * unit, found[4:][ROWS[i]] * unit[i] * unit, atol=1e-5)


# --- against 50 digits ----------------------------------------------------------------------------------------------


def exact_loss(theta: Sequence[mp.mpf], gamma: int, data: Knots, layout: tuple) -> mp.mpf:
    """Return the loss by its definition in 50 digits."""
    delta, sigma = mp.exp(theta[1]), mp.exp(theta[2])
    at = [
        reference.functions(
            mp.mpf(float(k)) - theta[0], delta, sigma, gamma, num_nodes=16, layout=(float(k) - layout[0], *layout[1:])
        )
        for k in data.knots
    ]
    masses = [at[0].cdf, *(b.cdf - a.cdf for a, b in itertools.pairwise(at)), at[-1].sf]
    total = int(data.counts.sum())
    return -sum(
        n / mp.mpf(total) * mp.log(m * total / n) for n, m in zip(map(int, data.counts), masses, strict=True) if n
    )


#: A direction that every parameter has a part in; alpha's is in units of the smaller of sigma and beta - alpha.
DIRECTION = np.array([1.0, 0.7, -1.3])


def exact_slope(theta: Sequence[float], gamma: int, data: Knots) -> tuple[float, float]:
    """Return the exact loss and its slope along `DIRECTION`."""
    with mp.workdps(reference.DIGITS):
        center = [mp.mpf(float(x)) for x in theta]
        layout = (float(theta[0]), math.exp(theta[1]), math.exp(theta[2]), float(gamma))
        # A step of 1e-8 leaves an error of 1e-16; the panels' own error is the same at every step.
        step = mp.mpf(10) ** -8
        units = [min(mp.exp(center[1]), mp.exp(center[2])), 1, 1]
        low, high = (
            [x + sign * step * u * mp.mpf(d) for x, u, d in zip(center, units, DIRECTION, strict=True)]
            for sign in (-1, 1)
        )
        slope = (exact_loss(high, gamma, data, layout) - exact_loss(low, gamma, data, layout)) / (2 * step)
        return float(exact_loss(center, gamma, data, layout)), float(slope)


def slope_of(found: np.ndarray, theta: Sequence[float]) -> float:
    return float(found[1:4] @ (DIRECTION * [math.exp(min(theta[1:])), 1, 1]))


def few(knots: Sequence[float], counts: Sequence[float]) -> Knots:
    return Knots(np.array(knots, float), np.array(counts, float))


@pytest.mark.parametrize(("gamma", "s"), [(1, 0.02), (3, 0.4)])
def test_against_high_precision(gamma, s):
    data = few([-1.5 * s, 0.1, 0.6, 1 + 3 * s], [1, 3, 0, 2, 1])
    theta = [0.02, 0.05, math.log(s)]
    value, slope = exact_slope(theta, gamma, data)
    found = evaluate(theta, gamma, data)
    # The integral's window ends at exp(-28) = 7e-13 of the integrand, which three sigmas beyond beta is a hundred times
    # what is left of the survival function.
    assert found[0] == pytest.approx(value, abs=1e-10)
    assert slope_of(found, theta) == pytest.approx(slope, abs=1e-9)


@pytest.mark.parametrize("gap", [1e-9, 0.9e-5, 1.1e-5, 1e-3])
@pytest.mark.parametrize(("gamma", "place"), [(2, -0.05), (5, 0.95)])
def test_short_intervals_against_high_precision(gap, gamma, place):
    """Two scores a billionth of the noise apart, and either side of where the treatment changes."""
    sigma = 0.05
    data = few([place, place + gap * sigma, place + 0.04], [2, 1, 3, 5])
    theta = [0.0, 0.0, math.log(sigma)]
    value, slope = exact_slope(theta, gamma, data)
    found = evaluate(theta, gamma, data)
    # The gap itself is known to 1e-16 of the score: relative to it that is 2e-15 / gap at most. A difference of CDFs is
    # good to 1e-16 too, relative to a mass of about the gap; of either a share of 1 / 11 goes into the loss.
    assert found[0] == pytest.approx(value, abs=1e-12 + 1e-15 / gap)
    # The slope, of size 10, has that error in a quotient of two such differences.
    assert slope_of(found, theta) == pytest.approx(slope, abs=1e-10 + 1e-14 / gap)


# --- what holds for every objective ---------------------------------------------------------------------------------


@pytest.mark.parametrize("noiseless", [False, True])
def test_padding_changes_nothing(noiseless):
    data = sample(2, 0.05, 30, 0.5)
    theta = [float(data.knots[0]) - 0.1, 0.3, math.log(0.04)]
    plain = np.asarray(
        _mps(
            np.array(theta), searches.family(2), np.concatenate([[-FAR], data.knots, [FAR]]), data.counts, 6, noiseless
        )
    )
    # Only the order of summation differs.
    np.testing.assert_allclose(evaluate(theta, 2, data, noiseless=noiseless), plain, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("gamma", [1, 4, 20])
@pytest.mark.parametrize("sigma", [0.003, 0.05, 0.4])
def test_rough_sums_and_single_precision(gamma, sigma):
    """To look around, half the nodes do; and float32 keeps what matters of the loss, the gradient and the curvature."""
    data = sample(gamma, sigma, 200, 0.6)
    theta = np.array([0.01, 0.05, math.log(1.1 * sigma)])
    exact = evaluate(theta, gamma, data)
    knots, counts = searches.pad(data.knots, data.counts)
    knots = np.concatenate([[-FAR], knots, [FAR]])
    rough = _mps(theta, searches.family(gamma), knots, counts, 6, False, False)
    unit = np.array([1, sigma, 1, 1, sigma**2, sigma, sigma, 1, 1, 1])
    np.testing.assert_allclose(rough * unit, exact * unit, rtol=1e-3, atol=1e-3)
    assert rough[0] == pytest.approx(exact[0], abs=2e-6)
    with jax.enable_x64(False):
        family = jax.tree.map(lambda a: a[0], families(np.array([gamma], np.float32)))
        arrays = (a.astype(np.float32) for a in (theta, knots, counts, np.diff(knots)))
        place, at, numbers, gaps = arrays
        single = np.asarray(_mps(place, family, at, numbers, 6, False, True, gaps))
    assert single.dtype == np.float32
    assert single[0] == pytest.approx(exact[0], abs=2e-5)
    np.testing.assert_allclose(single[1:4] * unit[1:4], exact[1:4] * unit[1:4], atol=1e-3 * np.sqrt(1 / 200))
    if sigma > 0.01:
        # The curvature in sigma is a difference of terms of size (r / sigma)**2, of which rounding leaves 1e-7: where
        # sigma is a hundredth of the range or less it steers the search no more, whose ends are polished in double.
        np.testing.assert_allclose(single[4:] * unit[4:], exact[4:] * unit[4:], rtol=0.02, atol=0.02)


@pytest.mark.parametrize("gamma", [1, 2])
def test_bits_change_nothing_but_the_program(gamma):
    data = sample(gamma, 0.05, 60, 0.5)
    theta = [0.0, 0.0, math.log(0.05)]
    few_bits = evaluate(theta, gamma, data, bits=int(gamma + 1).bit_length())
    # Powers by repeated squaring round a little differently.
    np.testing.assert_allclose(few_bits, evaluate(theta, gamma, data, bits=6), rtol=1e-9, atol=1e-12)


def test_rescaling_and_shifting():
    data = sample(3, 0.05, 60, 0.5)
    theta = np.array([0.02, 0.1, math.log(0.05)])
    one = evaluate(theta, 3, data)
    scale, shift = 4.0, -2.0  # powers of two round nothing, so only the logarithms do
    moved = few(shift + scale * data.knots, data.counts)
    other = evaluate([shift + scale * theta[0], *(theta[1:] + math.log(scale))], 3, moved)
    unit = np.array([1, scale, 1, 1, scale**2, scale, scale, 1, 1, 1])
    # The shift costs an ulp of 2 in each knot, which is 1e-14 of sigma, and a spacing may be a hundredth of that.
    np.testing.assert_allclose(other * unit, one, rtol=1e-8, atol=1e-9)


def test_the_loss_is_a_divergence():
    """It is 0 where the masses are the shares and positive elsewhere (Gibbs's inequality)."""
    shares = np.array([2, 1, 3, 4, 0]) / 10
    # Without noise and with gamma = 2 masses are lengths.
    data = few(np.cumsum(shares)[:-1], 10 * shares)
    found = evaluate([0.0, 0.0, 0.0], 2, data, noiseless=True)
    assert found[0] == pytest.approx(0, abs=1e-15)
    rng = np.random.default_rng(0)
    for _ in range(100):
        theta = [rng.normal(), rng.normal(), 2 * rng.normal() - 2]
        assert evaluate(theta, int(rng.integers(1, 51)), data)[0] > 0


def test_no_nan_anywhere_in_the_box():
    rng = np.random.default_rng(0)
    data = sample(2, 0.05, 60, 0.5)
    counts = np.concatenate([data.counts[:-1], np.zeros(64 - len(data.knots)), data.counts[-1:]])
    knots = np.concatenate([[-FAR], data.knots, np.full(64 - len(data.knots), data.knots[-1]), [FAR]])
    size = 3000
    alpha = rng.choice([-1, 1], size) * 10 ** rng.uniform(-6, 6, size)
    theta = np.stack([alpha, *np.log(10) * rng.uniform([[-6], [-6]], [[6], [2]], (2, size))], axis=1)
    gammas = rng.integers(1, 51, size).astype(float)
    found = np.asarray(
        jax.jit(jax.vmap(lambda t, f: mps(t, f, knots, counts / counts.sum(), None, True, 6, False)))(
            theta, families(gammas)
        )
    )
    assert not np.any(np.isnan(found[:, 0]))
    finite = np.isfinite(found[:, 0])
    assert np.sum(finite) > size / 20
    assert np.all(np.isfinite(found[finite, 1:4]))


# --- without noise --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gamma", [1, 2, 3, 8])
def test_noiseless_value_and_derivatives(gamma):
    data = sample(gamma, 0.0, 60, 0.7)
    counts = data.counts

    def loss(theta: jax.Array) -> jax.Array:
        cdf = ((data.knots - theta[0]) / jnp.exp(theta[1])) ** (gamma / 2)
        mass = jnp.diff(jnp.concatenate([jnp.zeros(1), cdf, jnp.ones(1)]))
        used = counts > 0
        share = counts[used] / counts.sum()
        return -jnp.sum(share * jnp.log(mass[used] / share))

    theta = np.array([float(data.knots[0]) - 0.01, 0.1])
    found = evaluate([*theta, 0.0], gamma, data, noiseless=True)
    # Spacings are 1e-4 of the whole or more: 1e-12 each, once more for each derivative, in units of the first's height.
    assert found[0] == pytest.approx(float(loss(theta)), abs=1e-11)
    gradient, hessian = jax.jit(lambda t: (jax.grad(loss)(t), jax.hessian(loss)(t)))(theta)
    np.testing.assert_allclose(found[1:3], gradient, rtol=1e-8)
    np.testing.assert_allclose(found[4:][ROWS][:2, :2], hessian, rtol=1e-7)
    assert np.all(found[[3, 6, 8, 9]] == 0)


@pytest.mark.parametrize("alpha", [0.15, 0.35])
def test_noiseless_loss_is_infinite_where_a_score_has_no_probability(alpha):
    data = few([0.1, 0.2, 0.3], [1, 1, 1, 1])
    found = evaluate([alpha, 0.0, 0.0], 1, data, noiseless=True)
    assert found[0] == INF
    assert evaluate([0.0, math.log(0.25), 0.0], 1, data, noiseless=True)[0] == INF
    assert np.all(np.isfinite(evaluate([0.0, 0.0, 0.0], 1, data, noiseless=True)))


@pytest.mark.parametrize("gamma", range(1, 11))
def test_polynomials_equal_quadrature(gamma):
    """Where the far end is out of reach, pieces are evaluated by polynomials: two methods that share nothing."""
    rng = np.random.default_rng(gamma)
    count = 6
    sigma = np.exp(np.linspace(np.log(1e-4), np.log(0.05), count))
    theta = np.stack([rng.uniform(-0.05, 0.05, count), np.log(rng.uniform(1.6, 3.0, count)), np.log(sigma)], axis=1)
    knots = np.sort(rng.uniform(-0.02, 1.0, (count, 33)), axis=1)
    knots[:, 0], knots[:, -1] = -FAR, FAR
    shares = rng.dirichlet(np.ones(32), count)
    many = jax.tree.map(lambda a: jnp.broadcast_to(a, (count, *a.shape)), searches.family(gamma))
    fine = jnp.asarray(True)
    assert bool(out_of_reach(jnp.asarray(knots), jnp.asarray(theta)))
    found = jax.jit(lambda *a: mps_of_pieces(*a, None, fine, BY_POLYNOMIALS, 4))(theta, many, knots, shares)
    exact = jax.jit(jax.vmap(lambda t, f, k, s: mps(t, f, k, s, None, True, 4, False)))(theta, many, knots, shares)
    np.testing.assert_allclose(found[:, 0], exact[:, 0], rtol=1e-11)
    np.testing.assert_allclose(found[:, 1:4], exact[:, 1:4], rtol=1e-8, atol=1e-9 * np.max(np.abs(exact[:, 1:4])))
    # Where knots are thousands of sigmas above alpha, the quadrature's derivatives in log sigma have no digits left.
    some = sigma > 0.01
    scale = np.maximum(np.abs(exact), 1e-3 * np.max(np.abs(exact), axis=1, keepdims=True))
    np.testing.assert_array_less((np.abs(found - exact) / scale)[some], 1e-6)
    assert some.any()


def test_one_program_with_and_without_noise():
    data = searches.pad(np.linspace(0.1, 1.0, 20), np.ones(21))
    knots, shares = np.concatenate([[-FAR], data[0], [FAR]])[None], (data[1] / data[1].sum())[None]
    theta = np.array([[0.0, 0.5, 0.0]])
    many = jax.tree.map(lambda a: a[None], searches.family(3))
    program = jax.jit(
        lambda noiseless: mps_of_pieces(theta, many, knots, shares, None, jnp.asarray(True), noiseless, 3)
    )
    for noiseless in (True, False):
        exact = mps(theta[0], searches.family(3), knots[0], shares[0], None, True, 3, noiseless)
        np.testing.assert_allclose(
            program(jnp.asarray(WITHOUT_NOISE if noiseless else BY_QUADRATURE))[0], exact, rtol=1e-10, atol=1e-12
        )
