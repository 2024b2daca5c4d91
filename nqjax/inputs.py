"""The one exception that means: the input is at fault, and this is what to do about it; and numbers in messages."""

import math
import operator
from typing import Any


class InputError(ValueError):
    """The caller's data or options cannot be used.

    The message is one line that says what is wrong and what to do. The command line prints it without a traceback and
    exits with status 2; in Python it is an ordinary `ValueError`.
    """


def show(number: float) -> str:
    """Return a number as a message quotes it: short, but never so short that it is another number."""
    short = f"{number:g}"
    return repr(float(number)) if math.isfinite(number) and float(short) != number else short


def as_count(name: str, number: Any, least: int = 1) -> int:
    """Return a whole number that is large enough; raise InputError, which names it, for anything else."""
    try:
        count = operator.index(number)
    except TypeError:
        raise InputError(f"{name} is {number!r}: give a whole number") from None
    if count < least:
        raise InputError(f"{name} is {count}: give at least {least}")
    return count
