"""JSON documents and sentences about what more trials would bring, and about a number of trials that is needed."""

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from nqjax.confidence.gains import expected_gains
from nqjax.confidence.uncertain_plan import most_trials, required_trials_interval
from nqjax.errors import show
from nqjax.report.averaged import in_words, parameter_table
from nqjax.report.documents import Gain, GainsDocument, Head, PlanBasis, PlanDocument
from nqjax.report.fit import fit_document
from nqjax.report.head import noise_line, print_best, print_head
from nqjax.report.tables import explain_parameters, finite, indented, score_format, small_table, warn
from nqjax.runtime.text import BEST_OF_REGIME, chance, chance_among_draws, percent, significant

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

    from nqjax.confidence.bootstrap import Bootstrap
    from nqjax.confidence.gains import Gains
    from nqjax.confidence.uncertain_plan import GainIntervals
    from nqjax.estimation.fit import Fit


#: Numbers of further trials in the table of what they would bring.
FURTHER = (10, 100, 1000)

#: Confidence of the intervals by a bootstrap.
_CONFIDENCE = 0.95

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
    most = most_trials(fit.num_scores, asked.get("probability"))
    ends: tuple[Any, Any] = (math.nan, math.nan)
    if boot is not None and "score" in asked:
        ends = required_trials_interval(boot, score=asked["score"], probability=asked["probability"])
    threshold, best = head["threshold"], fit.alpha if fit.minimize else fit.beta
    return {
        **basis,
        "asked": dict(asked),
        "out_of_reach": trials > most,
        "required_trials": int(trials) if trials <= most else None,
        "interval": {"low": finite(float(ends[0])), "high": finite(float(ends[1]))},
        "present_width": None,
        "warnings": basis["warnings"] + about_target(asked, threshold, best, fit.regime_start, fit.minimize),
    }


def gains_document(
    fit: "Fit",
    scores: "np.ndarray",
    *,
    head: Head,
    constraints: "Mapping[str, Any]",
    boot: "Bootstrap | None" = None,
) -> GainsDocument:
    """Return what more trials would bring, among them as many as were run, with intervals by a bootstrap."""
    trials = sorted({*FURTHER, len(scores)})
    intervals = None if boot is None else expected_gains(boot, trials, best=fit.best_score).intervals
    return {**_basis(fit, scores, head, constraints), "gains": gain_rows(expected_gains(fit, trials), intervals)}


def gain_rows(gains: "Gains", intervals: "GainIntervals | None") -> list[Gain]:
    """Return a row for each number of further trials, with the intervals of its three columns."""
    names = "probability", "probability_beyond_noise", "median_best_score"
    columns = zip(gains.probability, gains.probability_beyond_noise, gains.median_best, strict=True)
    ends = {} if intervals is None else dict(zip(names, intervals, strict=True))
    return [
        {
            "trials": int(n),
            "probability": float(p),
            "probability_beyond_noise": float(beyond),
            "median_best_score": finite(best),
            "intervals": {name: {"low": float(a[i]), "high": float(b[i])} for name, (a, b) in ends.items()},
        }
        for i, (n, (p, beyond, best)) in enumerate(zip(gains.trials, columns, strict=True))
    ]


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
        "method": "fit",
        "alpha": fitted["alpha"],
        "beta": fitted["beta"],
        "gamma": fitted["gamma"],
        "sigma": fitted["sigma"],
        "regime_start": fitted["regime_start"],
        "num_scores": fitted["num_scores"],
        "warnings": fitted["warnings"],
    }


def about_target(
    asked: "Mapping[str, float]", threshold: float | None, best: float, regime_start: float, minimize: bool
) -> list[str]:
    """Return warnings about what was asked for: outside the regime, or better than its best score ``best``."""
    if "width" in asked:
        if threshold is not None and asked["at"] < regime_start:
            return [f"the fit says nothing about the tuning curve at {show(asked['at'])} trials, before the regime"]
        return []
    sign, name = (1, "alpha") if minimize else (-1, "beta")
    if threshold is not None and sign * asked["score"] > sign * threshold:
        return [f"the score {show(asked['score'])} is outside the regime, where the fit says nothing"]
    if sign * asked["score"] < sign * best:
        return [f"the score is better than {name}, the {BEST_OF_REGIME}: by the fit, only noise reaches it"]
    return []


def print_plan(document: "Mapping[str, Any]", console: "Console") -> None:
    """Print the number of trials, and the fit that it follows from."""
    from rich.text import Text

    _print_top(document, console)
    console.print(Text(_answer(document)))
    console.print()
    warn(document, console)
    _print_basis(document, console)


