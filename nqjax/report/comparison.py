"""JSON document and terminal table of a comparison of two posteriors."""

from typing import TYPE_CHECKING, Any

import numpy as np

from nqjax.posterior.averaged import AveragedPosterior
from nqjax.report.averaged import threshold_entries
from nqjax.report.documents import ComparisonDocument, Head
from nqjax.report.head import noise_line
from nqjax.report.tables import finite, indented, shares_of, small_table, warn
from nqjax.runtime.text import as_sure, chance, chance_among_draws, percent, same_side, significant

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from nqjax.posterior.comparison import Comparable, Comparison
    from nqjax.types import Floats


#: One search is said to be better from this probability on.
BETTER = 0.995


def comparison_document(
    comparison: "Comparison",
    posts: "tuple[Comparable, Comparable]",
    *,
    metric: str,
    minimize: bool,
    cost: "Sequence[float]",
    seed: int,
    searches: list[dict[str, Any]],
    names: tuple[str, str],
    confidence: float,
    warnings: list[str],
) -> ComparisonDocument:
    """Return which search wins at each number of trials."""
    starts, sizes = [post.regime_start for post in posts], [post.num_scores for post in posts]
    low, high = comparison.interval(confidence)
    middle = np.median(comparison.difference, axis=0)
    rows = zip(
        comparison.trials_a,
        comparison.trials_b,
        comparison.probability,
        comparison.probability_median,
        low,
        middle,
        high,
        strict=True,
    )
    return {
        "metric": metric,
        "minimize": minimize,
        "cost": list(cost),
        "seed": seed,
        "searches": searches,
        "names": list(names),
        "confidence": confidence,
        "comparison": [
            {
                "trials_a": float(n),
                "trials_b": float(m),
                "probability": float(p),
                "probability_median": float(q),
                "difference": {"low": finite(a), "median": finite(b), "high": finite(c)},
                "in_regime": bool(n >= starts[0] and m >= starts[1]),
                "extrapolated": bool(n > sizes[0] or m > sizes[1]),
            }
            for n, m, p, q, a, b, c in rows
        ],
        "warnings": warnings,
    }


def search_entry(post: "Comparable", scores: "Floats", head: Head, warned: "Sequence[str]" = ()) -> dict[str, Any]:
    """Return what a document says of one search.

    ``head`` has its threshold, or the most probable one; ``warned`` are the warnings about its file and its answer.
    """
    limited = bool(warned or getattr(post, "warnings", ()))
    found = {
        "threshold": head["threshold"],
        "threshold_shown": head["threshold_shown"],
        "best_score": head["best_score"],
        "num_scores": post.num_scores,
        "gamma_probabilities": {str(gamma): float(p) for gamma, p in post.gamma_probabilities.items()},
        "regime_start": finite(post.regime_start),
    }
    if not isinstance(post, AveragedPosterior):
        return {
            **found,
            "method": post.method,
            "num_used": post.num_used,
            "good": bool(post.diagnostics.good),
            "verdict": post.diagnostics.verdict,
        }
    seen = np.asarray(scores)[np.isfinite(scores)]
    shown = [same_side(end, seen, post.minimize) for end in post.interval("threshold")]
    draws = f"the draws tell as much as {post.effective_draws:,.0f} independent ones"
    return {
        **found,
        "method": "averaged",
        "num_used": round(post.mean_used),
        "thresholds": threshold_entries(post, scores),
        "interval": percent(post.confidence),
        "threshold_range": shown,
        "gamma": {
            "estimate": post.estimate("gamma"),
            **dict(zip(("low", "high"), post.interval("gamma"), strict=True)),
        },
        "effective_draws": post.effective_draws,
        "good": not limited,
        "verdict": f"{draws}; {'see the warnings' if limited else 'nothing is known to limit the answer'}",
    }


