"""Files that the tools wrote, against what the tools say that these hold: see tests/support/write_tool_files.py."""

import contextlib
import json
import random
import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest

import nqjax
from nqjax.errors import InputError

TOOLS = Path(__file__).parents[1] / "data" / "tools"

#: Statuses by the words of the tools.
STATUS = {"COMPLETE": "finished", "COMPLETED": "finished", "FINISHED": "finished", "TERMINATED": "finished"}
STATUS |= {"PRUNED": "pruned", "FAIL": "failed", "FAILED": "failed", "ERROR": "failed"}


def expected(tool):
    return json.loads((TOOLS / f"expected-{tool}.json").read_text())


def assert_scores(found, scores):
    np.testing.assert_array_equal(found, [np.nan if score is None else score for score in scores])


# --- Optuna ---------------------------------------------------------------------------------------------------------


def optuna_source(name):
    return f"sqlite:///{TOOLS / name}" if name.endswith(".db") else TOOLS / name


@pytest.mark.parametrize("name", ["optuna.db", "optuna-journal.log"])
@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_an_optuna_storage(name, direction):
    study = nqjax.read_study(optuna_source(name), study=direction)
    told = expected("optuna")[f"{name}:{direction}"]
    begun = [i for i, state in enumerate(told["states"]) if state != "WAITING"]
    assert_scores(study.scores, [told["scores"][i] for i in begun])
    assert study.status.tolist() == [STATUS[told["states"][i]] for i in begun]
    assert (study.direction, study.direction_from) == (direction, "recorded")
    assert (np.nanmin if study.minimize else np.nanmax)(study.scores) == told["best"]
    for key in ("x", "kind", "n"):
        assert study.config[f"params_{key}"].tolist() == [told["params"][i][key] for i in begun]
    assert any("1 row is left out: they have not begun" in note for note in study.notes)
    assert study.sampler == (None if direction == "minimize" else "TPESampler")
    assert any("learns from earlier trials" in one for one in study.warnings) == (direction == "maximize")
    assert study.ids == tuple(str(i) for i in begun)


def test_pruned_optuna_trials_have_values_but_no_scores():
    study = nqjax.read_study(optuna_source("optuna.db"), study="minimize")
    pruned = study.status == "pruned"
    assert pruned.sum() == 3
    assert np.isfinite(study.columns["value"][pruned]).all()
    assert np.isnan(study.scores[pruned]).all()
    assert [len(curve) for curve, is_pruned in zip(study.curves, pruned, strict=True) if is_pruned] == [2, 2, 2]


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_an_exported_optuna_study_is_that_of_its_storage(direction):
    exported = nqjax.read_study(TOOLS / f"optuna-{direction}.csv", maximize=direction == "maximize")
    stored = nqjax.read_study(optuna_source("optuna.db"), study=direction)
    np.testing.assert_allclose(exported.scores, stored.scores, rtol=1e-15)
    assert exported.status.tolist() == stored.status.tolist()
    assert exported.sampler == stored.sampler
    np.testing.assert_allclose(exported.cost, stored.cost)
    assert exported.config.keys() == stored.config.keys()


def test_several_studies_and_several_objectives_are_listed():
    with pytest.raises(InputError, match=r"3 studies: choose one with --study .*minimize \(14 trials\)"):
        nqjax.read_study(optuna_source("optuna.db"))
    with pytest.raises(InputError, match="no study 'other'"):
        nqjax.read_study(optuna_source("optuna.db"), study="other")
    with pytest.raises(InputError, match=r"which column holds the scores.*values_0, values_1"):
        nqjax.read_study(optuna_source("optuna.db"), study="both")
    told = np.array(expected("optuna")["optuna.db:both"])
    for i, direction in enumerate(("minimize", "maximize")):
        study = nqjax.read_study(optuna_source("optuna.db"), f"values_{i}", study="both")
        np.testing.assert_array_equal(study.scores, told[:, i])
        assert study.direction == direction


# --- scikit-learn ---------------------------------------------------------------------------------------------------


def test_scikit_learn_results():
    study = nqjax.read_study(TOOLS / "sklearn-random.csv")
    told = expected("sklearn")["sklearn-random.csv"]
    np.testing.assert_allclose(study.scores, told["scores"], rtol=1e-14)
    np.testing.assert_allclose(study.config["param_C"], told["C"], rtol=1e-14)
    assert study.direction == "maximize"
    assert study.scores.max() == pytest.approx(told["best"], rel=1e-14)
    folds = np.stack([*study.splits.values()])
    assert folds.shape == (3, 12)
    np.testing.assert_allclose(folds.mean(axis=0), study.scores)
    assert study.cost_name == "mean_fit_time"


