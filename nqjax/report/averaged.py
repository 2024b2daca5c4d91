"""JSON document and terminal tables of the answer that is averaged over the threshold."""

from typing import TYPE_CHECKING, Any

import numpy as np

from nqjax.checks.noise_alone import NOISE_ALONE
from nqjax.report.documents import AveragedDocument, Head
from nqjax.report.head import noise_line, print_best
from nqjax.report.tables import MEANING, describes, finite, indented, meanings, small_table, warn
from nqjax.runtime.text import as_sure, chance, percent, same_side

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console
    from rich.table import Table

    from nqjax.posterior.averaged import AveragedPosterior
    from nqjax.types import Floats

#: Parameters of the document, in the order in which they are printed.
_PARAMETERS = ("alpha", "beta", "gamma", "sigma", "regime_probability")

#: Thresholds that are printed, and the least probability of one that is.
_MOST_THRESHOLDS = 4
_LEAST_PROBABILITY = 0.05


def averaged_document(
    post: "AveragedPosterior", scores: "Floats", *, head: Head, trials: "Sequence[float]"
) -> AveragedDocument:
    """Return the document of an averaged answer: an estimate and an interval of everything.

    ``scores`` are those of the file; ``head`` has the most probable threshold.
    """
    estimates = {name: finite(post.estimate(name)) for name in _PARAMETERS}
    ends = {name: post.interval(name) for name in _PARAMETERS}
    curve = post.curve(trials)
    start = post.regime_start
    return {
        **head,  # type: ignore[typeddict-item]
        "method": "averaged",
        "confidence": post.confidence,
        "num_scores": post.num_scores,
        "num_failed": int(np.sum(~np.isfinite(scores))),
        "mean_used": post.mean_used,
        "rounding": post.rounding,
        **estimates,  # type: ignore[typeddict-item]
        "gammas": list(post.gammas),
        "gamma_probabilities": {str(gamma): share for gamma, share in post.gamma_probabilities.items()},
        "intervals": {name: {"low": finite(a), "high": finite(b)} for name, (a, b) in ends.items()},
        "thresholds": threshold_entries(post, scores),
        "regime_start": finite(start),
        "tuning_curve": [
            {
                "trials": int(n) if n == int(n) else float(n),
                "median_best_score": finite(middle),
                "low": finite(low),
                "high": finite(high),
                "in_regime": bool(n >= start),
                "extrapolated": bool(n > post.num_scores),
            }
            for n, middle, low, high in zip(trials, *curve, strict=True)
        ],
        "effective_draws": post.effective_draws,
        "noise": None,
        "advice": None,
        "few": None,
        "warnings": list(post.warnings),
    }


def threshold_entries(post: "AveragedPosterior", scores: "Floats") -> list[dict[str, Any]]:
    """Return each threshold, as it is shown, with its probability."""
    seen = np.asarray(scores)[np.isfinite(scores)]
    return [
        {"threshold": end, "shown": same_side(end, seen, post.minimize), "probability": share}
        for end, share in post.threshold_probabilities.items()
    ]


def print_averaged(document: "Mapping[str, Any]", console: "Console") -> None:
    """Print an averaged answer as tables."""
    from rich.text import Text

    direction = "minimized" if document["minimize"] else "maximized"
    console.print(Text(f"{document['metric']} in {document['file']}, {direction}", style="bold"))
    print_best(document, console)
    console.print(_scores(document))
    if document["noise"]:
        console.print(noise_line(document["noise"]))
    console.print()
    console.print(indented(parameter_table(document), below=1))
    console.print(Text(in_words(document)))
    console.print()
    warn(document, console)
    if document["advice"]:
        console.print(Text(f"Advice: {document['advice']}."))
        console.print()
    console.print(Text("Tuning curve: the median of the best score after n trials", style="bold"))
    console.print(indented(_curve(document)))
    if not all(point["in_regime"] for point in document["tuning_curve"]):
        words = f"outside the regime: the answer {describes(document['regime_start'])}, and says nothing here"
        console.print(indented(Text(words, "dim")))


def _scores(document: "Mapping[str, Any]") -> str:
    failed = f", {document['num_failed']:,} failed" if document["num_failed"] else ""
    rounded = f", rounded to {document['rounding']:g}" if document["rounding"] else ""
    shape = f"about {document['mean_used']:,.0f} of the best shape the answer"
    return f"{document['num_scores']:,} trials{failed}{rounded}; {shape}"


def parameter_table(document: "Mapping[str, Any]") -> "Table":
    """Return a table of the parameters, with their intervals and what they mean."""
    words = meanings(document["minimize"])
    table = small_table("", ["estimate", percent(document["confidence"])], MEANING)
    for name, ends in document["intervals"].items():
        low, high = ends["low"], ends["high"]
        estimate, first, last = as_sure([document[name], low, high], low, high)
        if name == "gamma" and NOISE_ALONE in document["warnings"]:
            table.add_row(name, "not told", "", words[name])
            continue
        table.add_row(name.replace("regime_probability", "in regime"), estimate, f"{first} to {last}", words[name])
    return table


def in_words(document: "Mapping[str, Any]") -> str:
    """Say which thresholds are the most probable."""
    ranked = sorted(document["thresholds"], key=lambda one: -one["probability"])
    named = [one for one in ranked[:_MOST_THRESHOLDS] if one["probability"] >= _LEAST_PROBABILITY]
    words = ", ".join(f"{one['shown']} ({chance(one['probability'], 2)})" for one in named)
    if len(ranked) == 1:
        return f"Of the thresholds, only {ranked[0]['shown']} can be fitted. --threshold T fixes another."
    return f"Averaged over {len(ranked)} thresholds; the most probable: {words}. --threshold T fixes one."


def _curve(document: "Mapping[str, Any]") -> "Table":
    table = small_table("trials", ["estimate", percent(document["confidence"])], "")
    table.columns[0].justify = "right"
    for point in document["tuning_curve"]:
        low, high, inside = point["low"], point["high"], point["in_regime"]
        cells = as_sure([point["median_best_score"], low, high], low, high, 2 if inside else 1)
        notes = [] if inside else ["outside the regime"]
        notes += ["more trials than there are"] * point["extrapolated"]
        style = "" if inside else "dim"
        table.add_row(f"{point['trials']:,}", cells[0], f"{cells[1]} to {cells[2]}", ", ".join(notes), style=style)
    return table
