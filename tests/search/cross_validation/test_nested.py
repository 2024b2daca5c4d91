"""Nested cross-validation against scikit-learn on the same folds, and against what chance alone gives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from nqjax.errors import InputError
from nqjax.search import (
    Choice,
    FoldModel,
    LogUniform,
    Uniform,
    logistic_regression,
    nested_cross_validation,
    ridge_regression,
)
from nqjax.search.cross_validation.folds import as_folds
from nqjax.search.cross_validation.result import corrected_interval

KEY = jax.random.key(0)


def _sklearn():
    return pytest.importorskip("sklearn", reason="scikit-learn is not installed")


def _same_folds(outer, inner, x, y):
    """Return the folds of scikit-learn's splitters as numbers."""
    numbers, own = np.zeros(len(x), int), np.zeros((outer.get_n_splits(), len(x)), int)
    for place, (train, test) in enumerate(outer.split(x, y)):
        numbers[test] = place
        for within, (_, part) in enumerate(inner.split(x[train], y[train])):
            own[place, train[part]] = within
    return numbers, own


def test_ridge_regression_is_that_of_scikit_learn():
    _sklearn()
    from sklearn.datasets import load_diabetes
    from sklearn.linear_model import Ridge
    from sklearn.model_selection import GridSearchCV, KFold, cross_val_score

    x, y = load_diabetes(return_X_y=True)
    alphas = [1e-4, 1e-2, 0.1, 1.0, 10.0]
    outer, inner = KFold(5, shuffle=True, random_state=1), KFold(4)
    search = GridSearchCV(Ridge(), {"alpha": alphas}, cv=inner)
    expected = cross_val_score(search, x, y, cv=outer)
    numbers, own = _same_folds(outer, inner, x, y)
    found = nested_cross_validation(
        ridge_regression(x, y, score="r2"), key=KEY, configs=[{"alpha": a} for a in alphas], outer=numbers, inner=own
    )
    np.testing.assert_allclose(found.outer_scores, expected, rtol=1e-8)
    assert found.estimate == pytest.approx(expected.mean(), rel=1e-8)
    train = numbers != 2
    search.fit(x[train], y[train])
    assert found.chosen_configs[2] == search.best_params_
    assert found.best_inner[2] == pytest.approx(search.best_score_, rel=1e-8)
    np.testing.assert_allclose(found.inner_scores[2].mean(axis=0), search.cv_results_["mean_test_score"], rtol=1e-8)


@pytest.mark.parametrize(("score", "scoring"), [("log_loss", "neg_log_loss"), ("accuracy", "accuracy")])
def test_logistic_regression_is_that_of_scikit_learn(score, scoring):
    _sklearn()
    from sklearn.datasets import load_breast_cancer
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x, y = load_breast_cancer(return_X_y=True)
    x, y = x[::2, :12], y[::2]
    costs = [0.01, 1.0, 100.0]
    outer, inner = StratifiedKFold(5), StratifiedKFold(4)
    model = make_pipeline(StandardScaler(), LogisticRegression(solver="newton-cholesky", tol=1e-10, max_iter=1000))
    search = GridSearchCV(model, {"logisticregression__C": costs}, cv=inner, scoring=scoring)
    expected = cross_val_score(search, x, y, cv=outer, scoring=scoring)
    numbers, own = _same_folds(outer, inner, x, y)
    found = nested_cross_validation(
        logistic_regression(x, y, score=score), key=KEY, configs=[{"C": c} for c in costs], outer=numbers, inner=own
    )
    np.testing.assert_allclose(found.outer_scores, -expected if score == "log_loss" else expected, rtol=1e-6)


def _noise(train, test, hyperparameters, key):
    """Return a score that is chance alone."""
    return jax.random.normal(key)


def test_the_optimism_of_chance_is_that_of_the_best_of_many():
    model = FoldModel(_noise, 40, {"x": Uniform(0, 1)})
    found = [nested_cross_validation(model, key=jax.random.key(i), num_trials=20) for i in range(12)]
    # The mean over 4 inner folds has the deviation 1/2; the least of 20 normal draws is 1.867 deviations below 0.
    assert np.mean([one.optimism for one in found]) == pytest.approx(1.867 / 2, abs=4 * 1.05 / np.sqrt(60))
    assert np.mean([one.estimate for one in found]) == pytest.approx(0, abs=4 / np.sqrt(60))
    keys = np.concatenate([one.inner_scores.ravel() for one in found])
    assert len(np.unique(keys)) == len(keys)  # every fit has a key of its own


