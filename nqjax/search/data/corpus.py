"""The source text of Python's standard library: real text that every machine with Python has.

What it says depends on the version of Python, so a search on it records the version and the text's fingerprint.
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

#: How many tokens `encode` has.
ASCII = 128


#: What stands for a character that ASCII does not have (its own word for it), and between two files.
SUBSTITUTE, SEPARATOR = 26, 0


#: Folders that are left out: tests, what was installed beside the library, and tables that are hardly text.
_LEFT_OUT = {"test", "tests", "idle_test", "site-packages", "dist-packages", "__pycache__", "encodings", "pydoc_data"}


#: A file in so many is for validation.
_VALIDATION_SHARE = 10


_LEAST_BYTES = 1_000_000


@dataclass(frozen=True)
class Corpus:
    """The library's text, split by file.

    Attributes
    ----------
    train, valid : dict
        From the names of files to their bytes, in the order of the names.
    fingerprint : str
        Of all of it.
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
    # Files called _sysconfigdata* hold what this machine was built with.
    yield from (p for p in entries if p.suffix == ".py" and not p.name.startswith("_sysconfigdata") and p.is_file())
    for path in entries:
        if path.is_dir() and path.name not in _LEFT_OUT and not path.name.startswith("config-"):
            yield from source_files(path)


def read_corpus(folder: Path | str | None = None) -> Corpus:
    """Return the standard library's text.

    Parameters
    ----------
    folder : Path or str, optional
        Where it is; by default, where this Python has it.

    Raises
    ------
    InputError
        Where there is too little, as in a Python that comes without its source files.
    """
    return _read_corpus(Path(folder or sysconfig.get_path("stdlib")))


@functools.cache
def _read_corpus(folder: Path) -> Corpus:
    try:
        # Line ends are those of the machine.
        texts = {p.relative_to(folder).as_posix(): p.read_bytes().replace(b"\r\n", b"\n") for p in source_files(folder)}
    except OSError as error:
        raise InputError(f"cannot read the standard library's text ({error}): run another Python") from error
    if sum(map(len, texts.values())) < _LEAST_BYTES:
        raise InputError(f"{folder} has no source files of the standard library: run a Python that comes with them")
    parts: tuple[dict[str, bytes], dict[str, bytes]] = {}, {}
    whole = hashlib.sha256()
    for name, text in texts.items():
        whole.update(f"{name}\0{len(text)}\0".encode() + text)
        # By the name alone, so that another version of Python splits alike.
        parts[hashlib.sha256(name.encode()).digest()[0] % _VALIDATION_SHARE == 0][name] = text
    return Corpus(*parts, whole.hexdigest()[:16], platform.python_version())


def encode(text: bytes) -> NDArray[np.uint8]:
    """Return a text as ASCII tokens; a byte that is none becomes SUBSTITUTE."""
    codes = np.frombuffer(text, np.uint8)
    return np.where(codes < ASCII, codes, np.uint8(SUBSTITUTE))


def windows(texts: dict[str, bytes], length: int, count: int, seed: int = 0) -> NDArray[np.uint8]:
    """Cut the texts into windows and return a random choice of them, none twice.

    Parameters
    ----------
    texts : dict
        From names to bytes; a SEPARATOR goes before each.
    length, count : int
        Tokens in a window, and windows to return.
    seed : int
        Of the choice.

    Returns
    -------
    ndarray of uint8, shape (count, length)

    Raises
    ------
    InputError
        Where the texts have fewer windows.
    """
    tokens = np.concatenate([encode(bytes([SEPARATOR]) + text) for text in texts.values()])
    cut = tokens[: len(tokens) // length * length].reshape(-1, length)
    if len(cut) < count:
        raise InputError(f"the text has {len(cut)} windows of {length} tokens, not {count}: ask for fewer")
    return cut[np.random.default_rng(seed).permutation(len(cut))[:count]]
