"""The distributions of hyperparameters, and search spaces made of them.

A space is a mapping from names to distributions; a bare value is fixed. A trial's hyperparameters are drawn on the
host. Each has a stream of random numbers that depends only on the search's key, the trial's number and the
hyperparameter's name. So trial ``i`` is the same whatever else is searched, in any order and on any machine.
`nqjax.search.configurations` draws from a space.
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
    """The distribution of a hyperparameter: a quantile function, the points of a grid, and a description for JSON."""

    def quantile(self, u: float) -> Any:
        """Return the value below which a share ``u`` of the draws lies, for ``u`` in [0, 1]; at 1 the largest value."""
        raise NotImplementedError

    def share(self, value: Any) -> float:
        """Return the share of the draws below a value, the inverse of `quantile`; in cells, that of their middle."""
        raise NotImplementedError

    @property
    def num_values(self) -> int | None:
        """The number of values; None for a continuous hyperparameter."""
        return None

    def points(self, count: int) -> list[Any]:
        """Return the ``count`` values of a grid, evenly spaced in probability from end to end."""
        raise NotImplementedError

    def describe(self) -> dict[str, Any]:
        """Return a description for JSON that differs between different distributions."""
        raise NotImplementedError


@dataclass(frozen=True)
class Uniform(Distribution):
    """Uniform between ``low`` and ``high``.

    Raises
    ------
    InputError
        If these are not finite numbers with ``low < high``.

    Examples
    --------
    >>> from nqjax.search import Uniform
    >>> Uniform(0, 2).quantile(0.25)
    0.5
    >>> Uniform(0, 2).points(3)
    [0.0, 1.0, 2.0]
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        _check_ends(self, self.low, self.high)

    def quantile(self, u: float) -> float:
        """Return the value at ``u``."""
        return float(self.low + (self.high - self.low) * u)

    def share(self, value: float) -> float:
        """Return the place of a value between the ends."""
        return _within((value - self.low) / (self.high - self.low))

    def points(self, count: int) -> list[float]:
        """Return ``count`` evenly spaced values, ends included; the middle for one."""
        return [self.quantile(u) for u in _spread(count)]

    def describe(self) -> dict[str, Any]:
        """Return a description for JSON."""
        return {"uniform": [self.low, self.high]}


@dataclass(frozen=True)
class LogUniform(Distribution):
    """Uniform in the logarithm between ``low`` and ``high``.

    Raises
    ------
    InputError
        If these are not positive, finite numbers with ``low < high``.

    Examples
    --------
    >>> from nqjax.search import LogUniform
    >>> [round(value, 6) for value in LogUniform(0.01, 1).points(3)]
    [0.01, 0.1, 1.0]
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        _check_ends(self, self.low, self.high)
        if not self.low > 0:
            raise InputError(f"{self} must begin above 0")

    def quantile(self, u: float) -> float:
        """Return the value at ``u``."""
        return float(self.low * (self.high / self.low) ** u)

    def share(self, value: float) -> float:
        """Return the place of a value between the ends, on the logarithmic scale."""
        return _within(math.log(value / self.low) / math.log(self.high / self.low))

    def points(self, count: int) -> list[float]:
        """Return ``count`` values at even ratios, ends included; the geometric middle for one."""
        return [self.quantile(u) for u in _spread(count)]

    def describe(self) -> dict[str, Any]:
        """Return a description for JSON."""
        return {"log_uniform": [self.low, self.high]}


@dataclass(frozen=True)
class DiscreteUniform(Distribution):
    """Uniform over the whole numbers from ``low`` to ``high``, both included.

    Raises
    ------
    InputError
        If these are not whole numbers with ``low <= high``.

    Examples
    --------
    >>> from nqjax.search import DiscreteUniform
    >>> DiscreteUniform(1, 4).quantile(0.5)
    3
    >>> DiscreteUniform(1, 4).points(10)
    [1, 2, 3, 4]
    """

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

    def share(self, value: int) -> float:
        """Return the middle of the value's cell."""
        return _within((value - self.low + 0.5) / self.num_values)

    @property
    def num_values(self) -> int:
        """The number of values."""
        return int(self.high) - int(self.low) + 1

    def points(self, count: int) -> list[int]:
        """Return all values if there are at most ``count``, else ``count`` values that are evenly spread."""
        values = range(int(self.low), int(self.high) + 1)
        if len(values) <= count:
            return list(values)
        return [values[round(u * (len(values) - 1))] for u in _spread(count)]

    def describe(self) -> dict[str, Any]:
        """Return a description for JSON."""
        return {"discrete_uniform": [int(self.low), int(self.high)]}


