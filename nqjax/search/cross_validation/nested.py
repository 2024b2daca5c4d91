"""Nested cross-validation: a search inside each outer fold, all of their fits side by side."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike, NDArray

from nqjax.errors import InputError, one_line
from nqjax.inputs import as_count, as_number
from nqjax.runtime.progress import Progress
from nqjax.search.configurations import grid as grid_of
from nqjax.search.configurations import key_words
from nqjax.search.cross_validation.folds import Folds, as_folds
from nqjax.search.cross_validation.model import FoldModel
from nqjax.search.cross_validation.result import NestedCrossValidation
from nqjax.search.optimizers.cube import EncodedSpace
from nqjax.search.optimizers.lockstep import Lockstep, search_keys
from nqjax.search.optimizers.method import Method
from nqjax.search.optimizers.registry import as_method
from nqjax.search.space import Config, check

Floats = NDArray[np.float64]

#: Fits that run side by side; more would not fit a core's caches.
_SIDE_BY_SIDE = 256

#: Folded into the key, so that the search's draws are not those of the fits.
_SEARCH = 1
_FITS = 2

#: The compiled fits of each model, for its next validation.
_programs: weakref.WeakKeyDictionary[FoldModel, Callable[..., Any]] = weakref.WeakKeyDictionary()


def nested_cross_validation(
    model: FoldModel,
    *,
    key: Any,
    configs: Sequence[Mapping[str, Any]] | None = None,
    grid: int | None = None,
    num_trials: int | None = None,
    method: str | Method = "random",
    space: Mapping[str, Any] | None = None,
    outer: int | ArrayLike = 5,
    inner: int | ArrayLike = 4,
    confidence: float = 0.95,
    progress: bool = False,
) -> NestedCrossValidation:
    """Estimate the score of a whole search on new examples, and how much too good its own best score looks.

    The search is part of what is validated: each outer fold holds some examples back, a search over the rest chooses
    the configuration with the best mean score over inner folds, the model is fitted to all of the rest with it, and
    scored on what was held back (Stone 1974; Varma and Simon 2006). This is what
    ``cross_val_score(GridSearchCV(...))`` of scikit-learn computes. The fits of all folds and configurations run side
    by side in double precision.

    Parameters
    ----------
    model : FoldModel
        `nqjax.search.ridge_regression`, `nqjax.search.logistic_regression`, or a pure function of one's own.
    key : key
        A JAX key, for folds that are drawn, the search and the fits.
    configs : sequence of mapping, optional
        The configurations to try. Give either this, ``grid`` or ``num_trials``.
    grid : int, optional
        Try a grid with this many values of each continuous hyperparameter of the space.
    num_trials : int, optional
        Try this many configurations that a method chooses, in each outer fold by itself.
    method : str or Method, optional
        "random" by default, or another of `nqjax.search.run` that trains all trials to their ends, such as "tpe".
    space : mapping, optional
        The model's own by default.
    outer : int or array_like, shape (examples,), optional
        The number of outer folds, 5 by default; or the number of each example's fold, from 0.
    inner : int or array_like, shape (outer, examples), optional
        The number of inner folds, 4 by default; or the number of each example's inner fold in each outer fold. With one
        fewer than outer folds, the inner folds are the other outer folds.
    confidence : float, optional
        The coverage of the intervals.
    progress : bool, optional
        Whether to show progress.

    Returns
    -------
    NestedCrossValidation
        With ``estimate``, ``interval``, ``optimism`` and ``optimism_interval``; printed, it is two sentences.

    Raises
    ------
    InputError
        The folds or the space are invalid, or a hyperparameter is not a number.

    Examples
    --------
    >>> import jax
    >>> import numpy as np
    >>> from nqjax.search import nested_cross_validation, ridge_regression
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(60, 3))
    >>> model = ridge_regression(x, x @ [1.0, 0.0, -1.0] + rng.normal(size=60))
    >>> found = nested_cross_validation(model, key=jax.random.key(0), grid=9)
    >>> found.outer_scores.shape, found.inner_scores.shape
    ((5,), (5, 4, 9))
    """
    if not isinstance(model, FoldModel):
        raise InputError(f"the model is a {type(model).__name__}: give a nqjax.search.FoldModel")
    if not 0 < as_number("confidence", confidence) < 1:
        raise InputError(f"confidence is {confidence}: give a number between 0 and 1, such as 0.95")
    words = key_words(key)
    checked = check(model.space if space is None else space)
    folds = as_folds(outer, inner, model.num_examples, model.classes, np.random.default_rng(words))
    count = len(folds.test)
    evaluate = _Evaluation(model, folds, jax.random.fold_in(key, _FITS))
    if sum(given is not None for given in (configs, grid, num_trials)) != 1:
        raise InputError("give one of configs, grid and num_trials: what the search tries")
    if configs is not None and (isinstance(configs, Mapping) or not all(isinstance(one, Mapping) for one in configs)):
        raise InputError("configs must be a list of mappings, one for each configuration, such as [{'alpha': 1.0}]")
    _check_fit(model, checked)
    if num_trials is None:
        tried = list(grid_of(checked, as_count("grid", grid)) if configs is None else map(dict, configs or ()))
        if not tried:
            raise InputError("configs is empty: give a configuration or more")
        missing = [name for name in checked if name not in tried[0]]
        if missing:
            raise InputError(f"the configurations lack {missing[0]!r}, which is in the space: add it")
        with Progress("configurations", len(tried), show=progress) as bar:
            scores = evaluate([tried] * count, bar)
        every = [tried] * count
    else:
        trials, search_key = as_count("num_trials", num_trials), jax.random.fold_in(key, _SEARCH)
        search = Lockstep(as_method(method), EncodedSpace(checked), trials, search_keys(search_key, range(count)))
        batch = trials if getattr(method, "name", method) == "random" else 1
        with Progress("configurations", trials, show=progress) as bar:
            every, scores = _searched(search, evaluate, trials, batch, bar, sign=1 if model.minimize else -1)
    return _result(model, evaluate, every, scores, float(confidence))


def _searched(
    search: Lockstep, evaluate: _Evaluation, trials: int, batch: int, bar: Progress, *, sign: int
) -> tuple[list[list[Config]], Floats]:
    """Return the configurations that a method asks for in each outer fold, and their scores."""
    every: list[list[Config]] = [[] for _ in range(evaluate.outer)]
    parts = []
    for first in range(0, trials, batch):
        asked = search.ask(batch)
        parts.append(evaluate(asked, bar, first))
        if first + batch < trials:
            search.tell(sign * parts[-1].mean(axis=1))
        every = [[*own, *new] for own, new in zip(every, asked, strict=True)]
    return every, np.concatenate(parts, axis=2)


def _result(
    model: FoldModel, evaluate: _Evaluation, configs: list[list[Config]], scores: Floats, confidence: float
) -> NestedCrossValidation:
    """Choose in each outer fold, and score what was chosen on the examples that were held back."""
    means = scores.mean(axis=1)
    worst = np.inf if model.minimize else -np.inf
    ranked = np.where(np.isnan(means), worst, means)
    chosen = np.argmin(ranked if model.minimize else -ranked, axis=1)
    outer_scores = evaluate.held_back([own[place] for own, place in zip(configs, chosen, strict=True)], chosen)
    best = means[np.arange(len(means)), chosen]
    outer_scores = np.where(np.isnan(best), np.nan, outer_scores)  # no configuration could be fitted
    every = tuple(map(tuple, configs))
    partners = evaluate.partners
    return NestedCrossValidation(
        outer_scores, best, scores, every, chosen, partners, model.minimize, confidence, model.name
    )


def _check_fit(model: FoldModel, space: Mapping[str, Any]) -> None:
    """Raise InputError if the model's function cannot be traced, or gives no scalar."""
    mask = jax.ShapeDtypeStruct((model.num_examples,), bool)
    values = {name: jax.ShapeDtypeStruct((), np.float64) for name in space}
    try:
        with jax.enable_x64(True):
            found = jax.eval_shape(model.fit_and_score, mask, mask, values, jax.random.key(0))
    except InputError:
        raise
    except Exception as error:  # noqa: BLE001  (the caller's own function)
        why = f"it fails: {type(error).__name__}: {one_line(str(error))[:200]}"
        raise InputError(
            f"fit_and_score of {model.name} must be a pure function in JAX of masks and scalars; {why}"
        ) from None
    if getattr(found, "shape", None) != ():
        raise InputError(f"fit_and_score of {model.name} must return one number, a scalar array")


