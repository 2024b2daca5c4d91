"""The exponential of moderate float64 arguments, at twice the speed of XLA's on a CPU.

Quadrature spends most of its time in exponentials. XLA's handles every argument there is; here none is above zero by
much, and what underflows does not count.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

_DEGREE = 10
_LOG2_E, _LOG_2 = float(np.log2(np.e)), float(np.log(2.0))
#: Adding it to a whole number leaves that number in the last bits of the mantissa.
_MAGIC = 1.5 * 2.0**52
#: exp(_LOWEST) is still a normal number.
_LOWEST = -700.0


def _polynomial() -> list[float]:
    """Coefficients of exp on [-log(2)/2, log(2)/2], interpolated at Chebyshev points, lowest order first."""
    half = _LOG_2 / 2
    points = np.cos(np.pi * (np.arange(64) + 0.5) / 64)
    series = np.polynomial.chebyshev.chebfit(points, np.exp(half * points), _DEGREE)
    return [float(c) for c in np.polynomial.chebyshev.cheb2poly(series) / half ** np.arange(_DEGREE + 1)]


_COEFFICIENTS = _polynomial()


def _on_cpu(x: Array) -> Array:
    x = jnp.maximum(x, _LOWEST)
    n = jnp.round(x * _LOG2_E)
    r = x - n * _LOG_2
    result = jnp.full_like(r, _COEFFICIENTS[-1])
    for c in _COEFFICIENTS[-2::-1]:
        result = result * r + c
    # 2**n by adding n to the exponent's bits.
    bits = jax.lax.bitcast_convert_type(result, jnp.int64)
    shift = jax.lax.bitcast_convert_type(n + _MAGIC, jnp.int64) << 52
    return jax.lax.bitcast_convert_type(bits + shift, jnp.float64)


def exponential(x: Array) -> Array:
    """``exp(x)`` for x below 700, to 3e-14; ``exp(-700)`` for what is lower. Has no derivative in float64.

    Parameters
    ----------
    x : Array
        Any shape and floating dtype; NaN gives anything.
    """
    if x.dtype != jnp.float64:
        return jnp.exp(x)
    return jax.lax.platform_dependent(x, cpu=_on_cpu, default=jnp.exp)
