"""JSON documents and sentences about what more trials would bring, and about a number of trials that is needed."""

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from nqjax.confidence.gains import expected_gains
from nqjax.confidence.uncertain_plan import PlanDraws, gain_intervals, trials_interval
from nqjax.errors import show
from nqjax.report.documents import GainsDocument, Head, PlanBasis, PlanDocument
from nqjax.report.fit import fit_document
from nqjax.report.head import print_head
from nqjax.report.tables import explain_parameters, finite, indented, score_format, small_table, warn
from nqjax.runtime.text import BEST_OF_REGIME, chance, percent, significant

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

    from nqjax.confidence.bootstrap import Bootstrap
    from nqjax.estimation.fit import Fit


#: Numbers of further trials in the table of what they would bring.
_FURTHER = (10, 100, 1000)

#: More trials than this for each trial that was run are no answer: the fit cannot be trusted so far out.
_OUT_OF_REACH = 1000

#: Beyond what luck of one in a million explains, a score is out of reach.
_LUCK = 1e-6

#: Confidence of the intervals.
CONFIDENCE = 0.95

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
    boot: "Bootstrap | None" = None,
) -> PlanDocument:
    """Return the number of trials that is needed, its interval by a bootstrap, and the fit that it follows from."""
    basis = _basis(fit, scores, head, constraints)
    most = min(_OUT_OF_REACH * fit.num_scores, _most_trials(asked))
    ends = [math.nan] * 2
    if boot is not None and "score" in asked:
        ends = trials_interval(PlanDraws.of(boot), asked["score"], asked["probability"]).tolist()
    return {
        **basis,
        "asked": dict(asked),
        "out_of_reach": trials > most,
        "required_trials": int(trials) if trials <= most else None,
        "interval": {"low": _within(ends[0], most), "high": _within(ends[1], most)},
        "warnings": basis["warnings"] + _warnings(fit, head["threshold"], asked),
    }


def _most_trials(asked: "Mapping[str, float]") -> float:
    """Return the number of trials from which a score is out of reach: one trial in a million reaches it."""
    return math.log1p(-asked["probability"]) / math.log1p(-_LUCK) if "score" in asked else math.inf


def _within(count: float, most: float) -> int | None:
    """Return a number of trials; None where it is not known, or out of reach."""
    return int(count) if count <= most else None


def gains_document(
    fit: "Fit",
    scores: "np.ndarray",
    *,
    head: Head,
    constraints: "Mapping[str, Any]",
    boot: "Bootstrap | None" = None,
) -> GainsDocument:
    """Return what more trials would bring, among them as many as were run, with intervals by a bootstrap."""
    trials = sorted({*_FURTHER, len(scores)})
    gains = expected_gains(fit, trials)
    intervals = _gain_intervals(fit, boot, trials)
    columns = zip(gains.probability, gains.probability_beyond_noise, gains.median_best, strict=True)
    return {
        **_basis(fit, scores, head, constraints),
        "gains": [
            {
                "trials": n,
                "probability": float(p),
                "probability_beyond_noise": float(beyond),
                "median_best_score": finite(best),
                "intervals": {name: {"low": float(a[i]), "high": float(b[i])} for name, (a, b) in intervals.items()},
            }
            for i, (n, (p, beyond, best)) in enumerate(zip(trials, columns, strict=True))
        ],
    }


def _gain_intervals(fit: "Fit", boot: "Bootstrap | None", trials: list[int]) -> "dict[str, np.ndarray]":
    """Return the ends of each column of gains, each of shape (2, numbers of trials)."""
    if boot is None:
        return {}
    chances = gain_intervals(PlanDraws.of(boot), np.asarray(trials, np.float64), fit.best_score)
    low, high = boot.quantile_tuning_curve_band(trials, confidence=CONFIDENCE)
    better = np.minimum if fit.minimize else np.maximum
    curve = np.stack([better(low, fit.best_score), better(high, fit.best_score)])
    return {**chances._asdict(), "median_best_score": curve}


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
        if row["intervals"]:
            ends = row["intervals"]
            cells = [_chances(ends[name]) for name in ("probability", "probability_beyond_noise")]
            low, high = (show(ends["median_best_score"][end]) for end in ("low", "high"))
            table.add_row("95 %", *cells, f"{low} to {high}", "", style="dim")
    console.print(indented(table))
    for words in (
        "better: with which probability they find a better score than the best one seen",
        "better by sigma: one that is better by more than the noise of one run",
        "best then: the median of the best score after them",
        "95 %: intervals by a bootstrap; docs/coverage.md has how often such intervals hold",
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
    reach = "out of reach of this search as far as the scores can tell"
    count = "1 trial" if n == 1 else f"{_rounded(n)} trials" if n is not None else ""
    verb = "reaches" if n == 1 else "reach"
    if "score" in asked:
        better = "below" if document["minimize"] else "above"
        score, probability = show(asked["score"]), chance(asked["probability"])
        if n is None:
            return f"To reach {score} or {better} with probability {probability} is {reach}."
        return f"{count} {verb} {score} or {better} with probability {probability}{_interval(document['interval'])}."
    confidence = percent(asked["confidence"])
    if n is None:
        return f"A band that is {show(asked['width'])} wide at {show(asked['at'])} trials is {reach}."
    return (
        f"{count} are needed for a {confidence} band of the tuning curve that is {show(asked['width'])} wide, or "
        f"narrower, at {show(asked['at'])} {'trial' if asked['at'] == 1 else 'trials'}."
    )


def _interval(ends: "Mapping[str, int | None]") -> str:
    """Return the interval of a number of trials in words, in brackets."""
    low, high = ends["low"], ends["high"]
    if low is None:
        return ""
    last = "out of reach" if high is None else f"{float(f'{high:.2g}'):,.0f}"
    return f" (95 % interval: {float(f'{low:.2g}'):,.0f} to {last})"


def _chances(ends: "Mapping[str, float]") -> str:
    """Return the ends of a probability, in whole percent."""
    return f"{100 * ends['low']:.0f} to {100 * ends['high']:.0f} %"


def _rounded(n: float) -> str:
    """Return a number of trials: small ones as they are, large ones to the two digits that a fit can know."""
    return f"{n:,.0f}" if n < 1000 else f"About {float(f'{n:.2g}'):,.0f}"
