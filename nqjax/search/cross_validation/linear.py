"""Ridge and logistic regression whose fits are exact, for cross-validation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import ArrayLike

from nqjax.errors import InputError
from nqjax.inputs import as_choice
from nqjax.search.cross_validation.model import FoldModel, as_examples
from nqjax.search.space import LogUniform

#: Most iterations of Newton's method.
_ITERATIONS = 100

#: The fit has converged at this norm of the objective's gradient, relative to that at the start.
_CONVERGED = 1e-9

#: Shares of Newton's step that are tried; the best is taken.
_SHARES = tuple(0.5**k for k in range(12))


def ridge_regression(
    x: ArrayLike,
    y: ArrayLike,
    *,
    score: str = "mean_squared_error",
    standardize: bool = False,
    space: Mapping[str, Any] | None = None,
) -> FoldModel:
    """Return ridge regression with an intercept, solved exactly.

    It minimises ``|y - x w - b|^2 + alpha |w|^2``, as scikit-learn's ``Ridge`` does. With an alpha below 0 its score is
    NaN.

    Parameters
    ----------
    x : array_like, shape (examples, features)
    y : array_like, shape (examples,)
    score : str, optional
        "mean_squared_error", which is minimised, or "r2", which is maximised.
    standardize : bool, optional
        Whether to divide each feature by its standard deviation among the training examples.
    space : mapping, optional
        By default ``{"alpha": LogUniform(1e-4, 1e4)}``.

    Raises
    ------
    InputError
        The shapes do not fit each other, or a value is not a finite number.

    Examples
    --------
    >>> import jax
    >>> import numpy as np
    >>> from nqjax.search import nested_cross_validation, ridge_regression
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(60, 3))
    >>> model = ridge_regression(x, x @ [1.0, 0.0, -1.0] + rng.normal(size=60))
    >>> found = nested_cross_validation(model, key=jax.random.key(0), grid=9)
    >>> 0.5 < found.estimate < 1.5  # the variance of the noise is 1
    True
    """
    features, targets = as_examples(x, y)
    as_choice("score", score, ["mean_squared_error", "r2"])
    if targets.dtype.kind not in "iuf" or not np.isfinite(targets).all():
        raise InputError("y must be finite numbers: leave out examples without a target")
    targets = targets.astype(np.float64)

    def fit_and_score(train: Array, test: Array, hyperparameters: Mapping[str, Array], key: Array) -> Array:  # noqa: ARG001
        weights = train.astype(features.dtype)
        scaled = _scaled(features, weights, standardize=standardize)
        mean = weights @ targets / weights.sum()
        bent = (scaled * weights[:, None]).T @ scaled + hyperparameters["alpha"] * jnp.eye(scaled.shape[1])
        w = jax.scipy.linalg.solve(bent, scaled.T @ (weights * (targets - mean)), assume_a="pos")
        w = jnp.where(hyperparameters["alpha"] < 0, jnp.nan, w)  # no ridge: a failed configuration
        kept = test.astype(features.dtype)
        error = kept @ (targets - mean - scaled @ w) ** 2
        if score == "mean_squared_error":
            return error / kept.sum()
        spread = kept @ (targets - kept @ targets / kept.sum()) ** 2
        return 1 - error / spread

    return FoldModel(
        fit_and_score,
        len(targets),
        space or {"alpha": LogUniform(1e-4, 1e4)},
        minimize=score == "mean_squared_error",
        name="ridge regression",
    )


def logistic_regression(
    x: ArrayLike,
    y: ArrayLike,
    *,
    score: str = "log_loss",
    standardize: bool = True,
    space: Mapping[str, Any] | None = None,
) -> FoldModel:
    """Return logistic regression of two classes with an intercept, by Newton's method to convergence.

    It minimises ``C sum(log loss) + |w|^2 / 2``, as scikit-learn's ``LogisticRegression`` does. A fit that does not
    converge has the score NaN.

    Parameters
    ----------
    x : array_like, shape (examples, features)
    y : array_like, shape (examples,)
        Two classes. Folds have the same share of both.
    score : str, optional
        "log_loss", the mean over the examples, which is minimised; or "accuracy", which is maximised.
    standardize : bool, optional
        Whether to divide each feature by its standard deviation among the training examples.
    space : mapping, optional
        By default ``{"C": LogUniform(1e-4, 1e4)}``.

    Raises
    ------
    InputError
        The shapes do not fit each other, a feature is not a finite number, or there are not two classes.

    Examples
    --------
    >>> import numpy as np
    >>> from nqjax.search import logistic_regression
    >>> x = np.random.default_rng(0).normal(size=(60, 3))
    >>> logistic_regression(x, x[:, 0] > 0, score="accuracy").minimize
    False
    """
    features, targets = as_examples(x, y)
    as_choice("score", score, ["log_loss", "accuracy"])
    values, classes = np.unique(targets, return_inverse=True)
    if len(values) != 2:
        raise InputError(f"y has {len(values):,} classes: logistic regression is for 2")
    signs = 2.0 * classes - 1

    def fit_and_score(train: Array, test: Array, hyperparameters: Mapping[str, Array], key: Array) -> Array:  # noqa: ARG001
        weights = train.astype(features.dtype)
        scaled = _scaled(features, weights, standardize=standardize)
        design = jnp.concatenate([scaled, jnp.ones((len(scaled), 1))], axis=1)
        w, converged = _fit_logistic(design, signs, weights * hyperparameters["C"])
        margin, kept = signs * (design @ w), test.astype(features.dtype)
        values = jax.nn.softplus(-margin) if score == "log_loss" else (margin > 0).astype(features.dtype)
        return jnp.where(converged, kept @ values / kept.sum(), jnp.nan)

    return FoldModel(
        fit_and_score,
        len(targets),
        space or {"C": LogUniform(1e-4, 1e4)},
        minimize=score == "log_loss",
        classes=classes,
        name="logistic regression",
    )


def _scaled(x: Any, weights: Array, *, standardize: bool) -> Array:
    """Return features minus their mean among the training examples, and divided by their deviation there."""
    centred: Array = x - weights @ x / weights.sum()
    if not standardize:
        return centred
    deviation = jnp.sqrt(weights @ centred**2 / weights.sum())
    return centred / jnp.where(deviation > 0, deviation, 1.0)


def _fit_logistic(design: Array, signs: Any, weights: Array) -> tuple[Array, Array]:
    """Return the coefficients, the intercept last, and whether the fit has converged."""
    penalty = jnp.ones(design.shape[1]).at[-1].set(0.0)
    shares = jnp.asarray(_SHARES)

    def slope(w: Array) -> Array:
        pull = weights * signs * jax.nn.sigmoid(-signs * (design @ w))
        return penalty * w - design.T @ pull

    start = jnp.zeros(design.shape[1])
    goal = _CONVERGED * jnp.linalg.norm(slope(start))

    def go_on(carry: tuple[Array, Array, int]) -> Array:
        _, left, count = carry
        return (jnp.linalg.norm(left) > goal) & (count < _ITERATIONS)

    def step(carry: tuple[Array, Array, int]) -> tuple[Array, Array, int]:
        w, left, count = carry
        p = jax.nn.sigmoid(design @ w)
        bent = (design * (weights * p * (1 - p))[:, None]).T @ design + jnp.diag(penalty)
        # The intercept has no penalty: where all probabilities are 0 or 1, its curvature may vanish.
        direction = jax.scipy.linalg.solve(bent + 1e-12 * jnp.eye(len(w)), left, assume_a="pos")
        margin, change = signs * (design @ w), signs * (design @ direction)
        losses = jax.nn.softplus(-(margin - shares[:, None] * change)) @ weights
        sizes = 0.5 * jnp.sum(penalty * (w - shares[:, None] * direction) ** 2, axis=1)
        w = w - shares[jnp.argmin(losses + sizes)] * direction
        return w, slope(w), count + 1

    w, left, _ = jax.lax.while_loop(go_on, step, (start, slope(start), 0))
    return w, jnp.linalg.norm(left) <= 10 * goal
