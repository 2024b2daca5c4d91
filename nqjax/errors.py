"""The one exception that means: the input is at fault, and this is what to do about it; and numbers in messages."""

import math


class InputError(ValueError):
    """The caller's data or options cannot be used.

    The message is one line that says what is wrong and what to do. The command line prints it without a traceback and
    exits with status 2; in Python it is an ordinary `ValueError`.
    """


def show(number: float) -> str:
    """Return a number as a message quotes it: short, but never so short that it is another number."""
    short = f"{number:g}"
    return repr(float(number)) if math.isfinite(number) and float(short) != number else short
