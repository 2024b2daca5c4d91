"""Files of tokens: written from text, mapped into memory, and read window by window.

A file is a NumPy array of whole numbers (.npy), or raw 16-bit tokens (.bin), which many preprocessing scripts write.
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
    """Return a file's tokens, a one-dimensional array of whole numbers that is mapped into memory.

    Raises
    ------
    InputError
        If the file cannot be read or has other content.
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
    """Return the file ``name``.npy or ``name``.bin in a folder; raise InputError if there is none."""
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
    """Write texts, one after another, to a file of tokens.

    Parameters
    ----------
    path : Path or str
        A .npy file, which appears when it is complete.
    texts : iterable of str or array_like of int
        Texts, or their tokens; any number of any length.
    encode : callable, optional
        A function from a text to its tokens, such as a tokenizer's method; by default tokens are the bytes of UTF-8.
    vocab_size : int
        The size of the vocabulary; a token takes 16 bits if it is at most 65,536, else 32.

    Returns
    -------
    int
        The number of tokens in the file.

    Raises
    ------
    InputError
        If a token is outside the vocabulary, there are no tokens, or the file cannot be written.
    """
    path = Path(path)
    if path.suffix != ".npy":
        raise InputError(f"{path} must be a .npy file")
    dtype = np.dtype("<u2" if vocab_size <= 2**16 else "<u4")
    total = 0
    try:
        with written_whole(path, "wb") as file:
            # The header has room for a longer length, and is written again when the length is known.
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
    """A stream of windows of one file, with batches ``{"tokens": (batch_size, length + 1)}``.

    Windows for training begin at independent random positions, so they may overlap. Windows for validation follow one
    another from the start of the file, so each of their tokens is predicted once.

    Parameters
    ----------
    path : Path or str
        The file.
    length : int
        The number of tokens that are predicted in a window.
    vocab_size : int
        Tokens must be below this number.
    limit : int, optional
        The greatest number of windows for validation.

    Raises
    ------
    InputError
        If the file is shorter than a window; methods raise it for a token outside the vocabulary.
    """

    def __init__(self, path: Path | str, length: int, vocab_size: int, limit: int | None = None) -> None:
        self.path, self.length, self.vocab_size = Path(path), length, vocab_size
        self._tokens = open_tokens(path)
        self._number = (len(self._tokens) - 1) // length
        if self._number < 1:
            raise InputError(f"{path} has {len(self._tokens)} tokens: a window needs {length + 1}; give a longer file")
        if limit is not None:
            self._number = min(self._number, limit)

    def __len__(self) -> int:
        """Return the number of windows for validation."""
        return self._number

    @property
    def fingerprint(self) -> str:
        """The number of all tokens and a digest of some; the path does not matter."""
        return f"{len(self._tokens):,} tokens, {fingerprint.of_arrays(self._tokens)}"

    def batch(self, words: tuple[int, ...], round_index: int, step: int, batch_size: int) -> Batch:
        """Return windows at random positions, a function of the arguments only."""
        seed = np.random.SeedSequence([*words, round_index, step])
        starts = np.random.Generator(np.random.Philox(seed)).integers(0, len(self._tokens) - self.length, batch_size)
        return self._windows(starts)

    def evaluation_batches(self, batch_size: int) -> Iterator[tuple[Batch, NDArray[np.float32]]]:
        """Yield the windows in order, and their weights, which are 0 for padding of the last batch."""
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
