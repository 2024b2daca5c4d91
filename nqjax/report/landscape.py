"""JSON document, sentences and terminal tables of a landscape."""

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from nqjax.errors import InputError
from nqjax.report.landscape_numbers import notes_on_numbers, number_rows, refused_numbers, warning_of_redraws
from nqjax.report.tables import finite, indented, small_table, warn
from nqjax.runtime.text import percent, significant

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from nqjax.landscape.geometry import Geometry
    from nqjax.landscape.landscape import Landscape
    from nqjax.landscape.metrics import Metrics
    from nqjax.landscape.redraws import Redraws

#: Optima and hyperparameters that are listed.
_LISTED = 10

#: A share below this is what rounding leaves of zero.
_ROUNDING = 1e-9

#: A regime that is fewer tolerances deep than this cannot be told from one valley.
_DEEP_ENOUGH = 3.0


def landscape_document(
    land: "Landscape",
    metrics: "Metrics",
    *,
    file: str,
    metric: "Sequence[str]",
    threshold: float | None = None,
    redraws: "Redraws | None" = None,
) -> dict[str, Any]:
    """Return the document of a landscape.

    Parameters
    ----------
    land : Landscape
    metrics : Metrics
        Its numbers.
    file : str
        The name of the source.
    metric : sequence of str
        The columns of scores.
    threshold : float, optional
        The worst score of the regime; None for no regime.
    redraws : Redraws, optional
        Redraws of its noise, for intervals.
    """
    found: dict[str, Any] = {
        "file": file,
        "metric": list(metric),
        "minimize": land.minimize,
        "configurations": len(land),
        "rows": land.num_rows,
        "kind": land.space.kind,
        "grid": land.space.expected if land.space.kind != "continuous" else None,
        "runs": land.num_seeds,
        "sigma": land.sigma,
        "standard_error": land.replicates.standard_error,
        "hyperparameters": {
            axis.name: {"ordered": axis.ordered, "levels": len(axis.levels)} for axis in land.space.axes
        },
        "constant": list(land.space.constant),
        "best_score": float(np.nanmin(land.scores) if land.minimize else np.nanmax(land.scores)),
        **{name: value for name, value in metrics.to_dict().items() if name not in ("num_configurations", "loss_best")},
    }
    found["redraws"] = None if redraws is None else _redraws(redraws)
    found["optima"] = _optima(land, metrics)
    found["importance"] = _importance(land)
    found["regime"] = None if threshold is None else _regime(land, metrics, threshold)
    found["warnings"] = [*found["warnings"], *filter(None, [warning_of_redraws(found)])]
    found["answer"] = _sentences(found, land)
    return found


def _redraws(redraws: "Redraws") -> dict[str, Any]:
    intervals = {name: [finite(end) for end in ends] for name, ends in redraws.intervals.items()}
    return {
        "draws": redraws.draws,
        "confidence": redraws.confidence,
        "intervals": intervals,
        "errors_alike": redraws.errors_alike,
    }


def _optima(land: "Landscape", metrics: "Metrics") -> list[dict[str, Any]]:
    """Return the best optima, of which only those deeper than the noise if it is known."""
    if metrics.n_lo is None:
        return []
    tolerance = metrics.noise_tolerance if metrics.noise_tolerance is not None else metrics.tolerance
    return [
        {
            "configuration": one.configuration,
            "score": finite(one.score),
            "prominence": finite(one.prominence),
            "basin_share": one.basin_share,
            "size": one.size,
        }
        for one in land.optima(tolerance or 0.0)[:_LISTED]
    ]


def _importance(land: "Landscape") -> dict[str, Any] | None:
    """Return the functional ANOVA of ranks, the most important hyperparameter first; None where it is not valid."""
    try:
        anova = land.importance()
    except InputError:
        return None
    names = sorted(anova.main, key=lambda name: -anova.total(name))
    if not all(math.isfinite(anova.main[name]) for name in names):
        return None
    pairs = sorted(anova.pairs.items(), key=lambda item: -item[1])[:_LISTED]
    return {
        "main": {name: anova.main[name] for name in names},
        "total": {name: anova.total(name) for name in names},
        "pairs": [{"names": list(pair), "share": share} for pair, share in pairs],
        "additive": anova.additive,
        "order2": anova.order2,
    }


