"""Models that are fitted to a part of the examples and scored on another part, as pure functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from numpy.typing import ArrayLike, NDArray

from nqjax.errors import InputError
from nqjax.inputs import as_count, as_flag
from nqjax.search import space as spaces


@dataclass(frozen=True, eq=False)
class FoldModel:
    """A model whose fits and scores are one pure function in JAX.

    Parameters
    ----------
    fit_and_score : callable
        ``fit_and_score(train, test, hyperparameters, key)`` fits the model to the examples in ``train`` and returns its
        score, a scalar, on those in ``test``. Both are masks: arrays of truth values, one for each example, because
        shapes must not depend on the fold. Hyperparameters are traced scalars. It runs under `jax.vmap` and in double
        precision. NaN is a failed fit.
    num_examples : int
    space : mapping
        From hyperparameters to distributions or values (`nqjax.search.space`).
    minimize : bool, optional
        Whether lower scores are better, as they are by default.
    classes : array_like, shape (num_examples,), optional
        Folds have the same share of each of these classes, as nearly as possible.
    name : str, optional

    Raises
    ------
    InputError
        An argument is invalid.

    Examples
    --------
    The mean of the training examples, drawn towards 0, as the model:

    >>> import jax.numpy as jnp
    >>> from nqjax.search import FoldModel, Uniform
    >>> y = jnp.array([1.0, 2.0, 4.0, 3.0, 2.5, 1.5])
    >>> def fit_and_score(train, test, hyperparameters, key):
    ...     mean = hyperparameters["shrink"] * jnp.sum(train * y) / jnp.sum(train)
    ...     return jnp.sum(test * (y - mean) ** 2) / jnp.sum(test)
    >>> FoldModel(fit_and_score, 6, {"shrink": Uniform(0, 1)}).minimize
    True
    """

    fit_and_score: Callable[[jax.Array, jax.Array, Mapping[str, jax.Array], jax.Array], jax.Array]
    num_examples: int
    space: Mapping[str, Any]
    minimize: bool = True
    classes: ArrayLike | None = None
    name: str = "the model"

    def __post_init__(self) -> None:
        if not callable(self.fit_and_score):
            raise InputError("fit_and_score is not a function: see nqjax.search.FoldModel")
        as_count("num_examples", self.num_examples, 4)
        as_flag("minimize", self.minimize)
        spaces.check(self.space)
        if self.classes is not None and np.shape(self.classes) != (self.num_examples,):
            raise InputError(f"classes has shape {np.shape(self.classes)}: give one for each of the examples")


def as_examples(x: ArrayLike, y: ArrayLike) -> tuple[NDArray[np.float64], NDArray[Any]]:
    """Return features, of shape (examples, features), and targets, of shape (examples,).

    Raises
    ------
    InputError
        Their shapes do not fit each other, or a feature is not a finite number.
    """
    try:
        features = np.asarray(x, np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"x must be numbers, of shape (examples, features): {error}") from None
    targets = np.asarray(y)
    if features.ndim != 2 or targets.shape != features.shape[:1]:
        raise InputError(
            f"x has shape {features.shape} and y {targets.shape}: give (examples, features) and (examples,)"
        )
    if not np.isfinite(features).all():
        raise InputError("x has values that are not finite: leave out or fill in these examples")
    return features, targets
