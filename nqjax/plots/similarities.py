"""The picture of the similarities between several landscapes."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nqjax.errors import InputError
from nqjax.plots.drawn import Drawn
from nqjax.plots.style import new_figure, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from nqjax.landscape.similarity import Similarity

#: Measures that can be drawn, those between 0 and 1 in which 1 is alike, with their labels.
_DRAWN = {"gamma_set": "best in both", "spearman": "Spearman's correlation", "kendall": "Kendall's correlation"}


def similarity_map(
    matrix: "Sequence[Sequence[Similarity]]",
    names: Sequence[str],
    *,
    measure: str = "gamma_set",
    ax: "Axes | None" = None,
) -> Drawn:
    """Draw one measure of similarity between all pairs of landscapes.

    The diagonal has the ceiling, the same measure between two halves of the runs of a landscape, and is grey without.

    Parameters
    ----------
    matrix : sequence of sequences of Similarity
        As `nqjax.similarity_matrix` returns it.
    names : sequence of str
        A name for each landscape.
    measure : {"gamma_set", "spearman", "kendall"}
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Raises
    ------
    InputError
        Matplotlib is missing, the measure is unknown, or there is not one name for each landscape.
    """
    if measure not in _DRAWN:
        raise InputError(f"there is no measure {measure!r} to draw: choose one of {', '.join(_DRAWN)}")
    if len(names) != len(matrix):
        raise InputError(f"there are {len(names)} names for {len(matrix)} landscapes: give one for each")
    axes = new_figure().subplots() if ax is None else ax
    values = np.array(
        [[_value(one, measure, is_self=i == j) for j, one in enumerate(row)] for i, row in enumerate(matrix)]
    )
    drawn = axes.imshow(values, cmap="viridis", vmin=0, vmax=1)
    axes.set_facecolor("#DDDDDD")
    without = "once" if any(row[i].ceiling is not None for i, row in enumerate(matrix)) else ""
    for (i, j), value in np.ndenumerate(values):
        text = without if math.isnan(value) else f"{value:.2f}"
        axes.text(j, i, text, ha="center", va="center", color="black" if value > 0.6 or math.isnan(value) else "white")
    labels = [plain(name[:24]) for name in names]
    axes.set_xticks(range(len(names)), labels, rotation=30, ha="right")
    axes.set_yticks(range(len(names)), labels)
    diagonal = "; on the diagonal: halves of the runs" if without else ""
    axes.figure.colorbar(drawn, ax=axes, label=f"{_DRAWN[measure]}{diagonal}")
    return Drawn(axes, {"pixels": drawn})


def _value(one: "Similarity", measure: str, *, is_self: bool) -> float:
    if not is_self:
        return float(getattr(one, measure))
    return math.nan if one.ceiling is None else float(getattr(one.ceiling, measure))
