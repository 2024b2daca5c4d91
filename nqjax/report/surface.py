"""JSON document, sentences and terminal tables of a response surface."""

from typing import TYPE_CHECKING, Any

import numpy as np

from nqjax.report.surface_rows import (
    direction_rows,
    hyperparameter_rows,
    importance_rows,
    number_rows,
    texts,
)
from nqjax.report.tables import finite, indented, small_table, warn
from nqjax.runtime.text import chance, listed, percent, significant
from nqjax.surface.configurations import value_text
from nqjax.surface.lack_of_fit import doubts_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jax import Array
    from rich.console import Console

    from nqjax.posterior.averaged import AveragedPosterior
    from nqjax.surface.intervals import Interval
    from nqjax.surface.surface import ResponseSurface

#: A p-value of disagreement that is worth a warning.
_DOUBTFUL = 0.01

#: Most rows of the table of importance.
_MOST_ROWS = 8


def surface_document(
    surface: "ResponseSurface",
    *,
    confidence: float = 0.95,
    post: "AveragedPosterior | None" = None,
    proposals: int = 0,
    method: str = "ei",
    key: "Array | None" = None,
) -> dict[str, Any]:
    """Return the document of a surface.

    Parameters
    ----------
    surface : ResponseSurface
    confidence : float, optional
    post : AveragedPosterior, optional
        The answer of the scores alone, for comparison.
    proposals : int, optional
        How many configurations to propose, by this method and key.
    method : str, optional
    key : Array, optional
    """
    region = surface.optimum_region(confidence)
    best_trial = int(np.nanargmin(np.where(np.isfinite(surface.scores), surface.sign * surface.scores, np.nan)))
    rerun = surface.rerun([best_trial], confidence)
    lack = surface.lack_of_fit
    agreement = {} if post is None else surface.agreement(post, confidence)
    document: dict[str, Any] = {
        "confidence": confidence,
        "num_trials": len(surface.scores),
        "num_failed": int(np.sum(~np.isfinite(surface.scores))),
        "notes": list(surface.box.notes),
        "best": _entry(surface.interval("best", confidence)),
        "best_trial": {
            "trial": best_trial + 1,
            "score": float(surface.scores[best_trial]),
            "rerun": {name: float(getattr(rerun, name)[0]) for name in ("estimate", "low", "high")},
        },
        "sigma": _entry(surface.interval("sigma", confidence)),
        "effective_number": _entry(surface.interval("effective_number", confidence)),
        "strong_directions": surface.num_strong,
        "optimum": surface.optimum,
        "optimum_region": {name: {"low": low, "high": high} for name, (low, high) in region.items()},
        "spectrum": [_entry(one) for one in surface.spectrum(confidence)],
        "directions": [one._asdict() for one in surface.directions],
        "importance": [
            {"of": [name] if isinstance(name, str) else list(name), **_entry(one)}
            for name, one in surface.importance(confidence).items()
        ],
        "accidents": _entry(surface.interval("accidents", confidence)),
        "thresholds": [
            {"threshold": float(end), "probability": float(share)}
            for end, share in zip(surface.thresholds, surface.threshold_probabilities, strict=True)
        ],
        "lack_of_fit": None if lack is None else lack._asdict(),
        "agreement": {
            name: {"surface": _entry(one.surface), "scores": _entry(one.scores), "p_value": one.p_value}
            for name, one in agreement.items()
        },
        "proposals": surface.propose(proposals, method, key) if proposals else [],
        "warnings": [*surface.warnings, *doubts_of(surface.lack_of_fit)],
    }
    return {**document, "answer": _sentences(document)}


def _entry(one: "Interval") -> dict[str, float | None]:
    return {name: finite(getattr(one, name)) for name in ("estimate", "low", "high")}


def _shown(one: "Mapping[str, Any]") -> str:
    """Return an estimate with its interval."""
    estimate, low, high = texts(one)
    return f"{estimate} ({low} to {high})"


