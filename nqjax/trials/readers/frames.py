"""Read tables in memory: pandas, polars, pyarrow and whatever speaks Arrow's protocol, mappings of columns."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from nqjax.errors import InputError
from nqjax.runtime.extras import require
from nqjax.trials.readers.flat import table_of_arrow
from nqjax.trials.readers.table import Place, Recorded, Table


def is_frame(value: Any) -> bool:
    """Return whether an object is a table that can be read."""
    return _is_pandas(value) or hasattr(value, "__arrow_c_stream__") or hasattr(value, "to_pydict")


def _is_pandas(value: Any) -> bool:
    return hasattr(value, "columns") and hasattr(value, "iloc") and hasattr(value, "isna")


def read_frame(frame: Any) -> Table:
    """Return the table of a frame."""
    source = f"the {type(frame).__name__}"
    if _is_pandas(frame):
        return _read_pandas(frame, source)
    if hasattr(frame, "to_dict") and hasattr(frame, "schema") and hasattr(frame, "columns"):  # polars
        return table_of_columns(frame.to_dict(as_series=False), source)
    if hasattr(frame, "flatten") and hasattr(frame, "column_names"):  # pyarrow
        return table_of_arrow(frame, source, "frame")
    pa = require("pyarrow", "parquet", f"reading {source}")
    return table_of_arrow(pa.table(frame), source, "frame")


def _read_pandas(frame: Any, source: str) -> Table:
    columns: dict[str, list[Any]] = {}
    for place, name in enumerate(frame.columns):
        series = frame.iloc[:, place]
        gone = series.isna().tolist()
        label = "_".join(str(part) for part in name if part != "") if isinstance(name, tuple) else str(name)
        values = [None if is_gone else value for value, is_gone in zip(series.tolist(), gone, strict=True)]
        columns[label if label not in columns else f"{label} ({place + 1})"] = values
    return table_of_columns(columns, source)


def table_of_columns(columns: Mapping[str, Any], source: str) -> Table:
    """Return the table of a mapping from names to columns of equal length.

    Raises
    ------
    InputError
        If the columns differ in length, or there are no rows.
    """
    found = {str(name): _values(column) for name, column in columns.items()}
    sizes = {len(values) for values in found.values()}
    if len(sizes) != 1 or sizes == {0}:
        raise InputError(f"{source}: its columns have different lengths, or no rows")
    return Table(found, [Place(source, row, None) for row in range(sizes.pop())], source, Recorded("frame"))


def _values(column: Any) -> list[Any]:
    if isinstance(column, np.ma.MaskedArray):
        return [
            None if gone else value
            for value, gone in zip(column.data.tolist(), np.ma.getmaskarray(column), strict=True)
        ]
    return column.tolist() if hasattr(column, "tolist") else list(column)
