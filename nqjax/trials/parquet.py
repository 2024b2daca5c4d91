"""Read columns of Parquet files."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nqjax.errors import InputError
from nqjax.trials.columns import dotted_names, find_keys, first_line, missing_column, nested_field
from nqjax.trials.numbers import parse_texts, to_numpy

if TYPE_CHECKING:  # functions import pyarrow themselves: the command line starts without it
    import pyarrow as pa


def read_parquet(path: Path, metric: str) -> np.ndarray:
    """Return one column of a Parquet file as numbers."""
    from pyarrow import types

    column = parquet_column(path, metric)
    if types.is_string(column.type) or types.is_large_string(column.type):
        return parse_texts(column, path, metric, lambda _: None)
    of = column.type
    if types.is_integer(of) or types.is_floating(of) or types.is_decimal(of) or types.is_null(of):
        return to_numpy(column)
    raise InputError(f"{path}: column {metric!r} holds {of}, not numbers; choose a column of scores")


def parquet_column(path: Path, metric: str) -> "pa.ChunkedArray":
    """Return one column, decoded if it is stored as a dictionary."""
    import pyarrow as pa
    from pyarrow import parquet, types

    try:
        with parquet.ParquetFile(path) as file:
            tree = _tree(file.schema_arrow)
            keys = find_keys(tree, metric)
            if not keys:
                raise missing_column(path, metric, list(dotted_names(tree)))
            if (count := file.schema_arrow.names.count(keys[0])) > 1:
                raise InputError(f"{path} has {count} columns named {keys[0]!r}; rename all but one")
            column = nested_field(file.read(columns=[metric]).column(keys[0]), keys[1:])
    except (pa.ArrowException, UnicodeError) as error:
        raise InputError(f"{path} is not a Parquet file that can be read: {first_line(error)}") from error

    if types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    return column


def _tree(fields: "pa.Schema | pa.StructType") -> dict[str, Any]:
    """Return the names of the columns as nested dictionaries, in the structure of a line of JSON."""
    from pyarrow import types

    return {field.name: _tree(field.type) if types.is_struct(field.type) else None for field in fields}
