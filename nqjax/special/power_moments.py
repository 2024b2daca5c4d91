r"""Moments of a power with normal noise: the noisy quadratic where its far end is out of reach.

    M(z) = E[(z + Z)_+**(gamma / 2)],   Z standard normal.

Far from its upper end the noisy quadratic's CDF is ``(sigma / delta)**(gamma / 2) * M(r / sigma)``: for each whole
gamma a function of one variable (a parabolic cylinder function). Its derivatives are of the same family, and

    gamma / 2 * M = z M' + M''.

M and M' are polynomials on four pieces of the line: some 20 multiplications each, where a quadrature needs 28 to 48
exponentials. `bench.make_power_moments` computed their coefficients from 50-digit values; in float64 they give M and M'
to a few units of the last place, the rounding of ``exp(-z**2 / 2)`` excepted.
"""

import functools
import json
from pathlib import Path
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

import nqjax.data

#: The whole gammas from 1 to this one have polynomials.
LARGEST_GAMMA = 10

#: From this z on, the moments follow from an asymptotic series in 1 / z**2.
FAR = 12.0

#: Binary digits of the exponents of `whole_power`.
_EXPONENT_BITS = 4


class Polynomials(NamedTuple):
    """Coefficients, the lowest first: shape (..., orders, terms)."""

    tail: Array  # z <= 0
    near: Array  # 0 to 4
    middle: Array  # 4 to 12
    far: Array  # from 12 on


@functools.cache
def tables() -> tuple[dict[str, np.ndarray], float, float]:
    """Return the coefficients of each piece, shape (gammas, orders, terms).

    Also return the shift of the tail's argument, and the end of the piece next to 0.
    """
    path = Path(nqjax.data.__file__).with_name("power_moments.json")
    document = json.loads(path.read_text(encoding="utf-8"))
    arrays = {name: np.array(rows) for name, rows in document["polynomials"].items()}
    return arrays, float(document["shift"]), float(document["near"])


def polynomials(gamma: Array) -> Polynomials:
    """Return the coefficients for whole gammas from 1 to `LARGEST_GAMMA`, with a leading shape of ``gamma``."""
    arrays, _, _ = tables()
    row = jnp.clip(jnp.round(gamma).astype(jnp.int32), 1, LARGEST_GAMMA) - 1
    return Polynomials(**{name: jnp.asarray(array, gamma.dtype)[row] for name, array in arrays.items()})


def whole_power(base: Array, exponent: Array) -> Array:
    """Return ``base**exponent`` for whole exponents from 0 to 15, by repeated squaring."""
    digits = jnp.round(exponent).astype(jnp.int32)
    result = jnp.ones((), base.dtype)
    for i in range(_EXPONENT_BITS):
        digit = ((digits >> i) & 1).astype(base.dtype)
        # A blend instead of a select: exact for 0, and to rounding for 1, also where the base is infinite or NaN.
        result = result * (digit * base + (1 - digit))
        base = base * base
    return result


def horner(coefficients: Array, t: Array) -> Array:
    """Return the value at ``t`` of the polynomial whose coefficients, the lowest first, are on the last axis."""
    result = coefficients[..., -1]
    for k in range(coefficients.shape[-1] - 2, -1, -1):
        result = result * t + coefficients[..., k]
    return result


def left_moments(z: Array, gamma: Array, table: Polynomials, orders: tuple[int, ...]) -> tuple[list[Array], Array]:
    """Return M (order 0) and M' (order 1) for ``z <= FAR``, without a factor that may underflow.

    Parameters
    ----------
    z : Array
        Places, in units of the noise.
    gamma : Array
        Whole numbers, from 1 to `LARGEST_GAMMA`.
    table : Polynomials
        ``polynomials(gamma)``.
    orders : tuple of int
        Which of M and M' to compute.

    Returns
    -------
    values : list of Array
        The moments divided by ``exp(exponent)``.
    exponent : Array
        ``-z**2 / 2`` for negative z, else 0.
    """
    _, shift, near = tables()
    x = jnp.maximum(-z, 0.0)
    u = 1 / (x + shift)
    falling = whole_power(jnp.sqrt(u), gamma)
    t_tail = 1 - 2 * shift * u
    t_near = jnp.minimum(z, near) * (2 / near) - 1
    t_middle = (z - (FAR + near) / 2) * (2 / (FAR - near))
    values = []
    for order in orders:
        tail, close, middle = (table[i][..., order, :] for i in range(3))
        below = falling * (u if order == 0 else 1.0) * horner(tail, t_tail)
        above = jnp.where(z < near, horner(close, t_near), horner(middle, t_middle))
        values.append(jnp.where(z < 0, below, above))
    return values, -0.5 * x * x


def far_moments(z: Array, table: Polynomials, orders: tuple[int, ...]) -> list[Array]:
    """Return M, M' and M'' for ``z >= FAR``, each divided by ``z**(gamma / 2 - order)``."""
    t = 2 * (FAR / z) ** 2 - 1
    return [horner(table.far[..., order, :], t) for order in orders]


def normal_tail(x: Array) -> Array:
    """Return ``P(Z > x) / exp(-x**2 / 2)`` for ``x >= 0``: M' for gamma = 2, at -x."""
    arrays, shift, _ = tables()
    u = 1 / (x + shift)
    return u * horner(jnp.asarray(arrays["tail"][1, 1], x.dtype), 1 - 2 * shift * u)


@functools.cache
def binomials(terms: int) -> np.ndarray:
    """Return the binomial coefficients of ``gamma / 2`` and of ``gamma / 2 - 1``: shape (gammas, 2, terms)."""
    rows = [[_binomials(gamma / 2 - order, terms) for order in range(2)] for gamma in range(1, LARGEST_GAMMA + 1)]
    return np.array(rows)


def _binomials(power: float, terms: int) -> list[float]:
    row = [1.0]
    for k in range(1, terms):
        row.append(row[-1] * (power - k + 1) / k)
    return row
