"""The layout of `--help`: paragraphs, lists and examples that are wrapped at the width of the terminal."""

import argparse
import re
import textwrap
from collections.abc import Iterable

#: Spaces before the further lines of a long example or usage.
_DEEPER = 4


class HelpFormatter(argparse.HelpFormatter):
    """Wraps the texts before and after the options, and the usage; argparse itself can only keep or join all lines."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return "\n".join(line and indent + line for line in wrapped(text, width - len(indent)))

    def _format_usage(
        self,
        usage: str | None,
        actions: Iterable[argparse.Action],
        groups: "Iterable[argparse._MutuallyExclusiveGroup]",
        prefix: str | None,
    ) -> str:
        if usage is None:
            return super()._format_usage(usage, actions, groups, prefix)
        # An option stays together with its brackets.
        lines = _wrap(f"usage: {usage}", self._width, " " * len("usage: "), r"\[[^\]]*\]")
        return "\n".join(lines) + "\n\n"


def wrapped(text: str, width: int) -> list[str]:
    r"""Return the lines of a text, none longer than a width if its words allow it.

    Lines without an indent are joined to paragraphs. `name    text` is an entry of a list, to which lines belong that
    are indented as its text. Other indented lines are examples, which go on after a backslash.

    Examples
    --------
    >>> wrapped("One\ntwo three.\n\n  nqjax fit trials.csv --json", 24)
    ['One two three.', '', '  nqjax fit trials.csv \\', '      --json']
    """
    lines: list[str] = []
    for paragraph in text.strip("\n").split("\n\n"):
        lines += [""] if lines else []
        for block in _blocks(paragraph.splitlines()):
            name, spaces, _ = _entry(block)
            if block.startswith(" "):
                found = _wrap(block.strip(), width - 4, " " * _DEEPER, r"--\S+(?: (?!-)\S+)*")
                lines += [f"  {line} \\" for line in found[:-1]] + [f"  {found[-1]}"]
            else:
                lines += _wrap(block, width, " " * len(name + spaces) if spaces else "")
    return lines


def _blocks(lines: list[str]) -> list[str]:
    """Return paragraphs, entries of lists and examples, each as one line."""
    blocks: list[str] = []
    hanging = 0  # the indent of the lines that belong to the last block
    for line in lines:
        indent = len(line) - len(line.lstrip())
        name, spaces, _ = _entry(line)
        if blocks and indent == hanging and not spaces and not blocks[-1].startswith("  "):
            blocks[-1] += f" {line.strip()}"
        else:
            blocks.append(line)
            hanging = len(name + spaces) if spaces else 0
    return blocks


def _entry(line: str) -> tuple[str, str, str]:
    """Return the name of an entry of a list, the spaces after it, and its text; no spaces for any other line."""
    found = re.match(r"(\S+(?: \S+)*)(  +)(\S.*)", line)
    return (found[1], found[2], found[3]) if found else (line, "", "")


def _wrap(text: str, width: int, indent: str, whole: str = r"$.") -> list[str]:
    """Return the lines of a text; what matches the expression ``whole`` is not broken, such as an option's values."""
    joined = re.sub(whole, lambda found: found[0].replace(" ", "\0"), text)
    lines = textwrap.wrap(
        joined, max(width, 20), subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
    return [line.replace("\0", " ") for line in lines] or [""]
