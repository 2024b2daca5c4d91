"""Read the scores of a study from the files people keep trials in: CSV, JSON Lines and Parquet."""

import contextlib
import csv
import difflib
import gzip
import io
import itertools
import json
import math
import zlib
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from nqjax._numbers import LineOf, number, parse_texts, raise_not_a_number, to_numpy
from nqjax.errors import InputError

if TYPE_CHECKING:  # pyarrow is imported inside the readers: the command line must be able to start without it
    import pyarrow as pa

JSON_ENDINGS = (".jsonl", ".ndjson")
#: The only key of a line of JSON that is no trial, but says what made those after it (see `nqjax.search`).
HEADER = "nqjax_search"
ENDINGS = (".csv", ".tsv", *JSON_ENDINGS, ".parquet")


def read_scores(path: str | Path, metric: str) -> np.ndarray:
    """Read one score per trial from a file.

    The format follows from the ending: ``.csv``, ``.tsv``, ``.jsonl`` or ``.ndjson`` (one JSON object a line), each
    also with ``.gz`` after it, and ``.parquet``. A CSV file has a header line and may begin with comment lines (``#``);
    blank lines are skipped, and so are the headers in a file by `nqjax.search`. In JSON Lines and Parquet a dotted name
    reaches into objects: ``metrics.val_loss``.

    Parameters
    ----------
    path : str or Path
        The file, one trial a row.
    metric : str
        The name of the column that holds the scores.

    Returns
    -------
    numpy.ndarray, shape (trials,), float64
        The scores in the file's order. A missing score (an empty cell, ``null``, ``nan``, ``None``, an absent key) is
        NaN and an infinite one stays infinite: both are failed runs.

    Raises
    ------
    InputError
        If the file cannot be read, has no such column or no rows, or if a score is not a number.
    """
    path = Path(path)
    with reading(path) as ending:
        if ending == ".parquet":
            scores = _read_parquet(path, metric)
        elif ending in JSON_ENDINGS:
            scores = _read_jsonl(path, metric)
        else:
            scores = _read_csv(path, metric, delimiter_of(ending))
    if not scores.size:
        raise InputError(f"{path} has no rows; it needs one row per trial")
    return scores


@contextlib.contextmanager
def reading(path: Path) -> Iterator[str]:
    """Check that a file is there and give the ending that decides its format; failing to read it is an InputError."""
    try:
        if path.is_dir():
            raise InputError(f"{path} is a directory; give the file that holds the trials")
        if not path.exists():
            raise InputError(f"{path} does not exist; check the file's name")
        ending = _ending(path)
        if not path.stat().st_size:
            raise InputError(f"{path} is empty; it needs one row per trial")
        yield ending
    except (OSError, EOFError, zlib.error) as error:  # unreadable, or a damaged .gz
        raise InputError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error


def delimiter_of(ending: str) -> str:
    """What separates the cells of a text file with this ending."""
    return "\t" if ending == ".tsv" else ","


def _ending(path: Path) -> str:
    """Return the ending that decides the format, in lower case and without .gz."""
    name = path.name.lower()
    ending = Path(name.removesuffix(".gz")).suffix
    if ending not in ENDINGS or name.endswith(".parquet.gz"):
        raise InputError(
            f"{path} has an unknown file type {ending!r}; supported: {', '.join(ENDINGS)} (text formats also with .gz)"
        )
    return ending


def _open(path: Path) -> gzip.GzipFile | io.BufferedReader:
    return gzip.open(path, "rb") if path.suffix.lower() == ".gz" else path.open("rb")


def _open_text(path: Path) -> io.TextIOWrapper:
    # Undecodable bytes stay visible and cost nothing where they stand in a column that nobody reads.
    return io.TextIOWrapper(_open(path), encoding="utf-8-sig", errors="backslashreplace", newline="")


# --- messages -------------------------------------------------------------------------------------------------------


def _raise_missing(path: Path, metric: str, names: list[str]) -> NoReturn:
    """Raise the error for a column that is not there: name those that are, and the closest one."""
    wanted = metric.casefold()
    same = [name for name in names if wanted in (name.casefold(), name.casefold().rsplit(".", 1)[-1])]
    close = same or difflib.get_close_matches(metric, names, n=1)
    hint = f" (did you mean {close[0]!r}?)" if close else ""
    if len(names) > 30:
        names = [*names[:30], f"and {len(names) - 30} more"]
    raise InputError(f"{path} has no column {metric!r}{hint}; its columns: {', '.join(names)}")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0]


