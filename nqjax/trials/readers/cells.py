"""Turn the cells of a column into numbers: percentages, decimal commas, thousands separators, words for failure."""

import math
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from nqjax.trials.numbers import parse_number
from nqjax.trials.study import FAILED, FINISHED, PRUNED, RUNNING, WAITING

#: Words for what became of a trial, in lower case.
STATUS_WORDS = {
    FINISHED: (
        *("complete", "completed", "finished", "finish", "success", "succeeded", "successful", "terminated", "ok"),
        *("done", "passed", "ended", "status_ok"),
    ),
    FAILED: (
        *("fail", "failed", "failure", "error", "errored", "crash", "crashed", "diverged", "exploded", "killed"),
        *("aborted", "abandoned", "invalid", "timeout", "timed out", "timed_out", "oom", "out of memory", "memoryout"),
        *("exception", "cancelled", "canceled", "preempted", "interrupted", "status_fail", "#div/0!", "#value!"),
        *("#num!", "#ref!", "err", "nan loss", "broken", "user_canceled", "sys_canceled"),
    ),
    PRUNED: ("pruned", "early_stopped", "earlystopped", "early stopped", "stopped", "halted"),
    RUNNING: ("running", "active", "in progress", "in_progress", "started", "status_running"),
    WAITING: (
        *("waiting", "queued", "pending", "scheduled", "new", "initiated", "idle", "candidate", "created"),
        *("suspended", "paused", "not started", "status_new", "status_suspended"),
    ),
}

#: From a word to its status.
STATUS_OF = {word: status for status, words in STATUS_WORDS.items() for word in words}

#: Numbers with separators between thousands: commas; dots, with a decimal comma; spaces or apostrophes.
_COMMAS = re.compile(r"[+-]?\d{1,3}(,\d{3})+(\.\d*)?")
_DOTS = re.compile(r"[+-]?\d{1,3}(\.\d{3})+,\d*")
_SPACES = re.compile(r"[+-]?\d{1,3}([ '\u00a0\u202f\u2019]\d{3})+([.,]\d*)?")

#: A number with a decimal comma, perhaps with an exponent.
_DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+([eE][+-]?\d+)?|[+-]?\d+,")

#: A number that means the same whether a comma separates thousands or decimals.
_PLAIN = re.compile(r"[+-]?\d+([eE][+-]?\d+)?")


class Numbers(NamedTuple):
    """The numbers of a column; None where a cell is neither a number, missing, nor a word for a status."""

    values: list[float | None]
    words: list[str | None]  # the word of each cell that holds one, such as "FAILED"
    how: str | None  # what was needed to read them, for a note


def status_of(value: Any) -> str | None:
    """Return the status that a text stands for, or None."""
    if not isinstance(value, str):
        return None
    word = value.strip().casefold()
    return STATUS_OF.get(word) or STATUS_OF.get(word.rpartition(".")[2])  # TrialState.COMPLETE


def to_number(value: Any) -> float | None:
    """Return the plain number of a value, NaN for a missing one, None for anything else."""
    if value is None:
        return math.nan
    if isinstance(value, str):
        return parse_number(value)
    if isinstance(value, bool | np.bool_) or not hasattr(value, "__float__"):
        return None
    try:
        return float(value)
    except OverflowError:  # a whole number beyond the range of float64
        return math.inf if value > 0 else -math.inf
    except (TypeError, ValueError):
        return None


def numbers_of(values: Sequence[Any], delimiter: str | None = None) -> Numbers:
    """Return the numbers of a column.

    How a comma is read is decided for the whole column: ``1,234`` is 1234 where another cell has commas every three
    digits and a point, and 1.234 where cells are separated by semicolons.

    Parameters
    ----------
    values : sequence
        Cells: text, numbers or None.
    delimiter : str, optional
        What separates the cells of the file.
    """
    found = [to_number(value) for value in values]
    odd = [i for i, number in enumerate(found) if number is None and isinstance(values[i], str)]
    words: list[str | None] = [None] * len(found)
    for i in list(odd):
        if status_of(values[i]) is not None:
            words[i], found[i] = values[i].strip(), math.nan
            odd.remove(i)
    if not odd:
        return Numbers(found, words, None)
    texts = [values[i].strip() for i in odd]
    percent = [text.endswith("%") for text in texts]
    bare = [text.removesuffix("%").strip() for text in texts]
    known = [value.strip() for i, value in enumerate(values) if found[i] is not None and isinstance(value, str)]
    numbers, how = _localized(bare, known, delimiter)
    for i, number, is_percent in zip(odd, numbers, percent, strict=True):
        # 65.6e-2 is read as 0.656, which 65.6 / 100 is not.
        found[i] = float(f"{number!r}e-2") if number is not None and is_percent and "e" not in repr(number) else number
    if any(percent):
        example = next(i for i, is_percent in zip(odd, percent, strict=True) if is_percent)
        if found[example] is not None:
            read = f"percentages: {values[example].strip()} is {found[example]:g}"
            how = f"{how}, and {read}" if how else read
    return Numbers(found, words, how)


def _localized(texts: list[str], others: list[str], delimiter: str | None) -> tuple[list[float | None], str | None]:
    """Return the numbers in texts by one rule for commas, dots and spaces, and the rule's name.

    ``others`` are the cells of the column that Python reads as numbers: where one has a decimal point, commas
    separate thousands.
    """
    plain = [parse_number(text) for text in texts]
    odd = [text for text, number in zip(texts, plain, strict=True) if number is None]
    if not odd:
        return plain, None
    has_point = any("." in text for text in others)
    rules = [
        (_DOTS, lambda text: text.replace(".", "").replace(",", "."), "decimal commas and dots between thousands"),
        (_SPACES, lambda text: re.sub(r"[ '\u00a0\u202f\u2019]", "", text).replace(",", "."), "separated thousands"),
    ]
    commas = (_COMMAS, lambda text: text.replace(",", ""), "commas between thousands")
    decimal = (_DECIMAL_COMMA, lambda text: text.replace(",", "."), "decimal commas")
    # Cells that are quoted because commas separate them come from programs that write 6,903.08.
    thousands_first = delimiter in (",", None) or any("." in text for text in odd)
    for pattern, change, name in [*([commas, decimal] if thousands_first else [decimal, commas]), *rules]:
        if name == "decimal commas" and has_point:
            continue
        if all(pattern.fullmatch(text) or _PLAIN.fullmatch(text) for text in odd):
            return [
                parse_number(change(text)) if number is None else number
                for text, number in zip(texts, plain, strict=True)
            ], name
    mixed = [_DOTS, _DECIMAL_COMMA]
    if not has_point and all(any(one.fullmatch(text) for one in mixed) for text in odd):
        change = rules[0][1]
        return [parse_number(change(t)) if n is None else n for t, n in zip(texts, plain, strict=True)], rules[0][2]
    return plain, None
