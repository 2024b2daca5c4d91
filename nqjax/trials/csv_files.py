"""Reading CSV files."""

import csv
import io
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nqjax.errors import InputError
from nqjax.trials.numbers import LineOf, number, parse_texts

if TYPE_CHECKING:  # pyarrow is imported inside the readers: the command line must be able to start without it
    import pyarrow as pa
from nqjax.trials.columns import first_line, missing_column, open_binary


def delimiter_of(ending: str) -> str:
    """What separates the cells of a text file with this ending."""
    return "\t" if ending == ".tsv" else ","


def _open_text(path: Path) -> io.TextIOWrapper:
    # Undecodable bytes stay visible and cost nothing where they stand in a column that nobody reads.
    return io.TextIOWrapper(open_binary(path), encoding="utf-8-sig", errors="backslashreplace", newline="")


def read_csv(path: Path, metric: str, delimiter: str) -> np.ndarray:
    """Return one column of a CSV file as numbers."""
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
        raise missing_column(path, metric, names)
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
        raise InputError(f"{path} is not valid CSV: {first_line(error)}") from error

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
    with open_binary(path) as file:
        quotes = sum(block.count(b'"') for block in iter(lambda: file.read(1 << 24), b""))
    if quotes % 2:
        for line, cells in _scan(path, delimiter, header_lines):
            if isinstance(cells, csv.Error) and "end of data" in str(cells):
                raise InputError(f"{path}, line {line}: a quote opens in this row and is never closed")
