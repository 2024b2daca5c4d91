"""Terminal tables and HTML page of a comparison of several studies."""

import textwrap
from string import ascii_uppercase
from typing import TYPE_CHECKING, Any

from nqjax.report.tables import indented, small_table
from nqjax.runtime.text import as_sure, chance_among_draws, percent, significant

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from rich.console import Console
    from rich.table import Table

    from nqjax.analysis.study_comparison import StudyComparison

#: Measured by `python -m bench comparison`; docs/analyze.md has the tables.
MEASURED = (
    "On 1,000 simulated pairs the probabilities were calibrated: of the orderings of 90 % or more, 8 of 427 were wrong "
    "with all trials, 17 of 537 with a quarter of them. Of 200 comparisons of three equal models 1 was wrong "
    "with all trials, and of 200 comparisons of thirds of one real search 1 (docs/analyze.md)."
)

#: Most columns of pairs or budgets.
_MOST_COLUMNS = 6

#: Longest name in a table.
_LONGEST = 24

#: Marks of a budget at which a pair is not known.
_EXTRAPOLATED = "*"
_OUTSIDE = "†"


def print_comparison(document: "Mapping[str, Any]", console: "Console") -> None:
    """Print the answer in sentences, then what could be wrong with it, then the tables."""
    from rich.text import Text

    direction = "minimized" if document["minimize"] else "maximized"
    effort = "numbers of trials" if document["unit"] == "trials" else f"cost ({document['unit']})"
    count = len(document["studies"])
    console.print(Text(f"{document['metric']} of {count} models, {direction}, at equal {effort}", style="bold"))
    console.print()
    for sentence in document["sentences"]:
        console.print(Text(sentence))
    console.print()
    if document["warnings"]:
        console.print(Text("What could be wrong", style="bold"))
        for warning in document["warnings"]:
            console.print(indented(Text(f"- {warning}", style="yellow")))
        console.print()
    console.print(Text("The models", style="bold"))
    console.print(indented(_studies(document), below=1))
    title = f"Probability that the first has the better tuning curve, by {document['unit']}"
    console.print(Text(title, style="bold"))
    console.print(indented(_pairs(document), below=1))
    console.print(Text(notes_of(document), style="dim"))


def notes_of(document: "Mapping[str, Any]") -> str:
    """Return what the tables and sentences mean."""
    level = percent(document["level"])
    return (
        "The tuning curve is the median best reported score of that many trials, noise included. "
        f"{_OUTSIDE} outside the regime of one, where the theory says nothing; {_EXTRAPOLATED} more trials than one "
        f"has. Orderings are said by Holm's method at a level of {level}. {MEASURED}"
    )


def _short(name: str) -> str:
    return textwrap.shorten(name, _LONGEST, placeholder="…") if len(name) > _LONGEST and " " in name else _cut(name)


def _cut(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"


def _studies(document: "Mapping[str, Any]") -> "Table":
    table = small_table("", ["trials", "failed", "best seen", "near the optimum", percent(document["confidence"])])
    for letter, cells in zip(ascii_uppercase, study_rows(document), strict=False):
        table.add_row(f"{letter} {_short(cells[0])}", *cells[1:])
    return table


def study_rows(document: "Mapping[str, Any]") -> list[tuple[str, ...]]:
    """Return the cells of the table of studies: name, trials, failed, best score, best near the optimum, interval."""
    rows: list[tuple[str, ...]] = []
    for one in document["studies"]:
        low, high = one["best"]["low"], one["best"]["high"]
        best, first, last = as_sure([one["best"]["estimate"], low, high], low, high)
        found = (best, f"{first} to {last}") if one["tells_parameters"] else ("not told", "")
        seen = significant(one["best_score"], 4)
        rows.append((one["name"], f"{one['num_scores']:,}", f"{one['num_failed']:,}", seen, *found))
    return rows


def pair_names(document: "Mapping[str, Any]") -> list[tuple[str, str]]:
    """Return the names of the pairs, in the order of the document."""
    names = document["names"]
    return [(names[one["first"]], names[one["second"]]) for one in document["budgets"][0]["pairs"]]


def pair_rows(document: "Mapping[str, Any]") -> list[tuple[str, ...]]:
    """Return the cells of the table of pairs, a row a budget: the budget, then the probability of each pair."""
    rows: list[tuple[str, ...]] = []
    for row in document["budgets"]:
        cells = [_number(row["budget"])]
        for pair in row["pairs"]:
            both = [row["studies"][pair[place]] for place in ("first", "second")]
            marks = _EXTRAPOLATED * any(one["extrapolated"] for one in both)
            marks += _OUTSIDE * (not all(one["in_regime"] for one in both))
            cells.append(f"{chance_among_draws(pair['probability'])} {marks}".rstrip())
        rows.append(tuple(cells))
    return rows


def _number(budget: float) -> str:
    return f"{budget:,.0f}" if budget >= 100 or budget == round(budget) else significant(budget, 3)


def _pairs(document: "Mapping[str, Any]") -> "Table":
    """Return the table of pairs by their letters: budgets are rows while the pairs fit in columns."""
    pairs = document["budgets"][0]["pairs"]
    names = [f"{ascii_uppercase[one['first']]} before {ascii_uppercase[one['second']]}" for one in pairs]
    rows = pair_rows(document)
    if len(names) <= _MOST_COLUMNS:
        table = small_table(document["unit"], names)
        table.columns[0].justify = "right"
        for cells in rows:
            table.add_row(*cells)
        return table
    # Some budgets are left out so that the others fit: --json has all.
    step = -(-len(rows) // _MOST_COLUMNS)
    kept = rows[::-1][::step][::-1]
    table = small_table("", [cells[0] for cells in kept])
    for place, name in enumerate(names, start=1):
        table.add_row(name, *(cells[place] for cells in kept))
    return table


def save_comparison(path: "str | Path", found: "StudyComparison", command: str | None = None) -> None:
    """Write a comparison as one HTML page.

    Raises
    ------
    InputError
        Matplotlib or Jinja2 is missing, or the file cannot be written.
    """
    from nqjax._version import __version__
    from nqjax.plots.several import studies
    from nqjax.report.hover.comparisons import study_areas
    from nqjax.report.hover.picture import picture_with_values
    from nqjax.report.html import render, write_page

    document = found.to_dict()
    values = {
        "studies": study_rows(document),
        "pairs": pair_names(document),
        "rows": pair_rows(document),
        "notes": notes_of(document),
        "curves": picture_with_values(lambda f: studies(found, ax=f.subplots()), study_areas(found), (6.0, 4.4)),
    }
    write_page(path, render("studies.html", d=document, command=command, version=__version__, **values))
