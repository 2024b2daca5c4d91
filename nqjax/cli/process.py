"""Console, compilation cache, warnings and Ctrl-C handling of the command line."""

import contextlib
import os
import re
import sys
import threading
import warnings
from collections.abc import Callable
from typing import Any

from nqjax.errors import one_line
from nqjax.runtime import interrupt
from nqjax.runtime.files import cache_folder


def console() -> Any:
    """Return the console of stdout, which raises BrokenPipeError when its reader has closed it."""
    from rich.console import Console

    class PipedConsole(Console):
        def on_broken_pipe(self) -> None:  # rich itself would exit with status 1
            self.quiet = True
            raise BrokenPipeError

    return PipedConsole(highlight=False, file=_Trimmed(sys.stdout))  # type: ignore[arg-type]


#: Whether the reader of stdout closed it before the command was done.
_gone = threading.Event()


def give_up_stdout() -> None:
    """Write nothing more to stdout, whose reader has closed it; what the command still does goes on."""
    _gone.set()
    close_stdout()


def close_stdout() -> None:
    """Let what is still written to stdout go nowhere, such as what Python flushes on its way out."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def took_stdout_back() -> bool:
    """Return whether `give_up_stdout` was called since the last time."""
    was = _gone.is_set()
    _gone.clear()
    return was


class _Trimmed:
    """A stream that leaves out spaces at the ends of lines, with which tables are padded."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a text; return its length, as streams do."""
        self._stream.write(re.sub(r"[ \t]+(?=\n)", "", text))
        return len(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def use_compilation_cache() -> None:
    """Keep compiled programs in the user's cache folder, so that a second run does not compile them again.

    JAX's own environment variables have priority. If the folder cannot be written, programs are compiled each time.
    """
    # The loader of cached CPU programs logs tuning preferences of the compiler as errors on some processors.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    warnings.filterwarnings("ignore", message="Error (reading|writing) persistent compilation cache")
    import jax

    if not os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        directory = cache_folder("jax")
        if directory is None or not os.access(directory, os.W_OK):
            return
        jax.config.update("jax_compilation_cache_dir", str(directory))
    for option, value in (
        ("jax_persistent_cache_min_compile_time_secs", 0.0),  # keep small programs, too: there are many
        ("jax_persistent_cache_min_entry_size_bytes", -1),
    ):
        if option.upper() not in os.environ:
            jax.config.update(option, value)


def say_warnings() -> None:
    """Print warnings in one line, without their place in the program."""
    warnings.showwarning = lambda message, *_: print(f"nqjax: warning: {one_line(str(message))}", file=sys.stderr)


def listen_for_ctrl_c(waiting: str = "", safe: Callable[[], str] | None = None) -> None:
    """Let Ctrl-C raise KeyboardInterrupt, for work that stops in order; see `nqjax.runtime.interrupt` for the rest.

    Parameters
    ----------
    waiting : str
        The message of the first Ctrl-C, if stopping takes a while.
    safe : function, optional
        Returns the message for work that has not stopped after some time: what is safe.
    """
    interrupt.expect(
        f"{waiting}; Ctrl-C again stops at once" if waiting else "",
        safe or (lambda: "interrupted; files that were written are whole"),
    )


def missing_platform() -> str | None:
    """Return a message if JAX cannot use the platforms that the environment asks for, or None."""
    asked, jax = os.environ.get("JAX_PLATFORMS"), sys.modules.get("jax")
    if not asked or jax is None:
        return None
    try:
        jax.devices()
    except Exception:  # noqa: BLE001 - JAX raises anything, even an empty AssertionError
        return f"JAX_PLATFORMS is {asked!r}, but JAX finds no such device here: set it to cpu, or unset it"
    return None
