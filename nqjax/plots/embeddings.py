"""The picture of a landscape's embedding in a plane."""

from typing import TYPE_CHECKING, Any

import numpy as np

from nqjax.errors import InputError
from nqjax.landscape.assortativity import rank_losses
from nqjax.landscape.embedding import Embedding, embed_landscape, trustworthiness
from nqjax.plots.drawn import Drawn
from nqjax.plots.style import new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from nqjax.landscape.landscape import Landscape

#: Points that share the ink of the picture, and the largest size of one.
_INK = 8000.0
_LARGEST = 30.0


def embedding(
    land: "Landscape", points: Any = None, *, method: str = "umap", seed: int = 0, ax: "Axes | None" = None
) -> Drawn:
    """Draw each configuration as a point of a plane, coloured by the share of better ones, with its trustworthiness.

    Parameters
    ----------
    land : Landscape
    points : Embedding or array-like, shape (configurations, 2), optional
        The places, by any method; by default those of `nqjax.embed_landscape`.
    method : {"umap", "svd"}
    seed : int
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure by default.

    Raises
    ------
    InputError
        Matplotlib or UMAP is missing, there is no embedding, or there is not one point for each configuration.
    """
    if points is None:
        points = embed_landscape(land, method=method, seed=seed)
    if not isinstance(points, Embedding):
        points = _read(points, land)
    axes = new_figure((6.4, 5.2)).subplots() if ax is None else ax
    ranks = rank_losses(land.heights)
    share = (np.where(np.isfinite(ranks), ranks, len(land)) - 1) / max(len(land) - 1, 1)
    order = np.argsort(-share, kind="stable")  # the best ones are drawn last
    drawn = axes.scatter(
        points.points[order, 0],
        points.points[order, 1],
        c=share[order],
        s=min(_INK / len(land), _LARGEST),
        linewidths=0,
        cmap="viridis",
        vmin=0,
        vmax=1,
        rasterized=True,
    )
    axes.set(xticks=[], yticks=[], title=f"trustworthiness {points.trustworthiness:.2f} (places at random: 0.5 to 0.7)")
    axes.figure.colorbar(drawn, ax=axes, label="share of better configurations")
    return Drawn(axes, {"points": drawn})


def _read(points: Any, land: "Landscape") -> Embedding:
    try:
        found = np.asarray(points, np.float64)
    except (TypeError, ValueError):
        found = np.zeros(0)
    if found.shape != (len(land), 2) or not np.isfinite(found).all():
        raise InputError(f"points must be finite numbers of shape ({len(land)}, 2), two for each configuration")
    return Embedding(found, trustworthiness(land.space, found))
