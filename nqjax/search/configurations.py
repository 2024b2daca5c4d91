"""Configurations drawn from a search space, at random or on a grid."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from nqjax.errors import InputError
from nqjax.search.space import Config, Derived, Distribution, When, check, plain_number

#: A grid of more configurations than this is refused: it is probably a mistake.
LARGEST_GRID = 1_000_000

#: Function that returns a hyperparameter's value, given its name and its distribution.
_Pick = Callable[[str, Distribution], Any]


def sample(space: Mapping[str, Any], key: Any, trial: int) -> Config:
    """Draw the configuration of one trial.

    Parameters
    ----------
    space : mapping
        From names to distributions or values.
    key : key or tuple of int
        The search's key, or its words.
    trial : int
        The trial's number.

    Returns
    -------
    dict
        Python numbers and texts in the order of the space.

    Raises
    ------
    InputError
        If the space or the key is invalid; the message names the hyperparameter.
    """
    return next(samples(space, key, [trial]))


def samples(space: Mapping[str, Any], key: Any, trials: Iterable[int]) -> Iterator[Config]:
    """Draw the configurations of several trials, each the one that `sample` draws; the space is checked once."""
    words = key_words(key)
    checked = check(space)
    for trial in trials:

        def pick(name: str, distribution: Distribution, trial: int = trial) -> Any:
            return distribution.quantile(float(stream(words, (trial,), name).random()))

        yield resolve(checked, pick)


def grid(space: Mapping[str, Any], points: int) -> Iterator[Config]:
    """Yield the configurations of a grid, the last hyperparameter changing fastest.

    Parameters
    ----------
    space : mapping
        From names to distributions or values.
    points : int
        How many values each continuous hyperparameter takes; a `DiscreteUniform` takes no more than that, and a
        `Choice` all of its values. Derived hyperparameters are computed from the others, and conditional ones are
        varied where they apply.

    Raises
    ------
    InputError
        If the space is invalid, or the grid is empty or larger than `LARGEST_GRID`.
    """
    checked = check(space)
    if points < 1:
        raise InputError(f"a grid needs points: give 1 or more, not {points}")
    if points > LARGEST_GRID:
        raise InputError(f"a grid of more than {LARGEST_GRID:,} points is a mistake: give fewer")
    counts = [len(entry.points(points)) for entry in checked.values() if not isinstance(entry, Derived | When)]
    size = math.prod(counts)  # a lower bound: conditional hyperparameters add more
    if size > LARGEST_GRID:
        raise InputError(f"a grid of {points} points has {size:,} trials and more: give fewer, or fix hyperparameters")
    yield from _branches(checked, points, {})


def _branches(space: Mapping[str, Distribution], points: int, chosen: Config) -> Iterator[Config]:
    """Yield the grid's configurations in which the hyperparameters in ``chosen`` have those values."""

    def pick(name: str, distribution: Distribution) -> Any:
        if name in chosen:
            return chosen[name]
        values = distribution.points(points)
        if len(values) > 1:
            raise _Undecided(name, values)
        return values[0]

    try:
        config = resolve(space, pick)
    except _Undecided as undecided:
        name, values = undecided.name, undecided.values
    else:
        yield config
        return
    for value in values:
        yield from _branches(space, points, {**chosen, name: value})


class _Undecided(BaseException):
    """Raised where a grid needs a hyperparameter that has several values, none of them chosen yet.

    It derives from `BaseException`, so that ``except Exception`` in a function of the space does not catch it.
    """

    def __init__(self, name: str, values: Sequence[Any]) -> None:
        super().__init__(name)
        self.name, self.values = name, values


def key_words(key: Any) -> tuple[int, ...]:
    """Return the words of a JAX key, typed or raw, as whole numbers; a tuple of words is returned as it is."""
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
    """A configuration while it is drawn: a hyperparameter is drawn when it is first read."""

    def __init__(self, space: Mapping[str, Distribution], pick: _Pick) -> None:
        self._space, self._pick = space, pick
        self._values: Config = {}
        self._open: list[str] = []  # hyperparameters that are being drawn, each because the one before reads it

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
                return plain_number(value)
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


def resolve(space: Mapping[str, Distribution], pick: _Pick) -> Config:
    """Return the configuration whose values ``pick`` returns, for each distribution that the configuration reads."""
    config = _Resolving(space, pick)
    return {name: config[name] for name in space}


def stream(words: tuple[int, ...], numbers: Sequence[int], name: str) -> np.random.Generator:
    """Return the random numbers of a hyperparameter in a trial, or in a trial after a round."""
    digest = np.frombuffer(hashlib.sha256(name.encode()).digest()[:16], "<u4").tolist()
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([*words, *numbers, *digest])))
