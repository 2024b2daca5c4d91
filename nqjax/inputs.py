"""Checks of what callers give: scores, thresholds, limits, flags, counts, shares, keys, devices and dtypes."""

import math
import operator
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import ArrayLike, DTypeLike, NDArray

from nqjax.errors import InputError, show

Limits = tuple[float, float]

#: The losing end of the regime: a score, "auto" to have one chosen by tests, or None to use all scores.
Threshold = float | Literal["auto"] | None

#: The value of ``threshold`` that has a threshold chosen.
AUTO: Literal["auto"] = "auto"


def as_key(key: Array) -> Array:
    """Return a single key, typed or of the old kind; raise InputError for anything else."""
    try:
        typed = key if jnp.issubdtype(key.dtype, jax.dtypes.prng_key) else jax.random.wrap_key_data(jnp.asarray(key))
        single = typed.ndim == 0
    except Exception:  # noqa: BLE001 - arrays of other libraries raise errors of their own
        single = False
    if not single:
        raise InputError("key must be one JAX random key, such as jax.random.key(0)")
    return typed


def as_flag(name: str, value: Any) -> bool:
    """Return a flag; raise InputError, which names it, for anything but True and False."""
    if not isinstance(value, bool | np.bool_):
        raise InputError(f"{name} is {shortened(value)}: give True or False")
    return bool(value)


def as_minimize(minimize: bool | None, maximize: bool | None) -> bool:
    """Return whether lower scores are better, from two flags of which one is enough; without any, they are."""
    if minimize is None and maximize is None:
        return True
    if maximize is None:
        return as_flag("minimize", minimize)
    if minimize is not None and as_flag("minimize", minimize) == as_flag("maximize", maximize):
        raise InputError(f"minimize and maximize are both {bool(minimize)}: give one of them")
    return not as_flag("maximize", maximize)


def as_choice(name: str, value: Any, choices: Sequence[str]) -> str:
    """Return one of some words; raise InputError, which lists them, for anything else."""
    if not isinstance(value, str) or value not in choices:
        raise InputError(f"there is no {name} {shortened(value)}: choose one of {', '.join(choices)}")
    return value


def as_number(name: str, value: Any) -> float:
    """Return a finite number; raise InputError, which names it, for anything else."""
    number = read_number(value)
    if not math.isfinite(number):
        raise InputError(f"{name} is {shortened(value)}: give a finite number")
    return number


def read_number(value: Any) -> float:
    """Return a real number; NaN for text, truth values, complex numbers, arrays of several, and all else."""
    if isinstance(value, str | bytes | bool | np.bool_ | complex | np.complexfloating | np.datetime64 | np.timedelta64):
        return math.nan
    try:
        return math.nan if value is np.ma.masked or np.ndim(value) else float(value)
    except Exception:  # noqa: BLE001 - objects of other libraries raise errors of their own
        return math.nan


#: The largest count that is taken for one: more than any memory holds.
_LARGEST_COUNT = 10**12


def as_count(name: str, number: Any, least: int = 1, most: int = _LARGEST_COUNT) -> int:
    """Return a whole number from ``least`` to ``most``; raise InputError, which names it, for anything else."""
    try:
        count = operator.index(number) if not isinstance(number, bool | np.bool_) else None
    except Exception:  # noqa: BLE001 - as above
        count = None
    if count is None:
        raise InputError(f"{name} is {shortened(number)}: give a whole number")
    if count < least:
        raise InputError(f"{name} is {shortened(count)}: give at least {least}")
    if count > most:
        raise InputError(f"{name} is {shortened(count)}: give at most {most:,}")
    return count


def shortened(value: Any, *, quoted: bool = True) -> str:
    """Return a value for a message, at most 80 characters of it."""
    try:
        text = repr(value) if quoted else str(value)
    except Exception:  # noqa: BLE001 - a number of a million digits cannot be shown, for one
        text = f"a {type(value).__name__}"
    text = " ".join(text.split())
    return text if len(text) <= 80 else text[:77] + "..."


def limits_up_to(threshold: float | None, minimize: bool) -> Limits:
    """Return the limits of the regime that ends at a threshold; None stands for all scores."""
    worst = math.inf if minimize else -math.inf
    end = worst if threshold is None else threshold
    return (-math.inf, end) if minimize else (end, math.inf)


def as_threshold(threshold: Any) -> Threshold:
    """Return a threshold: a finite number, "auto" or None; raise InputError for anything else."""
    if threshold is None or (isinstance(threshold, str) and threshold == AUTO):
        return threshold
    number = read_number(threshold)
    if not math.isfinite(number):
        raise InputError(
            f"threshold is {shortened(threshold)}: give a score, 'auto' to have one chosen, or None to use all scores"
        )
    return number


def oriented_limits(limits: tuple[float, float], minimize: bool) -> tuple[float, float]:
    """Return the limits of the mirrored search if it maximises; applied twice it returns the limits."""
    low, high = (float(limit) for limit in limits)
    return (low, high) if minimize else (-high, -low)


def as_scores(scores: ArrayLike) -> NDArray[np.float64]:
    """Return scores as one row of numbers, or raise InputError.

    One column, such as a data frame's, is one row. Masked values and missing ones (None, NA) are failed runs, NaN.
    """
    if hasattr(scores, "scores") and hasattr(scores, "direction"):  # a study, whose direction must not be forgotten
        how = "maximize=True" if getattr(scores, "direction", None) == "maximize" else "minimize=True"
        raise InputError(f"a study is not scores: give its .scores, and {how} for its direction")
    if isinstance(scores, str | Path):
        raise InputError(
            f"the scores are {shortened(str(scores))}: read a file by nqjax.read_study(file, metric).scores"
        )
    y = as_numbers("scores", scores)
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if y.ndim != 1:
        raise InputError(f"the scores have shape {y.shape}: give one score a trial, in one dimension")
    return y


