"""Gaussian process regression on masked data: Matérn-5/2 with a length for each coordinate, and noise.

Shapes are fixed: trials that are not there have a row and a column of the identity matrix, so they change neither the
likelihood nor the predictions.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from nqjax.search.optimizers.cube import Cube

#: Smallest variance of the noise, in units of the scores' variance: it keeps the matrix positive definite.
_LEAST_NOISE = 1e-6

#: Means and standard deviations of the normal priors of the logarithms.
_LENGTH = math.log(0.5), 1.0
_AMPLITUDE = 0.0, 1.0
_NOISE = math.log(1e-3), 2.0
_PRIORS = _LENGTH, _AMPLITUDE, _NOISE

#: Step of Adam.
_RATE = 0.15
#: Shares of the old averages that Adam keeps: of the gradient, and of its square.
_KEPT_SLOPE = 0.9
_KEPT_SQUARE = 0.99


class Hyper(NamedTuple):
    """Logarithms of the lengths, of the variance of the process, and of the variance of the noise."""

    length: Array  # (dimension,)
    amplitude: Array
    noise: Array

    @classmethod
    def prior(cls, dimension: int) -> Hyper:
        """Return the centre of the prior."""
        return cls(jnp.full(dimension, _LENGTH[0]), jnp.asarray(_AMPLITUDE[0]), jnp.asarray(_NOISE[0]))

    @property
    def variance(self) -> Array:
        """The variance of the noise."""
        return jnp.exp(self.noise) + _LEAST_NOISE


class Regression(NamedTuple):
    """A process given data.

    Attributes
    ----------
    hyper : Hyper
    x : Array, shape (n, dimension)
    present : Array of bool, shape (n,)
    inverse_factor : Array, shape (n, n)
        The inverse of the Cholesky factor of the covariance of the scores.
    weights : Array, shape (n,)
        The inverse of the covariance times the scores.
    """

    hyper: Hyper
    x: Array
    present: Array
    inverse_factor: Array
    weights: Array

    def predict(self, cube: Cube, x: Array) -> tuple[Array, Array]:
        """Return the mean and the standard deviation of the noise-free score at points, of shape (m, dimension)."""
        between = kernel(cube, self.hyper, x, self.x) * self.present
        variance = jnp.exp(self.hyper.amplitude) - jnp.sum((between @ self.inverse_factor.T) ** 2, axis=1)
        return between @ self.weights, jnp.sqrt(jnp.maximum(variance, 1e-12))


def kernel(cube: Cube, hyper: Hyper, x: Array, y: Array) -> Array:
    """Return the covariance of the process between points; two categories are at distance 1."""
    difference = x[:, None] - y[None]
    categorical = jnp.asarray(cube.categorical)
    difference = jnp.where(categorical, (jnp.abs(difference) > 1e-9).astype(x.dtype), difference)
    squares = jnp.sum((difference / jnp.exp(hyper.length)) ** 2, axis=-1)
    distance = jnp.sqrt(5 * jnp.maximum(squares, 1e-20))
    return jnp.exp(hyper.amplitude) * (1 + distance + distance**2 / 3) * jnp.exp(-distance)


def _covariance(cube: Cube, hyper: Hyper, x: Array, present: Array) -> Array:
    both = present[:, None] * present[None]
    matrix = kernel(cube, hyper, x, x) + hyper.variance * jnp.eye(len(x))
    return jnp.where(both, matrix, jnp.eye(len(x)))


def regress(cube: Cube, hyper: Hyper, x: Array, y: Array, present: Array) -> Regression:
    """Return the process given the scores ``y`` at ``x`` where ``present`` is True."""
    inverse = inverse_of_factor(_covariance(cube, hyper, x, present))
    weights = inverse.T @ (inverse @ jnp.where(present, y, 0.0))
    return Regression(hyper, x, present, inverse, weights)


def inverse_of_factor(matrix: Array) -> Array:
    """Return the inverse of the Cholesky factor of a positive definite matrix, by elimination.

    In batches it is about as fast as LAPACK's factor and solutions, which are not used: a program with two of its
    batched calls hung on a machine with two cores (jaxlib 0.10.2), all threads waiting.
    """
    n = len(matrix)
    rows = jnp.arange(n)

    def eliminate(j: Array, both: Array) -> Array:
        share = jnp.where(rows > j, both[:, j] / both[j, j], 0.0)
        return both - share[:, None] * both[j]

    both = jax.lax.fori_loop(0, n, eliminate, jnp.concatenate([matrix, jnp.eye(n, dtype=matrix.dtype)], axis=1))
    return both[:, n:] / jnp.sqrt(jnp.diagonal(both))[:, None]


def inverse_of(matrix: Array) -> Array:
    """Return the inverse of a positive definite matrix, by Gauss-Jordan elimination in place.

    In batches it takes half the time of `inverse_of_factor` and a product.
    """
    rows = jnp.arange(len(matrix))

    def eliminate(j: Array, found: Array) -> Array:
        here = rows == j
        pivot = 1 / found[j, j]
        rest = jnp.where(here[:, None] | here[None], 0.0, found)
        column = jnp.where(here, -1.0, found[:, j])
        return rest - column[:, None] * jnp.where(here, pivot, found[j] * pivot)

    return jax.lax.fori_loop(0, len(matrix), eliminate, matrix)


def log_marginal_likelihood(cube: Cube, hyper: Hyper, x: Array, y: Array, present: Array) -> Array:
    """Return the logarithm of the density of the scores."""
    found = regress(cube, hyper, x, y, present)
    count = jnp.sum(present)
    half_log_det = -jnp.sum(jnp.log(jnp.diagonal(found.inverse_factor)))
    return -0.5 * jnp.where(present, y, 0.0) @ found.weights - half_log_det - 0.5 * count * math.log(2 * math.pi)


def fit_hyper(cube: Cube, start: Hyper, x: Array, y: Array, present: Array, steps: int) -> Hyper:
    """Return hyperparameters nearer to the maximum of the posterior, by steps of Adam from ``start``."""
    y = jnp.where(present, y, 0.0)

    def gradient(hyper: Hyper) -> Hyper:
        matrix, pull = jax.vjp(lambda h: _covariance(cube, h, x, present), hyper)
        inverse = inverse_of(matrix)
        weights = inverse @ y
        (slope,) = pull(0.5 * (inverse - jnp.outer(weights, weights)))
        prior = Hyper(*((h - mean) / sd**2 for h, (mean, sd) in zip(hyper, _PRIORS, strict=True)))
        return jax.tree.map(jnp.add, slope, prior)

    def step(carry: tuple[Hyper, Hyper, Hyper], i: Array) -> tuple[tuple[Hyper, Hyper, Hyper], None]:
        hyper, first, second = carry
        slope = gradient(hyper)
        first = jax.tree.map(lambda m, g: _KEPT_SLOPE * m + (1 - _KEPT_SLOPE) * g, first, slope)
        second = jax.tree.map(lambda m, g: _KEPT_SQUARE * m + (1 - _KEPT_SQUARE) * g * g, second, slope)
        scale = 1 / (1 - _KEPT_SLOPE ** (i + 1)), 1 / (1 - _KEPT_SQUARE ** (i + 1))
        hyper = jax.tree.map(
            lambda h, m, s: h - _RATE * m * scale[0] / (jnp.sqrt(s * scale[1]) + 1e-8), hyper, first, second
        )
        return (hyper, first, second), None

    zero = jax.tree.map(jnp.zeros_like, start)
    (hyper, _, _), _ = jax.lax.scan(step, (start, zero, zero), jnp.arange(steps))
    return hyper
