"""HTML page of a landscape, with its pictures inside, so that it needs no other file."""

from typing import TYPE_CHECKING, Any

from nqjax.errors import InputError
from nqjax.report.hover.landscape import neutrality_areas, optima_areas, relevance_areas, tree_areas
from nqjax.report.hover.picture import picture_with_values as show
from nqjax.report.html import picture, render, versions, write_page
from nqjax.report.landscape import landscape_document, metric_in_words, optimum_rows, shown_level
from nqjax.report.landscape_numbers import notes_on_numbers, number_rows, refused_numbers
from nqjax.runtime.text import significant

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from matplotlib.figure import Figure

    from nqjax.landscape.landscape import Landscape
    from nqjax.landscape.levels import Axis
    from nqjax.landscape.metrics import Metrics

#: Sizes of pictures in inches: letters of smaller ones are larger on a narrow screen.
_SMALL = (4.8, 3.4)
_MAP = (5.6, 4.9)

#: Pixels of the map in a page, which must not become too large.
_MOST_PIXELS = 250_000

#: Single runs that are compared with each other, configurations of the largest grid for which they are, and levels
#: that are named.
_MOST_RUNS = 8
_MOST_COMPARED = 200_000
_NAMED_LEVELS = 4


def save_landscape_page(
    path: "str | Path",
    land: "Landscape",
    metrics: "Metrics",
    document: "Mapping[str, Any]",
    command: str | None = None,
) -> None:
    """Write the page of a landscape and its document.

    Raises
    ------
    InputError
        Matplotlib or Jinja2 is missing, or the file cannot be written.
    """
    write_page(path, landscape_page(land, metrics, document, command))


def save_landscape(path: "str | Path", land: "Landscape", name: str = "score", threshold: float | None = None) -> None:
    """Write the page of a landscape that was not read by the command."""
    metrics = land.metrics()
    document = landscape_document(land, metrics, file="", metric=[name], threshold=threshold)
    save_landscape_page(path, land, metrics, document)


def landscape_page(
    land: "Landscape", metrics: "Metrics", document: "Mapping[str, Any]", command: str | None = None
) -> str:
    """Return the HTML of the page."""
    rows = [row for row in number_rows(document) if row.name != "n_lo_flat_noise"]
    return render(
        "landscape.html",
        d=document,
        title=metric_in_words(document),
        extent=land.extent,
        rows=rows,
        notes=[*notes_on_numbers(document), *refused_numbers(document)],
        optima=optimum_rows(document),
        axes=[_axis_row(axis) for axis in land.space.axes],
        read=_what_was_read(document),
        pictures=_pictures(land, metrics, document),
        command=command,
        versions=versions(),
    )


def _axis_row(axis: "Axis") -> tuple[str, str, str, str]:
    """Return the name, the kind, the number of levels and the levels of a hyperparameter in words."""
    levels = [shown_level(level) for level in axis.levels[: axis.num_active]]
    if len(levels) <= _NAMED_LEVELS:
        named = ", ".join(levels)
    else:
        named = f"{levels[0]} to {levels[-1]}" if axis.ordered else f"{', '.join(levels[:_NAMED_LEVELS])}, ..."
    missing = ", or not there" if axis.has_inactive else ""
    return axis.name, "ordered" if axis.ordered else "categorical", f"{axis.num_active:,}", named + missing


def _what_was_read(document: "Mapping[str, Any]") -> list[str]:
    """Return sentences that say what was taken for what."""
    names = document["metric"]
    found = [f"Scores, {'lower' if document['minimize'] else 'higher'} ones better: {', '.join(names)}."]
    if document["rows"] != document["configurations"]:
        found.append(f"{document['rows']:,} rows are {document['configurations']:,} configurations.")
    if document["constant"]:
        found.append(f"Ignored, as they have one value: {', '.join(document['constant'])}.")
    data = document.get("data")
    return [*found, *(data["notes"] if data else [])]


