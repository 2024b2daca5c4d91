"""Files of tokens that are mapped into memory, read a window at a time, and written from text.

A file is a NumPy array of whole numbers (.npy), or raw 16-bit tokens (.bin), as many preprocessing scripts write them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nqjax.errors import InputError
from nqjax.runtime.files import written_whole
from nqjax.search.data import fingerprint
from nqjax.search.sources import Batch

_SUFFIXES = (".npy", ".bin")


def open_tokens(path: Path | str) -> NDArray[Any]:
    """Return a file's tokens, mapped into memory: a one-dimensional array of whole numbers.

    Raises
    ------
    InputError
        For a file that cannot be read or holds something else.
    """
    path = Path(path)
    try:
        if path.suffix == ".bin":
            if path.stat().st_size % 2 or not path.stat().st_size:
                raise InputError(f"{path} has {path.stat().st_size} bytes: a .bin file needs two for every token")
            return np.memmap(path, "<u2", "r")
        tokens = np.load(path, mmap_mode="r")
    except OSError as error:
        raise InputError(f"cannot read the tokens in {path}: {error.strerror or error}") from error
    except (ValueError, EOFError) as error:
        raise InputError(f"{path} is not a whole .npy file ({error}): write it again") from error
    if not isinstance(tokens, np.ndarray) or tokens.ndim != 1 or tokens.dtype.kind not in "ui":
        kind = f"{tokens.dtype} of shape {tokens.shape}" if isinstance(tokens, np.ndarray) else "several arrays"
        raise InputError(f"{path} holds {kind}: it needs one row of whole numbers, the tokens")
    return tokens


def find_tokens(folder: Path | str, name: str) -> Path:
    """Return the file of tokens of that name in a folder, .npy or .bin; raise InputError where there is none."""
    for suffix in _SUFFIXES:
        path = Path(folder) / f"{name}{suffix}"
        if path.is_file():
            return path
    raise InputError(f"{folder} has no {name}.npy or {name}.bin: write one with nqjax.search.data.tokens.write_tokens")


def write_tokens(
    path: Path | str,
    texts: Iterable[str | ArrayLike],
    encode: Callable[[str], ArrayLike] | None = None,
    vocab_size: int = 256,
) -> int:
    """Write a file of tokens, a text after the other, of any number and length; return how many tokens it has.

    Parameters
    ----------
    path : Path or str
        A .npy file. It appears when it is whole.
    texts : iterable of str or array_like of int
        Texts, or their tokens.
    encode : callable, optional
        From a text to its tokens, as a tokenizer's method; by default the bytes of UTF-8.
    vocab_size : int
        How many tokens there are: up to 65,536 take 16 bits each, more take 32.

    Raises
    ------
    InputError
        For a token outside the vocabulary, no tokens, or a file that cannot be written.
    """
    path = Path(path)
    if path.suffix != ".npy":
        raise InputError(f"{path} must be a .npy file")
    dtype = np.dtype("<u2" if vocab_size <= 2**16 else "<u4")
    total = 0
    try:
        with written_whole(path, "wb") as file:
            # The header leaves room for the length to grow, and is written again when it is known.
            _header(file, 0, dtype)
            for text in texts:
                tokens = _tokens_of(text, encode, vocab_size)
                file.write(tokens.astype(dtype).tobytes())
                total += len(tokens)
            file.seek(0)
            _header(file, total, dtype)
            if not total:
                raise InputError(f"there are no tokens for {path}: give texts")
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror or error}") from error
    return total


def _header(file: Any, length: int, dtype: np.dtype[Any]) -> None:
    description = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": (length,)}
    np.lib.format.write_array_header_1_0(file, description)


def _tokens_of(text: Any, encode: Callable[[str], ArrayLike] | None, vocab_size: int) -> NDArray[Any]:
    if isinstance(text, str):
        text = np.frombuffer(text.encode(), np.uint8) if encode is None else encode(text)
    tokens = np.asarray(text)
    if tokens.size == 0:
        return np.empty(0, np.int64)
    if tokens.ndim != 1 or tokens.dtype.kind not in "ui":
        raise InputError(f"tokens must be a row of whole numbers, not {tokens.dtype} of shape {tokens.shape}")
    if tokens.min() < 0 or tokens.max() >= vocab_size:
        raise InputError(f"a token is {tokens.max()}, outside a vocabulary of {vocab_size}: give its vocab_size")
    return tokens


class TokenWindows:
    """A stream of windows of one file; batches are `{"tokens": (batch_size, length + 1)}`.

    Training windows begin anywhere, independently of each other (what is seen in a round may repeat); validation
    windows follow one another from the beginning, so that each of their tokens is predicted once.

    Parameters
    ----------
    path : Path or str
        The file.
    length : int
        The tokens that are predicted in a window.
    vocab_size : int
        Tokens must be below it.
    limit : int, optional
        At most so many windows for validation.

    Raises
    ------
    InputError
        For a file without a whole window; while reading, for a token outside the vocabulary.
    """

    def __init__(self, path: Path | str, length: int, vocab_size: int, limit: int | None = None) -> None:
        self.path, self.length, self.vocab_size = Path(path), length, vocab_size
        self._tokens = open_tokens(path)
        self._number = (len(self._tokens) - 1) // length
        if self._number < 1:
            raise InputError(f"{path} has {len(self._tokens)} tokens: a window needs {length + 1}")
        if limit is not None:
            self._number = min(self._number, limit)

    def __len__(self) -> int:
        """Return how many windows the file has that follow one another."""
        return self._number

    @property
    def fingerprint(self) -> str:
        """What there is, but not where it lies: the number of all tokens, and a digest of some."""
        return f"{len(self._tokens):,} tokens, {fingerprint.of_arrays(self._tokens)}"

    def batch(self, words: tuple[int, ...], round_index: int, step: int, batch_size: int) -> Batch:
        """Return windows that begin at random places, a function of the arguments alone."""
        seed = np.random.SeedSequence([*words, round_index, step])
        starts = np.random.Generator(np.random.Philox(seed)).integers(0, len(self._tokens) - self.length, batch_size)
        return self._windows(starts)

    def evaluation_batches(self, batch_size: int) -> Iterator[tuple[Batch, NDArray[np.float32]]]:
        """Yield the windows in order, with weights of 0 for those that only fill up the last batch."""
        for first in range(0, self._number, batch_size):
            index = np.arange(first, first + batch_size)
            weights = (index < self._number).astype(np.float32)
            yield self._windows(np.minimum(index, self._number - 1) * self.length), weights

    def _windows(self, starts: NDArray[np.int64]) -> Batch:
        tokens = np.stack([self._tokens[start : start + self.length + 1] for start in starts]).astype(np.int32)
        if tokens.min() < 0 or tokens.max() >= self.vocab_size:
            wrong = int(tokens.max() if tokens.max() >= self.vocab_size else tokens.min())
            raise InputError(f"{self.path} has the token {wrong}, outside the model's vocabulary of {self.vocab_size}")
        return {"tokens": tokens}