def print_gains(document: "Mapping[str, Any]", console: "Console") -> None:
    """Print what more trials would bring, and whether stopping is reasonable."""
    from rich.text import Text

    _print_top(document, console)
    warn(document, console)
    console.print(Text("What more trials would bring", "bold"))
    table = small_table("more trials", ["better", "better by sigma", "best then"])
    # The best score seen is known to the digit; digits that tell gains of a tenth of sigma from none are enough.
    show = score_format({**document, "tuning_curve": document["gains"]})
    table.columns[0].justify = "right"
    confidence = percent(document.get("confidence", _CONFIDENCE))
    for row in document["gains"]:
        chances = chance_among_draws(row["probability"]), chance_among_draws(row["probability_beyond_noise"])
        mark = " *" if row["trials"] == document["num_scores"] else ""
        table.add_row(f"{row['trials']:,}{mark}", *chances, show(row["median_best_score"]))
        if row["intervals"]:
            ends = row["intervals"]
            cells = [_chances(ends[name]) for name in ("probability", "probability_beyond_noise")]
            low, high = (show(ends["median_best_score"][end]) for end in ("low", "high"))
            table.add_row(confidence, *cells, f"{low} to {high}", style="dim")
    console.print(indented(table))
    by = "averaged over thresholds and gammas" if _is_averaged(document) else "by a bootstrap"
    for words in (
        "better: with which probability they find a better score than the best one seen",
        "better by sigma: one that is better by more than the noise of one run",
        "best then: the median of the best score after them",
        "*: as many again as were run",
        f"{confidence}: intervals {by}; docs/coverage.md has how often such intervals hold",
    ):
        console.print(indented(Text(words, "dim")))
    console.print()
    console.print(Text(_advice(document)))
    console.print()
    _print_basis(document, console)


def _advice(document: "Mapping[str, Any]") -> str:
    (again,) = (row for row in document["gains"] if row["trials"] == document["num_scores"])
    found, beyond = chance_among_draws(again["probability"]), chance_among_draws(again["probability_beyond_noise"])
    stop = again["probability_beyond_noise"] < _SELDOM
    verdict = "stopping is reasonable" if stop else "going on may pay"
    return (
        f"As many trials again find a better score with probability {found}, and one that is better by more than one "
        f"run's noise (sigma) with probability {beyond}: {verdict}, as far as the scores can tell."
    )


def _is_averaged(document: "Mapping[str, Any]") -> bool:
    return document["method"] == "averaged"


def _print_top(document: "Mapping[str, Any]", console: "Console") -> None:
    """Print what the plan is about; an averaged answer has no threshold of its own."""
    from rich.text import Text

    if not _is_averaged(document):
        print_head(document, console)
        return
    direction = "minimized" if document["minimize"] else "maximized"
    console.print(Text(f"{document['metric']} in {document['file']}, {direction}", style="bold"))
    print_best(document, console)
    if document.get("noise"):
        console.print(Text(noise_line(document["noise"])))
    console.print()


def _print_basis(document: "Mapping[str, Any]", console: "Console") -> None:
    from rich.text import Text

    if _is_averaged(document):
        used = f"about {document['mean_used']:,.0f} of the best shape the answer"
        console.print(Text(f"From {document['num_scores']:,} trials; {used}", "dim"))
        console.print(indented(parameter_table(document), below=1))
        console.print(Text(in_words(document), "dim"))
        return
    show = score_format({**document, "tuning_curve": []})
    numbers = f"alpha {show(document['alpha'])}, beta {show(document['beta'])}, gamma {document['gamma']}"
    sigma = significant(document["sigma"], 3)
    console.print(Text(f"From the fit to {document['num_scores']:,} trials: {numbers}, sigma {sigma}", "dim"))
    explain_parameters(document, console)


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
        interval = _interval(document["interval"], percent(document.get("confidence", _CONFIDENCE)))
        return f"{count} {verb} {score} or {better} with probability {probability}{interval}."
    return _answer_of_width(document, reach, count)


def _answer_of_width(document: "Mapping[str, Any]", reach: str, count: str) -> str:
    asked, n, present = document["asked"], document["required_trials"], document["present_width"]
    at = f"at {show(asked['at'])} {'trial' if asked['at'] == 1 else 'trials'}"
    confidence = percent(asked["confidence"])
    if n is None:
        what = "A band" if present is None else f"A {confidence} interval of the tuning curve"
        return f"{what} that is {show(asked['width'])} wide {at} is {reach}."
    if present is None:
        return (
            f"{count} are needed for a {confidence} band of the tuning curve that is {show(asked['width'])} wide, or "
            f"narrower, {at}."
        )
    now = f"the {confidence} interval of the tuning curve {at} is {significant(present, 3)} wide"
    if n <= document["num_scores"]:
        return f"The {document['num_scores']:,} trials that were run are enough: {now}."
    return (
        f"{_rounded(n, 'About ')} trials in all are needed for a width of {show(asked['width'])}. Now {now}. This is "
        "an approximation: the width is taken to shrink with the square root of the number of trials, as it about "
        "does in simulated searches."
    )


def _interval(ends: "Mapping[str, float | None]", confidence: str) -> str:
    """Return the interval of a number of trials in words, in brackets."""
    low, high = ends["low"], ends["high"]
    if low is None:
        return ""
    last = "out of reach" if high is None else f"{float(f'{high:.2g}'):,.0f}"
    return f" ({confidence} interval: {float(f'{low:.2g}'):,.0f} to {last})"


def _chances(ends: "Mapping[str, float]") -> str:
    """Return the ends of a probability, in whole percent."""
    return f"{100 * ends['low']:.0f} to {100 * ends['high']:.0f} %"


def _rounded(n: float, about: str = "") -> str:
    """Return a number of trials: small ones as they are, large ones to the two digits that a fit can know."""
    return f"{about}{n:,.0f}" if n < 1000 else f"About {float(f'{n:.2g}'):,.0f}"
