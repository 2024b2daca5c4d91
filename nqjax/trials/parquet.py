"""Reading Parquet files."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from nqjax.errors import InputError
from nqjax.trials.numbers import parse_texts, to_numpy

if TYPE_CHECKING:  # pyarrow is imported inside the readers: the command line must be able to start without it
    import pyarrow as pa
from nqjax.trials.columns import dotted_names, find_keys, first_line, missing_column


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
    """Return one column, plain."""
    import pyarrow as pa
    from pyarrow import parquet, types

    try:
        with parquet.ParquetFile(path) as file:
            tree = _tree(file.schema_arrow)
            parts = find_keys(tree, metric)
            if not parts:
                raise missing_column(path, metric, list(dotted_names(tree)))
            if (count := file.schema_arrow.names.count(parts[0])) > 1:
                raise InputError(f"{path} has {count} columns named {parts[0]!r}; rename all but one")
            column = descend(file.read(columns=[metric]).column(parts[0]), parts[1:])
    except (pa.ArrowException, UnicodeError) as error:
        raise InputError(f"{path} is not a Parquet file that can be read: {first_line(error)}") from error

    if types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    return column


def _tree(fields: "pa.Schema | pa.StructType") -> dict[str, Any]:
    """Return the columns as nested dictionaries, the way a line of JSON would hold them."""
    from pyarrow import types

    return {field.name: _tree(field.type) if types.is_struct(field.type) else None for field in fields}


def descend(column: "pa.ChunkedArray", parts: list[str]) -> "pa.ChunkedArray":
    """Return the field of a structured column that these names lead to."""
    import pyarrow.compute as pc

    for part in parts:
        column = pc.struct_field(column, part)
    return column
