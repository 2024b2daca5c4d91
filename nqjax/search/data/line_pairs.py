"""Pairs of lines of source text, and whether the second follows the first: a sentence-pair task from any Python.

Lines are cut into a small vocabulary of pieces: indentation, words, digits and signs. Words that are too rare to have
a token share those of a few hundred buckets, by their hash, so that a name that comes back is seen to come back.
"""

from __future__ import annotations

import collections
import re
import zlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from nqjax.search.sources import Batch

PAD, CLS, SEP, MASK = range(4)


_SPECIAL = 4


_PIECES = re.compile(r"^ +|[A-Za-z]+|[^\sA-Za-z]")


class Vocabulary:
    """The tokens of lines.

    Parameters
    ----------
    lines : iterable of str
        What its words are counted in; ties are broken by the alphabet.
    words, buckets : int
        How many of the most frequent pieces have a token of their own, and how many tokens the others share.
    """

    def __init__(self, lines: Iterable[str], words: int = 444, buckets: int = 64) -> None:
        counts = collections.Counter(piece for line in lines for piece in _PIECES.findall(line))
        ranked = sorted(counts, key=lambda piece: (-counts[piece], piece))[:words]
        self._tokens = {piece: _SPECIAL + i for i, piece in enumerate(ranked)}
        self._first_bucket, self._buckets = _SPECIAL + words, buckets
        self.size = _SPECIAL + words + buckets

    def encode(self, line: str) -> list[int]:
        """Return the tokens of a line."""
        return [self._tokens.get(piece) or self._bucket(piece) for piece in _PIECES.findall(line)]

    def _bucket(self, piece: str) -> int:
        return self._first_bucket + zlib.crc32(piece.encode()) % self._buckets


def lines_of(texts: dict[str, bytes]) -> list[list[str]]:
    """Return each file's lines that are not blank."""
    decoded = (text.decode("utf-8", "replace").splitlines() for text in texts.values())
    return [[line.rstrip() for line in lines if line.strip()] for lines in decoded]


def line_pairs(
    files: list[list[str]], vocabulary: Vocabulary, count: int, length: int, seed: int, *, elsewhere: bool = False
) -> Batch:
    """Draw pairs of lines, in one half of which the second follows the first in its file.

    Parameters
    ----------
    files : list of list of str
        The lines of each file.
    vocabulary : Vocabulary
    count, length : int
        Pairs, and tokens of each: a start, and the two lines. Each line has one half of the rest, in which it is cut
        or padded, with a separator at its end, so that the second always begins at the same place.
    seed : int
        Of the draws.
    elsewhere : bool
        Whether a second line that does not follow is any of any file, instead of any other of the same file.

    Returns
    -------
    dict
        ``tokens``, uint16, of shape (count, length), and ``label``, int32, of shape (count,): 1 where the second line
        follows the first.
    """
    rng = np.random.default_rng(seed)
    long_enough = [lines for lines in files if len(lines) > 2]
    ends = np.cumsum([len(lines) - 1 for lines in long_enough])  # a file's last line has none that follows
    places = rng.choice(ends[-1], count, replace=False)
    label = (rng.permutation(count) % 2).astype(np.int32)
    tokens = np.empty((count, length), np.uint16)
    for i, place in enumerate(places):
        file, first = _line_at(ends, int(place))
        lines = long_enough[file]
        if label[i]:
            second = lines[first + 1]
        elif elsewhere:
            other, number = _line_at(ends, int(rng.integers(ends[-1])))
            second = long_enough[other][number]
        else:  # any but the first and the one that follows
            number = int(rng.integers(len(lines) - 2))
            second = lines[number + 2 * (number >= first)]
        tokens[i] = _joined([vocabulary.encode(line) for line in (lines[first], second)], length)
    return {"tokens": tokens, "label": label}


def _line_at(ends: NDArray[np.int64], place: int) -> tuple[int, int]:
    """Return the file of a line that is known by its number among all, and its number there."""
    file = int(np.searchsorted(ends, place, "right"))
    return file, place - int(ends[file - 1] if file else 0)


def _joined(lines: list[list[int]], length: int) -> NDArray[np.uint16]:
    half = (length - 1) // 2
    joined = np.full(length, PAD, np.uint16)
    joined[0] = CLS
    for start, line in zip((1, 1 + half), lines, strict=True):
        cut = [*line[: half - 1], SEP]
        joined[start : start + len(cut)] = cut
    return joined