def test_a_fitted_scikit_learn_search_is_read_as_its_export():
    linear_model = pytest.importorskip("sklearn.linear_model")
    selection = pytest.importorskip("sklearn.model_selection")
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 2)), rng.integers(0, 2, 60)
    search = selection.GridSearchCV(linear_model.LogisticRegression(), {"C": [0.1, 1, 10], "solver": ["lbfgs"]}, cv=3)
    search.fit(x, y)
    for source in (search, search.cv_results_):
        study = nqjax.read_study(source)
        np.testing.assert_array_equal(study.scores, search.cv_results_["mean_test_score"])
        assert (study.direction, study.direction_from) == ("maximize", "recorded")
        assert study.config["param_C"].tolist() == [0.1, 1, 10]
    assert nqjax.read_study(search).sampler == "grid search"


def test_a_halving_search_warns_of_its_budgets():
    study = nqjax.read_study(TOOLS / "sklearn-halving.csv")
    budgets = expected("sklearn")["sklearn-halving.csv"]["resources"]
    (warning,) = [one for one in study.warnings if "n_resources" in one]
    assert all(str(budget) in warning for budget in budgets)
    full = nqjax.read_study(TOOLS / "sklearn-halving.csv", where=f"n_resources == {budgets[-1]}")
    assert not any("budget" in one for one in full.warnings)
    assert 0 < len(full) < len(study)


# --- KerasTuner -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "direction"), [("keras-random", "minimize"), ("keras-hyperband", "maximize")])
def test_a_keras_tuner_project(name, direction):
    study = nqjax.read_study(TOOLS / name)
    told = expected("keras")[name]
    assert study.ids is not None
    assert_scores(study.scores, [told["scores"][trial] for trial in study.ids])
    assert study.status.tolist() == [STATUS[told["status"][trial]] for trial in study.ids]
    assert study.config["hyperparameters/lr"].tolist() == [told["lr"][trial] for trial in study.ids]
    assert (study.direction, study.direction_from) == (direction, "recorded")
    assert set(study.ids) == set(told["scores"])


def test_hyperband_is_recognized_and_its_budgets_named():
    study = nqjax.read_study(TOOLS / "keras-hyperband")
    assert study.sampler == "Hyperband"
    assert any("tuner/epochs differs: budgets " in one for one in study.warnings)


def test_a_folder_of_several_projects_is_refused(tmp_path):
    for name in ("keras-random", "keras-hyperband"):
        shutil.copytree(TOOLS / name, tmp_path / name)
    with pytest.raises(InputError, match=r"2 projects of KerasTuner.*keras-hyperband, keras-random"):
        nqjax.read_study(tmp_path)


# --- MLflow ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["mlruns", "mlflow.db", "mlflow-runs.csv"])
def test_runs_of_mlflow(name):
    study = nqjax.read_study(TOOLS / name, "val_loss")
    told = expected("mlflow")["mlruns" if name == "mlruns" else "mlflow.db"]
    assert set(study.ids) == set(told["scores"])
    failed = [told["status"][run] == "FAILED" for run in study.ids]
    assert sum(failed) == 1
    np.testing.assert_array_equal(study.status == "failed", failed)
    np.testing.assert_array_equal(study.columns["metrics.val_loss"], [told["scores"][run] for run in study.ids])
    np.testing.assert_array_equal(np.isnan(study.scores), failed)
    np.testing.assert_array_equal(study.config["params.lr"], [told["lr"][run] for run in study.ids])
    assert set(study.config["params.opt"]) == {"adam", "sgd"}
    assert study.metric == "metrics.val_loss"


@pytest.mark.parametrize("name", ["mlruns", "mlflow.db"])
def test_the_best_report_of_mlflow_runs(name):
    # By the script that wrote them, the reports of a run are rate + 1, rate, rate + 1.
    study = nqjax.read_study(TOOLS / name, minimize=True, per_trial="best")
    good = study.status == "finished"
    np.testing.assert_allclose(study.scores[good], study.config["params.lr"][good])
    np.testing.assert_allclose(study.curves[0], study.config["params.lr"][0] + np.array([1, 0, 1]))


