"""The section of an analysis on partial training, in the terminal."""

from typing import TYPE_CHECKING

from nqjax.report.tables import indented, small_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

TITLE = "What partial training tells of whole trainings"


def print_fidelity(document: "Mapping[str, object]", console: "Console") -> None:
    """Print the sentences and a table, or why there are none; nothing where there are no learning curves."""
    from rich.text import Text

    section = document["fidelity"]
    if not isinstance(section, dict):
        return
    if "skipped" in section:
        console.print(Text(f"Nothing on partial training: {section['skipped']}.", style="dim"))
        console.print()
        return
    console.print(Text(TITLE, style="bold"))
    for sentence in section["sentences"]:
        console.print(indented(Text(sentence)))
    confidence = f"{100 * section['confidence']:g} %"
    head = ["rank correlation", confidence, f"among the best {section['num_best']:,}", confidence]
    table = small_table("after", head)
    for row in fidelity_rows(section):
        table.add_row(*row)
    console.print(indented(table, below=1))


def fidelity_rows(section: "Mapping[str, object]") -> list[tuple[str, ...]]:
    """Return the cells of the table: a row for each share of the training."""
    names = ("fractions", "correlation", "lower", "upper", "best_correlation", "best_lower", "best_upper")
    columns = [section[name] for name in names]
    rows: list[tuple[str, ...]] = []
    for part, *numbers in zip(*columns, strict=True):  # type: ignore[call-overload]
        cells = ["" if one is None else f"{one:.2f}" for one in numbers]
        rows.append((f"{100 * part:g} %", cells[0], _ends(*cells[1:3]), cells[3], _ends(*cells[4:])))
    return rows


def _ends(low: str, high: str) -> str:
    return f"{low} to {high}" if low and high else ""