def test_maximising_is_the_mirror_image():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50, 4))
    y = x[:, 0] + rng.normal(size=50)
    plain = ridge_regression(x, y)
    mirrored = FoldModel(lambda *a: -plain.fit_and_score(*a), 50, plain.space, minimize=False)
    first, second = (nested_cross_validation(model, key=KEY, grid=5) for model in (plain, mirrored))
    np.testing.assert_allclose(first.outer_scores, -second.outer_scores)
    np.testing.assert_allclose(first.optimisms, second.optimisms)
    assert first.optimism == pytest.approx(first.estimate - first.best_inner.mean())
    low, high = first.interval
    assert low < first.estimate < high
    assert "optimism" in str(first)
    assert "ridge regression" in str(first)


@pytest.mark.parametrize("method", ["random", "tpe"])
def test_a_method_searches_in_each_outer_fold(method):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 3))
    model = ridge_regression(x, x[:, 0] + rng.normal(size=40))
    found = nested_cross_validation(model, key=KEY, num_trials=12, method=method)
    assert [len(own) for own in found.configs] == [12] * 5
    assert found.inner_scores.shape == (5, 4, 12)
    assert len({own[0]["alpha"] for own in found.configs}) == 5
    # What was found with the same configurations by hand:
    again = nested_cross_validation(model, key=KEY, configs=found.configs[3])
    np.testing.assert_allclose(found.inner_scores[3], again.inner_scores[3], rtol=1e-10)


def test_failed_fits_are_data():
    def sometimes(train, test, hyperparameters, key):
        return jnp.where(hyperparameters["x"] > 0.5, jnp.nan, hyperparameters["x"])

    model = FoldModel(sometimes, 20, {"x": Uniform(0, 1)})
    found = nested_cross_validation(model, key=KEY, configs=[{"x": 0.9}, {"x": 0.3}, {"x": 0.2}])
    assert found.chosen_configs == ({"x": 0.2},) * 5
    assert np.isnan(found.inner_scores[:, :, 0]).all()
    assert found.estimate == pytest.approx(0.2)
    nothing = nested_cross_validation(model, key=KEY, configs=[{"x": 0.9}])
    assert np.isnan([nothing.estimate, nothing.optimism, *nothing.interval]).all()


def test_a_ridge_below_zero_is_a_failed_fit():
    found = nested_cross_validation(
        ridge_regression(_X, _X[:, 0]), key=KEY, configs=[{"alpha": -1e-3}, {"alpha": 1e-3}], outer=3, inner=3
    )
    assert np.isnan(found.inner_scores[:, :, 0]).all()
    assert np.isfinite(found.inner_scores[:, :, 1]).all()
    assert np.isfinite(found.outer_scores).all()


def test_a_fit_that_does_not_converge_is_nan():
    x = np.array([[0.0], [1.0]] * 10)
    y = x[:, 0] > 0.5  # separated: without a penalty worth the name the coefficients grow and the fit still converges
    found = nested_cross_validation(logistic_regression(x, y), key=KEY, configs=[{"C": 1e4}, {"C": np.inf}])
    assert np.isnan(found.inner_scores[:, :, 1]).all()
    assert np.isfinite(found.estimate)


def test_folds_partition_the_examples_and_classes_evenly():
    classes = np.array([0] * 30 + [1] * 13)
    folds = as_folds(5, 4, 43, classes, np.random.default_rng(0))
    assert (folds.test.sum(axis=0) == 1).all()
    assert (folds.test != folds.train).all()
    assert (folds.inner_test.sum(axis=1) == folds.train).all()
    assert not (folds.inner_train & folds.inner_test).any()
    assert ((folds.inner_train | folds.inner_test) == folds.train[:, None]).all()
    for kind, most in ((0, 6), (1, 3)):
        counts = folds.test[:, classes == kind].sum(axis=1)
        assert counts.max() - counts.min() <= 1
        assert counts.max() == most
    assert folds.inner_test.sum(axis=2).min() >= 8


