"""The exception for data or options that cannot be used, warnings, and helpers for messages."""

import math
import re

#: Most characters of a message. The command line adds at most 60 and so stays within 500.
_LONGEST = 440


class InputError(ValueError):
    """The caller's data or options cannot be used.

    The message is one line that says what is wrong and what to do. The command line prints it without a traceback and
    exits with status 2; in Python it is an ordinary `ValueError`. Control characters, as in the names of columns, are
    escaped, and of a message that is longer than 440 characters the middle is left out.
    """

    def __init__(self, message: object = "") -> None:
        super().__init__(one_line(str(message)))


class FitWarning(UserWarning):
    """A fit is not to be relied on: its own test rejects it, one score decides it, or the scores look like noise."""


def show(number: float) -> str:
    """Return a number for a message: short if that is exact, else with all digits."""
    short = f"{number:g}"
    return repr(float(number)) if math.isfinite(number) and float(short) != number else short


def one_line(text: str) -> str:
    """Return a text as one line that is safe to print: see `visible`; the middle of a long one is left out.

    Names come from files, and may be as long as a file, or hold commands for a terminal.
    """
    text = visible(re.sub(r"\s*[\r\n]\s*", " ", text.strip()))
    if len(text) <= _LONGEST:
        return text
    head = _LONGEST * 2 // 3
    return f"{text[:head]} ... {text[len(text) - (_LONGEST - head - 5) :]}"


def visible(text: str) -> str:
    r"""Return a text with escapes, such as ``\x1b``, for what is not printed: it could steer a terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