# --- Ray Tune -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("per_trial", [None, "last", "best"])
def test_a_ray_experiment(per_trial):
    study = nqjax.read_study(TOOLS / "ray", minimize=True, per_trial=per_trial)
    told = expected("ray")["ray"]
    assert set(study.ids) == set(told["last"])
    failed = [trial in told["failed"] for trial in study.ids]
    assert sum(failed) == 1
    scores = told["best" if per_trial == "best" else "last"]
    assert_scores(study.scores, [None if bad else scores[t] for t, bad in zip(study.ids, failed, strict=True)])
    np.testing.assert_array_equal(study.config["config.lr"], [told["lr"][trial] for trial in study.ids])
    assert study.metric == "eval/loss"
    assert [len(curve) for curve, bad in zip(study.curves, failed, strict=True) if not bad] == [4] * 5
    assert any("5 of them were better before" in one for one in study.warnings) == (per_trial is None)


def test_an_exported_ray_frame_has_the_last_reports():
    study = nqjax.read_study(TOOLS / "ray-last.csv", minimize=True)
    told = expected("ray")["ray"]
    assert study.tool == "Ray Tune"
    np.testing.assert_allclose(study.scores, [told["last"][trial] for trial in study.ids], rtol=1e-14)
    assert any("training_iteration" in one for one in study.warnings)  # one trial ended early


# --- what is not read -----------------------------------------------------------------------------------------------


def test_a_database_of_another_program(tmp_path):
    file = tmp_path / "x.db"
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE t (a)")
    connection.close()
    with pytest.raises(InputError, match="is a database, but not one of Optuna or MLflow"):
        nqjax.read_study(file)
    file.write_bytes(file.read_bytes()[:50])
    with pytest.raises(InputError, match="cannot be read as a database"):
        nqjax.read_study(file)


@pytest.mark.parametrize("address", ["postgresql://host/db", "https://example.org/t.csv", "mysql://u:p@h/d"])
def test_nothing_is_fetched(address):
    with pytest.raises(InputError, match="only files are read"):
        nqjax.read_study(address)


def test_no_pickle_is_opened(tmp_path):
    import pickle

    class Bomb:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "gone off",))

    for name in ("trials.pkl", "search.joblib", "trials.csv", "trials.json", "x.db"):
        (tmp_path / name).write_bytes(pickle.dumps(Bomb()))
        with pytest.raises(InputError):
            nqjax.read_study(tmp_path / name, "loss")
    assert not (tmp_path / "gone off").exists()


def changed(value, rng):
    """Return a JSON value in which one part, at any depth, is another one or is missing."""
    if isinstance(value, dict) and value and rng.random() < 0.8:
        key = rng.choice(list(value))
        if rng.random() < 0.2:
            return {name: inner for name, inner in value.items() if name != key}
        return {**value, key: changed(value[key], rng)}
    if isinstance(value, list) and value and rng.random() < 0.8:
        place = rng.randrange(len(value))
        return [changed(one, rng) if i == place else one for i, one in enumerate(value)]
    return rng.choice([None, 3, "x", [], {}, True, [1], -1e300, "0" * 400])


@pytest.mark.parametrize("name", ["ray", "keras-random", "keras-hyperband"])
def test_changed_files_are_read_or_refused(tmp_path, name):
    rng = random.Random(0)
    for number in range(80):
        folder = tmp_path / f"{name}-{number}"
        shutil.copytree(TOOLS / name, folder)
        files = sorted(file for file in folder.rglob("*.json") if file.name != "result.json")
        for file in rng.sample(files, 2):
            file.write_text(json.dumps(changed(json.loads(file.read_text()), rng)))
        with contextlib.suppress(InputError):
            nqjax.read_study(folder)


@pytest.mark.parametrize(
    "line", ['{"op_code": 4}', '{"op_code": 5, "trial_id": 9}', '{"op_code": "x", "worker_id": 1}']
)
def test_a_damaged_journal_names_its_line(tmp_path, line):
    good = (TOOLS / "optuna-journal.log").read_text().splitlines()[:3]
    file = tmp_path / "journal.log"
    file.write_text("\n".join([*good, line]))
    with pytest.raises(InputError, match="line 4: not an entry of an Optuna journal"):
        nqjax.read_study(file)