# --- CSV ------------------------------------------------------------------------------------------------------------


def _read_csv(path: Path, metric: str, delimiter: str) -> np.ndarray:
    texts, line_of = csv_texts(path, metric, delimiter)
    return parse_texts(texts, path, metric, line_of)


def csv_texts(path: Path, metric: str, delimiter: str) -> tuple["pa.ChunkedArray", LineOf]:
    """Return the cells of one column as text, and how to find a row's line."""
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    names, header_lines = _csv_header(path, delimiter)
    found = [i for i, name in enumerate(names) if name == metric]
    if not found:
        if all(number(name) is not None for name in names):
            raise InputError(f"{path} has no header: its first line must name the columns, and holds numbers")
        _raise_missing(path, metric, names)
    if len(found) > 1:
        raise InputError(f"{path} has {len(found)} columns named {metric!r}; rename all but one")
    _check_quotes(path, delimiter, header_lines)

    # Columns go by number and are read as text: names may repeat, and a message can quote what a cell says.
    column = str(found[0])
    try:
        table = arrow_csv.read_csv(
            path,
            read_options=arrow_csv.ReadOptions(
                column_names=[str(i) for i in range(len(names))], skip_rows=header_lines, block_size=1 << 23
            ),
            parse_options=arrow_csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
            convert_options=arrow_csv.ConvertOptions(include_columns=[column], column_types={column: pa.string()}),
        )
    except pa.ArrowInvalid as error:
        if "too short" in str(error) or "Empty CSV" in str(error):  # a header, and no line after it
            return pa.chunked_array([], pa.string()), lambda _: None
        for line, cells in _scan(path, delimiter, header_lines):
            if not isinstance(cells, csv.Error) and len(cells) != len(names):
                raise InputError(f"{path}, line {line}: {len(cells)} cells, but the header has {len(names)}") from error
        raise InputError(f"{path} is not valid CSV: {_first_line(error)}") from error

    def line_of(row: int) -> int | None:
        return next(itertools.islice((line for line, _ in _scan(path, delimiter, header_lines)), row, None), None)

    return table.column(0), line_of


def _csv_header(path: Path, delimiter: str) -> tuple[list[str], int]:
    """Return the columns' names, and the number of lines up to and including the header."""
    with _open_text(path) as file:
        comments = 0
        for text in file:
            if text.strip() and not text.startswith("#"):
                break
            comments += 1
        else:
            raise InputError(f"{path} has no header; the first line must name the columns")
        if "\0" in text:
            raise InputError(f"{path} is not UTF-8 text; save it as CSV in UTF-8")
        reader = csv.reader(itertools.chain([text], file), delimiter=delimiter)
        try:
            names = [name.strip() for name in next(reader)]
        except csv.Error as error:
            raise InputError(f"{path}, line {comments + 1}: the header cannot be read ({error})") from error
        return names, comments + reader.line_num


def _scan(path: Path, delimiter: str, header_lines: int) -> Iterator[tuple[int, list[str] | csv.Error]]:
    """Go through the rows one by one, which is slow, for messages: yield a row's line in the file and its cells."""
    with _open_text(path) as file:
        reader = csv.reader(itertools.islice(file, header_lines, None), delimiter=delimiter, strict=True)
        while True:
            line = header_lines + reader.line_num + 1
            try:
                cells: list[str] | csv.Error = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                cells = error
            if cells:  # blank lines are no rows
                yield line, cells


def _check_quotes(path: Path, delimiter: str, header_lines: int) -> None:
    """Raise where a quoted cell never ends: read leniently, it would swallow the trials after it.

    Quotes come in pairs, so that only a file with an odd number of them needs the closer look.
    """
    with _open(path) as file:
        quotes = sum(block.count(b'"') for block in iter(lambda: file.read(1 << 24), b""))
    if quotes % 2:
        for line, cells in _scan(path, delimiter, header_lines):
            if isinstance(cells, csv.Error) and "end of data" in str(cells):
                raise InputError(f"{path}, line {line}: a quote opens in this row and is never closed")


# --- JSON Lines -----------------------------------------------------------------------------------------------------


