"""The first lines of every report: metric, file, direction, threshold, and the best score that was seen."""

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from nqjax.report.documents import Head
from nqjax.runtime.text import as_sure, same_side, significant

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console

    from nqjax.types import Floats


def head_of(
    file: str | None, metric: str, minimize: bool, threshold: float | None = None, scores: "Floats | None" = None
) -> Head:
    """Return the entries that the documents of all commands have in common.

    Parameters
    ----------
    file, metric : str
    minimize : bool
    threshold : float, optional
        The losing end of the regime.
    scores : ndarray, shape (num_scores,), optional
    """
    finite = np.zeros(0) if scores is None else np.asarray(scores)[np.isfinite(scores)]
    known = threshold is not None and math.isfinite(threshold)
    return {
        "file": file,
        "metric": metric,
        "minimize": bool(minimize),
        "threshold": threshold if known else None,
        "threshold_shown": same_side(float(threshold), finite, minimize) if known and threshold is not None else None,
        "best_score": float(np.min(finite) if minimize else np.max(finite)) if finite.size else None,
    }


def print_head(document: "Mapping[str, Any]", console: "Console") -> None:
    """Print the metric, the file, the direction, the threshold, and the best score that was seen."""
    from rich.text import Text

    direction = "minimized" if document["minimize"] else "maximized"
    limit = "no threshold" if document["threshold"] is None else f"threshold {document['threshold_shown']}"
    console.print(Text(f"{document['metric']} in {document['file']}, {direction}, {limit}", style="bold"))
    print_best(document, console)
    if document.get("noise"):
        console.print(Text(noise_line(document["noise"])))
    console.print()


def noise_line(noise: "Mapping[str, Any]") -> str:
    """Return the line about measured noise that was given."""
    sigma, low, high = as_sure([noise["sigma"], *noise["interval"]], *noise["interval"])
    by = f" (by {', '.join(noise['config'])})" if noise["config"] else ""
    left = [
        f"{number} {one if number == 1 else many} left out"
        for number, one, many in (
            (noise["num_failed"], "failed run", "failed runs"),
            (noise["num_left_out"], "worse configuration", "worse configurations"),
        )
        if number
    ]
    runs = f"{noise['num_runs']} runs of {noise['configurations']} configuration{'s' * (noise['configurations'] > 1)}"
    counts = ", ".join([runs, *left])
    return f"Noise of a run, from {noise['source']}{by}: {sigma} (95 %: {low} to {high}); {counts}"


def print_best(document: "Mapping[str, Any]", console: "Console") -> None:
    """Print the best score that was seen, if there is one."""
    if document.get("best_score") is not None:
        console.print(f"Best score seen: {significant(document['best_score'], 5)}")
