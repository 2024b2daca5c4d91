"""What there is to say about the noise: a document for machines, tables for people."""

from typing import TYPE_CHECKING, Any

from nqjax.report.tables import finite, print_head, significant, small_table, warn

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console
    from rich.table import Table

    from nqjax.checks.noise import NoiseDiagnostics


_TESTS = {
    "normality": "normal residuals",
    "homoskedasticity": "one standard deviation",
    "trend": "no trend of it with the score",
}


def noise_document(diagnostics: "NoiseDiagnostics", *, head: "Mapping[str, Any]") -> dict[str, Any]:
    """Return what `nqjax.noise_diagnostics` found, ready for `json.dumps(..., allow_nan=False)`."""
    comparison = diagnostics.comparison
    return {
        **head,
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
    """Print the document for people to read: the verdict, the tests, and a row a configuration."""
    from rich.padding import Padding
    from rich.text import Text

    print_head(document, console)
    console.print(Text(document["verdict"]))
    console.print()
    warn(document, console)
    percent = f"{100 * (1 - document['level']):g} %"
    low, high = (significant(end, 4) for end in document["sigma_interval"])
    sigma = f"Pooled sigma  {significant(document['sigma'], 4)} ({percent}: {low} to {high})"
    console.print(Text(sigma + _ratio(document, percent)))
    console.print()
    table = small_table("noise model", ["statistic", "p", "adjusted"], "test")
    for name, claim in _TESTS.items():
        test = document["tests"][name]
        numbers = (significant(test[key], 3) for key in ("statistic", "p", "p_adjusted"))
        table.add_row(claim, *numbers, test["method"])
    console.print(Padding(table, (0, 0, 0, 2), expand=False))
    most = f"{100 * document['level']:g} %"
    console.print(Text(f"  adjusted: by Holm's method, so that a true model fails in {most} of cases at most", "dim"))
    console.print()
    console.print(Text("Configurations, the best first", style="bold"))
    console.print(Padding(_configurations(document, percent), (0, 0, 0, 2), expand=False))
    console.print(Text("  p: of the Shapiro-Wilk test of its residuals", style="dim"))
    every = [note for row in document["configurations"] for note in _notes_of(row)]
    for word, meaning in _NOTES.items():
        if any(word in note for note in every):
            console.print(Text(f"  {word}: {meaning}", style="dim"))


def _ratio(document: "Mapping[str, Any]", percent: str) -> str:
    found = document["comparison"]
    if found is None or found["ratio"] is None:
        return ""
    low, high = (significant(end, 3) for end in found["interval"])
    return f", {significant(found['ratio'], 3)} times the fitted sigma ({percent}: {low} to {high})"


def _configurations(document: "Mapping[str, Any]", percent: str) -> "Table":
    table = small_table(document["config"], ["runs", "mean", "deviation", percent, "p"], "")
    for row in document["configurations"]:
        low, high = (significant(end, 3) for end in row["sd_interval"])
        table.add_row(
            _escaped(row["id"]),
            str(row["number"]),
            significant(row["mean"], 5),
            significant(row["sd"], 3),
            "" if row["sd"] is None else f"{low} to {high}",
            "" if row["shapiro_p"] is None else significant(row["shapiro_p"], 2),
            ", ".join(_notes_of(row)),
            style="" if row["used"] else "dim",
        )
    return table


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(text)


_NOTES = {
    "outside": "the mean is not within the regime; not judged",
    "too few": "fewer than 3 finite scores; not judged",
    "failed": "runs whose score is missing, NaN or infinite; left out",
}


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
