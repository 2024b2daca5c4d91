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


def _way(thousands: str, decimal: str, name: str) -> tuple[re.Pattern[str], str, str, str]:
    """Return a way to write numbers: the pattern of a number, of its separators, its decimal mark, and its name."""
    whole = rf"(?:[1-9]\d{{0,2}}(?:{thousands}\d{{3}})+|\d+)"
    pattern = rf"[+-]?(?:{whole}(?:{re.escape(decimal)}\d*)?|{re.escape(decimal)}\d+)(?:[eE][+-]?\d+)?"
    return re.compile(pattern), thousands, decimal, name


#: Ways to write numbers, the likeliest one first where commas separate cells; see `_localized`.
_WAYS = (
    _way(",", ".", "commas between thousands"),
    _way("(?!)", ",", "decimal commas"),
    _way(r"\.", ",", "decimal commas and dots between thousands"),
    _way("[ \u00a0\u202f]", ".", "spaces between thousands"),
    _way("[ \u00a0\u202f]", ",", "decimal commas and spaces between thousands"),
    _way("['\u2019]", ".", "apostrophes between thousands"),
    _way("['\u2019]", ",", "decimal commas and apostrophes between thousands"),
)


#: Texts that occur this often, on average, are read once each.
_OFTEN = 4


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
    plain = _plain_numbers(values)
    if plain is not None:
        return Numbers(plain, [None] * len(plain), None)
    different = dict.fromkeys(values) if set(map(type, values)) <= {str, type(None)} else ()
    if len(different) * _OFTEN <= len(values) and different:  # few texts, each of which occurs often
        once = numbers_of(list(different), delimiter)
        place = {value: i for i, value in enumerate(different)}
        places = [place[value] for value in values]
        return Numbers([once.values[i] for i in places], [once.words[i] for i in places], once.how)
    found = [to_number(value) for value in values]
    odd = [i for i, number in enumerate(found) if number is None and isinstance(values[i], str)]
    words: list[str | None] = [None] * len(found)
    for i in list(odd):
        if status_of(values[i]) is not None:
            words[i], found[i] = values[i].strip(), math.nan
            odd.remove(i)
    if not odd:
        return Numbers(found, words, None)
    texts = {i: value.strip() for i, value in enumerate(values) if isinstance(value, str) and _is_written(found[i])}
    bare = {i: text.removesuffix("%").strip() for i, text in texts.items()}
    numbers, how = _localized(list(bare.values()), delimiter)
    for i, number in zip(bare, numbers, strict=True):
        # 65.6e-2 is read as 0.656, which 65.6 / 100 is not.
        is_percent = texts[i].endswith("%") and number is not None and "e" not in repr(number)
        found[i] = float(f"{number!r}e-2") if is_percent else number
    example = next((i for i, text in texts.items() if text.endswith("%") and found[i] is not None), None)
    if example is not None:
        read = f"percentages: {texts[example]} is {found[example]:g}"
        how = f"{how}, and {read}" if how else read
    return Numbers(found, words, how)


def _plain_numbers(values: Sequence[Any]) -> list[float | None] | None:
    """Return the numbers of a column in which there is nothing else, quickly; None for another column."""
    kinds = set(map(type, values))
    if not (kinds <= {str} or kinds <= {float, int}) or (kinds == {str} and "_" in "".join(values)):
        return None
    try:
        return list(map(float, values))
    except (ValueError, OverflowError):
        return None


def _is_written(number: float | None) -> bool:
    return number is None or math.isfinite(number)


def _localized(texts: list[str], delimiter: str | None) -> tuple[list[float | None], str | None]:
    """Return the numbers in texts by one way of writing them, and the name of that way if it is not Python's."""
    plain = [parse_number(text) for text in texts]
    if None not in plain:
        return plain, None
    # Where semicolons or tabs separate cells, a comma is a decimal comma if it can be.
    ways = _WAYS if delimiter in (",", None) or any("." in text for text in texts) else _WAYS[1::-1] + _WAYS[2:]
    for pattern, thousands, decimal, name in ways:
        if all(pattern.fullmatch(text) for text in texts):
            return [parse_number(re.sub(thousands, "", text).replace(decimal, ".")) for text in texts], name
    return plain, None
