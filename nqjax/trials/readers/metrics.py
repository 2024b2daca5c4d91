"""Choose the column that holds the scores."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from nqjax.errors import InputError
from nqjax.trials.columns import listed_names, missing_column
from nqjax.trials.readers.directions import words_of
from nqjax.trials.readers.roles import METRIC
from nqjax.trials.readers.table import Table

#: Words of names that make a metric likely to be the one a search was about, the likeliest first.
_LIKELY = (
    *(("value",), ("score",), ("objective",), ("mean", "test"), ("val",), ("valid",), ("validation",), ("dev",)),
    *(("eval",), ("test",), ("accuracy",), ("acc",), ("loss",), ("error",)),
)


def choose_metric(table: Table, roles: Mapping[str, str], metric: str | None) -> tuple[str, str | None]:
    """Return the name of the metric's column, and a note if it was inferred.

    Raises
    ------
    InputError
        If there is no such column, or the source does not say which one it is; the message has a guess.
    """
    names = list(table.columns)
    if metric is not None:
        found = metric if metric in names else _with_prefix(metric, names)
        if found is None:
            raise missing_column(Path(table.source), metric, names)
        if f"{found} (2)" in names:
            count = sum(name == found or name.startswith(f"{found} (") for name in names)
            raise InputError(f"{table.source} has {count} columns named {found!r}; rename all but one")
        return found, None
    recorded = table.recorded.metric
    if recorded in names and recorded is not None:
        return recorded, f"the metric is {recorded}, as {table.recorded.tool} recorded"
    candidates = candidates_of(roles)
    if len(candidates) == 1:
        return candidates[0], f"the metric is {candidates[0]}, the only column whose name is that of a score"
    if not candidates:
        raise InputError(
            f"{table.source}: no column has the name of a score; give --metric NAME (metric=...), one of: "
            f"{listed_names(names)}"
        )
    raise InputError(
        f"{table.source}: which column holds the scores? Give --metric {guess(candidates)} (metric=...) or another of: "
        f"{listed_names(candidates)}"
    )


def _with_prefix(metric: str, names: Sequence[str]) -> str | None:
    """Return the only column that has this name after the prefix of a tool, or None."""
    found = [name for name in names if name == f"metrics.{metric}"]
    return found[0] if len(found) == 1 else None


def candidates_of(roles: Mapping[str, str]) -> list[str]:
    """Return the columns that may hold the scores; those of training only where there is nothing else."""
    found = [name for name, role in roles.items() if role == METRIC]
    held_out = [name for name in found if not {"train", "training"} & set(words_of(name))]
    return held_out or found


def guess(candidates: Sequence[str]) -> str:
    """Return the likeliest of several metrics."""

    def place(name: str) -> int:
        words = words_of(name)
        return next((i for i, some in enumerate(_LIKELY) if set(some) <= set(words)), len(_LIKELY))

    return min(candidates, key=place)
