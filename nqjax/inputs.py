"""Checks of what callers give: scores, limits, counts, keys, devices and dtypes."""

import math
import operator
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import ArrayLike, DTypeLike, NDArray

from nqjax.errors import InputError, show

Limits = tuple[float, float]


def as_key(key: Array) -> Array:
    """Return a single key, typed or of the old kind; raise InputError for anything else."""
    try:
        typed = key if jnp.issubdtype(key.dtype, jax.dtypes.prng_key) else jax.random.wrap_key_data(jnp.asarray(key))
        single = typed.ndim == 0
    except (AttributeError, TypeError, ValueError):
        single = False
    if not single:
        raise InputError("key must be one JAX random key, such as jax.random.key(0)")
    return typed


def as_count(name: str, number: Any, least: int = 1) -> int:
    """Return a whole number of at least ``least``; raise InputError, which names it, for anything else."""
    try:
        count = operator.index(number)
    except TypeError:
        raise InputError(f"{name} is {number!r}: give a whole number") from None
    if count < least:
        raise InputError(f"{name} is {count}: give at least {least}")
    return count


def oriented_limits(limits: tuple[float, float], minimize: bool) -> tuple[float, float]:
    """Return the limits of the mirrored search if it maximises; applied twice it returns the limits."""
    low, high = (float(limit) for limit in limits)
    return (low, high) if minimize else (-high, -low)


def as_scores(scores: ArrayLike) -> NDArray[np.float64]:
    """Return scores as one row of numbers, or raise InputError."""
    try:
        y = np.asarray(scores, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError(f"the scores are not numbers: {error}") from None
    if y.ndim != 1:
        raise InputError(f"the scores have shape {y.shape}: give one score a trial, in one dimension")
    return y


def as_limits(limits: tuple[float, float]) -> tuple[float, float]:
    """Return limits as an ordered pair of numbers, or raise InputError."""
    try:
        low, high = (float(limit) for limit in limits)
    except (TypeError, ValueError):
        raise InputError(f"the limits are {limits!r}: give a pair of numbers, such as (-inf, 0.5)") from None
    if math.isnan(low) or math.isnan(high):
        raise InputError(f"the limits ({show(low)}, {show(high)}) hold NaN: give two numbers, infinite ones for none")
    if not low < high:
        raise InputError(f"the limits ({show(low)}, {show(high)}) are the wrong way round: give the lower one first")
    return low, high


def as_trials(n: ArrayLike) -> NDArray[np.float64]:
    """Return positive numbers of trials, or raise InputError."""
    n = np.asarray(n, np.float64)
    if not np.all((n > 0) & np.isfinite(n)):
        raise InputError("the numbers of trials must be positive")
    return n


def as_probability(name: str, value: Any, hint: str = "such as 0.95") -> float:
    """Return a number strictly between 0 and 1; raise InputError, which names it, for anything else."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not 0 < number < 1:
        raise InputError(f"{name} is {value}: give a number between 0 and 1, {hint}")
    return number


def as_quantile(q: Any) -> float:
    """Return the probability of a quantile, or raise InputError."""
    return as_probability("q", q, "0.5 for the median")


_DTYPES = ("float64", "float32")


def as_dtype(dtype: DTypeLike) -> str:
    """Return the name of a supported dtype, or raise InputError."""
    try:
        name = np.dtype(dtype).name
    except TypeError:
        name = str(dtype)
    if name not in _DTYPES:
        raise InputError(f"dtype is {name!r}: choose one of {', '.join(_DTYPES)}")
    return name


def as_devices(devices: Sequence[jax.Device] | None) -> tuple[jax.Device, ...]:
    """Return the devices to use, by default all of this process."""
    chosen = tuple(jax.local_devices() if devices is None else devices)
    if not chosen:
        raise InputError("devices is empty: give at least one, or None for all")
    return chosen


def as_regimes(limits: Limits | Sequence[Limits], count: int) -> Sequence[Limits]:
    """Return a pair of limits for each study, or raise InputError."""
    try:
        pairs = np.asarray(limits, np.float64)
    except (TypeError, ValueError):
        raise InputError("limits are not pairs of numbers: give one pair for all studies, or one for each") from None
    if pairs.shape == (2,):
        return [as_limits((float(pairs[0]), float(pairs[1])))] * count
    if pairs.shape != (count, 2):
        raise InputError(f"limits have shape {pairs.shape}: give one pair for all {count} studies, or one for each")
    return [(float(low), float(high)) for low, high in pairs]