class _Evaluation:
    """Scores of configurations on the inner folds, and of those chosen on the outer ones.

    The fit of configuration ``c`` in inner fold ``i`` of outer fold ``o`` has a key that depends on these numbers only.
    """

    def __init__(self, model: FoldModel, folds: Folds, key: Any) -> None:
        self._folds, self._key, self.partners = folds, key, folds.partners
        if model not in _programs:
            _programs[model] = jax.jit(partial(_scores, model.fit_and_score))
        self._scores = _programs[model]
        self.outer, self.inner = folds.inner_test.shape[:2]
        self._width = max(1, _SIDE_BY_SIDE // (self.outer * self.inner))

    def __call__(self, configs: Sequence[Sequence[Config]], bar: Progress, first: int = 0) -> Floats:
        """Return scores of each outer fold's configurations, of shape (outer, inner, configurations)."""
        count, parts = len(configs[0]), []
        width = min(self._width, count)
        columns = _columns(configs)
        for start in range(0, count, width):
            index = np.minimum(np.arange(start, start + width), count - 1)  # the last part is padded
            values = {name: column[:, index] for name, column in columns.items()}
            parts.append(self._run(self._folds.inner_train, self._folds.inner_test, values, first + index, 0))
            bar.advance(min(width, count - start))
        return np.concatenate(parts, axis=2)[..., :count]

    def held_back(self, configs: Sequence[Config], chosen: NDArray[np.int64]) -> Floats:
        """Return the score of one configuration for each outer fold, of shape (outer,)."""
        values = _columns([[config] for config in configs])
        train, test = self._folds.train[:, None], self._folds.test[:, None]
        return self._run(train, test, values, chosen[:, None], self.inner)[:, 0, 0]

    def _run(self, train: Any, test: Any, values: Any, numbers: NDArray[np.int64], first_fold: int) -> Floats:
        own = np.broadcast_to(numbers, (self.outer, numbers.shape[-1])).astype(np.uint32)
        with jax.enable_x64(True):
            found = self._scores(self._key, train, test, values, own, np.uint32(first_fold))
        scores = np.asarray(found, np.float64)
        return np.where(np.isfinite(scores), scores, np.nan)


def _scores(
    fit_and_score: Callable[..., Any], key: Any, train: Any, test: Any, values: Any, numbers: Any, first_fold: Any
) -> jax.Array:
    """Return the scores of all fits, of shape (outer, inner, configurations)."""
    outer, inner = train.shape[:2]

    def one(outer_fold: Any, train: Any, test: Any, fold: Any, values: Any, number: Any) -> jax.Array:
        own = jax.random.fold_in(jax.random.fold_in(jax.random.fold_in(key, outer_fold), fold), number)
        return jnp.asarray(fit_and_score(train, test, values, own), float).reshape(())

    over_configs = jax.vmap(one, (None, None, None, None, 0, 0))
    over_inner = jax.vmap(over_configs, (None, 0, 0, 0, None, None))
    over_outer = jax.vmap(over_inner, (0, 0, 0, None, 0, 0))
    numbered = jnp.arange(outer, dtype=jnp.uint32), first_fold + jnp.arange(inner, dtype=jnp.uint32)
    found: jax.Array = over_outer(numbered[0], train, test, numbered[1], values, numbers)
    return found


def _columns(configs: Sequence[Sequence[Config]]) -> dict[str, NDArray[Any]]:
    """Return the values of each hyperparameter, of shape (outer, configurations)."""
    columns = {}
    names = list(configs[0][0])
    for own in configs:
        for config in own:
            if set(config) != set(names):
                raise InputError(f"one configuration has {', '.join(names)}, and another {', '.join(config)}")
    for name in names:
        column = np.array([[config[name] for config in own] for own in configs])
        if column.dtype.kind not in "iufb":
            raise InputError(f"{name} has values that are not numbers: code them as whole numbers")
        columns[name] = column
    return columns