class Choice(Distribution):
    """One of several values, all equally likely.

    Parameters
    ----------
    *values
        Numbers, or, for static hyperparameters, texts.

    Raises
    ------
    InputError
        If there is no value, or one is neither a finite number nor text.

    Examples
    --------
    >>> from nqjax.search import Choice
    >>> Choice(32, 64, 128).quantile(0.5)
    64
    """

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
        """Return the value at ``u``; the values are in the order in which they were given."""
        return self.values[min(int(len(self.values) * u), len(self.values) - 1)]

    def share(self, value: Any) -> float:
        """Return the middle of the value's cell."""
        if value not in self.values:
            raise InputError(f"{value!r} is none of the values of {self}")
        return (self.values.index(value) + 0.5) / len(self.values)

    @property
    def num_values(self) -> int:
        """The number of values."""
        return len(self.values)

    def points(self, count: int) -> list[Any]:  # noqa: ARG002
        """Return all values, whatever ``count`` is."""
        return list(self.values)

    def describe(self) -> dict[str, Any]:
        """Return a description for JSON."""
        return {"choice": list(self.values)}


@dataclass(frozen=True)
class Fixed(Distribution):
    """Always the same value; a bare value in a space means the same.

    Raises
    ------
    InputError
        If the value is neither a finite number nor text.

    Examples
    --------
    >>> from nqjax.search import Fixed
    >>> Fixed(0.9).points(3)
    [0.9]
    """

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
    """A function of the other hyperparameters.

    Parameters
    ----------
    function : callable
        Called with the configuration, a mapping; it may read other derived hyperparameters.

    Examples
    --------
    >>> from nqjax.search import Derived
    >>> from nqjax.search.configurations import grid
    >>> space = {"epochs": 10, "warmup": Derived(lambda config: config["epochs"] // 5)}
    >>> list(grid(space, 1))
    [{'epochs': 10, 'warmup': 2}]
    """

    function: Callable[[Mapping[str, Any]], Any]

    def describe(self) -> dict[str, Any]:
        """Return a description for JSON, which has the name of the function."""
        return {"derived": _name(self.function)}


@dataclass(frozen=True)
class When(Distribution):
    """A conditional hyperparameter: one distribution or value if a function of the others is true, else another.

    Parameters
    ----------
    condition : callable
        Called with the configuration, a mapping.
    distribution, otherwise : Distribution or value
        Used where the condition is true, and where it is false.

    Examples
    --------
    >>> from nqjax.search import Choice, Uniform, When
    >>> from nqjax.search.configurations import grid
    >>> space = {"augment": Choice(0, 1), "strength": When(lambda config: config["augment"], Uniform(1, 2), 0)}
    >>> [tuple(config.values()) for config in grid(space, 2)]
    [(0, 0), (1, 1.0), (1, 2.0)]
    """

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
    """Return the space with bare values made `Fixed`; raise InputError that names an invalid hyperparameter."""
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
    """Return a description of the space for JSON, in alphabetical order."""
    return {name: distribution.describe() for name, distribution in sorted(check(space).items())}


def searched(space: Mapping[str, Any]) -> list[str]:
    """Return the names of the hyperparameters that are neither fixed nor derived."""
    return [name for name, entry in check(space).items() if not isinstance(entry, Fixed | Derived)]


def _as_distribution(entry: Any) -> Distribution:
    if isinstance(entry, Distribution):
        return entry
    if isinstance(entry, type) or callable(entry):
        raise InputError(
            f"{entry!r} is no distribution: give an instance, and put a function of the others into Derived"
        )
    return Fixed(entry)


def plain_number(value: Any) -> Any:
    """Return a scalar of any kind as a Python number, text and None as they are; raise InputError for anything else."""
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


def _within(share: float) -> float:
    """Return a share between 0 and 1; one that is outside by rounding alone becomes the end."""
    if not -1e-9 <= share <= 1 + 1e-9:
        raise InputError("the value lies outside the distribution")
    return min(max(float(share), 0.0), 1.0)


def _spread(count: int) -> list[float]:
    return [0.5] if count == 1 else np.linspace(0.0, 1.0, count).tolist()


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__qualname__", type(function).__name__)
