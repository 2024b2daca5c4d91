"""Terminal tables and HTML page of an analysis."""

import contextlib
import textwrap
from typing import TYPE_CHECKING, Any

from nqjax.errors import InputError
from nqjax.report.fidelity_section import TITLE, fidelity_rows, print_fidelity
from nqjax.report.surface_section import NOT_VALID, heading, is_first, number_rows, optimum_rows, print_section
from nqjax.report.tables import MEANING, indented, meanings, small_table
from nqjax.runtime.text import as_sure, chance, percent, significant

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from rich.console import Console
    from rich.table import Table

    from nqjax.analysis.record import Analysis

#: Rows of the ranking and hyperparameters that are printed.
_MOST_TRIALS = 5
_MOST_NAMES = 8

#: Width of the picture of directions in inches: letters of a smaller one are larger on a narrow screen.
_SPECTRUM_WIDTH = 4.8

#: A gain or loss below this part of sigma is shown as 0, a chance below this as such.
_NOTHING = 0.01
_RAREST = 5e-4


#: What the column of relevances says.
ABOUT_RELEVANCE = (
    "Near the optimum: how much narrower these trials are than all along a hyperparameter (its relevance; 1: one "
    "value, 0: all values). It counts if chance makes one as large about once in a thousand times."
)


def print_analysis(document: "Mapping[str, Any]", console: "Console") -> None:
    """Print the answer in sentences, then what could be wrong with it, then the tables."""
    from rich.text import Text

    direction = "minimized" if document["minimize"] else "maximized"
    failed = f", {document['num_failed']:,} of them failed" if document["num_failed"] else ""
    title = f"{document['metric']} of {document['source']}, {direction}: {document['num_scores']:,} trials{failed}"
    console.print(Text(title, style="bold"))
    console.print()
    for sentence in document["sentences"]:
        console.print(Text(sentence))
    console.print()
    if document["warnings"]:
        console.print(Text("What could be wrong", style="bold"))
        for warning in document["warnings"]:
            console.print(indented(Text(f"- {warning}", style="yellow")))
        console.print()
    if is_first(document):
        print_section(document, console)
    _print_tables(document, console)
    if not is_first(document):
        print_section(document, console)
    if document["influences"]:
        title = "What each hyperparameter explains by itself, of the differences between all scores"
        title += "; and near the optimum" if document["geometry"] else ""
        console.print(Text(title, style="bold"))
        console.print(indented(_hyperparameters(document), below=1))
        if document["geometry"]:
            console.print(indented(Text(ABOUT_RELEVANCE, style="dim"), below=1))
    print_fidelity(document, console)


def _print_tables(document: "Mapping[str, Any]", console: "Console") -> None:
    from rich.text import Text

    def show(title: str, table: "Table") -> None:
        console.print(Text(title, style="bold"))
        console.print(indented(table, below=1))

    is_told, alone = document["tells_parameters"], not is_first(document)
    if is_told:
        show(heading("Near the optimum", document), _parameters(document))
    if is_told or document["ranked_by"] == "surface":
        show(heading_of_ranking(document), _ranking(document))
    if is_told:
        more = ": expected gains, and the chance of a better score than the best one" if alone else ""
        show(heading(f"More trials{more}", document), _gains(document))


def heading_of_ranking(document: "Mapping[str, Any]") -> str:
    """Return the heading of the best trials, and from what their noise-free scores follow."""
    title = "The best trials: what they show, and what they would score again"
    views = {"scores": "", "surface": ", by the surface", "both": ", by the scores and the surface"}
    if is_first(document) and document["ranked_by"] != "surface":
        return heading("The best trials", document)
    return title + views[document["ranked_by"]]


def _parameters(document: "Mapping[str, Any]") -> "Table":
    words = meanings(document["minimize"])
    table = small_table("", ["estimate", percent(document["confidence"])], MEANING)
    for name in ("alpha", "beta", "gamma", "sigma", "regime_probability"):
        one = document["parameters"][name]
        estimate, low, high = as_sure([one["estimate"], one["low"], one["high"]], one["low"], one["high"])
        table.add_row(name.replace("regime_probability", "in regime"), estimate, f"{low} to {high}", words[name])
    return table


def _ranking(document: "Mapping[str, Any]") -> "Table":
    share = percent(document["confidence"])
    table = small_table("trial", ["score", "run again", share, "is the best"])
    for one in document["trials"][:_MOST_TRIALS]:
        low, high = one["rerun_low"], one["rerun_high"]
        again, first, last = as_sure([one["rerun"], low, high], low, high)
        shown = significant(one["score"], 4)
        place = one["place"].partition(" (line")[0]
        table.add_row(place, shown, again, f"{first} to {last}", chance(one["probability_best"], 2))
    return table


def _gains(document: "Mapping[str, Any]") -> "Table":
    table = small_table("trials", ["gain kept", "80 %", "gain reported", "better"])
    table.columns[0].justify = "right"
    for row in _gain_rows(document):
        table.add_row(*row)
    return table


