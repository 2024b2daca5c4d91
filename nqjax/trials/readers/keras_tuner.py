"""Read projects of KerasTuner: a folder with ``oracle.json``, and a folder with ``trial.json`` for each trial."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nqjax.errors import InputError
from nqjax.trials.readers.flat import json_value
from nqjax.trials.readers.table import Recorded, Table, table_of_objects

#: Directions as KerasTuner writes them.
_DIRECTIONS = {"min": "minimize", "max": "maximize"}


def is_project(folder: Path) -> bool:
    """Return whether a folder is a project of KerasTuner, or holds one."""
    return any(folder.glob("trial_*/trial.json")) or any(folder.glob("*/trial_*/trial.json"))


def is_trial(value: Any) -> bool:
    """Return whether the value of a JSON file is a trial of KerasTuner."""
    return isinstance(value, dict) and {"trial_id", "hyperparameters", "score", "status"} <= set(value)


def read_project(folder: Path) -> Table:
    """Return the table of a project.

    Raises
    ------
    InputError
        If the folder holds several projects, or a file in it is not a trial.
    """
    files = sorted(folder.glob("trial_*/trial.json"))
    if not files:
        projects = sorted({file.parents[1] for file in folder.glob("*/trial_*/trial.json")})
        if len(projects) > 1:
            names = ", ".join(project.name for project in projects)
            raise InputError(f"{folder} has {len(projects)} projects of KerasTuner: give the folder of one: {names}")
        folder = projects[0]
        files = sorted(folder.glob("trial_*/trial.json"))
    trials = [json_value(file)[0] for file in files]
    for file, trial in zip(files, trials, strict=True):
        if not is_trial(trial):
            raise InputError(f"{file} is not a trial of KerasTuner")
    oracle = folder / "oracle.json"
    return table_of_trials(trials, str(folder), json_value(oracle)[0] if oracle.exists() else {})


def table_of_trials(trials: list[dict[str, Any]], source: str, oracle: Any = None) -> Table:
    """Return the table of trials."""
    trials = sorted(trials, key=lambda trial: str(trial["trial_id"]))
    rows = []
    directions: dict[str, str] = {}
    for trial in trials:
        values = _inner(_inner(trial, "hyperparameters"), "values")
        row = {"trial_id": str(trial["trial_id"]), "score": trial["score"], "status": trial["status"]}
        row |= {f"hyperparameters/{name}" if "/" not in name else name: value for name, value in values.items()}
        for name, (direction, reports) in _metrics(trial).items():
            row[f"metrics/{name}"], row[f"curve.metrics/{name}"] = (reports[-1] if reports else None), reports
            directions[f"metrics/{name}"] = direction
        row["best_step"] = trial.get("best_step")
        rows.append(row)
    known = {name: one for name, one in directions.items() if one}
    objective = _objective(oracle, rows, known)
    recorded = Recorded(
        "KerasTuner",
        metric="score",
        direction=objective,
        directions={**known, **({"score": objective} if objective else {})},
        sampler=_oracle_name(oracle),
        roles={"score": "metric", "trial_id": "trial", "best_step": "other", "status": "status"},
    )
    return table_of_objects(((None, row) for row in rows), source, recorded)


def _inner(value: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """Return the object under a key; an empty one where there is none."""
    found = value.get(key)
    return found if isinstance(found, dict) else {}


def _metrics(trial: Mapping[str, Any]) -> dict[str, tuple[str, list[float]]]:
    """Return direction and mean value of each report, by metric."""
    found = {}
    for name, one in _inner(_inner(trial, "metrics"), "metrics").items():
        if not isinstance(one, dict):
            continue
        reports = []
        observations = one.get("observations")
        for report in observations if isinstance(observations, list) else []:
            values = report.get("value", []) if isinstance(report, dict) else []
            if isinstance(values, list) and values and all(isinstance(value, int | float) for value in values):
                reports.append(sum(values) / len(values))
        found[name] = (_DIRECTIONS.get(str(one.get("direction")), ""), reports)
    return found


def _objective(oracle: Any, rows: list[dict[str, Any]], directions: Mapping[str, str]) -> str | None:
    """Return the direction of the score: that of the objective, of the only metric, or of those equal to the score."""
    objective = oracle.get("objective") if isinstance(oracle, dict) else None
    if isinstance(objective, dict) and str(objective.get("direction")) in _DIRECTIONS:
        return _DIRECTIONS[str(objective["direction"])]
    same = {
        direction
        for name, direction in directions.items()
        if len(directions) == 1 or all(_holds_score(row, name) for row in rows)
    }
    return same.pop() if len(same) == 1 else None


def _holds_score(row: Mapping[str, Any], name: str) -> bool:
    score = row["score"]
    return score is None or score in (row.get(f"curve.{name}") or ())


def _oracle_name(oracle: Any) -> str | None:
    """Return the sampler, of which only Hyperband and Bayesian optimization leave traces in the file of the oracle."""
    if not isinstance(oracle, dict):
        return None
    if "hyperband_iterations" in oracle or "brackets" in oracle:
        return "Hyperband"
    return "BayesianOptimization" if "num_initial_points" in oracle else None
