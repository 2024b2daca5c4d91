"""Read studies of Optuna: a database, a journal file, or a study in memory.

All of them give the columns of ``study.trials_dataframe()``. A pruned trial has its last intermediate value there,
which is no score.
"""

import contextlib
import datetime as dt
import json
import math
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nqjax.errors import InputError
from nqjax.trials.columns import listed_names
from nqjax.trials.json_lines import json_objects
from nqjax.trials.ranges import Range, range_of, union_of
from nqjax.trials.readers.table import Place, Recorded, Table

#: States of a trial in a journal, by their number.
_STATES = ("RUNNING", "COMPLETE", "PRUNED", "FAIL", "WAITING")

#: Directions of a study in a journal, by their number.
_DIRECTIONS = ("not set", "minimize", "maximize")

#: Samplers by the beginning of the attributes that they leave in trials or studies.
_SAMPLERS = {
    "tpe:": "TPESampler",
    "cma:": "CmaEsSampler",
    "gp:": "GPSampler",
    "nsgaiii": "NSGAIIISampler",
    "nsgaii": "NSGAIISampler",
    "grid_id": "GridSampler",
    "qmc:": "QMCSampler",
}

#: The sampler of a study that was loaded without naming one, whatever sampler made its trials.
_DEFAULT_SAMPLER = "TPESampler"


@dataclass
class Trial:
    """A trial of a study."""

    number: int
    state: str = "RUNNING"
    values: Sequence[float | None] = ()
    start: dt.datetime | None = None
    end: dt.datetime | None = None
    params: dict[str, Any] = field(default_factory=dict)
    ranges: dict[str, Range | None] = field(default_factory=dict)
    user_attrs: dict[str, Any] = field(default_factory=dict)
    system_attrs: dict[str, Any] = field(default_factory=dict)
    intermediate: dict[int, float] = field(default_factory=dict)


@dataclass
class OptunaStudy:
    """A study as its storage holds it."""

    name: str
    directions: list[str]
    trials: list[Trial] = field(default_factory=list)
    system_attrs: dict[str, Any] = field(default_factory=dict)


def is_journal(path: Path) -> bool:
    """Return whether a file is a journal of Optuna."""
    with contextlib.suppress(InputError, OSError, EOFError):
        _, first = next(json_objects(path), (0, {}))
        return {"op_code", "worker_id"} <= set(first)
    return False


def table_of_study(study: OptunaStudy, source: str, sampler: str | None = None) -> Table:
    """Return the table of a study.

    Raises
    ------
    InputError
        If the study has no trials.
    """
    trials = sorted(study.trials, key=lambda trial: trial.number)
    if not trials:
        raise InputError(f"{source}: the study {study.name!r} has no trials")
    names = _metric_names(study)
    columns: dict[str, list[Any]] = {"number": [trial.number for trial in trials]}
    for i, name in enumerate(names):
        columns[name] = [trial.values[i] if i < len(trial.values) else None for trial in trials]
    columns["datetime_start"] = [trial.start for trial in trials]
    columns["datetime_complete"] = [trial.end for trial in trials]
    columns["duration"] = [
        (trial.end - trial.start).total_seconds() if trial.start and trial.end else None for trial in trials
    ]
    for prefix, of in (("params_", "params"), ("user_attrs_", "user_attrs")):
        for key in sorted({key for trial in trials for key in getattr(trial, of)}):
            columns[prefix + key] = [getattr(trial, of).get(key) for trial in trials]
    columns["state"] = [trial.state for trial in trials]
    directions = {name: one for name, one in zip(names, study.directions, strict=False) if one in _DIRECTIONS[1:]}
    roles = {"number": "trial", "state": "status", "duration": "cost", **dict.fromkeys(names, "metric")}
    if len(names) == 1 and any(trial.intermediate for trial in trials):
        columns["intermediate_values"] = [[v for _, v in sorted(trial.intermediate.items())] for trial in trials]
        roles["intermediate_values"] = "curve"
    attributes = [key for trial in trials for key in trial.system_attrs] + list(study.system_attrs)
    return Table(
        columns,
        [Place(source, trial.number, None) for trial in trials],
        source,
        Recorded(
            "Optuna",
            metric=names[0] if len(names) == 1 else None,
            direction=directions.get(names[0]) if len(names) == 1 else None,
            directions=directions,
            sampler=sampler_by_attributes(attributes) or sampler,
            roles=roles,
            ranges=_ranges(trials),
        ),
    )


def _ranges(trials: Sequence[Trial]) -> dict[str, Range]:
    """Return the ranges of hyperparameters, over all trials."""
    names = {name for trial in trials for name in trial.ranges}
    found = {name: union_of(trial.ranges[name] for trial in trials if name in trial.ranges) for name in sorted(names)}
    return {f"params_{name}": one for name, one in found.items() if one is not None}


