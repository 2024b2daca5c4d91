"""JSON document and terminal tables of a choice of the threshold."""

from typing import TYPE_CHECKING, Any

from nqjax.report.documents import RegimeDocument
from nqjax.report.head import print_best
from nqjax.report.tables import finite, indented, small_table
from nqjax.runtime.text import chance, significant

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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
    table = small_table("threshold", ["scores", best, "gamma", "own", "inside", "both"], "")
    table.columns[0].justify = "right"
    for one in document["path"]:
        cells = [significant(one["threshold"], 5), f"{one['num_used']:,}", significant(one[best], 5), str(one["gamma"])]
        cells += [_p(one[name]) for name in ("misfit_p_value", "instability_p_value", "p_value")]
        note = "chosen" if one["chosen"] else "rejected" if one["p_value"] <= document["level"] else ""
        table.add_row(*cells, note, style="bold" if one["chosen"] else "")
    console.print(indented(table, below=1))
    console.print(
        Text(
            "p-values of two tests. own: do the scores follow their fit? inside: does the fit describe the best of "
            "them as well as a fit to these alone? both: the two together. The largest regime that is not rejected is "
            "chosen.",
            style="dim",
        )
    )
    console.print()
    if document["found"]:
        share = chance(document["regime_probability"])
        console.print(
            Text(f"Threshold {document['threshold_shown']}: a score is in the regime with probability {share}")
        )
        console.print(Text(f"Because {document['reason']}."))
    else:
        console.print(Text(f"No regime: {document['reason']}.", style="yellow"))


def print_movement(document: "Mapping[str, Any]", console: "Console") -> None:
    """Print how the estimates change with the threshold."""
    from rich.text import Text

    regime = document["regime"]
    chosen = next(one for one in regime["path"] if one["chosen"])
    p = _p(chosen["p_value"])
    console.print(Text(f"Threshold {document['threshold_shown']}, chosen automatically (p = {p}): {regime['reason']}."))
    rows = [*regime["movement"], {"share": chosen["num_used"] / document["num_scores"], **chosen}]
    best = "alpha" if document["minimize"] else "beta"
    table = small_table("best scores", ["threshold", best, "gamma", "sigma"], "")
    table.columns[0].justify = "right"
    for one in sorted(rows, key=lambda one: one["share"]):
        cells = [f"{100 * one['share']:.0f} %", significant(one["threshold"], 5), significant(one[best], 5)]
        note, style = ("chosen", "bold") if "chosen" in one else ("", "")
        table.add_row(*cells, str(one["gamma"]), significant(one["sigma"], 3), note, style=style)
    console.print()
    console.print(indented(table, below=1))


def _p(number: float) -> str:
    return "<0.001" if number < 1e-3 else f"{number:.2g}"
