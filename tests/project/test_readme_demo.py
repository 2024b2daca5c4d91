"""The README shows what `nqjax demo` prints."""

import re
from pathlib import Path

import pytest

from nqjax import cli

README = Path(__file__).parents[2] / "README.md"

#: Share of their size by which numbers may differ on another processor.
TOLERANCE = 0.02

#: Units of the last digit by which they may differ, too.
UNITS = 2

NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")


def split(text):
    """Return the words of a text without its numbers, and its numbers with the unit of their last digit."""
    found = NUMBER.findall(text)
    numbers = [(float(one.replace(",", "")), 10.0 ** -len(one.partition(".")[2])) for one in found]
    return NUMBER.sub("#", text).split(), numbers


def test_the_readme_shows_what_the_demo_prints(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert cli.main(["demo"]) == 0
    _, best, printed = capsys.readouterr().out.partition("Best score seen")
    shown = README.read_text().partition("```text\nBest score seen")[2].partition("```")[0]
    assert best
    (words, numbers), (of_readme, numbers_of_readme) = split(printed), split(shown)
    assert of_readme == words
    for (a, unit), (b, _) in zip(numbers, numbers_of_readme, strict=True):
        assert b == pytest.approx(a, rel=TOLERANCE, abs=UNITS * unit)
