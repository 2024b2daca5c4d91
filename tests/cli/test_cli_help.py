"""Every help fits into 80 columns, and its examples can be pasted."""

import argparse
import re
import shlex

import pytest

from nqjax import cli
from nqjax.cli.help import wrapped

_, COMMANDS = cli._parsers()


@pytest.mark.parametrize("command", ["", *COMMANDS.choices])
def test_no_line_is_wider_than_the_terminal(capsys, monkeypatch, command):
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        cli.parse([*command.split(), "--help"])
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


@pytest.mark.parametrize("command", COMMANDS.choices)
def test_a_wrapped_example_is_still_the_example(command):
    epilog = COMMANDS.choices[command].epilog or ""
    examples = [line.strip() for line in epilog.splitlines() if line.startswith("  nqjax ")]
    joined = re.sub(r" \\\n +", " ", "\n".join(wrapped(epilog, 60)))
    for example in examples:
        found = [line for line in joined.splitlines() if line.strip() == example]
        assert found, example
        assert shlex.split(example)


def test_paragraphs_lists_and_examples_are_told_apart():
    text = "One\ntwo.\n\nname   first\n       second\nother  third\n\nexamples:\n  nqjax fit a.csv --gamma 1 5"
    assert wrapped(text, 24) == [
        "One two.",
        "",
        "name   first second",
        "other  third",
        "",
        "examples:",
        "  nqjax fit a.csv \\",
        "      --gamma 1 5",
    ]


def test_the_usage_keeps_brackets_together(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    for parser in COMMANDS.choices.values():
        assert isinstance(parser, argparse.ArgumentParser)
        for line in parser.format_usage().splitlines():
            assert line.count("[") == line.count("]")
