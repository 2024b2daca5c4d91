"""JSON documents and terminal tables of confidence bands and regions."""

from typing import TYPE_CHECKING, Any

import numpy as np

from nqjax.analysis.threshold import REJECTED, rejection
from nqjax.checks.noise_alone import NOISE_ALONE
from nqjax.confidence.bands import tie_warning
from nqjax.report.documents import BandsDocument, Head, RegionDocument
from nqjax.report.head import print_head
from nqjax.report.tables import MEANING, describes, finite, indented, meanings, small_table, warn
from nqjax.runtime.text import as_sure, percent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from rich.console import Console
    from rich.table import Table

    from nqjax.confidence.bands import Bands
    from nqjax.confidence.region import Region


#: Columns of the tuning curve.
_COLUMNS = ("low", "median_best_score", "high")

#: Warning on every bootstrap region.
_UNDERCOVERAGE = (
    "percentile intervals of the bootstrap cover less than they say for alpha and gamma of small searches "
    "(docs/coverage.md): --method profile is calibrated"
)


def bands_document(
    bands: "Bands", *, head: Head, confidence: float, method: str, trials: "Sequence[float]"
) -> BandsDocument:
    """Return the document of a band for the CDF, at every score, and for the median tuning curve."""
    minimize = head["minimize"]
    y = np.unique(bands.point.scores)
    y = y[np.isfinite(y)]
    curve = [one.quantile_tuning_curve(trials, minimize=minimize) for one in (bands.upper, bands.point, bands.lower)]
    return {
        **head,
        "confidence": confidence,
        "method": method,
        "num_scores": len(bands.point.scores),
        "tuning_curve": _curve(trials, *curve),
        "cdf": [
            {"score": float(at), "low": float(low), "empirical": float(point), "high": float(high)}
            for at, low, point, high in zip(y, *(one.cdf(y) for one in bands), strict=True)
        ],
        "warnings": [text] if (text := tie_warning(bands.point.scores, bands.point.support, method)) else [],
    }


def region_document(
    region: "Region", *, head: Head, confidence: float, method: str, trials: "Sequence[float]"
) -> RegionDocument:
    """Return the document of a region: its intervals, its gammas and its band for the tuning curve."""
    ends = {name: region.interval(name) for name in ("alpha", "beta", "sigma", "regime_probability")}
    low, high = region.quantile_tuning_curve_band(trials)
    # A consonance region has the band of all distributions outside the regime, which holds there, too.
    start = getattr(getattr(region, "fit", region), "regime_start", None)
    within = "keeps within the band over the regime" if method == "consonance" else "fits well enough"
    empty = f"no noisy quadratic {within}: choose a threshold with fewer scores"
    return {
        **head,
        "confidence": confidence,
        "method": method,
        "num_scores": region.num_scores,
        "gammas": list(region.gammas),
        "intervals": {name: {"low": finite(a), "high": finite(b)} for name, (a, b) in ends.items()},
        "tuning_curve": [
            {**row, "in_regime": start is None or row["trials"] >= start} for row in _curve(trials, low, None, high)
        ],
        "regime_start": None if start is None else finite(start),
        "warnings": [empty] if region.is_empty else _warnings(region, method),
    }


def _warnings(region: "Region", method: str) -> list[str]:
    warnings = [_UNDERCOVERAGE] if method == "bootstrap" else []
    fit = getattr(region, "fit", None)
    if fit is not None and fit.p_value < REJECTED:
        warnings.append(rejection(fit))
    if not getattr(region, "is_good", True):
        warnings.append(region.diagnostics.verdict)  # type: ignore[attr-defined]
    return warnings


def print_confidence(document: "Mapping[str, Any]", console: "Console") -> None:
    """Print a band or a region as tables."""
    from rich.text import Text

    print_head(document, console)
    confidence = percent(document["confidence"])
    if "intervals" in document:
        console.print(indented(_intervals(document, confidence), below=1))
    warn(document, console)
    together = document["method"] not in ("profile", "bootstrap", "posterior")
    console.print(
        Text(
            f"Tuning curve: the median of the best score after n trials, {confidence} "
            + ("band for all n together" if together else "interval for each n"),
            "bold",
        )
    )
    with_point = "median_best_score" in document["tuning_curve"][0]
    table = small_table("trials", ["low", *["as seen"] * with_point, "high"], "")
    table.columns[0].justify = "right"
    outside = False
    for point in document["tuning_curve"]:
        inside = point.get("in_regime", True)
        outside |= not inside
        numbers = [point[name] for name in _COLUMNS if name in point]
        known = [number for number in numbers if number is not None]
        # Where one end is unlimited, the distance of the others is all that tells how sure they are.
        cells = as_sure(numbers, min(known, default=None), max(known, default=None), 2 if inside else 1)
        cells = ["none" if cell == "?" else cell for cell in cells]
        note = "" if inside else "outside the regime"
        table.add_row(f"{point['trials']:,}", *cells, note, style="" if inside else "dim")
    console.print(indented(table))
    if outside:
        words = f"outside the regime: the fit {describes(document['regime_start'])}, and says nothing here"
        console.print(indented(Text(words, "dim")))
    if any(point[end] is None for point in document["tuning_curve"] for end in ("low", "high")):
        support = "; --support gives the lowest and the highest possible score" if with_point else ""
        console.print(indented(Text(f"none: the scores give no limit here{support}", "dim")))


def _intervals(document: "Mapping[str, Any]", confidence: str) -> "Table":
    """Return the table of the parameters."""
    words = meanings(document["minimize"])
    table = small_table("", [f"{confidence} {document['method']}"], MEANING)
    for name, ends in document["intervals"].items():
        found = "none"
        if document["gammas"]:
            low, high = as_sure([*ends.values()], ends["low"], ends["high"])
            found = f"{'no limit' if low == '?' else low} to {'no limit' if high == '?' else high}"
        table.add_row(name.replace("regime_probability", "in regime"), found, words[name])
        if name == "beta":
            gammas = ", ".join(map(str, document["gammas"])) or "none"
            table.add_row("gamma", "not told" if NOISE_ALONE in document["warnings"] else gammas, words["gamma"])
    return table


def _curve(
    trials: "Sequence[float]",
    low: "NDArray[np.float64]",
    point: "NDArray[np.float64] | None",
    high: "NDArray[np.float64]",
) -> list[dict[str, Any]]:
    rows = []
    for i, n in enumerate(trials):
        row: dict[str, Any] = {"trials": int(n) if n == int(n) else float(n), "low": finite(low[i])}
        if point is not None:
            row["median_best_score"] = finite(point[i])
        rows.append({**row, "high": finite(high[i])})
    return rows
