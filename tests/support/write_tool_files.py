"""Write the files in tests/data/tools/ with the tools themselves, and what these say that the files hold.

    python tests/support/write_tool_files.py [optuna] [sklearn] [keras] [mlflow] [ray]

It needs optuna, scikit-learn, pandas, ray[tune], keras-tuner (with six), mlflow-skinny and hyperopt, which the tests
do not: they read the files. `expected-TOOL.json` has scores and statuses by the tool's own account.
"""

import contextlib
import json
import os
import shutil
import sqlite3
import sys
from pathlib import Path

os.environ["KERAS_BACKEND"] = "jax"
os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"

import numpy as np

FOLDER = Path(__file__).parents[1] / "data" / "tools"

#: Beginnings of the names of files of Ray Tune that are kept.
_RAY_FILES = ("params.json", "result.json", "error.txt", "experiment_state")

#: Tables of a database of MLflow that are kept; its other tables take a megabyte.
_MLFLOW_TABLES = ("experiments", "runs", "metrics", "params", "tags")

#: Number of trials of most searches.
COUNT = 12


def write_optuna(folder: Path) -> dict:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)

    def objective(trial):
        x = trial.suggest_float("x", 1e-3, 1, log=True)
        k = trial.suggest_categorical("kind", ["a", "b"])
        n = trial.suggest_int("n", 1, 5)
        trial.set_user_attr("seed", trial.number)
        if trial.number == 3:
            raise ValueError
        for step in range(4):
            trial.report(x + n / (step + 1), step)
            if trial.number % 4 == 1 and step == 1:
                raise optuna.TrialPruned
        return x + n / 4 + (k == "b")

    expected = {}
    storages = {
        "optuna.db": f"sqlite:///{folder / 'optuna.db'}",
        "optuna-journal.log": optuna.storages.JournalStorage(
            optuna.storages.journal.JournalFileBackend(str(folder / "optuna-journal.log"))
        ),
    }
    for name, storage in storages.items():
        for direction, sampler in (
            ("minimize", optuna.samplers.RandomSampler(seed=0)),
            ("maximize", optuna.samplers.TPESampler(seed=0, n_startup_trials=4)),
        ):
            study = optuna.create_study(storage=storage, study_name=direction, sampler=sampler, direction=direction)
            study.optimize(objective, n_trials=COUNT, catch=(ValueError,))
            study.enqueue_trial({"x": 0.5, "kind": "a", "n": 2})
            distributions = study.trials[0].distributions
            params = {"x": 0.25, "kind": "b", "n": 3}
            study.add_trial(optuna.trial.create_trial(params=params, distributions=distributions, value=7.5))
            expected[f"{name}:{direction}"] = of_optuna(study)
            if name == "optuna.db":
                frame = study.trials_dataframe()
                frame.to_csv(folder / f"optuna-{direction}.csv")
    both = optuna.create_study(storage=storages["optuna.db"], study_name="both", directions=["minimize", "maximize"])
    both.optimize(lambda trial: (trial.suggest_float("x", 0, 1), trial.number), n_trials=3)
    expected["optuna.db:both"] = [list(trial.values) for trial in both.trials]
    return expected


def of_optuna(study) -> dict:
    return {
        "states": [trial.state.name for trial in study.trials],
        "scores": [trial.value if trial.state.name == "COMPLETE" else None for trial in study.trials],
        "params": [trial.params for trial in study.trials],
        "best": study.best_value,
    }