def _range_of(distribution: Any) -> Range | None:
    """Return the range of a distribution, as a storage has it."""
    kind = _json(distribution) if isinstance(distribution, str) else distribution
    if not isinstance(kind, dict) or not isinstance(kind.get("attributes"), dict):
        return None
    name, attributes = str(kind.get("name", "")), kind["attributes"]
    is_log = bool(attributes.get("log")) or "LogUniform" in name
    return range_of("log" if is_log else "linear", attributes.get("low"), attributes.get("high"))


def _metric_names(study: OptunaStudy) -> list[str]:
    named = study.system_attrs.get("study:metric_names")
    if isinstance(named, list) and len(named) == len(study.directions):
        return [str(name) for name in named]
    return ["value"] if len(study.directions) < 2 else [f"values_{i}" for i in range(len(study.directions))]


def sampler_by_attributes(names: Iterable[str]) -> str | None:
    """Return the name of the sampler that leaves attributes with these names, or None."""
    for name in names:
        for beginning, sampler in _SAMPLERS.items():
            if name.casefold().startswith(beginning):
                return sampler
    return None


def chosen_study(studies: Mapping[str, OptunaStudy], name: str | None, source: str) -> OptunaStudy:
    """Return the study of a name, or the only one.

    Raises
    ------
    InputError
        If there is no such study, or several and no name.
    """
    if name is not None and name in studies:
        return studies[name]
    if name is None and len(studies) == 1:
        return next(iter(studies.values()))
    if not studies:
        raise InputError(f"{source} has no study")
    listed = listed_names([f"{one} ({len(study.trials)} trials)" for one, study in studies.items()])
    if name is None:
        raise InputError(f"{source} has {len(studies)} studies: choose one with --study NAME (study=...): {listed}")
    raise InputError(f"{source} has no study {name!r}; its studies: {listed}")


# --- databases ------------------------------------------------------------------------------------------------------


def read_database(connection: sqlite3.Connection, source: str, name: str | None) -> Table:
    """Return the table of a study in an SQLite database."""
    studies = {
        row[0]: OptunaStudy(row[1], []) for row in connection.execute("SELECT study_id, study_name FROM studies")
    }
    for study, direction in connection.execute("SELECT study_id, direction FROM study_directions ORDER BY objective"):
        studies[study].directions.append(str(direction).lower())
    for study, key, value in connection.execute("SELECT study_id, key, value_json FROM study_system_attributes"):
        studies[study].system_attrs[key] = _json(value)
    trials: dict[int, Trial] = {}
    rows = connection.execute("SELECT trial_id, study_id, number, state, datetime_start, datetime_complete FROM trials")
    for trial, study, number, state, start, end in rows:
        trials[trial] = Trial(number, state, start=_time(start), end=_time(end))
        studies[study].trials.append(trials[trial])
    chosen = chosen_study({study.name: study for study in studies.values()}, name, source)
    for trial, value in _typed(connection, "trial_values", "value", "objective"):
        trials[trial].values = (*trials[trial].values, value[1])
    for trial, (step, value) in _typed(connection, "trial_intermediate_values", "intermediate_value", "step"):
        trials[trial].intermediate[step] = math.nan if value is None else value
    for trial, key, value, kind in connection.execute(
        "SELECT trial_id, param_name, param_value, distribution_json FROM trial_params"
    ):
        trials[trial].params[key] = _external(value, kind)
        trials[trial].ranges[key] = _range_of(kind)
    for table, of in (("trial_user_attributes", "user_attrs"), ("trial_system_attributes", "system_attrs")):
        for trial, key, value in connection.execute(f"SELECT trial_id, key, value_json FROM {table}"):
            getattr(trials[trial], of)[key] = _json(value)
    return table_of_study(chosen, source)


