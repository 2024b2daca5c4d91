"""Read searches of scikit-learn: ``cv_results_``, or the fitted search that holds it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from nqjax.errors import InputError
from nqjax.trials.readers.table import Place, Recorded, Table

#: Samplers by the class of the search.
_SAMPLERS = {
    "RandomizedSearchCV": "random search",
    "GridSearchCV": "grid search",
    "HalvingRandomSearchCV": "random search with successive halving",
    "HalvingGridSearchCV": "grid search with successive halving",
}


def is_cv_results(value: Any) -> bool:
    """Return whether a mapping is a ``cv_results_``."""
    return (
        isinstance(value, Mapping) and "params" in value and any(str(name).startswith("mean_test_") for name in value)
    )


def read_search(search: Any) -> Table:
    """Return the table of a fitted search."""
    table = read_cv_results(search.cv_results_, f"the {type(search).__name__}")
    refit = getattr(search, "refit", None)
    metric = f"mean_test_{refit}" if isinstance(refit, str) else None
    return replace(
        table,
        recorded=replace(
            table.recorded,
            sampler=_SAMPLERS.get(type(search).__name__),
            metric=metric if metric in table.columns else table.recorded.metric,
        ),
    )


def read_cv_results(results: Mapping[str, Any], source: str = "cv_results_") -> Table:
    """Return the table of a ``cv_results_``, in which the higher score is always the better one."""
    columns: dict[str, list[Any]] = {}
    for name, values in results.items():
        if name == "params":
            continue
        found = np.ma.asarray(values)
        missing = np.ma.getmaskarray(found)
        columns[str(name)] = [None if gone else _plain(value) for value, gone in zip(found.data, missing, strict=True)]
    sizes = {len(values) for values in columns.values()}
    if len(sizes) != 1 or sizes == {0}:
        raise InputError(f"{source} has columns of different lengths, or no rows")
    tests = [name for name in columns if name.startswith("mean_test_")]
    size = sizes.pop()
    return Table(
        columns,
        [Place(source, row, None) for row in range(size)],
        source,
        Recorded(
            "scikit-learn",
            metric=tests[0] if len(tests) == 1 else None,
            direction="maximize" if len(tests) == 1 else None,
            directions=dict.fromkeys(tests, "maximize"),
            roles={name: "config" for name in columns if name.startswith("param_")},
        ),
    )


def _plain(value: Any) -> Any:
    """Return a number or a text: a hyperparameter may be an estimator."""
    value = value.item() if hasattr(value, "item") else value
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