def _read_jsonl(path: Path, metric: str) -> np.ndarray:
    import pyarrow as pa
    from pyarrow import json as arrow_json

    parts = json_path(path, metric)
    # Only the metric is parsed, so that learning curves and keys that change their type from line to line cost nothing.
    field = pa.field(parts[-1], pa.float64())
    for part in reversed(parts[:-1]):
        field = pa.field(part, pa.struct([field]))
    header = pa.field(HEADER, pa.struct([]))
    options = arrow_json.ParseOptions(explicit_schema=pa.schema([field, header]), unexpected_field_behavior="ignore")
    try:
        with pa.input_stream(str(path), compression="detect") as file:
            table = arrow_json.read_json(file, arrow_json.ReadOptions(block_size=1 << 24), options)
    except pa.ArrowInvalid:  # scores written as text, or a malformed line: Python reads the one and names the other
        return _read_jsonl_slowly(path, metric, parts)
    if table.column(1).null_count < len(table):
        table = table.filter(table.column(1).is_null())
    return to_numpy(_descend(table.column(0), parts[1:]))


def json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield each trial's line in the file and its object; a search's header is no trial."""
    with _open(path) as file:
        for line, text in enumerate(file, start=1):
            if not text.strip():
                continue
            try:
                value = json.loads(text.removeprefix(b"\xef\xbb\xbf"))
            except (ValueError, RecursionError) as error:
                raise InputError(f"{path}, line {line}: not a JSON object ({_first_line(error)})") from error
            if not isinstance(value, dict):
                raise InputError(f"{path}, line {line}: a {type(value).__name__}; each line must be one JSON object")
            if value.keys() != {HEADER}:
                yield line, value


def json_path(path: Path, metric: str) -> list[str]:
    """Return the keys that lead to the metric in the first trial that has it."""
    names: dict[str, None] = {}
    trial: dict[str, Any] = {}
    for _, trial in json_lines(path):
        parts = _find(trial, metric)
        if parts:
            return parts
        names.update(dict.fromkeys(_names(trial)))
    if not trial:
        raise InputError(f"{path} has no rows; it needs one JSON object per trial")
    _raise_missing(path, metric, list(names))


def _find(value: dict[str, Any], name: str) -> list[str]:
    """Return the keys that spell a dotted name, empty where it is not there; a key may itself hold dots."""
    if name in value:
        return [name]
    for dot in (i for i, character in enumerate(name) if character == "."):
        inner = value.get(name[:dot])
        rest = _find(inner, name[dot + 1 :]) if isinstance(inner, dict) else []
        if rest:
            return [name[:dot], *rest]
    return []


def _names(value: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for key, inner in value.items():
        if isinstance(inner, dict):
            yield from _names(inner, f"{prefix}{key}.")
        else:
            yield prefix + key


def _read_jsonl_slowly(path: Path, metric: str, parts: list[str]) -> np.ndarray:
    scores = array("d")
    for row, (line, trial) in enumerate(json_lines(path)):
        value: Any = trial
        for part in parts:
            value = value.get(part) if isinstance(value, dict) else None
        score = number(value) if isinstance(value, str) else math.nan if value is None else value
        if isinstance(score, bool) or not isinstance(score, int | float):
            raise_not_a_number(path, metric, row, line, value)
        try:
            scores.append(score)
        except OverflowError:  # an integer beyond float64's range
            scores.append(math.inf if score > 0 else -math.inf)
    return np.array(scores)


# --- Parquet --------------------------------------------------------------------------------------------------------


def _read_parquet(path: Path, metric: str) -> np.ndarray:
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
            parts = _find(tree, metric)
            if not parts:
                _raise_missing(path, metric, list(_names(tree)))
            if (count := file.schema_arrow.names.count(parts[0])) > 1:
                raise InputError(f"{path} has {count} columns named {parts[0]!r}; rename all but one")
            column = _descend(file.read(columns=[metric]).column(parts[0]), parts[1:])
    except (pa.ArrowException, UnicodeError) as error:
        raise InputError(f"{path} is not a Parquet file that can be read: {_first_line(error)}") from error

    if types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    return column


def _tree(fields: "pa.Schema | pa.StructType") -> dict[str, Any]:
    """Return the columns as nested dictionaries, the way a line of JSON would hold them."""
    from pyarrow import types

    return {field.name: _tree(field.type) if types.is_struct(field.type) else None for field in fields}


def _descend(column: "pa.ChunkedArray", parts: list[str]) -> "pa.ChunkedArray":
    import pyarrow.compute as pc

    for part in parts:
        column = pc.struct_field(column, part)
    return column
