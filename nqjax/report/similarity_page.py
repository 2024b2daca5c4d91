"""HTML page of similarities between landscapes, with its pictures inside, so that it needs no other file."""

from typing import TYPE_CHECKING, Any

from nqjax.report.html import picture, render, versions, write_page
from nqjax.report.similarity import notes_on_pairs, pair_columns, pair_rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from matplotlib.figure import Figure

    from nqjax.landscape.similarity import Similarity

#: The size of a picture in inches with few landscapes, and the width of each further one.
_SIZE = (4.8, 3.6)
_FURTHER = 0.5

#: Landscapes that the smallest picture has room for, and the most that are drawn.
_FEW = 5
_MOST_DRAWN = 24


def save_similarity_page(
    path: "str | Path",
    matrix: "Sequence[Sequence[Similarity]]",
    names: "Sequence[str]",
    document: "Mapping[str, Any]",
    command: str | None = None,
) -> None:
    """Write the page of the similarities of some landscapes, each row and column of the matrix with a name.

    Raises
    ------
    InputError
        Matplotlib or Jinja2 is missing, or the file cannot be written.
    """
    data = document.get("data") or []
    notes = [note for one in ([data] if isinstance(data, dict) else data) for note in one["notes"]]
    page = render(
        "similarity.html",
        d=document,
        columns=pair_columns(document),
        rows=pair_rows(document),
        notes=notes_on_pairs(document),
        read=list(dict.fromkeys(notes)),
        pictures=_pictures(matrix, names),
        count=len(names),
        command=command,
        versions=versions(),
    )
    write_page(path, page)


def _pictures(matrix: "Sequence[Sequence[Similarity]]", names: "Sequence[str]") -> list[dict[str, str]]:
    if len(names) > _MOST_DRAWN:
        return []
    further = _FURTHER * max(len(names) - _FEW, 0)
    size = _SIZE[0] + further, _SIZE[1] + further
    captions = {
        "gamma_set": "Of the configurations that are among the best of either landscape, the share that is so in both",
        "spearman": "Spearman's rank correlation of all configurations",
    }
    found = []
    for measure, caption in captions.items():

        def draw(figure: "Figure", measure: str = measure) -> None:
            from nqjax.plots.similarities import similarity_map

            similarity_map(matrix, names, measure=measure, ax=figure.subplots())

        values = [getattr(one, measure) for i, row in enumerate(matrix) for one in row[:i]]
        alt = f"Heat map. {caption}: {min(values):.2f} to {max(values):.2f}"
        found.append({"src": picture(draw, size), "alt": alt, "caption": f"{caption}."})
    return found
