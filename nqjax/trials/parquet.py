"""Read columns of Parquet files."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nqjax.errors import InputError
from nqjax.runtime.extras import require
from nqjax.trials.columns import dotted_names, find_keys, first_line, missing_column
from nqjax.trials.numbers import parse_texts

if TYPE_CHECKING:  # functions import pyarrow themselves: the command line starts without it
    import pyarrow as pa


def read_parquet(path: Path, metric: str) -> np.ndarray:
    """Return one column of a Parquet file as numbers."""
    column = _parquet_column(path, metric)
    from pyarrow import types

    if types.is_string(column.type) or types.is_large_string(column.type):
        return parse_texts(_values(column), path, metric, lambda _: None)
    of = column.type
    if types.is_integer(of) or types.is_floating(of) or types.is_decimal(of) or types.is_null(of):
        return _to_numpy(column)
    raise InputError(f"{path}: column {metric!r} holds {of}, not numbers; choose a column of scores")


def parquet_values(path: Path, name: str) -> Iterator[Any]:
    """Yield the values of one column as Python objects."""
    return _values(_parquet_column(path, name))


def _parquet_column(path: Path, metric: str) -> "pa.ChunkedArray":
    """Return one column, decoded if it is stored as a dictionary."""
    pa = require("pyarrow", "parquet", f"reading {path}")
    from pyarrow import parquet, types

    try:
        with parquet.ParquetFile(path) as file:
            tree = _tree(file.schema_arrow)
            keys = find_keys(tree, metric)
            if not keys:
                raise missing_column(path, metric, list(dotted_names(tree)))
            if (count := file.schema_arrow.names.count(keys[0])) > 1:
                raise InputError(f"{path} has {count} columns named {keys[0]!r}; rename all but one")
            column = _nested_field(file.read(columns=[metric]).column(keys[0]), keys[1:])
    except (pa.ArrowException, UnicodeError) as error:
        raise InputError(f"{path} is not a Parquet file that can be read: {first_line(error)}") from error

    if types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    return column


def _tree(fields: "pa.Schema | pa.StructType") -> dict[str, Any]:
    """Return the names of the columns as nested dictionaries, in the structure of a line of JSON."""
    from pyarrow import types

    return {field.name: _tree(field.type) if types.is_struct(field.type) else None for field in fields}


def _nested_field(column: "pa.ChunkedArray", keys: list[str]) -> "pa.ChunkedArray":
    """Return the field that these keys lead to in a structured column."""
    import pyarrow.compute as pc

    for key in keys:
        column = pc.struct_field(column, key)
    return column


def _values(column: "pa.ChunkedArray") -> Iterator[Any]:
    """Yield the values of a column as Python objects."""
    for chunk in column.chunks:
        yield from chunk.to_pylist()


def _to_numpy(column: "pa.ChunkedArray") -> np.ndarray:
    """Return a column as a NumPy array, nulls as NaN."""
    import pyarrow as pa

    # Arrow's own to_numpy(), scalar() and fill_null() import pandas if it is installed, which takes longer than reading
    # a million rows; so the numbers are read from Arrow's buffers.
    scores = np.empty(len(column))
    start = 0
    for chunk in column.cast(pa.float64(), safe=False).chunks:
        part = scores[start : start + len(chunk)]
        part[:] = np.frombuffer(chunk.buffers()[1], np.float64)[chunk.offset : chunk.offset + len(chunk)]
        if chunk.null_count:
            part[np.frombuffer(chunk.is_null().cast(pa.uint8()).buffers()[1], np.uint8)[: len(chunk)] != 0] = np.nan
        start += len(chunk)
    return scores
