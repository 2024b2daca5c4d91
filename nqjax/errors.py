"""The one exception that means: the input is at fault, and this is what to do about it."""


class InputError(ValueError):
    """The caller's data or options cannot be used.

    The message is one line that says what is wrong and what to do. The command line prints it without a traceback and
    exits with status 2; in Python it is an ordinary `ValueError`.
    """