def test_inner_folds_are_the_other_outer_folds_and_compared_on_the_same_examples():
    folds = as_folds(5, 4, 43, None, np.random.default_rng(0))
    for o in range(5):
        for i in range(4):
            assert (folds.inner_test[o, i] == folds.test[folds.partners[o, i]]).all()
            assert folds.partners[o, i] != o
    assert as_folds(5, 3, 43, None, np.random.default_rng(0)).partners is None
    # The score of a part that is easy or hard, whatever the model: there is no optimism, and it is known exactly.
    hard = jnp.arange(43.0) ** 2
    model = FoldModel(lambda train, test, h, key: test @ hard / test.sum() + h["x"], 43, {"x": Uniform(0, 1)})
    paired = nested_cross_validation(model, key=KEY, configs=[{"x": 0.5}])
    np.testing.assert_allclose(paired.optimisms, 0, atol=1e-9)
    assert paired.optimism == pytest.approx(paired.estimate - paired.best_inner.mean(), abs=1e-9)
    loose = nested_cross_validation(model, key=KEY, configs=[{"x": 0.5}], inner=3)
    assert np.ptp(loose.optimisms) > 10
    assert loose.optimism == pytest.approx(loose.estimate - loose.best_inner.mean())


def test_the_interval_is_nadeau_and_bengios():
    values = np.array([1.0, 2.0, 4.0, 3.0, 2.5])
    low, high = corrected_interval(values, 0.9)
    half = stats.t.ppf(0.95, 4) * values.std(ddof=1) * np.sqrt(1 / 5 + 1 / 4)
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half))


_X = np.random.default_rng(0).normal(size=(12, 2))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "give one of configs, grid and num_trials"),
        ({"grid": 3, "num_trials": 3}, "give one of configs, grid and num_trials"),
        ({"configs": []}, "configs is empty"),
        ({"configs": [{"alpha": 1.0}, {"beta": 1.0}]}, "one configuration has alpha, and another beta"),
        ({"configs": [{"beta": 1.0}]}, "the configurations lack 'alpha'"),
        ({"configs": [{"alpha": "much"}]}, "alpha has values that are not numbers"),
        ({"grid": 3, "outer": 1}, "outer is 1: give at least 2"),
        ({"grid": 3, "outer": 20}, "there are 12 examples"),
        ({"grid": 3, "outer": np.zeros(12, int)}, "the outer folds must be numbered from 0"),
        ({"grid": 3, "inner": np.zeros(3, int)}, "inner must be a number of folds"),
        ({"grid": 3, "confidence": 1.0}, "confidence is 1"),
        ({"grid": 3, "key": 0}, "key"),
        ({"num_trials": 3, "method": "asha"}, "asha stops trials early"),
        ({"num_trials": 3, "space": {"alpha": 1.0}}, "no hyperparameter to search"),
    ],
)
def test_faults_are_one_line(options, message):
    with pytest.raises(InputError, match=message):
        nested_cross_validation(ridge_regression(_X, _X[:, 0]), **{"key": KEY, **options})


def test_models_that_are_refused():
    with pytest.raises(InputError, match="3 classes"):
        logistic_regression(_X, np.arange(12) % 3)
    with pytest.raises(InputError, match="not finite"):
        ridge_regression(np.where(_X > 1, np.nan, _X), _X[:, 0])
    with pytest.raises(InputError, match="y must be finite numbers"):
        ridge_regression(_X, np.full(12, np.nan))
    with pytest.raises(InputError, match=r"x has shape \(12, 2\) and y \(3,\)"):
        ridge_regression(_X, np.ones(3))
    with pytest.raises(InputError, match=r"give a nqjax\.search\.FoldModel"):
        nested_cross_validation(lambda *a: 0, key=KEY, grid=3)
    with pytest.raises(InputError, match="classes has shape"):
        FoldModel(_noise, 12, {"x": LogUniform(1, 2)}, classes=[0, 1])
    with pytest.raises(InputError, match="not a function"):
        FoldModel(None, 12, {"x": Choice(1, 2)})


def broken(train, test, hyperparameters, key):
    return jnp.sum(train * float(hyperparameters["p"]))


def vector(train, test, hyperparameters, key):
    return train * hyperparameters["p"]


@pytest.mark.parametrize(
    ("function", "words"), [(broken, "must be a pure function in JAX"), (vector, "return one number")]
)
def test_functions_that_cannot_be_traced_are_refused(function, words):
    model = FoldModel(function, 20, {"p": Uniform(0, 1)})
    with pytest.raises(InputError, match=words):
        nested_cross_validation(model, key=jax.random.key(0), grid=2)


def test_one_mapping_is_no_list_of_configurations():
    x = np.random.default_rng(0).normal(size=(20, 2))
    with pytest.raises(InputError, match="configs must be a list of mappings"):
        nested_cross_validation(ridge_regression(x, x[:, 0]), key=jax.random.key(0), configs={"alpha": 1.0})
    model = ridge_regression(x, x[:, 0], space={"foo": Uniform(0, 1)})
    with pytest.raises(InputError, match="'alpha'"):
        nested_cross_validation(model, key=jax.random.key(0), grid=2)
