"""Nested cross-validation: its findings on real data, and how often its intervals hold the truth.

python -m bench nested [--quick]
"""

import importlib.util
import math
import time

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

from bench.common import table
from nqjax.search import FoldModel, LogUniform, logistic_regression, nested_cross_validation, ridge_regression

#: Data sets of a simulation; the truth is the mean over all of them.
SETS = 1000
QUICK = 200

CONFIDENCE = 0.95

#: Examples and features of a simulated data set.
EXAMPLES = 60
FEATURES = 10

#: Features of pure noise, of which the search chooses one.
CANDIDATES = 100


def main(*, quick: bool) -> None:
    """Print the tables."""
    if importlib.util.find_spec("sklearn"):
        _real()
    else:
        print("scikit-learn is not installed: its data sets are left out")
    _simulated(QUICK if quick else SETS)


def _real() -> None:
    from sklearn import datasets

    diabetes = datasets.load_diabetes(return_X_y=True)
    cancer = datasets.load_breast_cancer(return_X_y=True)
    models = {
        "diabetes, ridge regression, R2": ridge_regression(*diabetes, score="r2"),
        "diabetes, ridge regression, mean squared error": ridge_regression(*diabetes),
        "breast cancer, logistic regression, log loss": logistic_regression(*cancer),
        "breast cancer, logistic regression, accuracy": logistic_regression(*cancer, score="accuracy"),
    }
    lines = []
    for name, model in models.items():
        began = time.perf_counter()
        found = nested_cross_validation(model, key=jax.random.key(0), grid=33, confidence=CONFIDENCE)
        seconds = time.perf_counter() - began
        print(f"{name}: {found}", flush=True)
        cells = [_with(found.estimate, found.interval), f"{found.best_inner.mean():.4g}"]
        lines.append([name, *cells, _with(found.optimism, found.optimism_interval), f"{seconds:.1f}"])
    header = ["search", "estimate", "best inner score", "optimism", "seconds, with compilation"]
    table("33 configurations, 5 outer and 4 inner folds, 665 fits", header, lines)


def _with(value, interval) -> str:
    return f"{value:.3g} [{interval[0]:.3g}, {interval[1]:.3g}]"


def _ridge(train, test, hyperparameters, key):
    """Return the error of ridge regression on the simulated data set of this number."""
    first, second = jax.random.split(jax.random.key(hyperparameters["set"]))
    x = jax.random.normal(first, (EXAMPLES, FEATURES))
    y = x @ (0.7 ** jnp.arange(FEATURES)) + 2 * jax.random.normal(second, (EXAMPLES,))
    xs = x * train[:, None]
    bent = xs.T @ x + hyperparameters["alpha"] * jnp.eye(FEATURES)
    w = jnp.linalg.solve(bent, xs.T @ y)
    return jnp.sum(test * (y - x @ w) ** 2) / test.sum()


def _noise(train, test, hyperparameters, key):
    """Return the accuracy of the sign of one feature of noise, which way round being fitted."""
    first, second = jax.random.split(jax.random.key(hyperparameters["set"]))
    x = jax.random.normal(first, (EXAMPLES, CANDIDATES))[:, hyperparameters["feature"]] > 0
    y = jax.random.bernoulli(second, 0.5, (EXAMPLES,))
    right = jnp.sum(train * (x == y)) * 2 > train.sum()
    return jnp.sum(test * ((x == y) == right)) / test.sum()


def _simulated(count: int) -> None:
    rates = np.geomspace(0.1, 1000, 15)
    ridge = FoldModel(_ridge, EXAMPLES, {"alpha": LogUniform(0.1, 1000), "set": 0}, name="ridge regression")
    noise = FoldModel(_noise, EXAMPLES, {"feature": 0, "set": 0}, minimize=False, name="one feature")
    penalties = [{"alpha": rate} for rate in rates]
    searches = {
        f"ridge regression, {EXAMPLES} examples, 15 penalties": (ridge, 4, penalties),
        "the same, 3 inner folds drawn anew": (ridge, 3, penalties),
        f"pure noise, {EXAMPLES} examples, one of {CANDIDATES} features": (
            noise,
            4,
            [{"feature": i} for i in range(CANDIDATES)],
        ),
    }
    lines = []
    for name, (model, inner, configs) in searches.items():
        found = [
            nested_cross_validation(
                model,
                key=jax.random.key(i),
                configs=[{**one, "set": i} for one in configs],
                inner=inner,
                confidence=CONFIDENCE,
            )
            for i in range(count)
        ]
        for what, values, intervals in (
            ("estimate", [one.outer_scores for one in found], [one.interval for one in found]),
            ("optimism", [one.optimisms for one in found], [one.optimism_interval for one in found]),
        ):
            scores, ends = np.array(values), np.array(intervals)
            truth = scores.mean()
            error = scores.mean(axis=1).std() / math.sqrt(count)
            half = stats.t.ppf(0.5 + CONFIDENCE / 2, scores.shape[1] - 1) * scores.std(axis=1, ddof=1)
            plain = np.abs(scores.mean(axis=1) - truth) <= half / math.sqrt(scores.shape[1])
            corrected = (ends[:, 0] <= truth) & (truth <= ends[:, 1])
            width = np.median(ends[:, 1] - ends[:, 0])
            cells = [f"{truth:.3g} ({error:.1g})", f"{plain.mean():.3f}", f"{corrected.mean():.3f}", f"{width:.2g}"]
            lines.append([name, what, *cells])
            print(" | ".join(lines[-1]), flush=True)
    header = ["search", "", "truth (its error)", "coverage, plain", "coverage, corrected", "median width"]
    table(f"Coverage of {100 * CONFIDENCE:g} % intervals in {count:,} data sets, 5 outer folds", header, lines)
