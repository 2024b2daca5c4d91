"""Connected components and spanning trees of graphs that are given as lists of edges.

SciPy has both; importing it takes longer than all other work on a grid of 60,000 configurations.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def components(count: int, start: NDArray[np.int32], end: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return the smallest node of the connected component of each node.

    Examples
    --------
    >>> import numpy as np
    >>> components(5, np.array([4, 1]), np.array([1, 2])).tolist()
    [0, 1, 1, 3, 1]
    """
    label = np.arange(count, dtype=np.int32)
    while len(start):
        a, b = label[start], label[end]
        apart = a != b
        start, end, a, b = start[apart], end[apart], a[apart], b[apart]
        # A root follows the smallest root that it touches, so that the root of a component is its smallest node.
        np.minimum.at(label, np.maximum(a, b), np.minimum(a, b))
        label = _jumped(label)
    return label


def _jumped(follows: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return where each node ends that follows another one, and that the next; each round doubles the jumps."""
    while True:
        further = follows[follows]
        if np.array_equal(further, follows):
            return follows
        follows = further


def spanning_tree(
    count: int, first: NDArray[np.int32], second: NDArray[np.int32], height: NDArray[np.int32]
) -> NDArray[np.int64]:
    """Return the edges of a minimum spanning forest, in the order of their heights (Boruvka).

    Parameters
    ----------
    count : int
        The number of nodes.
    first, second : ndarray of int, shape (edges,)
        Both ends of each edge; several edges may have the same ones.
    height : ndarray of int, shape (edges,)
        Not negative. Of equal heights, the earlier edge is the lower one.

    Examples
    --------
    >>> import numpy as np
    >>> spanning_tree(4, np.array([0, 1, 0]), np.array([1, 2, 2]), np.array([5, 3, 4])).tolist()
    [1, 2]
    """
    edge = np.arange(len(first))
    key = height.astype(np.int64) * max(len(first), 1) + edge
    a, b = first, second
    chosen = []
    none = np.iinfo(np.int64).max
    while True:
        apart = a != b
        a, b, key = a[apart], b[apart], key[apart]
        if not len(a):
            break
        lowest = np.full(count, none)
        np.minimum.at(lowest, a, key)
        np.minimum.at(lowest, b, key)
        of_a, of_b = lowest[a] == key, lowest[b] == key
        chosen.append(key[of_a | of_b])
        follows = np.arange(count, dtype=np.int32)
        follows[a[of_a]], follows[b[of_b]] = b[of_a], a[of_b]
        # Two components may have chosen the same edge: the one with the smaller number stays.
        node = np.arange(count, dtype=np.int32)
        mutual = (follows[follows] == node) & (node < follows)
        follows[mutual] = node[mutual]
        label = _jumped(follows)
        a, b = label[a], label[b]
    return np.sort(np.concatenate(chosen) if chosen else key) % max(len(first), 1)
