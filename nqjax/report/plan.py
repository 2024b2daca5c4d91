"""JSON documents and sentences about what more trials would bring, and about a number of trials that is needed."""

import math
from typing import TYPE_CHECKING, Any

from nqjax.confidence.gains import expected_gains
from nqjax.errors import show
from nqjax.report.documents import GainsDocument, Head, PlanBasis, PlanDocument
from nqjax.report.fit import fit_document
from nqjax.report.head import print_head
from nqjax.report.tables import explain_parameters, finite, indented, score_format, small_table, warn
from nqjax.runtime.text import BEST_OF_REGIME, chance, percent, significant

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from rich.console import Console

    from nqjax.estimation.fit import Fit


#: Numbers of further trials in the table of what they would bring.
_FURTHER = (10, 100, 1000)

#: More trials than this for each trial that was run are no answer: the fit cannot be trusted so far out.
_OUT_OF_REACH = 1000

#: If as many trials again beat the best score by more than the noise less often than this, stopping is reasonable.
_SELDOM = 0.1


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
    basis = _basis(fit, scores, head, constraints)
    return {
        **basis,
        "asked": dict(asked),
        "out_of_reach": trials > _OUT_OF_REACH * fit.num_scores,
        "required_trials": (int(trials) if trials < 2**53 else trials) if math.isfinite(trials) else None,
        "warnings": basis["warnings"] + _warnings(fit, head["threshold"], asked),
    }


def gains_document(fit: "Fit", scores: "np.ndarray", *, head: Head, constraints: "Mapping[str, Any]") -> GainsDocument:
    """Return what more trials would bring, among them as many as were run."""
    trials = sorted({*_FURTHER, len(scores)})
    gains = expected_gains(fit, trials)
    columns = zip(gains.probability, gains.probability_beyond_noise, gains.median_best, strict=True)
    return {
        **_basis(fit, scores, head, constraints),
        "gains": [
            {
                "trials": n,
                "probability": float(p),
                "probability_beyond_noise": float(beyond),
                "median_best_score": finite(best),
            }
            for n, (p, beyond, best) in zip(trials, columns, strict=True)
        ],
    }


def _basis(fit: "Fit", scores: "np.ndarray", head: Head, constraints: "Mapping[str, Any]") -> PlanBasis:
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
        **head,  # type: ignore[typeddict-item]
        "alpha": fitted["alpha"],
        "beta": fitted["beta"],
        "gamma": fitted["gamma"],
        "sigma": fitted["sigma"],
        "regime_start": fitted["regime_start"],
        "num_scores": fitted["num_scores"],
        "warnings": fitted["warnings"],
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
        return [f"the score is better than {name}, the {BEST_OF_REGIME}: by the fit, only noise reaches it"]
    return []


def print_plan(document: "Mapping[str, Any]", console: "Console") -> None:
    """Print the number of trials, and the fit that it follows from."""
    from rich.text import Text

    print_head(document, console)
    console.print(Text(_answer(document)))
    console.print()
    warn(document, console)
    _print_basis(document, console)


def print_gains(document: "Mapping[str, Any]", console: "Console") -> None:
    """Print what more trials would bring, and whether stopping is reasonable."""
    from rich.text import Text

    print_head(document, console)
    warn(document, console)
    console.print(Text("What more trials would bring", "bold"))
    table = small_table("more trials", ["better", "better by sigma", "best then"], "")
    # The best score seen is known to the digit; digits that tell gains of a tenth of sigma from none are enough.
    show = score_format({**document, "tuning_curve": document["gains"]})
    table.columns[0].justify = "right"
    for row in document["gains"]:
        chances = _chance(row["probability"]), _chance(row["probability_beyond_noise"])
        note = "as many again" if row["trials"] == document["num_scores"] else ""
        table.add_row(f"{row['trials']:,}", *chances, show(row["median_best_score"]), note)
    console.print(indented(table))
    for words in (
        "better: with which probability they find a better score than the best one seen",
        "better by sigma: one that is better by more than the noise of one run",
        "best then: the median of the best score after them",
    ):
        console.print(indented(Text(words, "dim")))
    console.print()
    console.print(Text(_advice(document)))
    console.print()
    _print_basis(document, console)


def _advice(document: "Mapping[str, Any]") -> str:
    (again,) = (row for row in document["gains"] if row["trials"] == document["num_scores"])
    found, beyond = _chance(again["probability"]), _chance(again["probability_beyond_noise"])
    stop = again["probability_beyond_noise"] < _SELDOM
    verdict = "stopping is reasonable" if stop else "going on may pay"
    return (
        f"As many trials again find a better score with probability {found}, and one that is better by more than one "
        f"run's noise (sigma) with probability {beyond}: {verdict}, as far as the fit can tell."
    )


def _print_basis(document: "Mapping[str, Any]", console: "Console") -> None:
    from rich.text import Text

    show = score_format({**document, "tuning_curve": []})
    numbers = f"alpha {show(document['alpha'])}, beta {show(document['beta'])}, gamma {document['gamma']}"
    sigma = significant(document["sigma"], 3)
    console.print(Text(f"From the fit to {document['num_scores']:,} trials: {numbers}, sigma {sigma}", "dim"))
    explain_parameters(document, console)


def _chance(probability: float) -> str:
    """Return a probability that follows from a fit, which is never quite sure."""
    return chance(min(max(probability, 1e-9), 1 - 1e-9), 2)


def _answer(document: "Mapping[str, Any]") -> str:
    asked, n = document["asked"], document["required_trials"]
    if n is not None and document["out_of_reach"]:
        count = f"More than {_OUT_OF_REACH * document['num_scores']:,} trials"
        reach = ", which is out of reach of this search as far as the scores can tell"
    else:
        count = "No number of trials" if n is None else "1 trial" if n == 1 else f"{_rounded(n)} trials"
        reach = ""
    verb = "reaches" if n in (None, 1) else "reach"
    if "score" in asked:
        better = "below" if document["minimize"] else "above"
        score, probability = show(asked["score"]), chance(asked["probability"])
        if reach:
            return f"{count} are needed to reach {score} or {better} with probability {probability}{reach}."
        return f"{count} {verb} {score} or {better} with probability {probability}."
    confidence = percent(asked["confidence"])
    return (
        f"{count} are needed for a {confidence} band of the tuning curve that is {show(asked['width'])} wide, or "
        f"narrower, at {show(asked['at'])} {'trial' if asked['at'] == 1 else 'trials'}{reach}."
    )


def _rounded(n: float) -> str:
    """Return a number of trials: small ones as they are, large ones to the two digits that a fit can know."""
    return f"{n:,.0f}" if n < 1000 else f"About {float(f'{n:.2g}'):,.0f}"
