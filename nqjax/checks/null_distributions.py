"""Null distributions of the tests of a regime, from a table of simulations.

`bench.make_regime_null` simulates searches that follow a noisy quadratic in their regime, fits them, and stores how the
upper quantiles of the statistics depend on gamma, on the ratio of noise to the regime's width, and on the number of
scores.
"""

import functools
import json
import math
from importlib import resources
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from nqjax.types import Floats

Statistic = Literal["misfit", "instability"]


# Ranges of the simulations; values outside are clipped to them.
_NOISE_RANGE = (0.01, 1.0)
_COUNT_RANGE = (12, 500)
_GAMMA_RANGE = (1.0, 5.0)

#: Smallest p-value that is returned.
_SMALLEST_P = 1e-6


class Table(NamedTuple):
    """Logarithms of quantiles as quadratic polynomials."""

    tails: Floats  # (levels,), upper tail probabilities, decreasing
    coefficients: Floats  # (levels, features)


def features(noise: ArrayLike, gamma: ArrayLike, count: ArrayLike) -> Floats:
    """Return the polynomials' terms (last axis) for ratios of noise to width, gammas and numbers of scores."""
    a = np.log(np.clip(noise, *_NOISE_RANGE))
    b = 1 / np.clip(gamma, *_GAMMA_RANGE)
    c = np.log(np.clip(count, *_COUNT_RANGE)) - math.log(50)
    a, b, c = np.broadcast_arrays(a, b, c)
    return np.stack([np.ones_like(a), a, b, c, a * a, b * b, c * c, a * b, a * c, b * c], axis=-1)


@functools.cache
def _tables() -> dict[str, Table]:
    stored = json.loads((resources.files("nqjax.data") / "regime_null.json").read_text())
    tails = np.array(stored["tails"])
    return {name: Table(tails, np.array(stored[name])) for name in ("misfit", "instability")}


def p_value(name: Statistic, statistic: float, noise: float, gamma: float, count: int) -> float:
    """Return the probability of a statistic at least as large under the null, interpolated in its logarithm."""
    if statistic <= 0:
        return 1.0
    tails, coefficients = _tables()[name]
    # Infinite noise means a normal distribution.
    levels = np.maximum.accumulate(features(min(noise, 1e9), gamma, count) @ coefficients.T)
    log_tails = np.log(tails)
    x = math.log(statistic)
    if x <= levels[0]:
        # Interpolate down to the statistic 0, where the p-value is 1.
        return float(1 - (1 - tails[0]) * math.exp(x - levels[0]))
    if x >= levels[-1]:
        # The tail is exponential: log p is linear in the statistic.
        slope = (log_tails[-1] - log_tails[-4]) / (math.exp(levels[-1]) - math.exp(levels[-4]))
        return max(float(math.exp(log_tails[-1] + slope * (statistic - math.exp(levels[-1])))), _SMALLEST_P)
    return float(np.exp(np.interp(x, levels, log_tails)))
