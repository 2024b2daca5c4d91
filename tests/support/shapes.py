"""Sizes that the tests share: what is evaluated in arrays of one size needs one compiled program."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

#: Elements in a call of an elementwise function.
POINTS = 4096

#: Elements in a call of an average tuning curve, each of which takes about a thousand evaluations.
CURVES = 512


def in_chunks(function: Callable[..., Any], *arrays: Any, size: int = POINTS) -> Any:
    """Return an elementwise function of arrays that broadcast, evaluated `size` elements at a time.

    The last chunk is padded with copies of the last element. The function may return a tree of arrays.
    """
    arrays = np.broadcast_arrays(*arrays)
    shape, count = arrays[0].shape, arrays[0].size
    flat = [a.ravel() for a in arrays]
    parts = []
    for start in range(0, count, size):
        some = [a[start : start + size] for a in flat]
        padded = [np.pad(a, (0, size - len(a)), mode="edge") for a in some]
        parts.append(jax.tree.map(np.asarray, function(*padded)))
    return jax.tree.map(lambda *leaves: np.concatenate(leaves)[:count].reshape(shape), *parts)
