"""The exception for data or options that cannot be used, warnings, and helpers for messages."""

import math


class InputError(ValueError):
    """The caller's data or options cannot be used.

    The message is one line that says what is wrong and what to do. The command line prints it without a traceback and
    exits with status 2; in Python it is an ordinary `ValueError`. Control characters, as in the names of columns, are
    escaped, and a message that is longer than 500 characters is cut.
    """

    def __init__(self, message: object = "") -> None:
        super().__init__(one_line(str(message)))


#: Messages are cut at this number of characters.
_LONGEST = 500


def one_line(text: str) -> str:
    """Return a text in one line of at most 500 characters, in which control characters are escaped."""
    line = " ".join(text.split())
    if not line.isprintable():
        line = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)
    return line if len(line) <= _LONGEST else line[: _LONGEST - 3] + "..."


class FitWarning(UserWarning):
    """A fit's own test rejects it: the scores do not follow the fitted distribution."""


def show(number: float) -> str:
    """Return a number for a message: short if that is exact, else with all digits."""
    short = f"{number:g}"
    return repr(float(number)) if math.isfinite(number) and float(short) != number else short