def _regime(land: "Landscape", metrics: "Metrics", threshold: float) -> dict[str, Any]:
    """Return what a landscape says of a regime: its depth, its prominent optima, its hyperparameters."""
    geometry: Geometry = land.geometry(threshold)
    limit = threshold if land.minimize else -threshold
    tolerance = metrics.noise_tolerance
    depth, inside = None, None
    if tolerance:
        depth = (limit - float(land.heights.levels[0])) / tolerance
        inside = sum((one.score if land.minimize else -one.score) <= limit for one in land.optima(tolerance))
    return {**geometry.to_dict(), "depth_in_tolerances": depth, "prominent_inside": inside}


def _sentences(found: dict[str, Any], land: "Landscape") -> list[str]:
    """Return the answer in sentences."""
    upto = "" if int(land.replicates.count.min()) == found["runs"] else "up to "
    runs = f", {upto}{found['runs']} runs each, averaged" if found["runs"] > 1 else ""
    noise = f" (sigma {significant(found['sigma'], 3)} of one run near the best)" if found["sigma"] is not None else ""
    sentences = [f"{land.extent}{runs}{noise}."]
    if found["num_failed"]:
        sentences.append(f"{found['num_failed']:,} failed: they count as worse than all others.")
    sentences.append(_of_optima(found))
    if found["regime"] is not None:
        sentences += _of_regime(found)
    elif found["importance"] is not None:
        sentences.append(_of_importance(found["importance"]))
    return sentences


def _of_optima(found: dict[str, Any]) -> str:
    if found["n_lo"] is None:
        return f"Local optima and basins are not given: {found['reasons']['n_lo']}."
    many = f"{found['n_lo']:,} local optim{'um' if found['n_lo'] == 1 else 'a'}"
    flat = f"(flat noise alone would make {found['n_lo_flat_noise']:,.0f})"
    count = found["n_lo_prominent"]
    if count is None:
        return f"{many} {flat}; how many are more than noise cannot be told: {found['reasons']['n_lo_prominent']}."
    if found["n_lo"] == 1:
        return f"There is 1 local optimum {flat}."
    verb = "is" if count == 1 else "are"
    return f"Of {many} {flat} {count:,} {verb} deeper than {significant(found['noise_tolerance'], 3)}, {_what(found)}."


def _what(found: dict[str, Any]) -> str:
    if found["noise_tolerance"] == found["tolerance"]:
        return "the tolerance that was given"
    return "which noise near the best exceeds in 5 % of cases"


_NONE_DECIDES = (
    "No hyperparameter decides whether a configuration is in the regime: good configurations are spread like all."
)


def _of_regime(found: dict[str, Any]) -> list[str]:
    regime = found["regime"]
    side = "at most" if found["minimize"] else "at least"
    where = f"the regime (scores of {side} {regime['threshold']:.6g}, {percent(regime['share'], 3)} of all)"
    depth, inside = regime["depth_in_tolerances"], regime["prominent_inside"]
    if depth is None:
        why = "the noise is unknown" if found["n_lo"] is not None else "not all neighbours were run"
        first = f"How many valleys {where} has cannot be told: {why}."
    elif depth < _DEEP_ENOUGH:
        first = (
            f"How many valleys {where} has cannot be told: it is only {depth:.3g} tolerances deep, and less than "
            f"{_DEEP_ENOUGH:g} hide all but the best."
        )
    elif inside == 1:
        first = f"One lies in {where}, {depth:.2g} tolerances deep: a search that gets there has one valley to go down."
    else:
        first = f"{inside} lie in {where}, {depth:.2g} tolerances deep: a search that gets there has {inside} valleys."
    counting = regime["counting"]
    if not counting:
        return [first, _NONE_DECIDES]
    verb = "decides" if len(counting) == 1 else "decide"
    return [first, f"{_listed(counting)} {verb} whether a configuration is in the regime."]


def _of_importance(importance: dict[str, Any]) -> str:
    shares = [(name, percent(share, 2)) for name, share in list(importance["total"].items())[:2]]
    first = f"{shares[0][0]} explains {shares[0][1]} of the variance of the ranks"
    if len(shares) == 1:
        return f"{first}."
    left = 1 - importance["order2"]
    rest = percent(left if left > _ROUNDING else 0.0, 2)
    return f"{first} and {shares[1][0]} {shares[1][1]} (alone and in pairs); {rest} needs three or more together."


