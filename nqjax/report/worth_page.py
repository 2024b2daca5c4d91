"""HTML page and picture of what methods are worth in random trials."""

from typing import TYPE_CHECKING, Any

from nqjax.report.hover.comparisons import worth_areas
from nqjax.report.hover.picture import picture_with_values
from nqjax.report.html import render, versions, write_page
from nqjax.report.worth import columns, notes, worth_rows

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from matplotlib.figure import Figure

    from nqjax.analysis.worth import Worth
    from nqjax.plots.drawn import Drawn

#: The captions of the pictures, by the score that is compared.
_CAPTIONS = {
    "observed": "By the best observed score: random trials whose median best score is as good",
    "true": "By the noise-free score of the trial that looks best",
}


def save_worth(
    path: "str | Path",
    document: "Mapping[str, Any]",
    found: "Mapping[str, Mapping[str, Worth]]",
    command: str | None = None,
) -> None:
    """Write the page.

    Raises
    ------
    InputError
        Matplotlib or Jinja2 is missing, or the file cannot be written.
    """
    pictures = []
    for score, caption in _CAPTIONS.items():
        own = {name: one[score] for name, one in found.items() if score in one}
        if own:
            shown = picture_with_values(_drawing(own), worth_areas(own))
            pictures.append({"drawing": shown, "alt": _alternative(own, caption), "caption": caption + "."})
    heads = ["method", *columns(document)]
    page = render(
        "worth.html",
        d=document,
        columns=heads,
        rows=[row[: len(heads)] for row in worth_rows(document)],
        notes=notes(document),
        pictures=pictures,
        command=command,
        versions=versions(),
    )
    write_page(path, page)


def save_worth_picture(path: "str | Path", found: "Mapping[str, Worth]") -> None:
    """Write the picture of the worth by the observed score."""
    from nqjax.plots.style import save
    from nqjax.plots.worths import worth

    save(worth(found).ax.figure, path)


def _drawing(found: "Mapping[str, Worth]") -> Any:
    def draw(figure: "Figure") -> "Drawn":
        from nqjax.plots.worths import worth

        return worth(found, ax=figure.subplots())

    return draw


def _alternative(found: "Mapping[str, Worth]", caption: str) -> str:
    ends = "; ".join(
        f"{name}: {one.number(float(one.estimate[-1])) or 'beyond the baseline'} after {one.at[-1]} {one.unit}"
        for name, one in found.items()
    )
    return f"Lines with bands. {caption}: {ends}"