def _typed(
    connection: sqlite3.Connection, table: str, column: str, order: str
) -> Iterator[tuple[int, tuple[int, float | None]]]:
    """Yield values of trials; a database has no column of types before Optuna 3, and infinity has a type of its own."""
    kinds = {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
    kind = f"{column}_type" if f"{column}_type" in kinds else "'FINITE'"
    infinite = {"INF_POS": math.inf, "INF_NEG": -math.inf, "NAN": math.nan}
    rows = connection.execute(f"SELECT trial_id, {order}, {column}, {kind} FROM {table} ORDER BY {order}")
    for trial, place, value, type_of_value in rows:
        yield trial, (place, infinite.get(type_of_value, value))


def _external(value: Any, distribution: str) -> Any:
    """Return the value of a hyperparameter, of which a storage holds a number."""
    kind = _json(distribution)
    attributes = kind.get("attributes", {}) if isinstance(kind, dict) else {}
    choices = attributes.get("choices") if isinstance(attributes, dict) else None
    if isinstance(choices, list):
        place = int(value) if isinstance(value, int | float) and math.isfinite(value) else -1
        return choices[place] if 0 <= place < len(choices) else None
    if isinstance(kind, dict) and str(kind.get("name", "")).startswith("Int") and isinstance(value, float):
        return int(value) if math.isfinite(value) else value
    return value


def _json(text: Any) -> Any:
    try:
        return json.loads(text)
    except (TypeError, ValueError, RecursionError):
        return None


def _time(text: Any) -> dt.datetime | None:
    try:
        return dt.datetime.fromisoformat(text).replace(tzinfo=None)
    except (TypeError, ValueError):
        return None


# --- journals -------------------------------------------------------------------------------------------------------


def read_journal(path: Path, name: str | None) -> Table:
    """Return the table of a study in a journal file."""
    studies: list[OptunaStudy | None] = []
    trials: list[Trial] = []
    for line, entry in json_objects(path):
        try:
            _apply(entry, studies, trials)
        except (KeyError, IndexError, TypeError, ValueError, AttributeError):
            raise InputError(f"{path}, line {line}: not an entry of an Optuna journal") from None
    return table_of_study(
        chosen_study({study.name: study for study in studies if study is not None}, name, str(path)), str(path)
    )


def _apply(entry: Mapping[str, Any], studies: list[OptunaStudy | None], trials: list[Trial]) -> None:
    """Carry out an entry of a journal: what a worker did to a study (codes 0 to 3) or to a trial (4 to 9)."""
    code = entry["op_code"]
    if code == 0:
        studies.append(OptunaStudy(str(entry["study_name"]), [_DIRECTIONS[d] for d in entry["directions"]]))
    elif code == 1:
        studies[entry["study_id"]] = None
    elif code == 3 and (study := studies[entry["study_id"]]) is not None:
        study.system_attrs.update(entry["system_attr"])
    elif code == 4:
        study = studies[entry["study_id"]]
        trials.append(_created(entry, 0 if study is None else len(study.trials)))
        if study is not None:
            study.trials.append(trials[-1])
    elif code >= 5:
        trial = trials[entry["trial_id"]]
        if trial.state not in ("RUNNING", "WAITING"):
            return  # another worker had ended it
        if code == 5:
            trial.params[entry["param_name"]] = _external(entry["param_value_internal"], entry["distribution"])
            trial.ranges[entry["param_name"]] = _range_of(entry["distribution"])
        elif code == 6:
            trial.state = _STATES[entry["state"]]
            trial.values = entry["values"] or ()
            trial.start = _time(entry.get("datetime_start")) or trial.start
            trial.end = _time(entry.get("datetime_complete")) or trial.end
        elif code == 7:
            trial.intermediate[int(entry["step"])] = float(entry["intermediate_value"])
        elif code == 8:
            trial.user_attrs.update(entry["user_attr"])
        elif code == 9:
            trial.system_attrs.update(entry["system_attr"])


def _created(entry: Mapping[str, Any], number: int) -> Trial:
    """Return a new trial, which may be complete: trials can be added to a study as a whole."""
    trial = Trial(number, _STATES[entry.get("state", 0)], start=_time(entry.get("datetime_start")))
    trial.end = _time(entry.get("datetime_complete"))
    value = entry.get("value")
    trial.values = entry.get("values") or (() if value is None else (value,))
    kinds = entry.get("distributions", {})
    trial.params = {key: _external(value, kinds[key]) for key, value in entry.get("params", {}).items()}
    trial.ranges = {key: _range_of(kinds[key]) for key in trial.params}
    trial.user_attrs.update(entry.get("user_attrs", {}))
    trial.system_attrs.update(entry.get("system_attrs", {}))
    trial.intermediate = {int(step): float(value) for step, value in entry.get("intermediate_values", {}).items()}
    return trial


# --- objects --------------------------------------------------------------------------------------------------------


def read_study_object(study: Any) -> Table:
    """Return the table of an ``optuna.Study``."""
    trials = [
        Trial(
            one.number,
            one.state.name,
            one.values or (),
            one.datetime_start,
            one.datetime_complete,
            dict(one.params),
            {key: _range_of_object(value) for key, value in one.distributions.items()},
            dict(one.user_attrs),
            dict(one.system_attrs),
            dict(one.intermediate_values),
        )
        for one in study.trials
    ]
    directions = [one.name.lower() for one in study.directions]
    names = getattr(study, "metric_names", None)
    found = OptunaStudy(study.study_name, directions, trials, {"study:metric_names": names} if names else {})
    sampler = type(study.sampler).__name__
    in_memory = type(getattr(study, "_storage", None)).__name__ == "InMemoryStorage"
    known = sampler if in_memory or sampler != _DEFAULT_SAMPLER else None
    return table_of_study(found, f"the study {study.study_name!r}", known)


def _range_of_object(distribution: Any) -> Range | None:
    """Return the range of a distribution object; categorical ones have none."""
    scale = "log" if getattr(distribution, "log", False) else "linear"
    return range_of(scale, getattr(distribution, "low", None), getattr(distribution, "high", None))
