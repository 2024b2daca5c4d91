"""The answer for few scores: a band of the tuning curve that holds whatever the scores follow."""

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from nqjax.report.head import print_head
from nqjax.report.tables import finite, indented, small_table, warn
from nqjax.runtime.text import as_sure, percent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

    from nqjax.confidence.bands import Bands
    from nqjax.types import Floats


_TOO_STEEP = (
    "From the best one on, the scores get worse faster than near the optimum of any quadratic: they do not tell alpha, "
    "beta, gamma and sigma. What follows holds whatever the scores follow. Narrow the search space around the best "
    "trials and run more, or give --threshold to see the fit anyway."
)

#: Confidence of the band.
_CONFIDENCE = 0.95


def few_answer(scores: "Floats", *, minimize: bool, num_used: int, why: str = "few") -> dict[str, Any]:
    """Return the distribution-free answer of a document: a simultaneous band of the median tuning curve.

    It has powers of two and the number of scores, as far as the scores bound how good the best of n trials may be.
    ``why`` is that of `AveragedPosterior.untold`.
    """
    y = np.where(np.isfinite(scores), scores, math.inf if minimize else -math.inf)
    bands = _quiet_bands(y, minimize)
    trials = sorted({*(2**k for k in range(len(y).bit_length())), len(y)})
    curve = bands.quantile_tuning_curve(trials)
    low, high = bands.quantile_tuning_curve_band(trials)
    return {
        "why": why,
        "num_used": num_used,
        "confidence": _CONFIDENCE,
        "tuning_curve": [
            {"trials": n, "low": finite(a), "median_best_score": finite(b), "high": finite(c)}
            for n, a, b, c in zip(trials, low, curve, high, strict=True)
        ],
    }


def _quiet_bands(y: "Floats", minimize: bool) -> "Bands":
    """Return the band without its warning about ties, which does not matter here."""
    import warnings

    from nqjax.confidence.bands import confidence_bands

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return confidence_bands(y, _CONFIDENCE, minimize=minimize)


def print_few(document: "Mapping[str, Any]", console: "Console") -> None:
    """Print the answer for few scores: a sentence and the band."""
    from rich.text import Text

    few = document["few"]
    # The band uses no threshold.
    print_head({**document, "threshold": None}, console)
    console.print(Text(_TOO_STEEP if few["why"] == "steep" else _too_few(few["num_used"])))
    console.print()
    warn({"warnings": few["warnings"]}, console)
    console.print(
        Text(
            f"Tuning curve: the median of the best score after n trials, {percent(few['confidence'])} band for all n "
            "together",
            "bold",
        )
    )
    table = small_table("trials", ["low", "as seen", "high"])
    table.columns[0].justify = "right"
    for row in few["tuning_curve"]:
        numbers = [row[name] for name in ("low", "median_best_score", "high")]
        known = [number for number in numbers if number is not None]
        cells = as_sure(numbers, min(known, default=None), max(known, default=None))
        table.add_row(f"{row['trials']:,}", *("none" if cell == "?" else cell for cell in cells))
    console.print(indented(table))
    console.print(indented(Text("none: the scores give no limit here", "dim")))


def _too_few(count: int) -> str:
    scores = "1 score is" if count == 1 else f"{count} scores are"
    return (
        f"Only {scores} near enough to the best one to be fitted: too few to tell alpha, beta, gamma and sigma. "
        "What follows holds whatever the scores follow. Run more trials, or give --threshold to see the fit anyway."
    )
