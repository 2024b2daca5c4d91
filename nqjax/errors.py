"""The exception for data or options that cannot be used, and helpers for its messages."""

import math


class InputError(ValueError):
    """The caller's data or options cannot be used.

    The message is one line that says what is wrong and what to do. The command line prints it without a traceback and
    exits with status 2; in Python it is an ordinary `ValueError`.
    """


def missing_extra(what: str, package: str, extra: str) -> InputError:
    """Return the error for an optional package that is not installed.

    Parameters
    ----------
    what : str
        What the user asked for, the subject of "needs".
    package : str
        The name of the package as people know it.
    extra : str
        The extra of nqjax that installs it.
    """
    return InputError(f"{what} needs {package}: pip install 'nqjax[{extra}]'")


def show(number: float) -> str:
    """Return a number for a message: short if that is exact, else with all digits."""
    short = f"{number:g}"
    return repr(float(number)) if math.isfinite(number) and float(short) != number else short
