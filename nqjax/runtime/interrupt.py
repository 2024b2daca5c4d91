"""Ctrl-C in the process of a command: it ends within two seconds, whatever is running, with exit status 130.

Python runs the handler of a signal between two of its own instructions, so compiled code, and the compiler, would delay
it. But the interpreter also writes the number of a signal to a pipe as soon as it comes, and a thread reads it there.
The process may end at any moment without harm, as if it were killed: files are written whole or line by line.
"""

# Until `begin` has run, Ctrl-C gives a traceback: so only what Python has loaded already is imported here.
import _thread
import os
import signal
import sys
from collections.abc import Callable

#: Exit status of an interrupted process.
STATUS = 130

#: Seconds that work may take to stop in order.
_PATIENCE = 1.2

#: Seconds that the last output may take, because a terminal or a pipe may be stuck.
_LAST_OUTPUT = 0.2

#: Taken for good by the thread that answers Ctrl-C.
_ANNOUNCING = _thread.allocate_lock()

#: Taken for good by the thread that says what is safe.
_TELLING = _thread.allocate_lock()


_Hook = Callable[["sys.UnraisableHookArgs"], object]


class _State:
    """Work under way in this process, and whether it is being interrupted."""

    waiting = ""  # printed at the first Ctrl-C
    safe: Callable[[], str] | None = None  # returns what to print if the work does not stop in time
    is_interrupted = False
    has_raised = False


def begin() -> None:
    """Let Ctrl-C end this process at once and without a word; where SIGINT is ignored or handled, change nothing."""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    # Python takes the thread that imports this module first for the main one, and waits for it in the end.
    import threading

    try:
        threading.Thread(target=_watch, args=(reading,), name="nqjax-ctrl-c", daemon=True).start()
    except RuntimeError:  # no more threads: the system ends the process
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        return
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    signal.signal(signal.SIGINT, _leave_to_the_thread)


def expect(waiting: str, safe: Callable[[], str]) -> None:
    """Let the first Ctrl-C raise KeyboardInterrupt, for work that stops in order; a second one ends the process.

    Nothing changes where `begin` did not take over Ctrl-C.

    Parameters
    ----------
    waiting : str
        The text to print at the first Ctrl-C, or an empty one.
    safe : function
        Returns the text to print if the work does not stop in time. It runs in another thread.
    """
    if signal.getsignal(signal.SIGINT) is not _leave_to_the_thread:
        return
    _State.waiting, _State.safe = waiting, safe
    sys.unraisablehook = _without_interrupts(sys.unraisablehook)
    signal.signal(signal.SIGINT, _raise_once)


def end() -> None:
    """Let Ctrl-C end this process at once again: the work is done, and Python is about to leave."""
    if signal.getsignal(signal.SIGINT) is _raise_once:
        signal.signal(signal.SIGINT, _leave_to_the_thread)
        _State.safe = None


def is_interrupted() -> bool:
    """Return whether Ctrl-C was pressed while work was under way."""
    return _State.is_interrupted


def tell(text: str) -> None:
    """Print to stderr what is safe; after a real Ctrl-C only the first text is printed."""
    if _State.is_interrupted and not _TELLING.acquire(blocking=False):
        return
    import contextlib

    with contextlib.suppress(OSError, ValueError):  # closed
        print(text, file=sys.stderr, flush=True)  # noqa: T201


def _leave_to_the_thread(*_: object) -> None:
    """Do nothing in the main thread, which may hold any lock."""


def _raise_once(*_: object) -> None:
    _announce()
    if not _State.has_raised:
        _State.has_raised = True
        raise KeyboardInterrupt


def _announce() -> None:
    """Note the first Ctrl-C and answer it, in the thread that hears of it first."""
    if _ANNOUNCING.acquire(blocking=False):
        _State.is_interrupted = True
        if _State.waiting:
            _write(f"{_State.waiting}\n")


def _watch(pipe: int) -> None:
    """Read the numbers of signals, and see to it that the process ends."""
    import threading

    is_first = True
    for number in iter(lambda: os.read(pipe, 1), b""):
        if number[0] != signal.SIGINT:
            continue
        if _State.safe is None or not is_first:
            leave(STATUS)
        is_first = False
        _announce()
        timer = threading.Timer(_PATIENCE, _give_up)
        timer.daemon = True
        timer.start()


def _give_up() -> None:
    """End work that did not stop in time, and say what is safe."""
    safe = _State.safe
    if safe is not None:
        _within(_LAST_OUTPUT, lambda: tell(safe()))
    leave(STATUS)


def leave(status: int) -> None:
    """End the process; threads that are still in compiled code would make an orderly end crash."""
    _within(_LAST_OUTPUT, sys.stdout.flush)
    if os.isatty(2):
        _write("\x1b[?25h")  # the cursor, which a progress bar hides
    os._exit(status)


def _write(text: str) -> None:
    """Write to stderr, but not by `print`, which may be what was interrupted."""
    import contextlib

    with contextlib.suppress(OSError):  # closed
        os.write(2, text.encode())


def _within(seconds: float, work: Callable[[], object]) -> None:
    """Do something that may get stuck or fail, and wait for it for some seconds at most."""
    import contextlib
    import threading

    def quiet() -> None:
        with contextlib.suppress(Exception):
            work()

    with contextlib.suppress(RuntimeError):  # Python is leaving, and starts no more threads
        thread = threading.Thread(target=quiet, daemon=True)
        thread.start()
        thread.join(seconds)


def _without_interrupts(hook: "_Hook") -> "_Hook":
    """Return a hook for exceptions that cannot be raised, such as in a destructor, which leaves out Ctrl-C."""
    return lambda found: None if issubclass(found.exc_type, KeyboardInterrupt) else hook(found)
