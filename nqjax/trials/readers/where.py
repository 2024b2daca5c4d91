"""Conditions that choose rows, such as ``State == 'finished' and lr < 0.1``: their own small language.

    condition   = alternative {"or" alternative}
    alternative = part {"and" part}
    part        = "not" part | "(" condition ")" | column operator value
    operator    = "=" | "==" | "!=" | "<" | "<=" | ">" | ">=" | "in"

A column or value with spaces or signs is quoted. Nothing is evaluated as Python.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from nqjax.errors import InputError
from nqjax.trials.columns import listed_names, missing_column
from nqjax.trials.readers.cells import to_number
from nqjax.trials.readers.table import Table

#: A row is kept where its values fulfil the condition.
Condition = Callable[[Mapping[str, Any]], bool]

_TOKEN = re.compile(
    r"""\s*(?:(?P<quoted>'[^']*'|"[^"]*"|`[^`]*`)|(?P<operator>==|!=|<=|>=|=|<|>)|(?P<mark>[(),])"""
    r"""|(?P<word>[^\s=!<>(),'"`]+))"""
)

#: Most parentheses and negations within each other.
_DEEPEST = 50

#: Most values of a column that a message lists.
_MOST_VALUES = 8


class Token(NamedTuple):
    """A word of a condition."""

    kind: str
    text: str


def parse_where(text: str, names: Sequence[str], source: str = "the table") -> Condition:
    """Return the condition that a text describes.

    Raises
    ------
    InputError
        If the text is not a condition, or names a column that is not there.
    """
    return _Parser(text, names, source).read()


def rows_where(table: Table, texts: Sequence[str]) -> list[int]:
    """Return the rows that fulfil all conditions; an empty result is an InputError that lists what there is."""
    conditions = [parse_where(text, list(table.columns), table.source) for text in texts]
    kept = [
        row
        for row in range(len(table))
        if all(condition({name: values[row] for name, values in table.columns.items()}) for condition in conditions)
    ]
    if not kept:
        raise InputError(f"no row of {table.source} fulfils {' and '.join(texts)}{_what_there_is(table, texts)}")
    return kept


def _what_there_is(table: Table, texts: Sequence[str]) -> str:
    for text in texts:
        for name, values in table.columns.items():
            if re.search(rf"(?<![\w/.]){re.escape(name)}(?![\w/.])", text):
                different = list(dict.fromkeys(str(value) for value in values))
                shown = listed_names(different[:_MOST_VALUES])
                more = f" and {len(different) - _MOST_VALUES} more" if len(different) > _MOST_VALUES else ""
                return f"; {name} is {shown}{more}"
    return ""


class _Parser:
    """One pass over the words of a condition."""

    def __init__(self, text: str, names: Sequence[str], source: str) -> None:
        self.text, self.names, self.source = text, names, source
        self.tokens: list[Token] = []
        self.at = self.depth = 0
        start = 0
        text = text.rstrip()
        while start < len(text):
            found = _TOKEN.match(text, start)
            if found is None:
                raise self.error(f"{text[start:].strip()[:20]!r} is not understood")
            kind = str(found.lastgroup)
            word = found[kind]
            self.tokens.append(Token(kind, word[1:-1] if kind == "quoted" else word))
            start = found.end()

    def error(self, problem: str) -> InputError:
        """Return the error for a text that is not a condition."""
        return InputError(f"--where {self.text!r}: {problem}; write for example \"State == 'finished'\" or lr<0.1")

    def read(self) -> Condition:
        condition = self._any()
        if self.at < len(self.tokens):
            raise self.error(f"{self.tokens[self.at].text!r} is left over")
        return condition

    def _next(self, what: str) -> Token:
        if self.at >= len(self.tokens):
            raise self.error(f"{what} is missing at the end")
        self.at += 1
        return self.tokens[self.at - 1]

    def _is_next(self, *words: str) -> bool:
        if self.at >= len(self.tokens):
            return False
        token = self.tokens[self.at]
        return token.kind != "quoted" and token.text.casefold() in words

    def _any(self) -> Condition:
        parts = [self._all()]
        while self._is_next("or", "|", "||"):
            self.at += 1
            parts.append(self._all())
        return lambda row: any(part(row) for part in parts)

    def _all(self) -> Condition:
        parts = [self._part()]
        while self._is_next("and", "&", "&&"):
            self.at += 1
            parts.append(self._part())
        return lambda row: all(part(row) for part in parts)

    def _part(self) -> Condition:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise self.error("it is nested too deeply")
        if self._is_next("not"):
            self.at += 1
            inner = self._part()
            self.depth -= 1
            return lambda row: not inner(row)
        if self._is_next("("):
            self.at += 1
            condition = self._any()
            if self._next("a closing parenthesis").text != ")":
                raise self.error("a closing parenthesis is missing")
            self.depth -= 1
            return condition
        self.depth -= 1
        return self._comparison()

    def _comparison(self) -> Condition:
        column = self._next("a column")
        if column.kind not in ("quoted", "word"):
            raise self.error(f"a column is missing before {column.text!r}")
        operator = self._next("a comparison, such as ==,")
        if operator.kind != "operator" and operator.text.casefold() != "in":
            raise self.error(f"after {column.text!r}, {operator.text!r} is no comparison")
        values = self._values() if operator.text.casefold() == "in" else [self._value()]
        if column.text not in self.names:
            raise missing_column(self.source, column.text, list(self.names))  # type: ignore[arg-type]
        sign = "==" if operator.text.casefold() in ("=", "in") else operator.text
        return lambda row: any(_compare(row[column.text], sign, value) for value in values)

    def _value(self) -> str:
        token = self._next("a value")
        if token.kind not in ("quoted", "word"):
            raise self.error(f"a value is missing before {token.text!r}")
        return token.text

    def _values(self) -> list[str]:
        if self._next("a parenthesis").text != "(":
            raise self.error("after in, give values in parentheses")
        values = [self._value()]
        while (mark := self._next("a closing parenthesis")).text == ",":
            values.append(self._value())
        if mark.text != ")":
            raise self.error("a closing parenthesis is missing")
        return values


def _compare(cell: Any, sign: str, text: str) -> bool:
    """Return whether a cell compares to a value as the sign says: as numbers if both are, else as text."""
    a, b = to_number(cell), to_number(text)
    missing = cell is None or (a is not None and math.isnan(a))
    if b is not None and math.isnan(b):  # '' or nan: is the cell missing?
        return missing == (sign == "==") if sign in ("==", "!=") else False
    if missing:
        return sign == "!="
    if a is None or b is None:
        left: Any = str(cell).strip()
        right: Any = text.strip()
        if isinstance(cell, bool):
            left, right = left.casefold(), right.casefold()
    else:
        left, right = a, b
    if sign in ("==", "!="):
        return bool((left == right) == (sign == "=="))
    if (isinstance(left, str) and a is not None) or (isinstance(right, str) and b is not None):
        return False  # a number is neither above nor below a text
    lower = left < right
    return bool({"<": lower, "<=": lower or left == right, ">": right < left, ">=": right <= left}[sign])
