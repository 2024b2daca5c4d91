"""JSON document and terminal tables of a choice of the threshold."""

from typing import TYPE_CHECKING, Any

from nqjax.report.documents import RegimeDocument
from nqjax.report.head import print_best
from nqjax.report.tables import finite, indented, score_format, small_table
from nqjax.runtime.text import chance, p_value, significant

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rich.console import Console

    from nqjax.checks.regime import Regime
    from nqjax.estimation.fit import Fit


def regime_document(regime: "Regime", shares: "Sequence[tuple[float, float, Fit]]" = ()) -> RegimeDocument:
    """Return the choice and its candidates, with fits at other shares of the scores: (share, threshold, fit)."""
    return {
        "found": regime.found,
        "reason": regime.reason,
        "threshold": finite(regime.threshold),
        "level": regime.level,
        "regime_probability": finite(regime.probability),
        "path": [
            {
                "threshold": one.threshold,
                "chosen": regime.found and one.threshold == regime.threshold,
                **_estimates(one.fit),
                "misfit": finite(one.misfit),
                "misfit_p_value": one.misfit_p_value,
                "instability": finite(one.instability),
                "instability_p_value": one.instability_p_value,
                "p_value": one.p_value,
            }
            for one in regime.path
        ],
        "movement": [{"share": share, "threshold": end, **_estimates(fit)} for share, end, fit in shares],
    }


def _estimates(fit: "Fit") -> dict[str, Any]:
    alpha, beta, sigma = (finite(value) for value in (fit.alpha, fit.beta, fit.sigma))
    return {"num_used": fit.num_used, "alpha": alpha, "beta": beta, "gamma": int(fit.gamma), "sigma": sigma}


def print_regime(document: "Mapping[str, Any]", console: "Console") -> None:
    """Print the candidates, and what was chosen."""
    from rich.text import Text

    direction = "minimized" if document["minimize"] else "maximized"
    console.print(Text(f"{document['metric']} in {document['file']}, {direction}", style="bold"))
    print_best(document, console)
    console.print()
    best = "alpha" if document["minimize"] else "beta"
    table = small_table("threshold", ["scores", best, "gamma", "all", "best", "both"], "")
    show = _score_format(document["path"])
    table.columns[0].justify = "right"
    for one in document["path"]:
        cells = [show(one["threshold"]), f"{one['num_used']:,}", show(one[best]), str(one["gamma"])]
        cells += [_p(one[name]) for name in ("misfit_p_value", "instability_p_value", "p_value")]
        note = "chosen" if one["chosen"] else "rejected" if one["p_value"] <= document["level"] else ""
        table.add_row(*cells, note, style="bold" if one["chosen"] else "")
    console.print(indented(table, below=1))
    console.print(
        Text(
            "The scores up to each threshold are fitted, and two tests try to reject the fit; these are their "
            "p-values. all: do all these scores follow the fit? best: does it describe the best of them as well as a "
            f"fit to these alone? both: the two together, rejected up to {document['level']:g}. The regime that is "
            "chosen is the largest one that is not rejected; it is often too large, so that nqjax fit averages over "
            "all of them instead.",
            style="dim",
        )
    )
    console.print()
    if document["found"]:
        share = chance(document["regime_probability"])
        side = "below" if document["minimize"] else "above"
        threshold = document["threshold_shown"]
        console.print(Text(f"Threshold {threshold}: {share} of all scores are at or {side} it, the regime."))
        console.print(Text(f"Why: {document['reason']}."))
    else:
        console.print(Text(f"No regime: {document['reason']}.", style="yellow"))


def print_movement(document: "Mapping[str, Any]", console: "Console") -> None:
    """Print how the estimates change with the threshold."""
    from rich.text import Text

    regime = document["regime"]
    chosen = next(one for one in regime["path"] if one["chosen"])
    p = p_value(chosen["p_value"])
    console.print(Text(f"Threshold {document['threshold_shown']}, chosen by tests ({p}): {regime['reason']}."))
    console.print()
    console.print(Text("How the estimates move with the threshold", style="bold"))
    rows = [*regime["movement"], {"share": chosen["num_used"] / document["num_scores"], **chosen}]
    best = "alpha" if document["minimize"] else "beta"
    table = small_table("best scores", ["threshold", best, "gamma", "sigma"], "")
    table.columns[0].justify = "right"
    show = _score_format([chosen])
    for one in sorted(rows, key=lambda one: one["share"]):
        cells = [f"{100 * one['share']:.0f} %", show(one["threshold"]), show(one[best])]
        note, style = ("chosen", "bold") if "chosen" in one else ("", "")
        table.add_row(*cells, str(one["gamma"]), significant(one["sigma"], 3), note, style=style)
    console.print(indented(table, below=1))


def _score_format(fits: "Sequence[Mapping[str, Any]]") -> "Callable[[float | None], str]":
    """Return the format of scores that suits the fit with the least noise."""
    least = min(fits, key=lambda one: max(one["sigma"] or 0.0, 1e-2 * abs((one["beta"] or 0) - (one["alpha"] or 0))))
    return score_format({**least, "tuning_curve": []})


def _p(number: float) -> str:
    return p_value(number).removeprefix("p ").removeprefix("= ").replace("< ", "<")
