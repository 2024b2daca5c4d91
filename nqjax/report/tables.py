"""Tables and lines that all reports share."""

import math
from typing import TYPE_CHECKING, Any

from nqjax.runtime.text import BEST_OF_REGIME, chance, significant

if TYPE_CHECKING:  # rich is imported inside the functions: `--json` does without it
    from collections.abc import Callable, Mapping, Sequence

    from rich.console import Console, RenderableType
    from rich.table import Table

#: Less probable gammas are not listed one by one.
_NEGLIGIBLE = 1e-3


def finite(number: float) -> float | None:
    """Return a number for JSON: None for NaN and infinity."""
    return float(number) if math.isfinite(number) else None


def explain_notes(document: "Mapping[str, Any]", console: "Console") -> None:
    """Print the meaning of the notes in the tuning curve's table."""
    from rich.text import Text

    for note, reason in _notes(document).items():
        if any(note in _notes_of(point, document) for point in document["tuning_curve"]):
            console.print(indented(Text(f"{note}: {reason}", style="dim")))


def warn(document: "Mapping[str, Any]", console: "Console") -> None:
    """Print the warnings, a line each."""
    from rich.text import Text

    for warning in document["warnings"]:
        console.print(Text(f"Warning: {warning}.", style="yellow"))
    if document["warnings"]:
        console.print()


def _notes(document: "Mapping[str, Any]") -> dict[str, str]:
    """Return the notes on points of the tuning curve, and the meaning of each."""
    best = "alpha" if document["minimize"] else "beta"
    return {
        "outside the regime": f"the fit {describes(document['regime_start'])}, and says nothing here",
        f"beyond {best}": f"past the {BEST_OF_REGIME}; noise may explain it",
        "extrapolated": "more trials than were run",
    }


def _notes_of(point: "Mapping[str, Any]", document: "Mapping[str, Any]") -> list[str]:
    flags = point["in_regime"] is False, point["beyond_best_of_regime"], point["extrapolated"]
    return [note for note, flag in zip(_notes(document), flags, strict=True) if flag]


def counts_of(document: "Mapping[str, Any]") -> str:
    """Return the number of scores, and of the fitted, the censored and the failed ones."""
    counts = [f"{document['num_used']:,} fitted"]
    if document["num_censored"]:
        counts.append(f"{document['num_censored']:,} beyond the threshold (only counted)")
    if document["num_failed"]:
        counts.append(f"{document['num_failed']:,} failed (missing, NaN or infinite: counted as worse than all scores)")
    return f"{document['num_scores']:,}: {', '.join(counts)}"


def meanings(minimize: bool) -> dict[str, str]:
    """Return what each parameter means, in a few words for a column of a table."""
    best, far = BEST_OF_REGIME, "worst score, extrapolated"
    return {
        "alpha": best if minimize else far,
        "beta": far if minimize else best,
        "gamma": "how many hyperparameters matter",
        "sigma": "noise of one run (std. deviation)",
        "regime_probability": "share of trials in the regime",
    }


#: Heading of the column of meanings.
MEANING = "according to the fit"


def shares_of(shares: "Mapping[str, float]") -> str:
    """Return the probabilities of the gammas; those that are next to nothing are named together."""
    named = {gamma: share for gamma, share in shares.items() if share >= _NEGLIGIBLE}
    words = [f"{gamma} with {chance(share, 2)}" for gamma, share in named.items()]
    rest = any(share > 0 for gamma, share in shares.items() if gamma not in named)
    return ", ".join([*words, *["another one with < 0.1 %"] * rest])


def explain_parameters(document: "Mapping[str, Any]", console: "Console") -> None:
    """Print what the four parameters mean."""
    from rich.text import Text

    words = meanings(document["minimize"])
    for name in ("alpha", "beta", "gamma", "sigma"):
        console.print(indented(Text(f"{name}: {words[name]}", style="dim")))


def describes(trials: float | None) -> str:
    """Say from which number of trials on the median tuning curve is in the regime, which is what a fit describes."""
    if trials is None:
        return "never describes the tuning curve"
    return f"describes the tuning curve from {'the first trial' if trials <= 1 else f'n = {math.ceil(trials):,}'} on"


def curve_table(
    document: "Mapping[str, Any]", more: "Sequence[tuple[str, Callable[[Mapping[str, Any]], str]]]" = ()
) -> "Table":
    """Return a table of the tuning curve; more columns have a name and a function that gives a point's cell."""
    show = score_format(document)
    table = small_table("trials", ["best score", *(name for name, _ in more)], "")
    table.columns[0].justify = "right"
    for point in document["tuning_curve"]:
        outside = point["in_regime"] is False
        style = "dim" if outside else ""
        score = point["median_best_score"]
        cells = [significant(score, 2) if outside else show(score), *(cell(point) for _, cell in more)]
        table.add_row(f"{point['trials']:,}", *cells, ", ".join(_notes_of(point, document)), style=style)
    return table


def small_table(name: str, numbers: "Sequence[str]", note: str | None = None) -> "Table":
    """Return a table with a column of names, columns of numbers, and perhaps one of notes."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="")
    table.add_column(name)
    for number in numbers:
        table.add_column(number, justify="right", no_wrap=True)
    if note is not None:
        table.add_column(note)
    return table


def score_format(document: "Mapping[str, Any]") -> "Callable[[float | None], str]":
    """Return a function that formats scores: to a tenth of the noise, or to 1e-3 of the range if noise is small.

    Scores of a fit are hardly ever known better than that.

    All scores of a report have the same number of decimals.
    """
    alpha, beta, sigma = document["alpha"], document["beta"], document["sigma"]
    curve = [point["median_best_score"] for point in document["tuning_curve"]]
    scores = [score for score in (alpha, beta, *curve) if score is not None]
    span = beta - alpha if None not in (alpha, beta) else 0.0
    resolution = max(sigma or 0.0, 1e-2 * span)
    size = max(map(abs, scores), default=0.0)
    if not resolution or not size:
        return lambda score: significant(score, 6)
    decimals = 1 - math.floor(math.log10(resolution))
    nothing = 1e-6 * span
    wide = span > 1e3 * min((abs(score) for score in scores if abs(score) > nothing), default=span)
    if 1e-4 <= size < 1e7 and decimals <= 10:
        decimals = max(decimals, 0)
        # Where the range is wide, small scores would lose all their digits.
        least = 10.0 ** (1 - decimals)
        return lambda score: (
            "?"
            if score is None
            else f"{score:.{decimals}f}"
            if abs(score) <= nothing or abs(score) >= least or not wide
            else significant(score, 3)
        )
    digits = min(max(decimals + math.floor(math.log10(size)), 3), 16)
    return lambda score: "?" if score is None else f"{score:.{digits}e}"


def indented(what: "RenderableType", below: int = 0) -> "RenderableType":
    """Return a table two columns to the right, with empty lines below."""
    from rich.padding import Padding

    return Padding(what, (0, 0, below, 2), expand=False)


def note(row: "Mapping[str, Any]") -> str:
    """Return the note on a row of the tuning curve."""
    return "extrapolated" if row["extrapolated"] else "" if row["in_regime"] else "outside the regime"
