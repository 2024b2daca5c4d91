"""HTML page of a response surface, with its pictures inside, so that it needs no other file."""

from typing import TYPE_CHECKING, Any

from nqjax.report.head import head_of
from nqjax.report.hover.configurations import direction_areas
from nqjax.report.hover.picture import picture_with_values
from nqjax.report.html import link_to, render, versions, write_page
from nqjax.report.surface import surface_document
from nqjax.report.surface_rows import (
    direction_rows,
    hyperparameter_rows,
    importance_rows,
    number_rows,
    texts,
)
from nqjax.runtime.text import chance_among_draws, listed, p_value, percent, significant
from nqjax.surface.configurations import value_text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from nqjax.plots.drawn import Drawn
    from nqjax.surface.surface import ResponseSurface

#: Sizes of pictures in inches: letters of smaller ones are larger on a narrow screen.
_PANEL = (4.8, 3.4)
_SPECTRUM_WIDTH = 4.8

#: The least probability of a threshold that is worth a row.
_LEAST_PROBABILITY = 0.001


def save_surface(
    path: "str | Path", document: "Mapping[str, Any]", surface: "ResponseSurface", command_line: str | None = None
) -> None:
    """Write the page of a response surface and its document.

    Raises
    ------
    InputError
        Matplotlib or Jinja2 is missing, or the file cannot be written.
    """
    write_page(path, surface_page(document, surface, command_line))


def save_fitted_surface(path: "str | Path", surface: "ResponseSurface", name: str = "score") -> None:
    """Write the page of a response surface that was not fitted by the command."""
    head = head_of(None, name, surface.minimize, None, surface.scores)
    save_surface(path, {**head, **surface_document(surface)}, surface)


def surface_page(document: "Mapping[str, Any]", surface: "ResponseSurface", command_line: str | None = None) -> str:
    """Return the HTML of the page."""
    shown = [one for one in document["thresholds"] if one["probability"] >= _LEAST_PROBABILITY]
    return render(
        "surface.html",
        d=document,
        sure=percent(document["confidence"], 3),
        rows=number_rows(document),
        accidents=_accidents(document),
        lack=_lack_in_words(document),
        hyperparameters=_hyperparameters(document, surface),
        directions=direction_rows(document),
        shares=importance_rows(document),
        pairs=importance_rows(document, 2),
        proposals=[[value_text(value) for value in one.values()] for one in document["proposals"]],
        thresholds=[(significant(one["threshold"], 4), chance_among_draws(one["probability"])) for one in shown],
        panels=_panels(document, surface),
        spectrum=_spectrum(document, surface),
        read=_what_was_read(document),
        draws=f"{len(surface.lowest):,}",
        mixing=f"{surface.mixing:.2f}",
        command=command_line,
        versions=versions("jax", "numpy", "scipy"),
    )


def _accidents(document: "Mapping[str, Any]") -> tuple[str, str]:
    one = document["accidents"]
    return percent(one["estimate"], 2), f"{percent(one['low'], 2)} to {percent(one['high'], 2)}"


def _lack_in_words(document: "Mapping[str, Any]") -> str:
    """Return what the test of the quadratic shape says."""
    lack = document["lack_of_fit"]
    if lack is None:
        return "Too few trials are inside the threshold to test whether a quadratic fits."
    return (
        f"{lack['num_inside']:,} trials inside the threshold, against a surface with cubic and quartic terms "
        f"along one of the coordinates: {p_value(lack['p_value'])}. Small values speak against a quadratic."
    )


def _hyperparameters(document: "Mapping[str, Any]", surface: "ResponseSurface") -> list[tuple[str, ...]]:
    """Return each hyperparameter's name, optimum and interval, and where it was searched on which scale."""
    searched = {axis.name: (f"{axis.low:.3g} to {axis.high:.3g}", axis.scale) for axis in surface.box.axes}
    for name, reference in surface.box.references.items():
        values = [reference, *(value for other, value in surface.box.categories if other == name)]
        searched[name] = (", ".join(value or "none" for value in values), "no order")
    return [(*row, *searched[row[0]]) for row in hyperparameter_rows(document)]


def _panels(document: "Mapping[str, Any]", surface: "ResponseSurface") -> list[dict[str, str]]:
    """Return the parts of the picture of the surface, each with its text alternative."""
    from nqjax.plots.style import new_figure
    from nqjax.plots.surface_slices import strongest
    from nqjax.plots.surfaces import surface as draw

    names = strongest(surface)
    figures = [new_figure(_PANEL) for _ in range(len(names) + (len(names) > 1))]
    draw(surface, document["confidence"], name=document["metric"], ax=[one.subplots() for one in figures])
    optimum = {name: (value, ends) for name, value, ends in hyperparameter_rows(document)}
    places = [f"{name} {optimum[name][0]} ({optimum[name][1]})" for name in names]
    alternatives = [f"{document['metric']} of trials and of the surface, with the optimum at {one}" for one in places]
    if len(names) > 1:
        alternatives.append(f"Contours of the surface and trials, with the optimum at {places[0]} and {places[1]}")
    return [{"src": link_to(one), "alt": alt} for one, alt in zip(figures, alternatives, strict=True)]


def _spectrum(document: "Mapping[str, Any]", surface: "ResponseSurface") -> dict[str, Any]:
    from nqjax.plots.spectra import spectrum

    def draw(figure: Any) -> "Drawn":
        return spectrum(surface, document["confidence"], name=document["metric"], ax=figure.subplots())

    costs = listed([f"{words} {cost}" for words, cost, _ in direction_rows(document)])
    sigma = texts(document["sigma"])[0]
    height = 1.9 + 0.45 * len(document["directions"])
    return {
        "drawing": picture_with_values(
            draw, direction_areas(surface, document["confidence"]), (_SPECTRUM_WIDTH, height)
        ),
        "alt": f"Cost of half the box in each direction: {costs}; noise of one run {sigma}",
    }


def _what_was_read(document: "Mapping[str, Any]") -> list[str]:
    """Return what was inferred of the hyperparameters, and what the reader of the file says, in sentences."""
    found = [f"{note[0].upper()}{note[1:]}." for note in document["notes"]]
    data = document.get("data")
    return [*found, *(data["notes"] if data else [])]
