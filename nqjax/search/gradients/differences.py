"""Central differences with the same seeds at both ends, which see the jumps that derivatives do not."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from nqjax.search.gradients.training import Steps
from nqjax.search.gradients.unrolled import scores_of
from nqjax.search.space import Distribution, LogUniform

Floats = NDArray[np.float64]

#: Distance from the middle to each end, as a share of the hyperparameter's range on its scale.
_SHARE = 0.01


def central_differences(
    steps: Steps, config: Mapping[str, Any], space: Mapping[str, Distribution], names: tuple[str, ...], keys: jax.Array
) -> Floats:
    """Return the difference quotient of the final score by each hyperparameter, for each seed.

    The ends are 1 % of the hyperparameter's range below and above its value, on its scale, and inside the range; they
    are trained with the same initial values and batches.

    Parameters
    ----------
    steps : Steps
    config : mapping
        The values that are traced.
    space : mapping
        From names to distributions.
    names : tuple of str
        Hyperparameters with a `LogUniform` or `Uniform` distribution.
    keys : Array of keys, shape (seeds,)

    Returns
    -------
    ndarray, shape (seeds, names)
        On the scale of the natural logarithm where the distribution is `LogUniform`.
    """
    columns = []
    for name in names:
        low, high = _ends(space[name], float(config[name]))
        log = isinstance(space[name], LogUniform)
        ends = [scores_of(steps, {**config, name: end}, keys) for end in (low, high)]
        apart = math.log(high / low) if log else high - low
        columns.append((ends[1] - ends[0]) / apart)
    return np.stack(columns, axis=-1)


def _ends(distribution: Any, value: float) -> tuple[float, float]:
    """Return the ends; a value outside the range of its distribution has ends on both sides."""
    low, high = float(distribution.low), float(distribution.high)
    low, high = min(low, value), max(high, value)
    if isinstance(distribution, LogUniform):
        factor = (high / low) ** _SHARE
        return max(low, value / factor), min(high, value * factor)
    step = _SHARE * (high - low)
    return max(low, value - step), min(high, value + step)