def _sentences(document: "Mapping[str, Any]") -> list[str]:
    """Return the answer: the best score, where it is, the best trial again, and what decides."""
    sure = percent(document["confidence"], 3)
    best, trial = document["best"], document["best_trial"]
    where = listed([f"{name} {value_text(value)}" for name, value in document["optimum"].items()])
    low, high = texts(trial["rerun"])[1:]
    within = "The best score within the searched ranges, noise averaged out, is"
    sentences = [
        f"{within} {_shown(best)} with {sure} confidence, near {where}.",
        f"The best trial scored {trial['score']:.6g}; run again many times it would score {low} to {high} on average.",
    ]
    strong = [one for one in document["directions"] if one["probability"] > 0.5]
    count, total = len(strong), len(document["directions"])
    if not strong:
        sentences.append(
            "No direction can be told from noise: moving half a range costs less than the noise of one run."
        )
    else:
        words = listed([f"{one['words']}" for one in strong])
        sentences.append(
            f"{count} of {total} directions matter, since moving half a range along them costs more than the noise of "
            f"one run: {words}."
        )
    doubtful = [name for name, one in document["agreement"].items() if one["p_value"] < _DOUBTFUL]
    names = {"best": "the best score", "sigma": "sigma", "effective_number": "the effective number of hyperparameters"}
    if document["agreement"]:
        sentences.append(
            f"The scores alone say something else about {listed([names[name] for name in doubtful])}."
            if doubtful
            else "The scores alone agree."
        )
    return sentences


def print_surface(document: "Mapping[str, Any]", console: "Console") -> None:
    """Print the answer, then the tables."""
    from rich.text import Text

    console.print(Text(f"Response surface of {document['metric']} in {document['file']}", style="bold"))
    console.print()
    console.print(Text(" ".join(document["answer"])))
    console.print()
    warn(document, console)
    _print_numbers(document, console)
    _print_hyperparameters(document, console)
    _print_importance(document, console)
    if document["proposals"]:
        names = list(document["proposals"][0])
        table = small_table("to run next", names)
        for number, one in enumerate(document["proposals"], 1):
            table.add_row(str(number), *(value_text(one[name]) for name in names))
        console.print(indented(table, below=1))
    for note in document["notes"]:
        console.print(indented(Text(f"{note[0].upper()}{note[1:]}.", style="dim")))


def _print_numbers(document: "Mapping[str, Any]", console: "Console") -> None:
    from rich.text import Text

    alone = bool(document["agreement"])
    sure = percent(document["confidence"], 3)
    table = small_table("", ["estimate", sure, *(["scores alone", sure] if alone else [])])
    for row in number_rows(document):
        table.add_row(Text(row.label), *row.cells)
    console.print(indented(table, below=1))
    kept = [one for one in document["thresholds"] if one["probability"] >= 0.005]
    words = listed([f"{significant(one['threshold'], 4)} with {chance(one['probability'], 2)}" for one in kept])
    console.print(indented(Text(f"Thresholds: {words}.", style="dim")))
    console.print()


def _print_hyperparameters(document: "Mapping[str, Any]", console: "Console") -> None:
    from rich.text import Text

    table = small_table("hyperparameter", ["optimum", percent(document["confidence"], 3)])
    for name, value, ends in hyperparameter_rows(document):
        table.add_row(Text(name), value, ends)
    console.print(indented(table, below=1))
    table = small_table("direction", ["cost of half the box", "more than sigma"])
    for words, cost, probability in direction_rows(document):
        table.add_row(Text(words), cost, probability)
    console.print(indented(table, below=1))


def _print_importance(document: "Mapping[str, Any]", console: "Console") -> None:
    from rich.text import Text

    table = small_table("among good trials", ["share of the variance", percent(document["confidence"], 3)])
    for name, share, ends in importance_rows(document)[:_MOST_ROWS]:
        table.add_row(Text(name), share, ends)
    console.print(indented(table, below=1))
