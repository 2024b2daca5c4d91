"""Read ``Trials`` of Hyperopt, an object in memory; its file is a pickle, which is not opened."""

from typing import Any

from nqjax.trials.readers.table import Recorded, Table, table_of_objects

#: States of a trial, by their number.
_STATES = ("new", "running", "ok", "error", "cancelled")


def read_trials_object(trials: Any) -> Table:
    """Return the table of Hyperopt's ``Trials``."""
    rows = []
    for one in trials.trials:
        result = dict(one["result"])
        state = _STATES[one["state"]] if one["state"] in range(len(_STATES)) else "error"
        row = {
            "tid": one["tid"],
            "loss": result.get("loss"),
            "status": result.get("status") if state == "ok" else state,
        }
        start, end = one.get("book_time"), one.get("refresh_time")
        row["duration"] = (end - start).total_seconds() if start and end else None
        row |= {f"params.{name}": (values[0] if len(values) else None) for name, values in one["misc"]["vals"].items()}
        row |= {
            name: value for name, value in result.items() if name not in row and isinstance(value, int | float | str)
        }
        rows.append(row)
    recorded = Recorded(
        "Hyperopt",
        metric="loss",
        direction="minimize",
        directions={"loss": "minimize"},
        roles={"tid": "trial", "status": "status", "loss": "metric", "duration": "cost"},
        notes=("values of hp.choice are the numbers of the choices",),
    )
    return table_of_objects(((None, row) for row in rows), "the Trials", recorded)
