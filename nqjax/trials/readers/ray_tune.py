"""Read experiments of Ray Tune: a folder with ``result.json`` for each trial, or a ``ResultGrid`` in memory.

Each line of ``result.json`` is a report; the last one is not the best. Files of pickles are not opened.
"""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from nqjax.errors import InputError
from nqjax.trials.json_lines import json_objects
from nqjax.trials.readers.flat import json_value
from nqjax.trials.readers.table import Place, Recorded, Table, table_of_objects

#: The column of the trial's status, which is in no report.
_STATUS = "trial_status"

_ROLES = {
    "trial_id": "trial",
    "training_iteration": "epoch",
    "time_total_s": "cost",
    "timestamp": "clock",
    "date": "clock",
    _STATUS: "status",
    **dict.fromkeys(("done", "pid", "hostname", "node_ip", "time_this_iter_s", "iterations_since_restore"), "other"),
    **dict.fromkeys(("time_since_restore", "checkpoint_dir_name", "should_checkpoint", "experiment_tag"), "other"),
    **dict.fromkeys(("episodes_total", "timesteps_total", "trial_dir", "logdir", "timesteps_since_restore"), "other"),
}


def is_experiment(folder: Path) -> bool:
    """Return whether a folder is an experiment of Ray Tune."""
    return any(folder.glob("experiment_state*.json")) or any(folder.glob("*/params.json"))


def read_experiment(folder: Path) -> Table:
    """Return the table of an experiment, with a row for each report.

    Raises
    ------
    InputError
        If there is no report.
    """
    statuses = _statuses(folder)
    rows, places = [], []
    for row, place in _reports(folder, statuses):
        rows.append(row)
        places.append(place)
    if not rows:
        raise InputError(f"{folder}: no trial of this Ray experiment has a report")
    table = table_of_objects(((None, row) for row in rows), str(folder), Recorded("Ray Tune", roles=_ROLES))
    return replace(_marked(table), places=places)


def _marked(table: Table) -> Table:
    """Return a table in which the columns of the configuration are known."""
    config = {name: "config" for name in table.columns if name.startswith(("config.", "config/"))}
    return replace(table, recorded=replace(table.recorded, roles={**table.recorded.roles, **config}))


def _reports(folder: Path, statuses: dict[str, str]) -> Iterator[tuple[dict[str, Any], Place]]:
    """Yield each report of each trial, and a row without scores for a trial that has no report."""
    for parameters in sorted(folder.glob("*/params.json")):
        trial = parameters.parent
        config, _ = json_value(parameters)
        result = trial / "result.json"
        failed = "ERROR" if (trial / "error.txt").exists() or (trial / "error.pkl").exists() else None
        name = next((one for one in statuses if f"_{one}_" in trial.name), trial.name)
        reports = list(json_objects(result)) if result.exists() and result.stat().st_size else []
        if not reports:
            row = {"trial_id": name, "training_iteration": 0, "config": config}
            yield {**row, _STATUS: statuses.get(name) or failed or "ERROR"}, Place(str(trial), 0, None)
        for number, (line, report) in enumerate(reports):
            status = statuses.get(str(report.get("trial_id", name))) or failed
            row = {"trial_id": name, **report, "config": report.get("config") or config, _STATUS: status}
            yield row, Place(str(result), number, line)


def _statuses(folder: Path) -> dict[str, str]:
    """Return the status of each trial, from the newest state of the experiment."""
    found: dict[str, str] = {}
    for file in sorted(folder.glob("experiment_state*.json"))[-1:]:
        state, _ = json_value(file)
        entries = state.get("trial_data") if isinstance(state, dict) else None
        for entry in entries if isinstance(entries, list) else []:
            with contextlib.suppress(TypeError, ValueError, KeyError, IndexError, RecursionError):
                trial = json.loads(entry[0])
                found[str(trial["trial_id"])] = str(trial["status"])
    return found


def read_result_grid(grid: Any) -> Table:
    """Return the table of a ``ResultGrid``: every report, or the last one of a trial whose history is not there."""
    rows = []
    for number, result in enumerate(grid):
        last = dict(result.metrics or {})
        config = {"config": dict(result.config or last.get("config") or {})}
        status = {_STATUS: "ERROR" if result.error is not None else "TERMINATED"}
        name = {"trial_id": str(last.get("trial_id", number))}
        history = getattr(result, "metrics_dataframe", None)
        reports = [] if history is None else history.to_dict("records")
        if not reports:
            reports = [last or {"training_iteration": 0}]
        rows += [{**_without_config(report), **name, **config, **status} for report in reports]
    source = "the ResultGrid"
    return _marked(table_of_objects(((None, row) for row in rows), source, Recorded("Ray Tune", roles=_ROLES)))


def _without_config(report: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in report.items() if name != "config" and not name.startswith("config/")}
