"""Expectation of the best of n draws, by double-exponential quadrature of a tail function."""

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from nqjax.special.log_probability import log_complement, logs_of_probability

#: Log of the probability that the best is beyond either end of the range of integration.
_LOG_REST = -42.0


@functools.cache
def _double_exponential_rule(half: int = 60, reach: float = 3.6) -> tuple[np.ndarray, np.ndarray]:
    """Return nodes and weights on [0, 1] that resolve layers of any thickness at both ends (Takahasi and Mori 1974)."""
    t = np.linspace(-reach, reach, 2 * half + 1)
    x = 1 / (1 + np.exp(-np.pi * np.sinh(t)))
    w = (t[1] - t[0]) * np.pi * np.cosh(t) * x * (1 - x)
    return x, w


def average_of_best(
    log_cdf: Callable[[Array], Array],
    log_sf: Callable[[Array], Array],
    quantile: Callable[[Array, Array], Array],
    delta: Array,
    n: Array,
    lowest: bool,
) -> Array:
    """Return the expectation of the lowest (or highest) of ``n`` draws.

    For the lowest, ``E = low + int (1 - F)**n``; for the highest, ``E = high - int F**n``, over a range outside which
    the best falls with probability ``exp(-42)``. The range is cut where the integrand may have a layer: at the ends of
    the support of the noiseless scores and at the best's median.

    Parameters
    ----------
    log_cdf, log_sf : callable
        Functions of the distance ``r`` from alpha.
    quantile : callable
        Function from the logs of a probability and of its complement to ``r``.
    delta : Array
        ``beta - alpha``.
    n : Array
        Numbers of draws.
    lowest : bool
        Whether the best draw is the lowest.
    """
    # The best of n draws is beyond a place with probability p if each draw is with p**(1/n).
    logs = jnp.array([-float(np.exp(_LOG_REST)), float(np.log(0.5)), _LOG_REST], n.dtype)
    # Never 0, which is the log of certainty.
    tail = jnp.minimum(logs.reshape((3,) + (1,) * max(n.ndim, delta.ndim)) / n, -float(jnp.finfo(n.dtype).tiny))
    rest = log_complement(tail)
    near, middle, far = quantile(rest, tail) if lowest else quantile(tail, rest)
    low, high = (near, far) if lowest else (far, near)
    places = jnp.broadcast_arrays(low, jnp.clip(0.0, low, high), middle, jnp.clip(delta, low, high), high)
    cuts: Array = jax.lax.stop_gradient(jnp.sort(jnp.stack(places), axis=0))
    x, w = (jnp.asarray(a, n.dtype) for a in _double_exponential_rule())
    start, length = cuts[:-1], jnp.diff(cuts, axis=0)

    tail_of_one, rest_of_one = (log_sf, log_cdf) if lowest else (log_cdf, log_sf)

    def log_tail_at(r: Array) -> Array:
        value = tail_of_one(r)
        if n.dtype == jnp.float64:
            return value
        # In single precision the log of a probability near 1, of which n is a multiple, follows from the small rest.
        return jnp.where(value > -0.5, log_complement(jnp.minimum(rest_of_one(r), 0.0)), value)

    def add(total: Array, node: tuple[Array, Array]) -> tuple[Array, None]:
        r = start + length * node[0]
        return total + node[1] * jnp.exp(n * log_tail_at(r)), None

    area = jnp.sum(length * jax.lax.scan(add, jnp.zeros_like(start), (x, w))[0], axis=0)
    return cuts[0] + area if lowest else cuts[-1] - area


def log_tail_of_one(n: Array, q: Array, lowest: bool) -> Array:
    """Return the log of the probability that one draw is worse than the ``q`` quantile of the best of ``n``.

    The best is worse than a score when all ``n`` draws are, so its tail is the nth power of the tail of one draw.
    """
    log_p, log_q = logs_of_probability(q)
    return (log_q if lowest else log_p) / n
