"""Read columns of CSV files."""

import contextlib
import csv
import io
import itertools
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from nqjax.errors import InputError
from nqjax.trials.columns import LONGEST_LINE, long_line, missing_column, open_binary
from nqjax.trials.numbers import LineOf, parse_number, parse_texts

#: Most characters of a cell; Python's own limit, 131,072, is too low for logged prompts and configurations.
_LARGEST_CELL = LONGEST_LINE

#: Characters that may separate the cells of a row.
_DELIMITERS = (",", ";", "\t", "|")

#: Lines at the beginning of a file in which the header is looked for to guess the delimiter.
_LINES_LOOKED_AT = 100

#: A quoted cell.
_QUOTED = re.compile(r'"[^"]*"')

#: Held while the limit is changed, which is one for the whole process.
_LIMIT_LOCK = threading.Lock()


def delimiter_of(ending: str) -> str:
    """Return the character that separates the cells of a text file with this ending."""
    return "\t" if ending == ".tsv" else ","


def _open_text(path: Path, errors: str = "backslashreplace") -> io.TextIOWrapper:
    # Bytes that are not UTF-8 are escaped, so that they do no harm in a column that is not read.
    return io.TextIOWrapper(open_binary(path), encoding="utf-8-sig", errors=errors, newline="")


def read_csv(path: Path, metric: str, delimiter: str) -> np.ndarray:
    """Return one column of a CSV file as numbers."""
    texts, line_of = csv_texts(path, metric, delimiter)
    return parse_texts(texts, path, metric, line_of)


def csv_rows(path: Path, delimiter: str) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Return the names of the columns of a CSV file, and the line and the cells of each row.

    Raises
    ------
    InputError
        If the file is not valid CSV, or a row has another number of cells than the header.
    """
    quotes = _check_lines(path)
    with _large_cells():
        names, header_lines = _csv_header(path, delimiter)
        if all(parse_number(name) is not None for name in names):
            raise InputError(f"{path} has no header: its first line must name the columns, and holds numbers")
        if quotes % 2:
            _check_quotes(path, delimiter, header_lines)
        rows = list(_rows(path, len(names), delimiter, header_lines))
    return names, rows


def guess_delimiter(path: Path, ending: str) -> str:
    """Return the character that separates the cells of a text file: the one that its header holds most often.

    That of the ending counts where the header has it as often as another, or where the first row lacks the other.
    """
    usual = delimiter_of(ending)
    _check_lines(path)
    with _open_text(path) as file:
        lines = [text for text in itertools.islice(file, _LINES_LOOKED_AT) if text.strip() and not text.startswith("#")]
    counts = [{mark: _QUOTED.sub("", text).count(mark) for mark in _DELIMITERS} for text in lines[:2]]
    if not counts:
        return usual
    likely = max(_DELIMITERS, key=lambda mark: (counts[0][mark], mark == usual))
    return likely if counts[-1][likely] >= counts[0][likely] > counts[0][usual] else usual


def csv_texts(path: Path, metric: str, delimiter: str) -> tuple[list[str], LineOf]:
    """Return the cells of one column as text, and a function from a row to its line in the file."""
    quotes = _check_lines(path)
    with _large_cells():
        names, header_lines = _csv_header(path, delimiter)
        found = [i for i, name in enumerate(names) if name == metric]
        if not found:
            if all(parse_number(name) is not None for name in names):
                raise InputError(f"{path} has no header: its first line must name the columns, and holds numbers")
            raise missing_column(path, metric, names)
        if len(found) > 1:
            raise InputError(f"{path} has {len(found)} columns named {metric!r}; rename all but one")
        if quotes % 2:
            _check_quotes(path, delimiter, header_lines)
        texts = _column(path, found[0], len(names), delimiter, header_lines)

    def line_of(row: int) -> int | None:
        with _large_cells():
            return next(
                itertools.islice((line for line, _ in _rows_by_line(path, delimiter, header_lines)), row, None), None
            )

    joined = "".join(texts)
    if not joined.isascii():
        try:
            joined.encode()
        except UnicodeEncodeError:  # bytes that are not UTF-8 were decoded to surrogates
            row = next(
                i for i, text in enumerate(texts) if any("\ud800" <= character <= "\udfff" for character in text)
            )
            where = f"row {row + 1} (line {line_of(row)})"
            raise InputError(f"{path} is not valid CSV: {where} has invalid UTF8 data in {metric}") from None
    return texts, line_of


def _column(path: Path, column: int, width: int, delimiter: str, header_lines: int) -> list[str]:
    """Return the cells of one column; each row must have as many cells as the header."""
    return [cells[column] for _, cells in _rows(path, width, delimiter, header_lines)]


def _rows(path: Path, width: int, delimiter: str, header_lines: int) -> Iterator[tuple[int, list[str]]]:
    """Yield the line and the cells of each row, of which each must have as many cells as the header."""
    with _open_text(path, "surrogateescape") as file:
        reader = csv.reader(itertools.islice(file, header_lines, None), delimiter=delimiter)
        line = 0
        try:
            for cells in reader:
                if len(cells) == width:
                    yield header_lines + line + 1, cells
                elif cells:  # blank lines are not rows
                    where = f"{path}, line {header_lines + line + 1}"
                    raise InputError(f"{where}: {len(cells)} cells, but the header has {width}")
                line = reader.line_num
        except csv.Error as error:
            raise InputError(f"{path} is not valid CSV: line {header_lines + line + 1}: {error}") from error


@contextlib.contextmanager
def _large_cells() -> Iterator[None]:
    """Let Python's csv module read large cells."""
    with _LIMIT_LOCK:
        before = csv.field_size_limit(_LARGEST_CELL)
        try:
            yield
        finally:
            csv.field_size_limit(before)


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


def _rows_by_line(path: Path, delimiter: str, header_lines: int) -> Iterator[tuple[int, list[str] | csv.Error]]:
    """Yield each row's line in the file and its cells, or the error in the row; slow, so only used for messages."""
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
            if cells:  # blank lines are not rows
                yield line, cells


def _check_lines(path: Path) -> int:
    """Return how many quotes a file has; raise InputError if a line of it is too long to be read.

    The file is read in blocks, so that neither a long line nor what a .gz file holds is in the memory as a whole.
    """
    quotes = since = 0
    with open_binary(path) as file:
        for block in iter(lambda: file.read(1 << 22), b""):
            quotes += block.count(b'"')
            ends = [i for i in (block.find(b"\n"), block.find(b"\r")) if i >= 0]
            since += min(ends, default=len(block))
            if since > LONGEST_LINE:
                raise long_line(path)
            if ends:
                since = len(block) - 1 - max(block.rfind(b"\n"), block.rfind(b"\r"))
    return quotes


def _check_quotes(path: Path, delimiter: str, header_lines: int) -> None:
    """Raise InputError if a quoted cell never ends, because such a cell would contain the trials after it.

    Quotes come in pairs, so only a file with an odd number of them is read row by row.
    """
    for line, cells in _rows_by_line(path, delimiter, header_lines):
        if isinstance(cells, csv.Error) and "end of data" in str(cells):
            raise InputError(f"{path}, line {line}: a quote opens in this row and is never closed")
