"""Pairs of sentences with a label, such as MultiNLI, cut into tokens by the tokenizer of a released model.

The folder has ``train.jsonl`` and ``valid.jsonl``, with one object in each line: ``sentence1``, ``sentence2`` and
``gold_label`` (entailment, neutral, contradiction; pairs with "-" are left out), or ``premise``, ``hypothesis`` and
``label`` (the same, or 0, 1, 2). The tokenizer's files are in ``model/``. The tokens are kept in the same folder as
``train.npz`` and ``valid.npz``; if these exist, neither the texts nor a tokenizer are needed.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from nqjax.errors import InputError
from nqjax.runtime.files import written_whole
from nqjax.search.sources import Batch

LABELS = ("entailment", "neutral", "contradiction")

#: Pairs of sentences that the tokenizer gets at a time.
_PAIRS_AT_ONCE = 1024

#: A function from two lists of texts and a length to each pair's tokens, special ones included.
Encode = Callable[[list[str], list[str], int], list[list[int]]]


def load_pairs(folder: Path | str, split: str, length: int, vocab_size: int, encode: Encode | None = None) -> Batch:
    """Return the tokens and labels of one split.

    Parameters
    ----------
    folder : Path or str
    split : str
        "train" or "valid".
    length : int
        The number of tokens of a pair; longer pairs are cut, shorter ones are padded with 0.
    vocab_size : int
        Tokens must be below this number.
    encode : callable, optional
        By default the tokenizer of ``model/``, for which `transformers` must be installed.

    Returns
    -------
    dict
        ``tokens``, int32, of shape (pairs, length), and ``label``, int32, of shape (pairs,).

    Raises
    ------
    InputError
        If files are missing or have other content.
    """
    folder = Path(folder)
    kept = folder / f"{split}.npz"
    if kept.is_file():
        pairs = _read_kept(kept)
    else:
        first, second, label = _read_texts(folder / f"{split}.jsonl")
        tokens = (encode or _tokenizer(folder / "model"))(first, second, length)
        padded = np.zeros((len(tokens), length), np.int32)
        for row, part in zip(padded, tokens, strict=True):
            row[: len(part)] = part
        pairs = {"tokens": padded, "label": np.array(label, np.int32)}
        _keep(kept, pairs)
    if pairs["tokens"].shape[1:] != (length,):
        raise InputError(f"{kept} has pairs of {pairs['tokens'].shape[1:]} tokens, not {length}: delete it")
    if pairs["tokens"].min() < 0 or pairs["tokens"].max() >= vocab_size:
        wrong = pairs["tokens"].max()
        raise InputError(f"{kept} has the token {wrong}, the model has {vocab_size}: delete it, give the model's own")
    return pairs


def _read_texts(path: Path) -> tuple[list[str], list[str], list[int]]:
    first, second, labels, number = [], [], [], 0
    try:
        with path.open(encoding="utf-8") as file:
            for line in file:
                number += 1
                if not line.strip():
                    continue
                row = json.loads(line)
                label = row["gold_label"] if "gold_label" in row else row["label"]
                if label in ("-", -1):  # the annotators did not agree
                    continue
                labels.append(LABELS.index(label) if isinstance(label, str) else range(len(LABELS))[label])
                first.append(str(row["sentence1"] if "sentence1" in row else row["premise"]))
                second.append(str(row["sentence2"] if "sentence2" in row else row["hypothesis"]))
    except OSError as error:
        raise InputError(
            f"cannot read {path} ({error.strerror}): put the pairs there, one JSON object a line"
        ) from error
    except (ValueError, KeyError, TypeError, IndexError) as error:
        hint = "it needs sentence1, sentence2 and gold_label (entailment, neutral or contradiction)"
        raise InputError(f"{path}, line {number}: {error!r}; {hint}") from error
    if not labels:
        raise InputError(f"{path} has no labelled pairs: put MultiNLI's there")
    return first, second, labels


def _tokenizer(folder: Path) -> Encode:
    try:
        from transformers import AutoTokenizer
    except ImportError as error:
        raise InputError("cutting texts into tokens needs transformers: pip install transformers") from error
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # transformers raises many kinds
        raise InputError(
            f"{folder} has no tokenizer that transformers can load: {str(error).splitlines()[0]}"
        ) from error

    def encode(first: list[str], second: list[str], length: int) -> list[list[int]]:
        tokens: Any = []
        for start in range(0, len(first), _PAIRS_AT_ONCE):
            part = slice(start, start + _PAIRS_AT_ONCE)
            tokens += tokenizer(first[part], second[part], truncation=True, max_length=length)["input_ids"]
        return tokens  # type: ignore[no-any-return]

    return encode


def _read_kept(path: Path) -> Batch:
    try:
        with np.load(path) as file:
            pairs = {name: np.asarray(file[name], np.int32) for name in ("tokens", "label")}
    except Exception as error:  # NumPy and zip raise many kinds
        raise InputError(f"{path} is not what was kept there ({error}): delete it") from error
    shapes = {name: array.shape for name, array in pairs.items()}
    whole = pairs["tokens"].ndim == 2 and shapes["label"] == shapes["tokens"][:1] and 0 not in shapes["tokens"]
    if not whole or not 0 <= pairs["label"].min() <= pairs["label"].max() < len(LABELS):
        raise InputError(f"{path} holds arrays of shapes {shapes} that are not pairs with labels: delete it")
    return pairs


def _keep(path: Path, pairs: Batch) -> None:
    """Write the tokens and labels to ``path``; do nothing if that fails with an OSError."""
    with contextlib.suppress(OSError), written_whole(path, "wb") as file:
        np.savez(file, **pairs)  # type: ignore[arg-type]