def print_comparison(document: ComparisonDocument, console: "Console") -> None:
    """Print which search wins at each number of trials."""
    from rich.text import Text

    first, second = document["names"]
    direction, negative = ("lower", "below 0") if document["minimize"] else ("higher", "above 0")
    console.print(Text(f"A: {first}\nB: {second}\n{document['metric']}, {direction} is better", "bold"))
    for name, search in zip("AB", document["searches"], strict=True):
        console.print(f"Best score seen in {name}: {significant(search['best_score'], 5)}")
        if search.get("noise"):
            console.print(Text(noise_line(search["noise"])))
    console.print()
    for name, search in zip("AB", document["searches"], strict=True):
        console.print(Text(_about(name, search)))
    console.print()
    warn(document, console)
    table = small_table(
        "trials", ["A wins", "A's median is better", "A - B", f"{percent(document['confidence'])} credible"]
    )
    table.columns[0].no_wrap = True
    for row in document["comparison"]:
        median, low, high = _as_sure(row["difference"])
        trials = f"{row['trials_a']:,g}"
        if row["trials_a"] != row["trials_b"]:
            trials += f" and {row['trials_b']:,.4g}"
        marks = "*" * row["extrapolated"] + "†" * (not row["in_regime"])
        trials = f"{trials} {marks}".rstrip()
        table.add_row(
            trials,
            chance_among_draws(row["probability"]),
            chance_among_draws(row["probability_median"]),
            median,
            f"{low} to {high}",
            style="" if row["in_regime"] else "dim",
        )
    console.print(indented(table, below=1))
    console.print(Text(in_words(document)))
    console.print()
    console.print(
        Text(
            "A wins: the best of n new trials of A is better than the best of as many (or as costly) ones of B.\n"
            "A's median is better: the median of A's best score would be, if both searches were repeated very often.\n"
            f"A - B: the difference of the best scores of such trials; {negative} is better for A.\n"
            "* more trials than one of the searches has; † outside the regime of one, where the fit says nothing",
            "dim",
        )
    )


def _about(name: str, search: "Mapping[str, Any]") -> str:
    """Return a search's thresholds, gammas and diagnostics in a sentence."""
    if search["method"] == "averaged":
        low, high = search["threshold_range"]
        ends = search["gamma"]["low"], search["gamma"]["high"]
        gamma, first, last = as_sure([search["gamma"]["estimate"], *ends], *ends)
        return (
            f"{name}: thresholds {f'{low} to {high}' if low != high else low} ({search['interval']}), about "
            f"{search['num_used']:,} of {search['num_scores']:,} scores shape the answer; gamma {gamma} ({first} to "
            f"{last}); {search['verdict']}."
        )
    limit = "no threshold" if search["threshold"] is None else f"threshold {search['threshold_shown']}"
    return (
        f"{name}: {limit}, {search['num_used']:,} of {search['num_scores']:,} scores fitted; gamma "
        f"{shares_of(search['gamma_probabilities'])}; {search['verdict']}."
    )


def in_words(document: ComparisonDocument) -> str:
    """Say whether one search is better: only if its median is, with high probability, at every number that is shown.

    Numbers of trials outside a regime, or beyond those that were run, do not count.
    """
    known = [row for row in document["comparison"] if row["in_regime"] and not row["extrapolated"]]
    if not known:
        return "No number of trials lies within both regimes and both searches: the scores do not compare them."
    last = known[-1]
    share = last["probability_median"]
    better, sure = ("A", share) if share >= 0.5 else ("B", 1 - share)
    sure = min(sure, 1 - 1e-9)  # draws are never quite sure
    where = f"with {last['trials_a']:,g} trials"
    if sure < BETTER:
        return (
            f"The scores do not tell which search is better {where}: {better}'s median is, with probability "
            f"{chance(sure, 2)} only."
        )
    return f"{better} is better {where}: its median is, with probability {chance(sure, 2)}, if both models hold."


def _as_sure(difference: dict[str, float | None]) -> list[str]:
    return as_sure([difference[name] for name in ("median", "low", "high")], difference["low"], difference["high"])
