"""Recognize which tool exported a table by its columns."""

from dataclasses import replace

from nqjax.trials.readers.optuna import sampler_by_attributes
from nqjax.trials.readers.table import Table

#: Tables that say only in which form they came.
_FORMS = ("CSV", "JSON", "Parquet", "frame", "list", "table")


def recognized(table: Table) -> Table:
    """Return a table with the name of the tool that exported it, and with what its columns then mean."""
    if table.recorded.tool not in _FORMS:
        return table
    names = set(table.columns)
    if "number" in names and "state" in names and ("value" in names or "values_0" in names):
        return _optuna(table)
    if any(name.startswith("mean_test_") for name in names) and any(name.startswith("param_") for name in names):
        return _named(table, "scikit-learn", {"iter": "other"})
    if {"trial_id", "training_iteration"} <= names:
        return _named(table, "Ray Tune", {})
    if "run_id" in names and any(name.startswith(("metrics.", "params.")) for name in names):
        return _named(table, "MLflow", {})
    if {"Name", "State"} <= names:
        return _named(table, "Weights & Biases", {"Name": "trial", "State": "status"})
    if "trial_id" in names and any(name.startswith("tuner/") for name in names):
        return _named(table, "KerasTuner", {})
    return table


def _named(table: Table, tool: str, roles: dict[str, str]) -> Table:
    kept = {name: role for name, role in roles.items() if name in table.columns}
    return replace(table, recorded=replace(table.recorded, tool=tool, roles={**kept, **table.recorded.roles}))


def _optuna(table: Table) -> Table:
    found = _named(table, "Optuna", {"number": "trial", "state": "status"})
    attributes = [
        name.removeprefix("system_attrs_")
        for name, values in table.columns.items()
        if name.startswith("system_attrs_") and any(value not in (None, "") for value in values)
    ]
    metric = "value" if "value" in table.columns else None
    return replace(found, recorded=replace(found.recorded, sampler=sampler_by_attributes(attributes), metric=metric))
