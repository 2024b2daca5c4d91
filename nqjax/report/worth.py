"""The document of what methods are worth in random trials, and its tables on the terminal."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nqjax.report.tables import indented, small_table

if TYPE_CHECKING:
    from rich.console import Console

    from nqjax.analysis.worth import Worth
    from nqjax.types import Floats

#: P-values below this are named.
_LEVEL = 0.01

#: The observed score is luck where it is worth this many times what the noise-free score is worth.
_LUCK = 2.0


def worth_document(
    found: "Mapping[str, Mapping[str, Worth]]", *, what: str, baseline: int, batch: int | None, ties: bool = False
) -> dict[str, Any]:
    """Return the document: for each method, the worth by the observed score and, where known, the noise-free one.

    ``trials`` of an entry are those of the method, or its cost in full trainings where that is the unit. With many
    ties, as searches on a table have, the test whether one number does for all searches is not valid, and is left out.
    """
    methods = [{"method": name, **{score: _entries(one) for score, one in own.items()}} for name, own in found.items()]
    first = next(iter(found.values()))["observed"]
    return {
        "what": what,
        "baseline_trials": baseline,
        "batch": batch,
        "unit": first.unit,
        "replications": first.replications,
        "confidence": first.confidence,
        "quantile": first.quantile,
        "answer": _answer(found),
        "warnings": _warnings(found, ties),
        "methods": methods,
    }


def _entries(one: "Worth") -> list[dict[str, Any]]:
    names = (
        "estimate",
        "lower",
        "upper",
        "worse_quartile",
        "better_quartile",
        "speedup",
        "mean",
        "shape_p",
        "better_p",
    )
    return [
        {"trials": int(n), **{name: _finite(float(getattr(one, name)[k])) for name in names}}
        for k, n in enumerate(one.at)
    ]


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None


def _answer(found: "Mapping[str, Mapping[str, Worth]]") -> list[str]:
    """Return a sentence for each method, the most worthy first; for random search whether the measure checks out."""
    order = sorted(found, key=lambda name: -float(found[name]["observed"].estimate[-1]))
    sentences = [found[name]["observed"].sentence(name) for name in order if name != "random"]
    if "random" in found:
        own = found["random"]["observed"]
        holds = bool(own.lower[-1] <= own.at[-1] <= own.upper[-1])
        word = "as it must be" if holds else "although it should be its own number"
        sentences.append(f"{own.sentence('random search itself').removesuffix('.')}, {word}.")
    return sentences


def _warnings(found: "Mapping[str, Mapping[str, Worth]]", ties: bool) -> list[str]:
    warnings = []
    for name, own in found.items():
        observed = own["observed"]
        if observed.by_mean:
            runs = "1 search is" if observed.replications == 1 else f"{observed.replications} searches are"
            warnings.append(
                f"{name}: {runs} too few for a median, so one number of random trials is assumed to do for all "
                "searches alike"
            )
        elif observed.shape_p[-1] < _LEVEL and not ties:
            warnings.append(
                f"{name}: one number does not do for all searches: the worse quartile is worth "
                f"{_text(observed, observed.worse_quartile)} random trials, the better one "
                f"{_text(observed, observed.better_quartile)}"
            )
        if not math.isfinite(observed.upper[-1]):
            warnings.append(f"{name}: no upper end, because too few random trials are as good: give more of them")
        true = own.get("true")
        if true is not None and observed.estimate[-1] > _LUCK * true.estimate[-1]:
            warnings.append(
                f"{name}: part of its best score is luck: without noise its best trial is worth "
                f"{_text(true, true.estimate)} random trials, not {_text(observed, observed.estimate)}"
            )
    return warnings


#: Heads of the table after the method's name and its trials.
_COLUMNS = ("worth", "interval", "worse 25 %", "better 25 %", "no noise")


def columns(document: Mapping[str, Any]) -> list[str]:
    """Return the heads of the table after the method's name."""
    has_true = any("true" in one for one in document["methods"])
    return ["trials" if document["unit"] == "trials" else "cost", *_COLUMNS[: None if has_true else -1]]


def worth_rows(document: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Return the cells of the table: a row for each method and number of trials."""
    rows: list[tuple[str, ...]] = []
    most = document.get("resolved", document["baseline_trials"])
    for one in document["methods"]:
        for k, entry in enumerate(one["observed"]):
            true = one["true"][k] if "true" in one else None
            rows.append(
                (
                    one["method"] if k == 0 else "",
                    f"{entry['trials']:,}",
                    _number(entry["estimate"], most),
                    f"{_number(entry['lower'], most)} to {_number(entry['upper'], most)}",
                    _number(entry["worse_quartile"], most),
                    _number(entry["better_quartile"], most),
                    "" if true is None else _number(true["estimate"], most),
                )
            )
    return rows


def _number(value: float | None, most: int) -> str:
    """Return a number of random trials as text; more than the baseline has are beyond what it can tell."""
    if value is None or value > most:
        return "beyond"
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def _text(one: "Worth", trials: "Floats") -> str:
    """Return the number at the largest budget as text."""
    return one.number(float(trials[-1])) or f"more than {one.baseline:,}"


def print_worth(document: Mapping[str, Any], console: "Console") -> None:
    """Print the answer and the table."""
    from rich.text import Text

    console.print(Text(f"Worth in random trials on {document['what']}", style="bold"))
    console.print()
    for sentence in document["answer"]:
        console.print(Text(sentence))
    for warning in document["warnings"]:
        console.print(Text(f"warning: {warning}", style="yellow"))
    console.print()
    shown = columns(document)
    table = small_table("method", shown)
    table.columns[0].overflow = "fold"
    for name, *cells in worth_rows(document):
        table.add_row(Text(name), *cells[: len(shown)])
    console.print(indented(table, below=1))
    for note in notes(document):
        console.print(indented(Text(note, style="dim")))


def notes(document: Mapping[str, Any]) -> list[str]:
    """Return sentences on the columns and on what was compared."""
    level = f"{100 * document['confidence']:g} %"
    found = [
        f"{document['replications']:,} searches by each method, against {document['baseline_trials']:,} random trials.",
        (
            f"worth: random trials whose median best score is that of the method; interval: {level}, for all rows of a "
            "method at once."
        ),
        "worse 25 %, better 25 %: the same for the worse and the better quartile of the searches.",
    ]
    if document["unit"] != "trials":
        found.append(f"cost: {document['unit']}, of which a random trial costs one.")
        found.append("The intervals allow for which trials the file happens to have.")
    if any("true" in one for one in document["methods"]):
        found.append("no noise: by the noise-free score of the trial that looks best.")
    if any("beyond" in cell for row in worth_rows(document) for cell in row):
        found.append("beyond: more than these random trials can tell.")
    return found
