"""JSON document and sentences about a number of trials that is needed."""

import math
from typing import TYPE_CHECKING, Any

from nqjax.errors import show
from nqjax.report.documents import Head, PlanDocument
from nqjax.report.fit import fit_document
from nqjax.report.head import print_head
from nqjax.report.tables import warn
from nqjax.runtime.text import percent, significant

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from rich.console import Console

    from nqjax.estimation.fit import Fit


def plan_document(
    fit: "Fit",
    scores: "np.ndarray",
    trials: float,
    *,
    head: Head,
    asked: "Mapping[str, float]",
    constraints: "Mapping[str, Any]",
) -> PlanDocument:
    """Return the number of trials that is needed, and the fit that it follows from."""
    fitted = fit_document(
        fit,
        scores,
        file=str(head["file"]),
        metric=head["metric"],
        threshold=head["threshold"],
        constraints=constraints,
        trials=(1,),
    )
    return {
        **head,
        "asked": dict(asked),
        "required_trials": (int(trials) if trials < 2**53 else trials) if math.isfinite(trials) else None,
        "alpha": fitted["alpha"],
        "beta": fitted["beta"],
        "gamma": fitted["gamma"],
        "sigma": fitted["sigma"],
        "regime_start": fitted["regime_start"],
        "num_scores": fitted["num_scores"],
        "warnings": fitted["warnings"] + _warnings(fit, head["threshold"], asked),
    }


def _warnings(fit: "Fit", threshold: float | None, asked: "Mapping[str, float]") -> list[str]:
    if "width" in asked:
        if threshold is not None and asked["at"] < fit.regime_start:
            return [f"the fit says nothing about the tuning curve at {show(asked['at'])} trials, before the regime"]
        return []
    sign = 1 if fit.minimize else -1
    end, name = (fit.alpha, "alpha") if fit.minimize else (fit.beta, "beta")
    if threshold is not None and sign * asked["score"] > sign * threshold:
        return [f"the score {show(asked['score'])} is outside the regime, where the fit says nothing"]
    if sign * asked["score"] < sign * end:
        return [f"the score is beyond {name}: luck reaches it, and the same configuration, run again, scores worse"]
    return []


def print_plan(document: "Mapping[str, Any]", console: "Console") -> None:
    """Print the number of trials, and the fit that it follows from."""
    from rich.text import Text

    print_head(document, console)
    console.print(Text(_answer(document)))
    console.print()
    warn(document, console)
    numbers = ", ".join(f"{name} {significant(document[name], 5)}" for name in ("alpha", "beta", "sigma"))
    console.print(Text(f"From a fit to {document['num_scores']:,} trials: {numbers}, gamma {document['gamma']}", "dim"))


def _answer(document: "Mapping[str, Any]") -> str:
    asked, n = document["asked"], document["required_trials"]
    count = "No number of trials" if n is None else "1 trial" if n == 1 else f"{n:,.0f} trials"
    verb = "reaches" if n in (None, 1) else "reach"
    if "score" in asked:
        better = "below" if document["minimize"] else "above"
        return f"{count} {verb} {show(asked['score'])} or {better} with probability {show(asked['probability'])}."
    confidence = percent(asked["confidence"])
    return (
        f"{count} are needed for a {confidence} band of the tuning curve that is {show(asked['width'])} wide, or "
        f"narrower, at {show(asked['at'])} trials."
    )
