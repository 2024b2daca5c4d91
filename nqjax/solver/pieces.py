"""Spacings cut into pieces of one size, and the memory layout of a chunk of problems.

The objective is a sum over intervals, so a problem is cut into pieces with the same number of intervals; neighbouring
pieces share a knot. One more piece is the thinned problem: neighbouring intervals are pooled until one piece holds them
all, which gives a statistically similar problem at a fraction of the cost. The pieces of all problems of a chunk are
stored in one array, so programs are compiled for the size of that array and not for sizes of problems.
"""

import functools
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy  # its parts are imported when they are used
from numpy.typing import NDArray

#: Intervals in a piece.
PIECE = 64

#: Knots span about [0, 1]; the outermost ones are at this distance, beyond all mass within the parameters' bounds.
BEYOND = 1e12


class Problem(NamedTuple):
    """The thinned piece, then the pieces of the whole problem."""

    knots: NDArray[np.floating]  # (1 + pieces, piece + 1)
    shares: NDArray[np.floating]  # (1 + pieces, piece)


class Problems(NamedTuple):
    """All problems of a chunk in one set of arrays; a problem without pieces is padding."""

    knots: NDArray[np.floating]  # (pieces of all, piece + 1)
    shares: NDArray[np.floating]  # (pieces of all, piece)
    gaps: NDArray[np.floating] | None  # (pieces of all, piece), where rounded knots would not give them exactly
    first: NDArray[np.int32]  # (problems,): index of each problem's thinned piece; its other pieces follow
    num_pieces: NDArray[np.int32]  # (problems,): number of the other pieces
    last: NDArray[np.floating]  # (problems,): the highest knot, apart from the end


def num_pieces(num_intervals: int, piece: int = PIECE) -> int:
    """Return the number of pieces of the whole problem."""
    return -(-num_intervals // piece)


def cut(knots: NDArray[np.float64], counts: NDArray[np.float64], piece: int = PIECE) -> Problem:
    """Cut spacings into pieces.

    Parameters
    ----------
    knots : ndarray, shape (num_knots,)
        Standardised to span about [0, 1], strictly increasing.
    counts : ndarray, shape (num_knots + 1,)
        Scores in each interval, those before the first and after the last knot included.
    piece : int
        Intervals in a piece.
    """
    pieces = num_pieces(len(counts), piece)
    shares = np.zeros(pieces * piece)
    shares[: len(counts)] = counts / counts.sum()
    padded = np.full(pieces * piece + 1, BEYOND)
    padded[0], padded[1 : len(knots) + 1] = -BEYOND, knots
    place = np.concatenate([[0], 1 + thinned_ranks(len(knots), piece), [len(knots) + 1]])
    below = np.concatenate([[0.0], np.cumsum(shares[: len(counts)])])
    starts, ends = padded[:-1].reshape(-1, piece), padded[piece::piece, None]
    return Problem(
        np.concatenate([padded[None, place], np.hstack([starts, ends])]),
        np.concatenate([np.diff(below[place])[None], shares.reshape(-1, piece)]),
    )


@functools.lru_cache(maxsize=4096)
def thinned_ranks(count: int, piece: int = PIECE) -> NDArray[np.int64]:
    """Return ``piece - 1`` of the ranks from 0 to ``count - 1``, not decreasing.

    A third are evenly spaced. The others are dense at both ends, which determine sigma, and have geometrically growing
    distances from there.
    """
    if count < piece:
        return np.minimum(np.arange(piece - 1), count - 1)
    third, last = piece // 3, count - 1
    growth = scipy.optimize.brentq(lambda c: last * math.sinh(c / third) - math.sinh(c), 1e-3, 100.0)
    dense = last * np.sinh(growth * np.linspace(0, 1, third + 1)[1:-1]) / math.sinh(growth)
    even = np.linspace(0, last, piece - 1 - 2 * len(dense))
    return np.sort(np.rint(np.concatenate([even, dense, last - dense]))).astype(np.int64)


def to_single(problems: Problems) -> Problems:
    """Return the problems in single precision, with the gaps between the knots computed in double."""
    gaps = np.diff(problems.knots, axis=1).astype(np.float32)
    knots, shares, last = (a.astype(np.float32) for a in (problems.knots, problems.shares, problems.last))
    return problems._replace(knots=knots, shares=shares, gaps=gaps, last=last)


def pack(problems: Sequence[Problem], size: int, capacity: int) -> Problems:
    """Return arrays for ``size`` problems and ``capacity`` pieces, thinned ones included, with padding at the end."""
    piece = problems[0].shares.shape[1]
    knots, shares = np.full((capacity, piece + 1), BEYOND), np.zeros((capacity, piece))
    first, pieces, last = np.zeros(size, np.int32), np.zeros(size, np.int32), np.zeros(size)
    place = 0
    for i, problem in enumerate(problems):
        end = place + len(problem.knots)
        knots[place:end], shares[place:end] = problem
        first[i], pieces[i], last[i] = place, len(problem.knots) - 1, problem.knots[0, -2]
        place = end
    return Problems(knots, shares, None, first, pieces, last)
