"""The section of an analysis on the response surface, in the terminal and on the page."""

from typing import TYPE_CHECKING, Any

from nqjax.report.surface_rows import texts
from nqjax.report.tables import indented, small_table
from nqjax.runtime.text import percent
from nqjax.surface.configurations import value_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

#: Numbers, and their labels.
_LABELS = {"best": "best score", "sigma": "noise of one run", "effective_number": "effective number"}

#: The ends of headings of tables that need a random search, where the trials are none.
NOT_VALID = ": from the scores alone, not valid for these trials"


def is_first(document: "Mapping[str, Any]") -> bool:
    """Return whether the surface's answer is the one that holds."""
    return bool(document["surface"].get("holds_alone"))


def heading(text: str, document: "Mapping[str, Any]") -> str:
    """Return a heading of what needs a random search."""
    return text + (NOT_VALID if is_first(document) else "")


def number_rows(section: "Mapping[str, Any]") -> list[tuple[str, str, str, str, str]]:
    """Return label, estimate and interval of the surface, and of the scores alone."""
    rows = []
    for name, label in _LABELS.items():
        estimate, low, high = texts(section[name])
        other, first, last = texts(section["scores_alone"][name])
        rows.append((label, estimate, f"{low} to {high}", other, f"{first} to {last}"))
    return rows


def optimum_rows(section: "Mapping[str, Any]") -> list[tuple[str, str, str]]:
    """Return each hyperparameter's name, optimum and interval."""
    rows = []
    for one in section["optimum"]:
        ends = "" if one["low"] is None else f"{one['low']:.3g} to {one['high']:.3g}"
        rows.append((one["name"], value_text(one["value"]), ends))
    return rows


def print_section(document: "Mapping[str, Any]", console: "Console") -> None:
    """Print the section: sentences, unless they were printed first, and two tables; or why there is none."""
    from rich.text import Text

    section = document["surface"]
    if "skipped" in section:
        console.print(Text(f"No response surface: {section['skipped']}.", style="dim"))
        console.print()
        return
    title = "The response surface" + (": it holds however trials were chosen" if is_first(document) else "")
    console.print(Text(title, style="bold"))
    if not is_first(document):
        for sentence in section["sentences"]:
            console.print(indented(Text(sentence)))
    for warning in section["warnings"]:
        console.print(indented(Text(f"- {warning}", style="yellow")))
    sure = percent(document["confidence"])
    table = small_table("", ["surface", sure, "scores alone", sure])
    for label, *cells in number_rows(section):
        table.add_row(label, *cells)
    console.print(indented(table, below=1))
    table = small_table("hyperparameter", ["optimum", sure])
    for name, value, ends in optimum_rows(section):
        table.add_row(Text(name), value, ends)
    console.print(indented(table, below=1))