def write_sklearn(folder: Path) -> dict:
    import pandas as pd
    from scipy.stats import loguniform
    from sklearn.datasets import load_iris
    from sklearn.experimental import enable_halving_search_cv  # noqa: F401
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import HalvingRandomSearchCV, RandomizedSearchCV

    x, y = load_iris(return_X_y=True)
    space = {"C": loguniform(1e-3, 10), "fit_intercept": [True, False]}
    model = LogisticRegression(max_iter=1000)
    search = RandomizedSearchCV(model, space, n_iter=COUNT, cv=3, random_state=0, scoring="neg_log_loss").fit(x, y)
    pd.DataFrame(search.cv_results_).to_csv(folder / "sklearn-random.csv", index=False)
    halving = HalvingRandomSearchCV(model, {"C": loguniform(1e-3, 10)}, n_candidates=6, cv=3, random_state=0).fit(x, y)
    pd.DataFrame(halving.cv_results_).to_csv(folder / "sklearn-halving.csv")
    return {
        "sklearn-random.csv": {
            "scores": search.cv_results_["mean_test_score"].tolist(),
            "C": [float(one["C"]) for one in search.cv_results_["params"]],
            "best": search.best_score_,
        },
        "sklearn-halving.csv": {"resources": halving.n_resources_},
    }


def write_ray(folder: Path) -> dict:
    import ray
    from ray import tune

    def train(config):
        for i in range(1, 5):
            if config["i"] == 2 and i == 3:
                raise ValueError
            # The best report is the third one.
            tune.report({"eval/loss": config["lr"] + (i - 3) ** 2 / 10})

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="CRITICAL")
    grid = tune.Tuner(
        train,
        param_space={"lr": tune.uniform(0, 1), "i": tune.grid_search(list(range(6))), "net": {"act": "relu"}},
        tune_config=tune.TuneConfig(metric="eval/loss", mode="min"),
        run_config=tune.RunConfig(storage_path=str(folder / "scratch"), name="ray", verbose=0),
    ).fit()
    frame = grid.get_dataframe()
    frame.to_csv(folder / "ray-last.csv", index=False)
    expected = {
        "last": {one.metrics["trial_id"]: one.metrics["eval/loss"] for one in grid},
        "best": {one.metrics["trial_id"]: float(one.metrics_dataframe["eval/loss"].min()) for one in grid},
        "failed": [one.metrics["trial_id"] for one in grid if one.error is not None],
        "lr": {one.metrics["trial_id"]: one.config["lr"] for one in grid},
    }
    ray.shutdown()
    for file in (folder / "scratch" / "ray").rglob("*"):
        if file.is_file() and file.name.startswith(_RAY_FILES):
            target = folder / "ray" / file.relative_to(folder / "scratch" / "ray")
            target.parent.mkdir(parents=True, exist_ok=True)
            text = file.read_text()
            if file.name.startswith("experiment_state"):
                text = json.dumps(_without_pickles(json.loads(text)))
            elif file.name == "error.txt":
                text = "ValueError\n"
            elif file.name == "result.json":
                text = "".join(json.dumps(_anonymous(json.loads(line))) + "\n" for line in text.splitlines())
            target.write_text(text)
    shutil.rmtree(folder / "scratch")
    return {"ray": expected}


def _anonymous(report: dict) -> dict:
    return {name: value for name, value in report.items() if name not in ("hostname", "node_ip", "pid")}


def _without_pickles(state: dict) -> dict:
    """Keep of the state of each trial its name and status: the rest are pickles and paths."""
    trials = [json.loads(entry[0]) for entry in state["trial_data"]]
    return {"trial_data": [[json.dumps({k: one[k] for k in ("trial_id", "status", "config")}), "{}"] for one in trials]}


def write_keras(folder: Path) -> dict:
    import keras_tuner as kt

    expected = {}

    def build(values):
        values.Float("lr", 1e-3, 1, sampling="log")
        values.Choice("act", ["relu", "tanh"])

    def tuner_of(base, name, objective, **options):
        class Tuner(base):
            def run_trial(self, trial, *_, **__):
                values = trial.hyperparameters
                x = values.get("lr")
                if trial.trial_id.endswith("3"):
                    raise kt.errors.FailedTrialError("it failed")
                score = x if objective.direction == "min" else 1 - x
                return {objective.name: score, "train_time": 2 * x}

        tuner = Tuner(
            hypermodel=build,
            objective=objective,
            directory=str(folder),
            project_name=name,
            overwrite=True,
            seed=0,
            **options,
        )
        tuner.search(verbose=0)
        trials = tuner.oracle.trials.values()
        expected[name] = {
            "scores": {one.trial_id: one.score for one in trials},
            "status": {one.trial_id: one.status for one in trials},
            "lr": {one.trial_id: one.hyperparameters.values.get("lr") for one in trials},
        }

    tuner_of(kt.RandomSearch, "keras-random", kt.Objective("val_loss", "min"), max_trials=6)
    tuner_of(kt.Hyperband, "keras-hyperband", kt.Objective("val_accuracy", "max"), max_epochs=4, factor=2)
    for file in folder.glob("keras-*/trial_*/trial.json"):
        trial = json.loads(file.read_text())
        trial["message"] = trial["message"] and "it failed"
        file.write_text(json.dumps(trial))
    return expected


