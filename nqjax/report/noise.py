"""JSON document and terminal tables of the noise of retrained configurations."""

from typing import TYPE_CHECKING, Any

from nqjax.report.documents import Head, NoiseDocument
from nqjax.report.head import print_head
from nqjax.report.tables import finite, indented, small_table, warn
from nqjax.runtime.text import percent, significant

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console
    from rich.table import Table

    from nqjax.checks.noise import NoiseDiagnostics


#: What each test is about.
_TESTS = {
    "normality": "normal residuals",
    "homoskedasticity": "one standard deviation",
    "trend": "no trend of it with the score",
}

#: Notes on configurations, and their meaning.
_NOTES = {
    "outside": "the mean is not within the regime; not judged",
    "too few": "fewer than 3 finite scores; not judged",
    "failed": "runs whose score is missing, NaN or infinite; left out",
}

#: Most lines of the report.
_MOST_LINES = 40

#: Numbers of configurations from the beginning and the end of a long table, to be tried until the report is short.
_ENDS = ((6, 4), (4, 3), (3, 2), (2, 1), (1, 1))

#: Most characters of a configuration's id, and of the names of its columns, in the table.
_LONGEST_ID = 26


def noise_document(diagnostics: "NoiseDiagnostics", *, head: Head, config: str) -> NoiseDocument:
    """Return the document of noise diagnostics; ``config`` is the column that holds the configurations."""
    comparison = diagnostics.comparison
    return {
        **head,
        "config": config,
        "level": diagnostics.level,
        "holds": diagnostics.holds,
        "verdict": diagnostics.verdict,
        "sigma": finite(diagnostics.sigma),
        "sigma_interval": [finite(end) for end in diagnostics.sigma_interval],
        "degrees_of_freedom": diagnostics.degrees_of_freedom,
        "tests": {
            name: {key: _plain(value) for key, value in getattr(diagnostics, name)._asdict().items()} for name in _TESTS
        },
        "comparison": None
        if comparison is None
        else {
            "fitted_sigma": comparison.fitted_sigma,
            "ratio": finite(comparison.ratio),
            "interval": [finite(end) for end in comparison.interval],
            "differs": comparison.differs,
        },
        "configurations": [
            {key: _plain(value) for key, value in row._asdict().items()} for row in diagnostics.configurations
        ],
        "step": diagnostics.step,
        "warnings": list(diagnostics.warnings),
    }


def print_noise(document: "Mapping[str, Any]", console: "Console") -> None:
    """Print the verdict, the tests, and a row for each configuration; only the first and the last of many."""
    number = len(document["configurations"])
    first, last = number, 0
    for ends in _ENDS if number > sum(_ENDS[0]) + 1 else ():
        first, last = ends
        with console.capture() as captured:
            _print(document, console, first, last)
        if captured.get().count("\n") <= _MOST_LINES:
            break
    _print(document, console, first, last)


def _print(document: "Mapping[str, Any]", console: "Console", first: int, last: int) -> None:
    from rich.text import Text

    print_head(document, console)
    console.print(Text(document["verdict"]))
    console.print()
    warn(document, console)
    confidence = percent(1 - document["level"])
    low, high = (significant(end, 4) for end in document["sigma_interval"])
    sigma = f"Pooled sigma  {significant(document['sigma'], 4)} ({confidence}: {low} to {high})"
    console.print(Text(sigma + _ratio(document, confidence)))
    console.print()
    table = small_table("noise model", ["statistic", "p", "adjusted"], "test")
    for name, claim in _TESTS.items():
        test = document["tests"][name]
        numbers = (significant(test[key], 3) for key in ("statistic", "p", "p_adjusted"))
        table.add_row(claim, *numbers, test["method"])
    console.print(indented(table))
    most = percent(document["level"])
    console.print(Text(f"  adjusted: by Holm's method; a true model is rejected in at most {most} of cases", "dim"))
    console.print()
    console.print(Text("Configurations, the best first", style="bold"))
    console.print(indented(_configurations(document, confidence, first, last)))
    console.print(Text("  p: p-value of the Shapiro-Wilk test of the residuals", style="dim"))
    every = [note for row in document["configurations"] for note in _notes_of(row)]
    for word, meaning in _NOTES.items():
        if any(word in note for note in every):
            console.print(Text(f"  {word}: {meaning}", style="dim"))


def _ratio(document: "Mapping[str, Any]", confidence: str) -> str:
    found = document["comparison"]
    if found is None or found["ratio"] is None:
        return ""
    low, high = (significant(end, 3) for end in found["interval"])
    return f", {significant(found['ratio'], 3)} times the fitted sigma ({confidence}: {low} to {high})"


def _configurations(document: "Mapping[str, Any]", confidence: str, first: int, last: int) -> "Table":
    """Return the table of the first and the last configurations, and how many are between."""
    rows = document["configurations"]
    is_whole = first + last >= len(rows)  # else there is no room for intervals: each configuration is to have a line
    numbers = ["runs", "mean", "deviation", *([confidence] if is_whole else []), "p"]
    table = small_table(_escaped(_shortened(document["config"])), numbers, "")
    for place, row in enumerate(rows):
        if first <= place < len(rows) - last:
            if place == first:
                table.add_row("...", "", f"{len(rows) - first - last:,} more", style="dim")
            continue
        low, high = (significant(end, 3) for end in row["sd_interval"])
        table.add_row(
            _escaped(_shortened(row["id"])),
            str(row["number"]),
            significant(row["mean"], 5),
            significant(row["sd"], 3),
            *(["" if row["sd"] is None else f"{low} to {high}"] if is_whole else []),
            "" if row["shapiro_p"] is None else significant(row["shapiro_p"], 2),
            ", ".join(_notes_of(row)),
            style="" if row["used"] else "dim",
        )
    return table


def _shortened(text: str) -> str:
    """Return the two ends of a long text, so that a configuration has one line."""
    end = (_LONGEST_ID - 3) // 2
    return text if len(text) <= _LONGEST_ID else f"{text[: _LONGEST_ID - 3 - end]}...{text[-end:]}"


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(text)


def _notes_of(row: "Mapping[str, Any]") -> list[str]:
    notes = []
    if row["mean"] is not None and not row["inside"]:
        notes.append("outside")
    elif not row["used"]:
        notes.append("too few")
    return [*notes, f"{row['failed']} failed"] if row["failed"] else notes


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return finite(value) if isinstance(value, float) else value
