"""JSON document and terminal tables of the noise of retrained configurations."""

from typing import TYPE_CHECKING, Any

from nqjax.report.documents import Head, NoiseDocument
from nqjax.report.head import print_head
from nqjax.report.tables import finite, indented, small_table, warn
from nqjax.runtime.text import as_sure, p_value, percent, significant

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
            "fitted_interval": [finite(end) for end in comparison.fitted_interval],
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
    if document["sigma"] is not None:
        _print_tests(document, console, confidence)
    console.print(Text("Configurations, the best first", style="bold"))
    console.print(indented(_configurations(document, confidence, first, last)))
    if any(row["shapiro_p"] is not None for row in document["configurations"]):
        console.print(indented(Text("p: is small where the runs do not look normal (Shapiro-Wilk test)", style="dim")))
    every = [note for row in document["configurations"] for note in _notes_of(row)]
    for word, meaning in _NOTES.items():
        if any(word in note for note in every):
            console.print(indented(Text(f"{word}: {meaning}", style="dim")))


def _print_tests(document: "Mapping[str, Any]", console: "Console", confidence: str) -> None:
    """Print sigma and the tests of the noise model."""
    from rich.text import Text

    ends = document["sigma_interval"]
    sigma, low, high = as_sure([document["sigma"], *ends], *ends)
    console.print(Text(f"Pooled sigma  {sigma} ({confidence}: {low} to {high}){_ratio(document, confidence)}"))
    console.print()
    table = small_table("claim", ["statistic", "p", "adjusted"], "test")
    for name, claim in _TESTS.items():
        test = document["tests"][name]
        table.add_row(claim, significant(test["statistic"], 3), _p(test["p"]), _p(test["p_adjusted"]), test["method"])
    console.print(indented(table))
    most = percent(document["level"])
    words = f"adjusted: for three tests, by Holm's method; up to {document['level']:g}, the claim is rejected, which"
    console.print(indented(Text(f"{words} happens to at most {most} of true noise models", "dim")))
    console.print()


def _ratio(document: "Mapping[str, Any]", confidence: str) -> str:
    found = document["comparison"]
    if found is None or found["ratio"] is None:
        return ""
    ratio, low, high = as_sure([found["ratio"], *found["interval"]], *found["interval"])
    return f", {ratio} times the fitted sigma ({confidence}: {low} to {high})"


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
        low, high = (significant(end, 2) for end in row["sd_interval"])
        table.add_row(
            _escaped(_shortened(row["id"])),
            str(row["number"]),
            as_sure([row["mean"]], 0.0, row["sd"])[0],
            significant(row["sd"], 2),
            *(["" if row["sd"] is None else f"{low} to {high}"] if is_whole else []),
            _p(row["shapiro_p"]),
            ", ".join(_notes_of(row)),
            style="" if row["used"] else "dim",
        )
    return table


def _p(number: float | None) -> str:
    """Return the cell of a p-value."""
    return "" if number is None else p_value(number).removeprefix("p ").removeprefix("= ").replace("< ", "<")


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
