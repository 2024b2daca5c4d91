"""Rows of the table of a landscape's numbers, as the terminal and the page show them."""

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from nqjax.runtime.text import percent, significant

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Numbers of the table: name, label, digits, and what the number says.
_ROWS = (
    ("assortativity_rank", "neighbours alike (L-ast, ranks)", 3, "1: smooth, 0: no better than chance"),
    ("assortativity", "neighbours alike (L-ast, raw)", 3, "a few huge losses decide it"),
    ("correlation_length", "correlation length", 2, "steps until ranks are nearly unrelated"),
    ("neutrality", "neutral neighbours", 3, "share within the tolerance"),
    ("ndc", "neutrality near the best (NDC)", 2, "positive: flatter near the best, at the tolerance"),
    ("ndc_half", "the same at half the tolerance", 2, "a sign that changes means little"),
    ("fdc", "loss against distance (FDC)", 3, "1: the loss tells the way to the best"),
    ("n_lo", "local optima", 0, "plateaus count once"),
    ("n_lo_flat_noise", "as many in flat noise", 0, "expected if all losses were noise"),
    ("n_lo_prominent", "prominent optima", 0, "deeper than noise can make them"),
    ("basin_global_share", "basin of the best", 3, "share whose descent ends at the best"),
    ("basin_effective", "effective number of basins", 3, ""),
    ("descent_steps_mean", "moves of a descent", 3, "mean"),
    ("access_global", "can descend to the best", 3, "share with some path of better neighbours"),
    ("funnels", "funnels", 0, "optima without a better one next to their basins"),
)

#: A smaller correlation of the errors of neighbours hardly matters; on small grids, chance makes larger ones.
_ALIKE = 0.05

#: Correlations, which are 0 in flat noise.
_CORRELATIONS = ("assortativity_rank", "assortativity", "ndc", "ndc_half", "fdc")


class NumberRow(NamedTuple):
    """A number of the table, in words."""

    name: str
    label: str
    value: str
    interval: str  # empty where it is not known
    flat: str  # the same number of flat noise, empty where it is not known
    meaning: str


def number_rows(document: "Mapping[str, Any]") -> list[NumberRow]:
    """Return the rows of those numbers that are valid."""
    redraws = document.get("redraws")
    intervals = redraws["intervals"] if redraws else {}
    rows = []
    for name, label, digits, meaning in _ROWS:
        value = document[name]
        if value is None:
            continue
        text = _shown(value, digits)
        if name in document["errors"]:
            text += f" ± {significant(document['errors'][name], 2)}"
        ends = intervals.get(name)
        interval = "" if ends is None else " to ".join(_shown(end, digits) for end in ends)
        rows.append(NumberRow(name, label, text, interval, _of_flat_noise(name, document), meaning))
    return rows


def _shown(value: float | None, digits: int) -> str:
    if value is None:
        return "?"
    if not digits:
        return f"{value:,.0f}"
    return f"{value:.{digits}f}" if abs(value) < 10 else significant(value, 3)


def _of_flat_noise(name: str, document: "Mapping[str, Any]") -> str:
    """Return what a number would be if all losses were independent noise of one size, where that is known."""
    if name in _CORRELATIONS:
        return "0"
    if name == "n_lo":
        return f"{document['n_lo_flat_noise']:,.0f}"
    if name == "n_lo_prominent" and document["noise_tolerance"] != document["tolerance"]:
        return "1"
    error = document["standard_error"]
    if name == "neutrality" and error:
        from nqjax.landscape.neutrality import noise_neutrality

        return f"{float(noise_neutrality(document['tolerance'], error)):.3f}"
    return ""


def refused_numbers(document: "Mapping[str, Any]") -> list[str]:
    """Return sentences that name the numbers that are not given, with the reason."""
    refused: dict[str, list[str]] = {}
    for name, label, _, _ in _ROWS:
        if name in document["reasons"] and document[name] is None:
            refused.setdefault(document["reasons"][name], []).append(label)
    return [f"Not given: {', '.join(labels)}. The reason: {reason}." for reason, labels in refused.items()]


def notes_on_numbers(document: "Mapping[str, Any]") -> list[str]:
    """Return sentences about the tolerance, and about intervals where there are any."""
    notes = []
    if document["tolerance"] is not None:
        words = f"Tolerance {significant(document['tolerance'], 3)}: smaller differences of losses count as none."
        notes.append(words)
    redraws = document.get("redraws")
    if redraws:
        notes.append(
            f"Intervals ({percent(redraws['confidence'])}, {redraws['draws']:,} redraws of the noise): where a number "
            "would be if the same configurations were run again. They say nothing about a landscape without noise."
        )
    return notes


def warning_of_redraws(document: "Mapping[str, Any]") -> str | None:
    """Return what speaks against the intervals; None where nothing does."""
    alike = document["redraws"]["errors_alike"] if document["redraws"] else None
    if alike is None or alike <= max(_ALIKE, 4 / math.sqrt(max(document["num_edges"], 1))):
        return None
    return (
        f"the intervals are too narrow: within a run, errors of neighbours correlate by {alike:.2f}, as where a seed "
        "draws the data, too, but redraws are independent"
    )
