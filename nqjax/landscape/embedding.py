"""The landscape in a plane: HOPE vectors of the improving moves, laid out by UMAP or by their main directions."""

from __future__ import annotations

import math
import warnings
from typing import Any, NamedTuple

import numpy as np

from nqjax.errors import InputError
from nqjax.landscape.checks import as_index, shown
from nqjax.landscape.graph import Graph
from nqjax.landscape.regimes import as_landscape
from nqjax.landscape.space import Space
from nqjax.landscape.ties import Heights
from nqjax.runtime.extras import require
from nqjax.types import Floats

#: Singular vectors of each side.
_RANK = 16

#: Neighbours in the plane whose distance is looked at, and configurations from which they are.
_NEAREST = 15

_ANCHORS = 500

#: Larger landscapes take minutes.
_MOST_CONFIGURATIONS = 100_000


class Embedding(NamedTuple):
    """A place in a plane for each configuration.

    Attributes
    ----------
    points : ndarray, shape (configurations, 2)
    trustworthiness : float
        Whether those that are near in the plane are near in the grid: 1 if they are the nearest ones, 0.5 to 0.7 for
        places at random, the more the fewer distances there are.
    """

    points: Floats
    trustworthiness: float


def embed_landscape(land: Any, *, method: str = "umap", seed: int = 0) -> Embedding:
    """Return a place in a plane for each configuration of a landscape, as in the paper, and how far to trust it.

    HOPE, a truncated singular value decomposition of the number of improving paths of two moves, gives each
    configuration a vector. UMAP, or the two main directions, lay these out. Such a picture is not unique, and UMAP
    shows clusters where there are none: `nqjax.plots.landscape_map` loses nothing.

    Parameters
    ----------
    land : Landscape
    method : {"umap", "svd"}
        UMAP needs the extra ``landscape``; ``svd`` takes the two main directions of the vectors.
    seed : int

    Returns
    -------
    Embedding

    Raises
    ------
    InputError
        For a sample, more than 100,000 configurations, no improving path of two moves, another method, or if UMAP is
        missing.

    Examples
    --------
    >>> import numpy as np
    >>> import nqjax
    >>> x, y = np.indices((8, 8)).reshape(2, -1)
    >>> found = nqjax.embed_landscape(nqjax.Landscape({"x": x, "y": y}, (x - 3) ** 2 + (y - 4.2) ** 2), method="svd")
    >>> found.points.shape, 0 < found.trustworthiness < 1
    ((64, 2), True)
    """
    land, seed = as_landscape(land), as_index("seed", seed, 2**32)
    if not isinstance(method, str) or method not in ("umap", "svd"):
        raise InputError(f"method is {shown(method)}: give 'umap' or 'svd'")
    if land.space.kind not in ("complete", "missing"):
        raise InputError(f"there is no embedding of {land.extent}: it needs a grid")
    if len(land) > _MOST_CONFIGURATIONS:
        raise InputError(f"{len(land):,} configurations are too many to embed: at most {_MOST_CONFIGURATIONS:,}")
    umap = require("umap", "landscape", "an embedding by UMAP") if method == "umap" else None
    vectors = hope_vectors(land.graph, land.heights)
    if umap is None:
        centred = vectors - vectors.mean(axis=0)
        left, size, _ = np.linalg.svd(centred, full_matrices=False)
        points = left[:, :2] * size[:2]
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            layout = umap.UMAP(n_neighbors=min(_NEAREST, len(land) - 1), random_state=seed, n_jobs=1)
            points = layout.fit_transform(vectors)
    points = np.asarray(points, np.float64)
    return Embedding(points, trustworthiness(land.space, points, seed))


def hope_vectors(graph: Graph, heights: Heights) -> Floats:
    """Return the HOPE vectors of the configurations, shape (configurations, 2 * rank).

    The proximity of two configurations is the number of improving paths of two moves from one to the other. Its left
    and right singular vectors, each times the root of the singular value, are the two halves.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.linalg import svds

    count = len(graph)
    start, end = graph.edges()
    differ = heights.rank[start] != heights.rank[end]
    start, end = start[differ], end[differ]
    better = heights.rank[start] < heights.rank[end]
    moves = np.where(better, end, start), np.where(better, start, end)
    step = coo_array((np.ones(len(start)), moves), shape=(count, count)).tocsr()
    paths = step @ step
    rank = min(_RANK, count - 2)
    if not paths.nnz or rank < 1:
        raise InputError("there is no embedding: no two moves one after the other improve the score")
    left, size, right = svds(paths, k=rank, v0=np.ones(count))
    # The sign of singular vectors is arbitrary.
    sign = np.where(left.sum(axis=0) < 0, -1.0, 1.0)
    root = np.sqrt(np.maximum(size, 0.0)) * sign
    return np.concatenate([left * root, right.T * root], axis=1)


def trustworthiness(space: Space, points: Floats, seed: int = 0) -> float:
    """Return whether those that are near in a plane are near in the grid (Venna and Kaski), over a sample of both.

    Ranks are those of the number of steps between two configurations; equally far ones have the lowest of their ranks.
    """
    from scipy.spatial import cKDTree

    count = len(space)
    nearest = min(_NEAREST, (count - 1) // 2)
    if nearest < 1:
        return math.nan
    anchors = np.random.default_rng(seed).permutation(count)[:_ANCHORS]
    _, found = cKDTree(points).query(points[anchors], nearest + 1)
    steps = [axis.distances() for axis in space.axes]
    penalty = 0.0
    for anchor, others in zip(anchors.tolist(), found, strict=True):
        total = np.zeros(count, np.int64)
        for distances, codes in zip(steps, space.codes, strict=True):
            total += distances[codes[anchor]][codes]
        before = np.searchsorted(np.sort(total), total[others[others != anchor][:nearest]])
        penalty += float(np.sum(np.maximum(before - nearest, 0)))
    worst = len(anchors) * nearest * (2 * count - 3 * nearest - 1) / 2
    return 1 - penalty / worst
