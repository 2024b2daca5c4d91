"""The source text of Python's standard library, which is available wherever Python is.

The text depends on the version of Python, so a search on it records the version and the text's fingerprint.
"""

from __future__ import annotations

import functools
import hashlib
import platform
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nqjax.errors import InputError

#: The number of tokens of `encode`.
ASCII = 128

#: The token of a byte that is not ASCII (the ASCII control character SUB).
SUBSTITUTE = 26

#: The token before each file.
SEPARATOR = 0

#: Folders that are left out: tests, installed packages, and tables of numbers and names.
_LEFT_OUT = {"test", "tests", "idle_test", "site-packages", "dist-packages", "__pycache__", "encodings", "pydoc_data"}

#: One file of this many is for validation.
_FILES_PER_VALIDATION_FILE = 10

#: With less text than this the library's source files are missing.
_LEAST_BYTES = 1_000_000


@dataclass(frozen=True)
class Corpus:
    """The library's text, split by file.

    Attributes
    ----------
    train, valid : dict
        From the names of files to their bytes, in the order of the names.
    fingerprint : str
        A digest of the whole text.
    python : str
        The version of Python.
    """

    train: dict[str, bytes] = field(repr=False)
    valid: dict[str, bytes] = field(repr=False)
    fingerprint: str
    python: str


def source_files(folder: Path) -> Iterator[Path]:
    """Yield the library's source files in the order of their names, folder by folder."""
    entries = sorted(folder.iterdir(), key=lambda path: path.name)
    # Files called _sysconfigdata* depend on the machine.
    yield from (p for p in entries if p.suffix == ".py" and not p.name.startswith("_sysconfigdata") and p.is_file())
    for path in entries:
        if path.is_dir() and path.name not in _LEFT_OUT and not path.name.startswith("config-"):
            yield from source_files(path)


def read_corpus(folder: Path | str | None = None) -> Corpus:
    """Return the standard library's text.

    Parameters
    ----------
    folder : Path or str, optional
        The folder of the library; by default that of this Python.

    Raises
    ------
    InputError
        If there is too little text, as in a Python without its source files.
    """
    return _read_corpus(Path(folder or sysconfig.get_path("stdlib")))


@functools.cache
def _read_corpus(folder: Path) -> Corpus:
    try:
        # Line ends depend on the machine.
        texts = {p.relative_to(folder).as_posix(): p.read_bytes().replace(b"\r\n", b"\n") for p in source_files(folder)}
    except OSError as error:
        raise InputError(f"cannot read the standard library's text ({error}): run another Python") from error
    if sum(map(len, texts.values())) < _LEAST_BYTES:
        raise InputError(f"{folder} has no source files of the standard library: run a Python that comes with them")
    parts: tuple[dict[str, bytes], dict[str, bytes]] = {}, {}
    whole = hashlib.sha256()
    for name, text in texts.items():
        whole.update(f"{name}\0{len(text)}\0".encode() + text)
        # The split depends on the name only, so that it is the same in all versions of Python.
        parts[hashlib.sha256(name.encode()).digest()[0] % _FILES_PER_VALIDATION_FILE == 0][name] = text
    return Corpus(*parts, whole.hexdigest()[:16], platform.python_version())


def encode(text: bytes) -> NDArray[np.uint8]:
    """Return a text as ASCII tokens; a byte that is not ASCII becomes SUBSTITUTE."""
    codes = np.frombuffer(text, np.uint8)
    return np.where(codes < ASCII, codes, np.uint8(SUBSTITUTE))


def windows(texts: dict[str, bytes], length: int, count: int, seed: int = 0) -> NDArray[np.uint8]:
    """Cut the texts into windows and return a random choice of them, without repetition.

    Parameters
    ----------
    texts : dict
        From names to bytes; each text is preceded by a SEPARATOR.
    length : int
        The number of tokens in a window.
    count : int
        The number of windows to return.
    seed : int
        The seed of the choice.

    Returns
    -------
    ndarray of uint8, shape (count, length)

    Raises
    ------
    InputError
        If the texts have fewer windows.
    """
    tokens = np.concatenate([encode(bytes([SEPARATOR]) + text) for text in texts.values()])
    cut = tokens[: len(tokens) // length * length].reshape(-1, length)
    if len(cut) < count:
        raise InputError(f"the text has {len(cut)} windows of {length} tokens, not {count}: ask for fewer")
    return cut[np.random.default_rng(seed).permutation(len(cut))[:count]]
