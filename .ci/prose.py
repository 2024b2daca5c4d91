"""Check the prose of docstrings, comments and Markdown files: five habits that make text hard to understand.

    python .ci/prose.py [FILE or FOLDER ...]

Without arguments, all of nqjax/, bench/, tests/, docs/ and README.md is checked. Each finding is a line with its place,
its rule and its text; the number of findings by room follows. The exit status is 1 if there are any.
"""

import ast
import collections
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

DEFAULT_PATHS = ("nqjax", "bench", "tests", "docs", "README.md")

#: The first line of a docstring is a sentence with a subject, or an imperative.
OPENINGS = re.compile(r"(?:Of|As|What|How|Who|Whose|Which)\b", re.IGNORECASE)

#: These may open a sentence such as "In a closed file, raise OSError", which has a comma.
PREPOSITIONS = re.compile(r"(?:For|From|With|Without|In|On|At|By|To|Where|That)\b(?!.*,)", re.IGNORECASE)

#: Phrases that have plainer words, by rule.
PHRASES = {
    "say `invalid X`": [
        r"\b(?:that|which|who) (?:is|are) none\b",
        r"\bis none of (?:these|those|them)\b",
    ],
    "say it plainly": [
        r"\bso many\b",
        r"\bsuch as (?:these|those)\b",
        r"\b(?:any|all|every) such\b",
        r"\bbut for\b",
        r"\bof (?:itself|themselves)\b",
        r"\bbeside\b",
        r"\b(?:says?|said|knows?|tells?) nothing of\b",
        r"\bthere is to say\b",
        r"\bwhat is said (?:of|beside)\b",
        r"\bthose of (?:which|whom)\b",
        r"\b(?:lest|whence|thereof|therein|hitherto|whereof|withal|naught|ere)\b",
    ],
    "arrays are not persons": [
        r"\b(?:nobody|no one|somebody)\b",
        r"\bat (?:its|their|another's) heels\b",
        r"\bsits? (?:\w+ ){0,3}out\b",
        r"\b(?:array|chunk|column|draw|gamma|lane|row|score|start|trial)s? (?:believe|hope|know|speak|want)s?\b",
    ],
}

ORDINALS = re.compile(r"\bthe (?:first|second|third|former|latter|other)\b", re.IGNORECASE)

CONSTANT = re.compile(r"_?[A-Z][A-Z0-9_]*")


class Finding(NamedTuple):
    """Place in a file, and what is wrong there."""

    path: Path
    line: int
    rule: str
    text: str


def main(arguments: list[str]) -> int:
    """Print the findings in the given files and folders, and return the exit status."""
    paths = [Path(argument) for argument in arguments or DEFAULT_PATHS]
    files = sorted(file for path in paths for file in _files(path))
    findings = [finding for file in files for finding in check(file, file.read_text(encoding="utf-8"))]
    for path, line, rule, text in findings:
        print(f"{path}:{line}: {rule}: {text}")
    rooms = collections.Counter("/".join(finding.path.parts[:-1][:2]) or "." for finding in findings)
    for room, count in sorted(rooms.items()):
        print(f"{count:5} in {room}")
    print(f"{len(findings)} findings in {len(files)} files")
    return int(bool(findings))


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return [file for file in path.rglob("*") if file.suffix in {".py", ".pyi", ".md"}]
    return [path]


def check(path: Path, text: str) -> Iterator[Finding]:
    """Yield the findings in the text of a file."""
    if path.suffix == ".md":
        yield from _phrases(path, _markdown(text))
        return
    tree = ast.parse(text)
    docstrings = [(line, part) for line, part in _docstrings(tree) if part.strip()]
    for line, part in docstrings:
        opening = part.strip().splitlines()[0]
        if OPENINGS.match(opening) or PREPOSITIONS.match(opening):
            yield Finding(path, line, "begin with a subject or an imperative", opening)
    comments = dict(_comments(text))
    lines = [(line + i, words) for line, part in docstrings for i, words in enumerate(part.splitlines())]
    yield from _phrases(path, [*lines, *comments.items()])
    yield from _constants(path, tree, comments)


def _docstrings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield the first line's number and the text of each docstring."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.body:
            first = node.body[0]
            text = ast.get_docstring(node, clean=False)
            if text is not None:
                yield first.lineno, text


def _comments(text: str) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string.lstrip("#: ")


def _markdown(text: str) -> Iterator[tuple[int, str]]:
    """Yield the numbered lines outside code blocks, without code in backquotes."""
    inside = False
    for number, line in enumerate(text.splitlines(), start=1):
        if line.lstrip().startswith("```"):
            inside = not inside
        elif not inside:
            yield number, re.sub(r"`[^`]*`", "`code`", line)


def _phrases(path: Path, lines: "Iterator[tuple[int, str]] | list[tuple[int, str]]") -> Iterator[Finding]:
    for number, line in lines:
        for rule, patterns in PHRASES.items():
            for pattern in patterns:
                if found := re.search(pattern, line, re.IGNORECASE):
                    yield Finding(path, number, f"{rule} ({found[0]})", line.strip())


def _constants(path: Path, tree: ast.Module, comments: dict[int, str]) -> Iterator[Finding]:
    """Yield statements that assign several constants, and comments above constants that number them."""
    for node in tree.body:
        if not isinstance(node, ast.Assign | ast.AnnAssign):
            continue
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        names = [name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)]
        if not all(CONSTANT.fullmatch(name) for name in names):
            continue
        if len(names) > 1:
            yield Finding(path, node.lineno, "one constant a line", ", ".join(names))
        line = node.lineno - 1
        while line in comments:
            if ORDINALS.search(comments[line]):
                yield Finding(path, line, "name constants instead of numbering them", comments[line])
            line -= 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
