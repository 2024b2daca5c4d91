"""Pairs of lines of source text, with a label for whether the second line follows the first in its file.

Lines are cut into pieces: indentation, words, digits and signs. Words that are too rare for a token of their own share
a few dozen bucket tokens, chosen by their hash, so that a repeated name has the same token each time.
"""

from __future__ import annotations

import collections
import re
import zlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from nqjax.search.sources import Batch

#: Token of padding.
PAD = 0

#: Token at the start of a pair.
CLS = 1

#: Token at the end of each line.
SEP = 2

#: Token in place of a masked one.
MASK = 3

#: The number of tokens above.
_NUM_SPECIAL = 4

_PIECES = re.compile(r"^ +|[A-Za-z]+|[^\sA-Za-z]")


class Vocabulary:
    """A vocabulary of the most frequent pieces of lines.

    Parameters
    ----------
    lines : iterable of str
        The lines whose pieces are counted; equally frequent pieces are in alphabetical order.
    words : int
        The number of pieces that have their own token.
    buckets : int
        The number of tokens that the other pieces share.
    """

    def __init__(self, lines: Iterable[str], words: int = 444, buckets: int = 64) -> None:
        counts = collections.Counter(piece for line in lines for piece in _PIECES.findall(line))
        ranked = sorted(counts, key=lambda piece: (-counts[piece], piece))[:words]
        self._tokens = {piece: _NUM_SPECIAL + i for i, piece in enumerate(ranked)}
        self._first_bucket, self._buckets = _NUM_SPECIAL + words, buckets
        self.size = _NUM_SPECIAL + words + buckets

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
    """Draw pairs of lines; in half of them the second line follows the first in its file.

    Parameters
    ----------
    files : list of list of str
        The lines of each file.
    vocabulary : Vocabulary
    count : int
        The number of pairs.
    length : int
        The number of tokens of a pair: a start token and the two lines. Each line is cut or padded to half of the rest,
        with a separator at its end, so that the second line always begins at the same position.
    seed : int
        The seed of the draws.
    elsewhere : bool
        Whether a second line that does not follow is drawn from all files, instead of from the other lines of the file.

    Returns
    -------
    dict
        ``tokens``, uint16, of shape (count, length), and ``label``, int32, of shape (count,): 1 where the second line
        follows the first.
    """
    rng = np.random.default_rng(seed)
    long_enough = [lines for lines in files if len(lines) > 2]
    ends = np.cumsum([len(lines) - 1 for lines in long_enough])  # the last line of a file has no next line
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
        else:  # any other line except the first and the one that follows it
            number = int(rng.integers(len(lines) - 2))
            second = lines[number + 2 * (number >= first)]
        tokens[i] = _joined([vocabulary.encode(line) for line in (lines[first], second)], length)
    return {"tokens": tokens, "label": label}


def _line_at(ends: NDArray[np.int64], place: int) -> tuple[int, int]:
    """Return the index of the file and the line's number in it.

    ``place`` counts the lines of all files, without the last line of each.
    """
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