def write_mlflow(folder: Path) -> dict:
    import mlflow

    expected = {}
    rng = np.random.default_rng(0)
    rates = rng.random(COUNT).round(4).tolist()
    for name, uri in (("mlruns", f"file://{folder / 'mlruns'}"), ("mlflow.db", f"sqlite:///{folder / 'mlflow.db'}")):
        mlflow.set_tracking_uri(uri)
        mlflow.set_experiment("tuning")
        for i, rate in enumerate(rates[: 6 if name == "mlruns" else COUNT]):
            with contextlib.suppress(ValueError), mlflow.start_run(run_name=f"run-{i}"):
                mlflow.log_params({"lr": rate, "opt": "adam" if i % 2 else "sgd"})
                for step in range(3):
                    mlflow.log_metric("val_loss", rate + (step - 1) ** 2, step=step)
                if i == 4:
                    raise ValueError
        frame = mlflow.search_runs()
        if name == "mlflow.db":
            of_machine = ("artifact_uri", "tags.mlflow.source", "tags.mlflow.user")
            kept = [column for column in frame.columns if not column.startswith(of_machine)]
            frame[kept].to_csv(folder / "mlflow-runs.csv", index=False)
        expected[name] = {
            "scores": dict(zip(frame["run_id"], frame["metrics.val_loss"], strict=True)),
            "status": dict(zip(frame["run_id"], frame["status"], strict=True)),
            "lr": {run: float(rate) for run, rate in zip(frame["run_id"], frame["params.lr"], strict=True)},
        }
    clean_mlflow(folder)
    return expected


def clean_mlflow(folder: Path) -> None:
    """Leave out what is of the machine, and the tables of the database that are not read."""
    connection = sqlite3.connect(folder / "mlflow.db")
    connection.execute("PRAGMA foreign_keys = OFF")
    for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
        if name not in _MLFLOW_TABLES:
            connection.execute(f'DROP TABLE "{name}"')
    connection.execute("UPDATE experiments SET artifact_location = ''")
    connection.execute("UPDATE runs SET artifact_uri = '', user_id = ''")
    connection.execute("DELETE FROM tags WHERE key LIKE 'mlflow.source%' OR key = 'mlflow.user'")
    connection.commit()
    connection.execute("VACUUM")
    connection.close()
    shutil.rmtree(folder / "mlruns" / ".trash", ignore_errors=True)
    for file in (folder / "mlruns").rglob("*"):
        if file.name.startswith(("mlflow.source", "mlflow.user")):
            file.unlink()
        elif file.name == "meta.yaml":
            lines = file.read_text().splitlines()
            kept = [line for line in lines if not line.startswith(("artifact_", "user_id"))]
            file.write_text("\n".join(kept) + "\n")


WRITERS = {
    "optuna": write_optuna,
    "sklearn": write_sklearn,
    "keras": write_keras,
    "mlflow": write_mlflow,
    "ray": write_ray,
}


def main(tools: list[str]) -> None:
    """Write the files of some tools, by default of all."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for tool in tools or WRITERS:
        for old in FOLDER.glob(f"*{tool}*"):
            shutil.rmtree(old) if old.is_dir() else old.unlink()
        if tool == "mlflow":
            shutil.rmtree(FOLDER / "mlruns", ignore_errors=True)
        expected = WRITERS[tool](FOLDER)
        (FOLDER / f"expected-{tool}.json").write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
