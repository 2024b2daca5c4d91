"""Rows of the tables of a response surface, for the terminal and for the page."""

from typing import TYPE_CHECKING, Any, NamedTuple

from nqjax.runtime.text import as_sure, chance_among_draws, percent, significant
from nqjax.surface.configurations import value_text

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Least share of the variance that is worth a row.
LEAST_SHARE = 0.02

_NUMBERS = {
    "best": ("best score of the box", "without noise, at the optimum"),
    "sigma": ("noise of one run", "standard deviation of the same configuration, run again"),
    "effective_number": ("effective number", "how many hyperparameters matter near the optimum"),
}


class NumberRow(NamedTuple):
    """One number: the label, an estimate and an interval of each view, and what it means."""

    label: str
    cells: list[str]
    meaning: str


def texts(one: "Mapping[str, Any]") -> list[str]:
    """Return an estimate and the ends of its interval."""
    return as_sure([one[name] for name in ("estimate", "low", "high")], one["low"], one["high"])


def number_rows(document: "Mapping[str, Any]") -> list[NumberRow]:
    """Return the best score, sigma and the effective number, each with what the scores alone say, if anything."""
    rows = []
    for name, (label, meaning) in _NUMBERS.items():
        views = [document[name]]
        if document["agreement"]:
            views.append(document["agreement"][name]["scores"])
        cells: list[str] = []
        for one in views:
            estimate, low, high = texts(one)
            cells += [estimate, f"{low} to {high}"]
        rows.append(NumberRow(label, cells, meaning))
    return rows


def hyperparameter_rows(document: "Mapping[str, Any]") -> list[tuple[str, str, str]]:
    """Return each hyperparameter's name, optimum and interval."""
    rows = []
    for name, value in document["optimum"].items():
        region = document["optimum_region"].get(name)
        ends = "" if region is None else f"{region['low']:.3g} to {region['high']:.3g}"
        rows.append((name, value_text(value), ends))
    return rows


def direction_rows(document: "Mapping[str, Any]") -> list[tuple[str, str, str]]:
    """Return each direction's words, cost, and the probability that this is more than sigma."""
    return [
        (one["words"], significant(one["cost"], 2), chance_among_draws(one["probability"]))
        for one in document["directions"]
    ]


def importance_rows(document: "Mapping[str, Any]", size: int = 1) -> list[tuple[str, str, str]]:
    """Return the shares of single hyperparameters (size 1) or of pairs (2) with intervals, the largest first."""
    rows = [one for one in document["importance"] if len(one["of"]) == size and abs(one["estimate"]) >= LEAST_SHARE]
    return [
        (
            " with ".join(one["of"]),
            percent(one["estimate"], 2),
            f"{percent(one['low'], 2)} to {percent(one['high'], 2)}",
        )
        for one in sorted(rows, key=lambda one: -abs(one["estimate"]))
    ]
