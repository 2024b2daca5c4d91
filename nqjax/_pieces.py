"""Spacings in pieces of one size, and how a chunk of problems lies in memory.

The objective adds up over intervals, so a problem is cut to pieces of `PIECE` intervals that share their end knots. One
more piece is the problem thinned to that many knots: neighbouring intervals are pooled, which leaves a statistically
almost equal problem at a fraction of the cost. The pieces of all problems of a chunk lie in one array; its size, not
theirs, decides what is compiled.
"""

import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy.optimize
from numpy.typing import NDArray

#: Intervals in a piece.
PIECE = 64
#: The ends of the knots, which span about [0, 1], beyond all mass within the bounds of the parameters.
BEYOND = 1e12


class Problem(NamedTuple):
    """The thinned piece, then the pieces of the whole problem."""

    knots: NDArray[np.floating]  # (1 + pieces, PIECE + 1)
    shares: NDArray[np.floating]  # (1 + pieces, PIECE)
    gaps: NDArray[np.floating] | None = None  # (1 + pieces, PIECE), where knots are too coarse to give them


class Problems(NamedTuple):
    """Problems of a chunk; a problem without pieces is padding."""

    knots: NDArray[np.floating]  # (pieces of all, PIECE + 1)
    shares: NDArray[np.floating]  # (pieces of all, PIECE)
    gaps: NDArray[np.floating] | None  # (pieces of all, PIECE)
    first: NDArray[np.int32]  # (problems,): where each problem's thinned piece is; its others follow
    num_pieces: NDArray[np.int32]  # (problems,): how many others


def num_pieces(num_intervals: int) -> int:
    """Pieces of the whole problem."""
    return -(-num_intervals // PIECE)


def cut(knots: NDArray[np.float64], counts: NDArray[np.float64]) -> Problem:
    """Cut spacings to pieces.

    Parameters
    ----------
    knots : ndarray, shape (num_knots,)
        Standardised to span about [0, 1], strictly increasing.
    counts : ndarray, shape (num_knots + 1,)
        Scores in each interval, those before the first and after the last knot included.
    """
    pieces = num_pieces(len(counts))
    shares = np.zeros(pieces * PIECE)
    shares[: len(counts)] = counts / counts.sum()
    padded = np.full(pieces * PIECE + 1, BEYOND)
    padded[0], padded[1 : len(knots) + 1] = -BEYOND, knots
    place = np.concatenate([[0], 1 + thinned_ranks(len(knots)), [len(knots) + 1]])
    below = np.concatenate([[0.0], np.cumsum(shares[: len(counts)])])
    starts, ends = padded[:-1].reshape(-1, PIECE), padded[PIECE::PIECE, None]
    return Problem(
        np.concatenate([padded[None, place], np.hstack([starts, ends])]),
        np.concatenate([np.diff(below[place])[None], shares.reshape(-1, PIECE)]),
    )


@functools.lru_cache(maxsize=4096)
def thinned_ranks(count: int) -> NDArray[np.int64]:
    """``PIECE - 1`` of the ranks from 0 to ``count - 1``, not decreasing.

    A third are evenly spaced; the others begin at either end, rank by rank, and then grow geometrically, because what
    tells sigma from alpha and beta is there.
    """
    if count < PIECE:
        return np.minimum(np.arange(PIECE - 1), count - 1)
    third, last = PIECE // 3, count - 1
    growth = scipy.optimize.brentq(lambda c: last * math.sinh(c / third) - math.sinh(c), 1e-3, 100.0)
    dense = last * np.sinh(growth * np.linspace(0, 1, third + 1)[1:-1]) / math.sinh(growth)
    even = np.linspace(0, last, PIECE - 1 - 2 * len(dense))
    return np.sort(np.rint(np.concatenate([even, dense, last - dense]))).astype(np.int64)


def to_single(problem: Problem) -> Problem:
    """In single precision, with the gaps between the knots computed in double."""
    gaps = np.diff(problem.knots, axis=1).astype(np.float32)
    return Problem(problem.knots.astype(np.float32), problem.shares.astype(np.float32), gaps)


def pack(problems: Sequence[Problem], size: int, capacity: int, like: Problem) -> Problems:
    """Lay problems out in arrays for ``size`` problems and ``capacity`` pieces, thinned ones included.

    ``like`` is a problem that shows the dtype and what is there.
    """
    dtype = like.knots.dtype
    knots, shares = np.full((capacity, PIECE + 1), BEYOND, dtype), np.zeros((capacity, PIECE), dtype)
    gaps = None if like.gaps is None else np.zeros_like(shares)
    first, pieces = np.zeros(size, np.int32), np.zeros(size, np.int32)
    place = 0
    for i, problem in enumerate(problems):
        end = place + len(problem.knots)
        knots[place:end], shares[place:end] = problem.knots, problem.shares
        if gaps is not None:
            gaps[place:end] = problem.gaps
        first[i], pieces[i] = place, len(problem.knots) - 1
        place = end
    return Problems(knots, shares, gaps, first, pieces)
