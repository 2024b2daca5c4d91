"""The exception for data or options that cannot be used, warnings, and helpers for messages."""

import math


class InputError(ValueError):
    """The caller's data or options cannot be used.

    The message is one line that says what is wrong and what to do. The command line prints it without a traceback and
    exits with status 2; in Python it is an ordinary `ValueError`.
    """


class FitWarning(UserWarning):
    """A fit's own test rejects it: the scores do not follow the fitted distribution."""


def show(number: float) -> str:
    """Return a number for a message: short if that is exact, else with all digits."""
    short = f"{number:g}"
    return repr(float(number)) if math.isfinite(number) and float(short) != number else short
