"""Read runs of MLflow: a database or a folder ``mlruns``. Both give the columns of ``mlflow.search_runs()``."""

import contextlib
import math
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nqjax.errors import InputError
from nqjax.trials.columns import listed_names
from nqjax.trials.readers.table import Place, Recorded, Table

#: Statuses of runs in the files of a folder, by their number.
_STATUSES = ("", "RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED")

#: Most bytes of a file in a folder of runs.
_LARGEST = 100_000_000


@dataclass
class Run:
    """A run of an experiment; a metric has (step, time, value) for each report."""

    run_id: str
    status: str
    start: float | None
    end: float | None
    name: str | None = None
    params: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, list[tuple[int, int, float]]] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)


def table_of_runs(runs: Sequence[Run], source: str) -> Table:
    """Return the table of the runs of an experiment, the first one first."""
    if not runs:
        raise InputError(f"{source}: the experiment has no runs")
    runs = sorted(runs, key=lambda run: (run.start or 0, run.run_id))
    columns: dict[str, list[Any]] = {
        "run_id": [run.run_id for run in runs],
        "status": [run.status for run in runs],
        "duration": [(run.end - run.start) / 1000 if run.end and run.start else None for run in runs],
    }
    roles = {"run_id": "trial", "status": "status", "duration": "cost"}
    for key in sorted({key for run in runs for key in run.metrics}):
        reports = [sorted(run.metrics.get(key, [])) for run in runs]
        columns[f"metrics.{key}"] = [one[-1][2] if one else None for one in reports]
        roles[f"metrics.{key}"] = "metric"
        if any(len(one) > 1 for one in reports):
            columns[f"curve.metrics.{key}"] = [[value for _, _, value in one] for one in reports]
            roles[f"curve.metrics.{key}"] = "curve"
    for key in sorted({key for run in runs for key in run.params}):
        columns[f"params.{key}"] = [run.params.get(key) for run in runs]
        roles[f"params.{key}"] = "config"
    for key in sorted({key for run in runs for key in run.tags}):
        columns[f"tags.{key}"] = [run.tags.get(key) for run in runs]
    places = [Place(source, row, None) for row in range(len(runs))]
    return Table(columns, places, source, Recorded("MLflow", roles=roles))


def _chosen(experiments: dict[str, str], name: str | None, source: str) -> str:
    """Return the identifier of the experiment of a name, or of the only one; the empty default does not count."""
    wanted = [one for one, label in experiments.items() if name in (label, one)]
    if wanted:
        return wanted[0]
    listed = listed_names(list(experiments.values()))
    if name is not None:
        raise InputError(f"{source} has no experiment {name!r}; its experiments: {listed}")
    if len(experiments) != 1:
        raise InputError(f"{source} has {len(experiments)} experiments: choose with --study NAME (study=...): {listed}")
    return next(iter(experiments))


def read_database(connection: sqlite3.Connection, source: str, name: str | None) -> Table:
    """Return the table of an experiment in an SQLite database."""
    found = "SELECT DISTINCT e.experiment_id, e.name FROM experiments e JOIN runs r USING (experiment_id)"
    experiments = {str(one): str(label) for one, label in connection.execute(found)}
    chosen = _chosen(experiments, name, source)
    rows = connection.execute(
        "SELECT run_uuid, status, start_time, end_time, name FROM runs "
        "WHERE experiment_id = ? AND lifecycle_stage = 'active'",
        (int(chosen),),
    )
    runs = {row[0]: Run(*row) for row in rows}
    for run, key, value in connection.execute("SELECT run_uuid, key, value FROM params"):
        if run in runs:
            runs[run].params[key] = value
    for run, key, value in connection.execute("SELECT run_uuid, key, value FROM tags"):
        if run in runs:
            runs[run].tags[key] = value
    for run, key, step, time, value, is_nan in connection.execute(
        "SELECT run_uuid, key, step, timestamp, value, is_nan FROM metrics"
    ):
        if run in runs:
            runs[run].metrics.setdefault(key, []).append((step, time, math.nan if is_nan else value))
    return table_of_runs(list(runs.values()), source)


# --- folders --------------------------------------------------------------------------------------------------------


def is_store(folder: Path) -> bool:
    """Return whether a folder is a store of experiments, or one experiment."""
    return any(folder.glob("*/meta.yaml"))


def read_store(folder: Path, name: str | None) -> Table:
    """Return the table of an experiment in a folder such as ``mlruns``."""
    if any("run_id" in _meta(file) or "run_uuid" in _meta(file) for file in folder.glob("*/meta.yaml")):
        return table_of_runs(list(_runs(folder)), str(folder))
    experiments = {
        str(file.parent): _meta(file).get("name", file.parent.name)
        for file in sorted(folder.glob("*/meta.yaml"))
        if any(file.parent.glob("*/meta.yaml"))
    }
    return table_of_runs(list(_runs(Path(_chosen(experiments, name, str(folder))))), str(folder))


def _runs(folder: Path) -> Iterator[Run]:
    for file in sorted(folder.glob("*/meta.yaml")):
        meta = _meta(file)
        if meta.get("lifecycle_stage") != "active" or not ({"run_id", "run_uuid"} & set(meta)):
            continue
        status = int(meta["status"]) if meta.get("status", "").isdecimal() else 0
        run = Run(
            meta.get("run_id", meta.get("run_uuid", "")),
            _STATUSES[status] if status < len(_STATUSES) else "",
            _number(meta.get("start_time")),
            _number(meta.get("end_time")),
            meta.get("run_name"),
        )
        run.params = dict(_entries(file.parent / "params"))
        run.tags = dict(_entries(file.parent / "tags"))
        for key, text in _entries(file.parent / "metrics"):
            run.metrics[key] = list(_reports(text, file.parent / "metrics" / key))
        yield run


def _meta(file: Path) -> dict[str, str]:
    """Return the entries of a meta.yaml file, which has a text or a number on each line."""
    found = {}
    for line in _text(file).splitlines():
        key, separator, value = line.partition(": ")
        if separator:
            found[key.strip()] = value.strip().strip("'\"")
    return found


def _entries(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each file in a folder; a name with slashes is a file in folders."""
    if folder.is_dir():
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                yield file.relative_to(folder).as_posix(), _text(file).rstrip("\n")


def _reports(text: str, file: Path) -> Iterator[tuple[int, int, float]]:
    for line in text.splitlines():
        parts = line.split()
        if parts:
            try:
                yield int(parts[2]) if len(parts) > 2 else 0, int(parts[0]), float(parts[1])
            except (ValueError, IndexError):
                raise InputError(f"{file}: not a metric of MLflow: {line[:40]!r}") from None


def _text(file: Path) -> str:
    try:
        if file.stat().st_size > _LARGEST:
            raise InputError(f"{file} is larger than 100 MB: it is no part of an MLflow run")
        return file.read_text(encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror or error}") from error


def _number(text: str | None) -> float | None:
    with contextlib.suppress(ValueError, TypeError):
        return float(text or "")
    return None