def _gain_rows(document: "Mapping[str, Any]") -> list[tuple[str, ...]]:
    """Return the cells of the table of gains."""
    # Gains are means of simulations, whose chance errors are about as large as this.
    least = _NOTHING * document["parameters"]["sigma"]["estimate"]
    rows: list[tuple[str, ...]] = []
    for one in document["next_trials"]:
        names = ("kept", "kept_low", "kept_high", "reported")
        kept, low, high, reported = (significant(one[name], 2) if abs(one[name]) > least else "0" for name in names)
        better = chance(max(one["probability"], _RAREST), 2)
        rows.append((f"{one['trials']:,.0f}", kept, f"{low} to {high}", reported, better))
    return rows


def _hyperparameters(document: "Mapping[str, Any]") -> "Table":
    near = ["near the optimum"] if document["geometry"] else []
    table = small_table("", ["explains", "p", *near], "" if near else None)
    for row in influence_rows(document)[:_MOST_NAMES]:
        cells = [row["name"], row["share"], row["p_value"]]
        table.add_row(textwrap.shorten(cells[0], 40), *cells[1:], *([row["relevance"], row["note"]] if near else []))
    return table


def influence_rows(document: "Mapping[str, Any]") -> list[dict[str, str]]:
    """Return the rows of the table of hyperparameters: what each explains, and its relevance near the optimum."""
    relevance = document["geometry"]["relevance"] if document["geometry"] else {}
    rows = []
    for one in document["influences"]:
        near = relevance.get(one["name"])
        rows.append(
            {
                "name": one["name"],
                "share": percent(one["share"], 2),
                "p_value": "< 0.001" if one["p_value"] < 1e-3 else f"{one['p_value']:.2g}",
                "relevance": "" if near is None else f"{near['value']:.2f}".replace("-0.00", "0.00"),
                "note": "counts" if near is not None and near["counts"] else "",
            }
        )
    return rows


def save_analysis(path: "str | Path", found: "Analysis", command: str | None = None) -> None:
    """Write an analysis as one HTML page.

    Raises
    ------
    InputError
        Matplotlib or Jinja2 is missing, or the file cannot be written.
    """
    from nqjax._version import __version__
    from nqjax.plots import best, curve, distribution, fidelities, gammas, quantiles, space
    from nqjax.plots import path as thresholds
    from nqjax.plots.spectra import spectrum
    from nqjax.report.hover import comparisons, configurations, scores
    from nqjax.report.hover.picture import picture_with_values as show
    from nqjax.report.hover.picture import with_values
    from nqjax.report.html import render, write_page

    document = found.to_dict()
    post, name = found.fit.posterior, document["metric"]
    best_name = f"best {name}"
    pictures: dict[str, Any] = {}
    curves = scores.curve_areas(name, post.confidence)
    if post.tells_parameters:
        pictures |= {
            "curve": show(lambda f: curve.tuning_curve(post, name=name, ax=f.subplots()), curves),
            "best": show(lambda f: best.best_score(post, name=name, ax=f.subplots()), scores.bar_areas(best_name)),
            "gamma": show(lambda f: gammas.gamma(post, ax=f.subplots()), scores.bar_areas("gamma")),
            "thresholds": show(
                lambda f: thresholds.draw_probabilities(f.subplots(), post, name), scores.threshold_areas(post, name)
            ),
            "cdf": show(lambda f: distribution.cdf(post, name=name, ax=f.subplots()), scores.cdf_areas(found)),
        }
        with contextlib.suppress(InputError):  # of few scores
            areas = scores.quantile_areas(name)
            pictures["qq"] = show(lambda f: quantiles.qq(post, name=name, ax=f.subplots()), areas)
    if found.influences:
        drawn = space.hyperparameters(found)
        pictures["hyperparameters"] = with_values(drawn.ax[0].figure, drawn, configurations.trial_areas(found))
    words = meanings(document["minimize"])
    values: dict[str, Any] = {"meanings": words, "gains": _gain_rows(document), "pictures": pictures}
    if (surface := found.surface) is not None:
        values |= {"numbers": number_rows(found.section), "optimum": optimum_rows(found.section)}
        pictures["surface"] = show(
            lambda f: spectrum(surface, document["confidence"], name=name, ax=f.subplots()),
            configurations.direction_areas(surface, document["confidence"]),
            (_SPECTRUM_WIDTH, 1.9 + 0.45 * len(found.section["directions"])),
        )
    if (report := found.fidelity) is not None:
        values |= {"fidelity_title": TITLE, "fidelity_rows": fidelity_rows(document["fidelity"])}
        pictures["fidelity"] = show(
            lambda f: fidelities.fidelity(report, ax=f.subplots()),
            comparisons.fidelity_areas(report),
            (_SPECTRUM_WIDTH, 3.4),
        )
    values["ranking"] = heading_of_ranking(document)
    values["not_valid"] = NOT_VALID if is_first(document) else ""
    values |= {"influences": influence_rows(document), "about_relevance": ABOUT_RELEVANCE}
    values["most_trials"] = configurations.MOST_TRIALS
    write_page(path, render("analysis.html", d=document, command=command, version=__version__, **values))