def _listed(names: "Sequence[str]") -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def metric_in_words(document: "Mapping[str, Any]") -> str:
    """Return the name of the column of scores, and the number of further ones."""
    names = document["metric"]
    more = len(names) - 1
    return f"{names[0]} and {more} more column{'s' * (more > 1)}" if more else str(names[0])


def print_landscape(document: "Mapping[str, Any]", console: "Console") -> None:
    """Print the answer, the numbers, the best optima and the hyperparameters."""
    from rich.text import Text

    direction = "minimized" if document["minimize"] else "maximized"
    console.print(
        Text(f"The landscape of {metric_in_words(document)} in {document['file']}, {direction}", style="bold")
    )
    console.print()
    console.print(Text(" ".join(document["answer"])))
    console.print()
    warn(document, console)
    _print_numbers(document, console)
    _print_optima(document, console)
    _print_importance(document, console)
    _print_relevance(document, console)
    if "embedding" in document:
        trust = f"{document['embedding']['trustworthiness']:.2f} (1 at best; places at random: 0.5 to 0.7)"
        console.print(Text(f"Trustworthiness of the embedding: {trust}"))


def _print_numbers(document: "Mapping[str, Any]", console: "Console") -> None:
    from rich.text import Text

    rows = number_rows(document)
    redraws = document["redraws"]
    intervals = [] if redraws is None else [percent(redraws["confidence"])]
    table = small_table("number", ["value", *intervals], "meaning")
    for row in rows:
        table.add_row(row.label, row.value, *([row.interval] if intervals else []), Text(row.meaning, style="dim"))
    console.print(indented(table, below=1))
    for sentence in (*notes_on_numbers(document), *refused_numbers(document)):
        console.print(indented(Text(sentence, style="dim"), below=1))


def _print_optima(document: "Mapping[str, Any]", console: "Console") -> None:
    from rich.text import Text

    if not document["optima"]:
        return
    console.print(Text("The best optima", style="bold"))
    table = small_table("score", ["prominence", "basin"], "configuration")
    table.columns[0].justify = "right"
    for *cells, config in optimum_rows(document):
        table.add_row(*cells, Text(config))
    console.print(indented(table, below=1))


def optimum_rows(document: "Mapping[str, Any]") -> list[tuple[str, ...]]:
    """Return the cells of the table of optima: score, prominence, share of the basin, configuration."""
    rows: list[tuple[str, ...]] = []
    for one in document["optima"]:
        prominence = "best" if one["prominence"] is None else significant(one["prominence"], 3)
        config = ", ".join(f"{name}={shown_level(value)}" for name, value in one["configuration"].items())
        size = f" ({one['size']:,} equal)" if one["size"] > 1 else ""
        score = "failed" if one["score"] is None else f"{one['score']:.6g}"
        rows.append((score, prominence, percent(one["basin_share"], 2), config + size))
    return rows


def shown_level(value: Any) -> str:
    """Return a value of a hyperparameter in words."""
    return "none" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


def _print_importance(document: "Mapping[str, Any]", console: "Console") -> None:
    from rich.text import Text

    importance = document["importance"]
    if importance is None:
        return
    console.print(Text("Importance over the whole grid: shares of the variance of ranks", style="bold"))
    table = small_table("hyperparameter", ["alone", "with pairs"])
    for name, share in list(importance["main"].items())[:_LISTED]:
        table.add_row(Text(name), percent(share, 2), percent(importance["total"][name], 2))
    console.print(indented(table, below=1))


def _print_relevance(document: "Mapping[str, Any]", console: "Console") -> None:
    from rich.text import Text

    regime = document["regime"]
    if regime is None:
        return
    console.print(Text("Relevance: how much narrower the regime is along each hyperparameter", style="bold"))
    table = small_table("hyperparameter", ["relevance", "counts above"], "")
    for name, one in list(regime["relevance"].items())[:_LISTED]:
        notes = ["counts"] * one["counts"] + ["categorical"] * (not one["ordered"])
        least = "?" if one["least"] is None else f"{one['least']:.2f}"
        table.add_row(Text(name), f"{one['value']:.2f}".replace("-0.00", "0.00"), least, ", ".join(notes))
    console.print(indented(table, below=1))
