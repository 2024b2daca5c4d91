"""Search spaces: what each hyperparameter is drawn from, random sampling and grids.

A space is a mapping from names to distributions; a bare value is fixed. A trial's hyperparameters are drawn on the
host, each from a stream of its own that the search's key, the trial's number and the hyperparameter's name alone
decide: so trial ``i`` is the same whatever else is searched, in whatever order, on whatever machine.

>>> space = {"lr": LogUniform(1e-4, 1), "width": Choice(32, 64), "half": Derived(lambda config: config["width"] // 2)}
>>> sample(space, jax.random.key(0), trial=3)
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from nqjax.errors import InputError

Config = dict[str, Any]


class Distribution:
    """What a hyperparameter is drawn from: a quantile function, and a description that JSON can hold."""

    def quantile(self, u: float) -> Any:
        """Return the value below which the share ``u`` of the draws lies, for ``u`` in [0, 1)."""
        raise NotImplementedError

    def points(self, count: int) -> list[Any]:
        """Return the values of a grid: ``count`` that are evenly spaced in probability, from end to end."""
        raise NotImplementedError

    def describe(self) -> dict[str, Any]:
        """Return a description for JSON, by which two spaces can be told apart."""
        raise NotImplementedError


@dataclass(frozen=True)
class Uniform(Distribution):
    """Uniform between ``low`` and ``high``."""

    low: float
    high: float

    def __post_init__(self) -> None:
        _check_ends(self, self.low, self.high)

    def quantile(self, u: float) -> float:
        """Return the value at ``u``."""
        return float(self.low + (self.high - self.low) * u)

    def points(self, count: int) -> list[float]:
        """Return ``count`` evenly spaced values, ends included; the middle for one."""
        return [self.quantile(u) for u in _spread(count)]

    def describe(self) -> dict[str, Any]:
        """Return a description for JSON."""
        return {"uniform": [self.low, self.high]}


@dataclass(frozen=True)
class LogUniform(Distribution):
    """Uniform in the logarithm between ``low`` and ``high``, both positive."""

    low: float
    high: float

    def __post_init__(self) -> None:
        _check_ends(self, self.low, self.high)
        if not self.low > 0:
            raise InputError(f"{self} must begin above 0")

    def quantile(self, u: float) -> float:
        """Return the value at ``u``."""
        return float(self.low * (self.high / self.low) ** u)

    def points(self, count: int) -> list[float]:
        """Return ``count`` values at even ratios, ends included; the geometric middle for one."""
        return [self.quantile(u) for u in _spread(count)]

    def describe(self) -> dict[str, Any]:
        """Return a description for JSON."""
        return {"log_uniform": [self.low, self.high]}


@dataclass(frozen=True)
class DiscreteUniform(Distribution):
    """One of the whole numbers from ``low`` to ``high``, both included."""

    low: int
    high: int

    def __post_init__(self) -> None:
        if any(isinstance(end, bool) or not isinstance(end, int | np.integer) for end in (self.low, self.high)):
            raise InputError(f"{self} needs whole numbers")
        if self.low > self.high:
            raise InputError(f"{self} has its ends the wrong way round")

    def quantile(self, u: float) -> int:
        """Return the value at ``u``."""
        return int(min(self.low + math.floor((self.high - self.low + 1) * u), self.high))

    def points(self, count: int) -> list[int]:
        """Return all values if there are no more than ``count``, else as many that are evenly spread."""
        values = range(int(self.low), int(self.high) + 1)
        if len(values) <= count:
            return list(values)
        return [values[round(u * (len(values) - 1))] for u in _spread(count)]

    def describe(self) -> dict[str, Any]:
        """Return a description for JSON."""
        return {"discrete_uniform": [int(self.low), int(self.high)]}


class Choice(Distribution):
    """One of some values, each as likely as the others: numbers, or, for static hyperparameters, text."""

    def __init__(self, *values: Any) -> None:
        if not values:
            raise InputError("Choice() needs a value or more")
        self.values = tuple(plain_number(value) for value in values)

    def __repr__(self) -> str:
        return f"Choice({', '.join(map(repr, self.values))})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Choice) and self.values == other.values

    def __hash__(self) -> int:
        return hash(self.values)

    def quantile(self, u: float) -> Any:
        """Return the value at ``u``, in the order they were given."""
        return self.values[min(int(len(self.values) * u), len(self.values) - 1)]

    def points(self, count: int) -> list[Any]:  # noqa: ARG002 - all of them, however many points others have
        """Return all values."""
        return list(self.values)

    def describe(self) -> dict[str, Any]:
        """Return a description for JSON."""
        return {"choice": list(self.values)}


@dataclass(frozen=True)
class Fixed(Distribution):
    """Always the same value."""

    value: Any

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", plain_number(self.value))

    def quantile(self, u: float) -> Any:  # noqa: ARG002
        """Return the value."""
        return self.value

    def points(self, count: int) -> list[Any]:  # noqa: ARG002
        """Return the value."""
        return [self.value]

    def describe(self) -> dict[str, Any]:
        """Return a description for JSON."""
        return {"fixed": self.value}


@dataclass(frozen=True)
class Derived(Distribution):
    """A function of the other hyperparameters, called with the configuration; it may read other derived ones."""

    function: Callable[[Mapping[str, Any]], Any]

    def describe(self) -> dict[str, Any]:
        """Return a description for JSON; a function is known by its name."""
        return {"derived": _name(self.function)}


@dataclass(frozen=True)
class When(Distribution):
    """A conditional hyperparameter: a distribution or value where a function of the others holds, else another."""

    condition: Callable[[Mapping[str, Any]], Any]
    distribution: Any
    otherwise: Any

    def __post_init__(self) -> None:
        for name in ("distribution", "otherwise"):
            object.__setattr__(self, name, _as_distribution(getattr(self, name)))

    def describe(self) -> dict[str, Any]:
        """Return a description for JSON."""
        parts = {"then": self.distribution.describe(), "otherwise": self.otherwise.describe()}
        return {"when": _name(self.condition), **parts}


def check(space: Mapping[str, Any]) -> dict[str, Distribution]:
    """Return the space with bare values made `Fixed`; raise InputError naming the hyperparameter that is none."""
    if not isinstance(space, Mapping) or not space:
        raise InputError("the space is empty: map each hyperparameter's name to a distribution or a value")
    checked = {}
    for name, entry in space.items():
        if not isinstance(name, str) or not name:
            raise InputError(f"the hyperparameter {name!r} must have a text for a name")
        try:
            checked[name] = _as_distribution(entry)
        except InputError as error:
            raise InputError(f"hyperparameter {name!r}: {error}") from None
    return checked


def describe(space: Mapping[str, Any]) -> dict[str, Any]:
    """Return a description of the space for JSON; the order of the names says nothing."""
    return {name: distribution.describe() for name, distribution in sorted(check(space).items())}


def searched(space: Mapping[str, Any]) -> list[str]:
    """Return the names of the hyperparameters that vary of themselves, neither fixed nor derived."""
    return [name for name, entry in check(space).items() if not isinstance(entry, Fixed | Derived)]


def _as_distribution(entry: Any) -> Distribution:
    if isinstance(entry, Distribution):
        return entry
    if isinstance(entry, type) or callable(entry):
        raise InputError(f"{entry!r} is no distribution (a function of the others goes into Derived)")
    return Fixed(entry)


def plain_number(value: Any) -> Any:
    """A Python number, text or None; NumPy's and JAX's scalars are made such."""
    if hasattr(value, "item") and getattr(value, "ndim", 0) == 0:
        value = value.item()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    raise InputError(f"{value!r} is neither a finite number nor text")


def _check_ends(distribution: Distribution, low: Any, high: Any) -> None:
    for end in (low, high):
        if isinstance(end, bool) or not isinstance(end, int | float | np.number) or not math.isfinite(end):
            raise InputError(f"{distribution} needs two finite numbers")
    if not low < high:
        raise InputError(f"{distribution} needs the lower number first")


def _spread(count: int) -> list[float]:
    return [0.5] if count == 1 else np.linspace(0.0, 1.0, count).tolist()


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__qualname__", type(function).__name__)
