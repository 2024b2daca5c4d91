"""Folds: a number for each example, and the masks that follow from the numbers."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nqjax.errors import InputError
from nqjax.inputs import as_count

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


class Folds(NamedTuple):
    """The parts of nested cross-validation.

    Attributes
    ----------
    train, test : ndarray of bool, shape (outer, examples)
        The examples for searching and those for the estimate.
    inner_train, inner_test : ndarray of bool, shape (outer, inner, examples)
        Parts of ``train``.
    partners : ndarray, shape (outer, inner), or None
        The outer fold whose ``test`` is this inner test part; None where these are not the same parts.
    """

    train: Bools
    test: Bools
    inner_train: Bools
    inner_test: Bools
    partners: Ints | None


def as_folds(
    outer: int | ArrayLike, inner: int | ArrayLike, examples: int, classes: ArrayLike | None, rng: np.random.Generator
) -> Folds:
    """Return the folds.

    Parameters
    ----------
    outer : int or array_like, shape (examples,)
        How many, drawn at random; or the number of each example's fold, from 0.
    inner : int or array_like, shape (outer, examples)
        How many: with one fewer than outer ones, the inner folds are the other outer folds, and else they are drawn at
        random. Or the number of each example's inner fold for each outer one; those of examples in the outer test part
        are not read.
    examples : int
    classes : array_like, shape (examples,), or None
        Drawn folds have the same share of each class.
    rng : numpy.random.Generator

    Raises
    ------
    InputError
        The folds are invalid, or one has no examples.
    """
    kinds = np.zeros(examples, np.int64) if classes is None else np.unique(classes, return_inverse=True)[1]
    every = np.ones(examples, bool)
    drawn = np.ndim(outer) == 0
    numbers = _drawn("outer", outer, kinds, every, rng) if drawn else _given("outer", outer, (examples,))
    count = _checked("outer", numbers, every)
    test = numbers == np.arange(count)[:, None]
    if np.ndim(inner) == 0 and as_count("inner", inner, 2) == count - 1:
        own = numbers - (numbers > np.arange(count)[:, None])
    elif np.ndim(inner) == 0:
        own = np.stack([_drawn("inner", inner, kinds, ~part, rng) for part in test])
    else:
        own = _given("inner", inner, (count, examples))
    counts = {_checked("inner", row, ~part) for row, part in zip(own, test, strict=True)}
    if len(counts) > 1:
        raise InputError("the outer folds have different numbers of inner folds: give each the same")
    inner_test = (own[:, None] == np.arange(counts.pop())[:, None]) & ~test[:, None]
    return Folds(~test, test, ~inner_test & ~test[:, None], inner_test, _partners(test, inner_test))


def _partners(test: Bools, inner_test: Bools) -> Ints | None:
    same = (inner_test[:, :, None] == test).all(axis=-1)
    return np.argmax(same, axis=-1) if same.any(axis=-1).all() else None


def _drawn(name: str, count: Any, kinds: Ints, used: Bools, rng: np.random.Generator) -> Ints:
    """Return random folds of the examples in use, dealt one class after the other."""
    count = as_count(name, count, 2)
    places = np.flatnonzero(used)
    if count > len(places):
        raise InputError(f"{name} is {count}, but there are {len(places)} examples: give fewer folds")
    shuffled = rng.permutation(places)
    ordered = shuffled[np.argsort(kinds[shuffled], kind="stable")]
    numbers = np.zeros(len(used), np.int64)
    numbers[ordered] = np.arange(len(ordered)) % count
    return numbers


def _given(name: str, folds: ArrayLike, shape: tuple[int, ...]) -> Ints:
    numbers = np.asarray(folds)
    if numbers.shape != shape or numbers.dtype.kind not in "iu":
        raise InputError(f"{name} must be a number of folds, or whole numbers of shape {shape}")
    return numbers.astype(np.int64)


def _checked(name: str, numbers: Ints, used: Bools) -> int:
    """Return how many folds there are; raise InputError for one that is empty."""
    found = np.unique(numbers[used])
    if not np.array_equal(found, np.arange(len(found))) or len(found) < 2:
        raise InputError(f"the {name} folds must be numbered from 0, two or more, and none may be empty")
    return len(found)
