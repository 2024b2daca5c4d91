"""Read the files of `nqjax search`, whose first line says what was searched."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from nqjax.errors import InputError
from nqjax.trials.json_lines import json_objects
from nqjax.trials.ranges import range_of_description
from nqjax.trials.readers.table import Recorded, Table
from nqjax.trials.search_lines import HEADER, LINEAGE, has_pauses

#: Columns of a trial that are neither hyperparameters nor metrics.
_OWN = {"trial": "trial", "failed": "other", "best_round": "other", "rounds": "other", "trained": "other"}

#: Kinds of entries of a space that do not vary by themselves.
_NOT_SEARCHED = {"fixed", "derived"}


def recorded_of(path: Path) -> Recorded | None:
    """Return what the header of a search says, or None for another file of JSON Lines."""
    try:
        _, first = next(json_objects(path), (0, {}))
    except InputError:
        return None  # the reader of all lines says what is wrong
    header = first.get(HEADER)
    if not isinstance(header, dict) or not isinstance(header.get("settings"), dict):
        return None
    settings: dict[str, Any] = header["settings"]
    metric, minimize, space = settings.get("score"), settings.get("minimize"), settings.get("space")
    if not isinstance(metric, str) or not isinstance(minimize, bool) or not isinstance(space, dict):
        return None
    direction = "minimize" if minimize else "maximize"
    return Recorded(
        "nqjax search",
        metric=metric,
        direction=direction,
        directions={metric: direction},
        sampler=_sampler(settings.get("sampling")),
        ranges={name: one for name, entry in space.items() if (one := range_of_description(entry)) is not None},
        roles={**{name: _role_of(entry) for name, entry in space.items()}, **_OWN, **_of_pauses(settings)},
    )


def method_of(sampling: Any) -> str | None:
    """Return the name of the method of a search, from what its settings say of sampling: "random", or a mapping."""
    if isinstance(sampling, dict):
        name = sampling.get("method", "grid" if "grid" in sampling else None)
        return name if isinstance(name, str) else None
    return sampling if sampling in ("random", "grid") else None


def _sampler(sampling: Any) -> str | None:
    """Return what chose the configurations; methods that learn from the scores have a name of their own."""
    name = method_of(sampling)
    words = {"random": "random search", "grid": "grid search", "sobol": "sobol points"}
    return None if name is None else words.get(name, name)


def _of_pauses(settings: dict[str, Any]) -> dict[str, str]:
    """Return the roles of the columns of searches that pause trials: which were stopped, and where weights are from."""
    return {"status": "status", **dict.fromkeys(LINEAGE, "other")} if has_pauses(settings) else {}


def _role_of(entry: Any) -> str:
    """Return the role of an entry of a space: fixed and derived ones were not searched."""
    return "other" if isinstance(entry, dict) and entry.keys() & _NOT_SEARCHED else "config"


def table_without_header(table: Table) -> Table:
    """Return a table of which ``failed`` is no status if it was exported from a search of ours."""
    if {"best_round", "rounds", "failed"} <= set(table.columns):
        return replace(table, recorded=replace(table.recorded, roles={**_OWN, **table.recorded.roles}))
    return table
