"""Search spaces: what each hyperparameter is drawn from, random sampling and grids.

A space is a mapping from names to distributions; a bare value is fixed. A trial's hyperparameters are drawn on the
host, each from a stream of its own that the search's key, the trial's number and the hyperparameter's name alone
decide: so trial ``i`` is the same whatever else is searched, in whatever order, on whatever machine.

>>> space = {"lr": LogUniform(1e-4, 1), "width": Choice(32, 64), "half": Derived(lambda config: config["width"] // 2)}
>>> sample(space, jax.random.key(0), trial=3)
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from nqjax.errors import InputError

Config = dict[str, Any]
#: More configurations than this are no grid that anyone means.
LARGEST_GRID = 1_000_000
_Pick = Callable[[str, "Distribution"], Any]


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
        self.values = tuple(_plain(value) for value in values)

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
        object.__setattr__(self, "value", _plain(self.value))

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


def sample(space: Mapping[str, Any], key: Any, trial: int) -> Config:
    """Draw the configuration of one trial.

    Parameters
    ----------
    space : mapping
        From names to distributions or values.
    key : key, or words of one
        The search's key.
    trial : int
        The trial's number.

    Returns
    -------
    dict
        Plain Python values in the order of the space; InputError names the hyperparameter that cannot be drawn.
    """
    words = key_words(key)

    def pick(name: str, distribution: Distribution) -> Any:
        return distribution.quantile(float(_stream(words, trial, name).random()))

    return _resolve(check(space), pick)


def grid(space: Mapping[str, Any], points: int) -> Iterator[Config]:
    """Yield the configurations of a grid, the last hyperparameter changing fastest.

    Parameters
    ----------
    space : mapping
        From names to distributions or values.
    points : int
        How many values each continuous hyperparameter takes; a `DiscreteUniform` takes no more than that, and a
        `Choice` all of its values. Derived hyperparameters follow, conditional ones are varied where they apply.
    """
    checked = check(space)
    if points < 1:
        raise InputError(f"a grid of {points} points a hyperparameter has none: give 1 or more")
    known = {name: entry.points(points) for name, entry in checked.items() if not isinstance(entry, Derived | When)}
    size = math.prod(map(len, known.values()))  # at the least: conditional ones come on top
    if size > LARGEST_GRID:
        raise InputError(f"a grid of {points} points has {size:,} trials and more: give fewer, or fix hyperparameters")
    path: list[int] = []  # which of its values each hyperparameter takes, in the order they are asked for
    while True:
        counts: list[int] = []

        def pick(name: str, distribution: Distribution, counts: list[int] = counts) -> Any:
            values = known[name] if name in known else distribution.points(points)
            counts.append(len(values))
            if len(counts) > len(path):
                path.append(0)
            return values[path[len(counts) - 1]]

        yield _resolve(checked, pick)
        while path and path[-1] + 1 == counts[len(path) - 1]:
            path.pop()
        if not path:
            return
        path[-1] += 1


def describe(space: Mapping[str, Any]) -> dict[str, Any]:
    """Return a description of the space for JSON; the order of the names says nothing."""
    return {name: distribution.describe() for name, distribution in sorted(check(space).items())}


def searched(space: Mapping[str, Any]) -> list[str]:
    """Return the names of the hyperparameters that vary of themselves, neither fixed nor derived."""
    return [name for name, entry in check(space).items() if not isinstance(entry, Fixed | Derived)]


def key_words(key: Any) -> tuple[int, ...]:
    """Return the words of a JAX key, typed or raw, as whole numbers; a tuple of such words passes."""
    if isinstance(key, tuple):
        return key
    import jax

    try:
        data = jax.random.key_data(key)
    except TypeError:
        raise InputError(f"the key is a {type(key).__name__}: give one such as jax.random.key(0)") from None
    if data.ndim != 1:
        raise InputError(f"the key has the shape {data.shape[:-1]}: give a single one")
    return tuple(int(word) for word in np.asarray(data))


class _Resolving(Mapping[str, Any]):
    """The configuration while it is drawn: what is asked for is drawn first."""

    def __init__(self, space: Mapping[str, Distribution], pick: _Pick) -> None:
        self._space, self._pick = space, pick
        self._values: Config = {}
        self._open: list[str] = []  # those that are being drawn, each waiting for the next

    def __getitem__(self, name: str) -> Any:
        if name not in self._values:
            if name not in self._space:
                raise KeyError(name)
            if name in self._open:
                chain = " -> ".join([*self._open[self._open.index(name) :], name])
                raise InputError(f"hyperparameter {name!r} depends on itself: {chain}")
            self._open.append(name)
            self._values[name] = self._draw(name, self._space[name])
            self._open.pop()
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._space)

    def __len__(self) -> int:
        return len(self._space)

    def _draw(self, name: str, distribution: Distribution) -> Any:
        if isinstance(distribution, Derived):
            value = self._call(name, distribution.function)
            try:
                return _plain(value)
            except InputError as error:
                raise InputError(f"hyperparameter {name!r}: its function gives {error}") from None
        if isinstance(distribution, When):
            holds = bool(self._call(name, distribution.condition))
            return self._draw(name, distribution.distribution if holds else distribution.otherwise)
        return self._pick(name, distribution)

    def _call(self, name: str, function: Callable[[Mapping[str, Any]], Any]) -> Any:
        try:
            return function(self)
        except InputError:
            raise
        except KeyError as error:
            raise InputError(f"hyperparameter {name!r} needs {error}, which the space does not have") from error
        except Exception as error:
            raise InputError(f"hyperparameter {name!r}: its function fails: {error!r}") from error


def _resolve(space: Mapping[str, Distribution], pick: _Pick) -> Config:
    config = _Resolving(space, pick)
    return {name: config[name] for name in space}


def _stream(words: tuple[int, ...], trial: int, name: str) -> np.random.Generator:
    digest = np.frombuffer(hashlib.sha256(name.encode()).digest()[:16], "<u4").tolist()
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([*words, trial, *digest])))


def _as_distribution(entry: Any) -> Distribution:
    if isinstance(entry, Distribution):
        return entry
    if isinstance(entry, type) or callable(entry):
        raise InputError(f"{entry!r} is no distribution (a function of the others goes into Derived)")
    return Fixed(entry)


def _plain(value: Any) -> Any:
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
