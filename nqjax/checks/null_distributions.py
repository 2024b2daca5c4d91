"""How far from their scores true fits are: null distributions of the tests of a regime, from a table of simulations.

`bench.make_regime_null` simulates searches whose regime is a noisy quadratic, fits them, and keeps how the upper
quantiles of the statistics depend on gamma, on the ratio of noise to the regime's width, and on the number of scores.
"""

import functools
import json
import math
from importlib import resources
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


Statistic = Literal["misfit", "instability"]


#: Where the simulations end; beyond, the nearest serve.
_NOISE, _COUNT, _GAMMA = (0.01, 1.0), (12, 500), (1.0, 5.0)


#: The smallest p-value given.
_LEAST = 1e-6


class Table(NamedTuple):
    """Logarithms of quantiles as quadratic polynomials."""

    tails: Floats  # (levels,), upper tail probabilities, decreasing
    coefficients: Floats  # (levels, features)


def features(noise: ArrayLike, gamma: ArrayLike, count: ArrayLike) -> Floats:
    """Terms of the polynomials, last axis, for a ratio of noise to the regime's width, gamma and number of scores."""
    a = np.log(np.clip(noise, *_NOISE))
    b = 1 / np.clip(gamma, *_GAMMA)
    c = np.log(np.clip(count, *_COUNT)) - math.log(50)
    a, b, c = np.broadcast_arrays(a, b, c)
    return np.stack([np.ones_like(a), a, b, c, a * a, b * b, c * c, a * b, a * c, b * c], axis=-1)


@functools.cache
def _tables() -> dict[str, Table]:
    stored = json.loads((resources.files("nqjax.data") / "regime_null.json").read_text())
    tails = np.array(stored["tails"])
    return {name: Table(tails, np.array(stored[name])) for name in ("misfit", "instability")}


def p_value(name: Statistic, statistic: float, noise: float, gamma: float, count: int) -> float:
    """Probability that a true fit's statistic is at least so large; interpolated in its logarithm."""
    if statistic <= 0:
        return 1.0
    tails, coefficients = _tables()[name]
    # Noise that runs to infinity leaves a normal distribution.
    levels = np.maximum.accumulate(features(min(noise, 1e9), gamma, count) @ coefficients.T)
    log_tails = np.log(tails)
    x = math.log(statistic)
    if x <= levels[0]:
        # Down to the statistic 0, which every fit exceeds.
        return float(1 - (1 - tails[0]) * math.exp(x - levels[0]))
    if x >= levels[-1]:
        # A statistic of this kind has an exponential tail: log p is linear in it.
        slope = (log_tails[-1] - log_tails[-4]) / (math.exp(levels[-1]) - math.exp(levels[-4]))
        return max(float(math.exp(log_tails[-1] + slope * (statistic - math.exp(levels[-1])))), _LEAST)
    return float(np.exp(np.interp(x, levels, log_tails)))