def as_numbers(name: str, values: ArrayLike) -> NDArray[np.float64]:
    """Return real numbers as an array of float64; raise InputError, which names them, for anything else.

    Masked and missing values (None, NA) are NaN.
    """
    try:
        array = values if isinstance(values, np.ma.MaskedArray) else np.asarray(values)
        if array.dtype == bool and array.size:
            raise TypeError("they are True or False")
        if array.dtype == object:  # mixed columns, as of a data frame with missing values
            flat = [_read_missing(value) for value in array.ravel()]
            array = np.asarray(flat, np.float64).reshape(array.shape)
        if not (array.dtype.kind in "iu" or jnp.issubdtype(array.dtype, jnp.floating)):  # type: ignore[no-untyped-call]
            raise TypeError(f"their type is {array.dtype}")
        if isinstance(array, np.ma.MaskedArray):
            return np.asarray(np.ma.filled(array.astype(np.float64), np.nan))
        return np.asarray(array, np.float64)
    except Exception as error:  # noqa: BLE001 - array-likes of other libraries raise errors of their own
        raise InputError(f"the {name} are not numbers: {shortened(error, quoted=False)}") from None


def _read_missing(value: Any) -> float:
    """Return a number; NaN for a missing one; raise TypeError for anything else."""
    if value is None or value is np.ma.masked or type(value).__name__ in ("NAType", "NaTType"):
        return math.nan
    if isinstance(value, float | np.floating) and math.isnan(value):
        return math.nan
    number = read_number(value)
    if math.isnan(number):
        raise TypeError(f"one is {shortened(value)}")
    return number


def as_limits(limits: tuple[float, float], name: str = "limits") -> tuple[float, float]:
    """Return limits as an ordered pair of numbers; raise InputError, which names them, for anything else."""
    try:
        low, high = (read_number(limit) for limit in limits)
    except Exception:  # noqa: BLE001 - as above
        low = high = math.nan
    if math.isnan(low) or math.isnan(high):
        raise InputError(
            f"the {name} are {shortened(limits)}: give a pair of numbers, such as (-inf, 0.5), infinite ones for none"
        )
    if not low < high:
        raise InputError(f"the {name} ({show(low)}, {show(high)}) are the wrong way round: give the lower one first")
    return low, high


def as_trials(n: ArrayLike) -> NDArray[np.float64]:
    """Return positive numbers of trials, or raise InputError."""
    n = as_numbers("numbers of trials", n)
    if not np.all((n > 0) & np.isfinite(n)):
        raise InputError("the numbers of trials must be positive and finite")
    return n


def as_probability(name: str, value: Any, hint: str = "such as 0.95") -> float:
    """Return a number strictly between 0 and 1; raise InputError, which names it, for anything else."""
    number = read_number(value)
    if not 0 < number < 1:
        raise InputError(f"{name} is {shortened(value)}: give a number between 0 and 1, {hint}")
    return number


def as_probabilities(name: str, values: ArrayLike) -> NDArray[np.float64]:
    """Return probabilities from 0 to 1, ends included; raise InputError, which names them, for anything else."""
    p = as_numbers(name, values)
    if not np.all((p >= 0) & (p <= 1)):
        raise InputError(f"the {name} must lie between 0 and 1")
    return p


def as_quantile(q: Any) -> float:
    """Return the probability of a quantile, or raise InputError."""
    return as_probability("q", q, "0.5 for the median")


_DTYPES = ("float64", "float32")


def as_dtype(dtype: DTypeLike) -> str:
    """Return the name of a supported dtype, or raise InputError."""
    try:
        name = np.dtype(dtype).name if dtype is not None else None
    except Exception:  # noqa: BLE001 - NumPy raises errors of many types
        name = None
    if name not in _DTYPES:
        raise InputError(f"dtype is {shortened(dtype)}: choose one of {', '.join(_DTYPES)}")
    return name


def as_devices(devices: Sequence[jax.Device] | None) -> tuple[jax.Device, ...]:
    """Return the devices to use, by default all of this process."""
    try:
        chosen = tuple(jax.local_devices() if devices is None else devices)
    except TypeError:
        chosen = (devices,)  # type: ignore[assignment]
    if not all(isinstance(device, jax.Device) for device in chosen):
        raise InputError(f"devices are {shortened(devices)}: give JAX devices, such as jax.devices(), or None for all")
    if not chosen:
        raise InputError("devices is empty: give at least one, or None for all")
    return chosen


def as_regimes(limits: Limits | Sequence[Limits], count: int) -> Sequence[Limits]:
    """Return a pair of limits for each study, or raise InputError."""
    try:
        pairs = as_numbers("limits", limits)  # type: ignore[arg-type]
    except InputError:
        raise InputError("limits are not pairs of numbers: give one pair for all studies, or one for each") from None
    if pairs.shape == (2,):
        return [as_limits((float(pairs[0]), float(pairs[1])))] * count
    if pairs.shape != (count, 2):
        raise InputError(f"limits have shape {pairs.shape}: give one pair for all {count} studies, or one for each")
    return [(float(low), float(high)) for low, high in pairs]


def as_studies(studies: Any) -> list[Any]:
    """Return the studies as a list; each is checked by itself, later."""
    try:
        found = None if isinstance(studies, str | bytes) else list(studies)
    except TypeError:
        found = None
    if found is None:
        raise InputError(f"the studies are {shortened(studies)}: give a sequence with the scores of each")
    return found
