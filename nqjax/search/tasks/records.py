"""Records of the reference searches: the facts in the docstrings of their modules, read without importing them.

A record begins with a paragraph ``**name**: summary.`` and has one bullet a fact, ``- Source: ...``, up to the next
record. The docstring is the only place where these facts are written; `nqjax search --list` shows them.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

_BEGINNING = re.compile(r"^\*\*([\w-]+)\*\*: (.+?)\.(?=\s|\Z)", re.DOTALL | re.MULTILINE)
_FACT = re.compile(r"^- ([\w ]+): (.+?)\.?$(?!\n  )", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Record:
    """The facts of a reference search.

    Attributes
    ----------
    summary : str
        What is trained on what, without a period.
    facts : mapping
        By name, such as "Source", "Space", "Command", "Expected time" and "Score".
    """

    summary: str
    facts: Mapping[str, str]


@functools.cache
def read_records(module: str) -> dict[str, Record]:
    """Return the records in a module's docstring, by the name of the search; none where the source is missing."""
    spec = find_spec(module)
    if spec is None or spec.origin is None or not Path(spec.origin).is_file():
        return {}
    text = ast.get_docstring(ast.parse(Path(spec.origin).read_text(encoding="utf-8"))) or ""
    found = list(_BEGINNING.finditer(text))
    starts = [*(match.start() for match in found), len(text)]
    return {
        match[1]: Record(_line(match[2]), {name: _line(fact) for name, fact in _FACT.findall(text[match.end() : end])})
        for match, end in zip(found, starts[1:], strict=True)
    }


def _line(text: str) -> str:
    """Return a text that was broken into lines as one line, without marks of code."""
    return " ".join(text.split()).replace("``", "")