def _pictures(land: "Landscape", metrics: "Metrics", document: "Mapping[str, Any]") -> dict[str, dict[str, Any]]:
    """Return the pictures that can be drawn, each with its text alternative and what is said below it."""
    from nqjax.plots.flatness import neutrality
    from nqjax.plots.landscape_optima import merge_tree, optima_curve

    found: dict[str, dict[str, Any]] = {}
    regime = document["regime"]
    threshold = None if regime is None else regime["threshold"]
    depth = metrics.noise_tolerance if metrics.noise_tolerance is not None else metrics.tolerance
    if land.space.kind in ("complete", "missing"):
        found["map"] = _map(land, threshold)
    if metrics.n_lo is not None:
        found["optima"] = {
            "drawing": show(lambda f: optima_curve(land, noise=depth, ax=f.subplots()), optima_areas, _SMALL),
            "alt": _optima_in_words(metrics, depth),
        }
        found["tree"] = {
            "drawing": show(lambda f: merge_tree(land, above=depth or 0.0, ax=f.subplots()), tree_areas, _SMALL),
            "alt": "Merge tree: the deepest optima as leaves, which join at the height of the pass between them",
        }
    if metrics.assortativity is not None and land.graph.num_edges:
        found["neutrality"] = {
            "drawing": show(lambda f: neutrality(land, ax=f.subplots()), neutrality_areas, _SMALL),
            "alt": "Neutrality: the share of neighbours that are as good within a tolerance, over the tolerance",
        }
    if threshold is not None:
        found["relevance"] = _relevance(land, threshold)
    if land.num_seeds > 1 and len(land) <= _MOST_COMPARED:
        found |= _runs(land)
    return found


def _optima_in_words(metrics: "Metrics", depth: float | None) -> str:
    words = f"Number of optima against the depth that they must have: {metrics.n_lo:,} of any depth"
    if depth is None or metrics.n_lo_prominent is None:
        return words
    return f"{words}, {metrics.n_lo_prominent:,} deeper than {significant(depth, 3)}"


def _map(land: "Landscape", threshold: float | None) -> dict[str, str]:
    from nqjax.plots.maps import landscape_map, stacked

    across, up, image, _ = stacked(land, threshold, _MOST_PIXELS)
    names = [" > ".join(axis.name for axis in nested) for nested in (across, up)]
    left_out = [axis.name for axis in land.space.axes if axis not in (*across, *up)]
    words = f"across: {names[0]}" + (f"; up: {names[1]}" if up else "")
    pixel = "Every configuration is one pixel"
    if left_out:
        pixel = (
            f"There are more configurations than a picture can show: {', '.join(left_out)} "
            f"{'is' if len(left_out) == 1 else 'are'} left out, and a pixel is the best of "
            f"{land.space.num_cells // image.size:,}"
        )
    return {
        "src": picture(
            lambda f: landscape_map(land, threshold=threshold, most_pixels=_MOST_PIXELS, ax=f.subplots()), _MAP
        ),
        "alt": f"Map of the landscape, the better the darker; {words}",
        "caption": f"{pixel}, the better the darker. Hyperparameters are nested, the most important ones outermost "
        f"({words}).",
    }


def _relevance(land: "Landscape", threshold: float) -> dict[str, Any]:
    from nqjax.plots.regime_relevance import relevance

    geometry = land.geometry(threshold)
    bars = ", ".join(f"{name} {one.value:.2f}".replace("-0.00", "0.00") for name, one in geometry.relevance.items())
    height = 1.0 + 0.4 * len(geometry.relevance)
    return {
        "drawing": show(
            lambda f: relevance(geometry, ax=f.subplots()), relevance_areas(geometry), (_SMALL[0], max(height, 1.8))
        ),
        "alt": f"Relevance in the regime: {bars}",
    }


def _runs(land: "Landscape") -> dict[str, dict[str, str]]:
    """Return the picture of how alike single runs of the configurations are."""
    from nqjax.landscape.shared import run_matrix
    from nqjax.plots.similarities import similarity_map

    try:
        matrix = run_matrix(land, most=_MOST_RUNS)
    except InputError:
        return {}

    def draw(figure: "Figure") -> None:
        names = [f"run {number + 1}" for number in range(len(matrix))]
        similarity_map(matrix, names, ax=figure.subplots())

    pairs = [one.gamma_set for i, row in enumerate(matrix) for one in row[:i]]
    span = f"{min(pairs):.2f} to {max(pairs):.2f}" if len(pairs) > 1 else f"{pairs[0]:.2f}"
    alt = f"Heat map: the share of the best tenth of one run that is among the best of another, {span}"
    return {"runs": {"src": picture(draw, _SMALL), "alt": alt}}
