"""Console, compilation cache and Ctrl-C handling of the command line."""

import contextlib
import os
import re
import signal
import sys
import warnings
from typing import Any

from nqjax.runtime.files import cache_folder


def console() -> Any:
    """Return the console of stdout, which raises BrokenPipeError when its reader has closed it."""
    from rich.console import Console

    class PipedConsole(Console):
        def on_broken_pipe(self) -> None:  # rich itself would exit with status 1
            self.quiet = True
            raise BrokenPipeError

    return PipedConsole(highlight=False, file=_Trimmed(sys.stdout))  # type: ignore[arg-type]


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
    warnings.showwarning = lambda message, *_: print(f"nqjax: warning: {message}", file=sys.stderr)


def listen_for_ctrl_c(waiting: str = "") -> None:
    """Let Ctrl-C raise KeyboardInterrupt, for work that can be interrupted; see `nqjax.__main__` for the rest.

    Parameters
    ----------
    waiting : str
        A message for the first Ctrl-C, if stopping takes a while; a second Ctrl-C then ends the process at once.
    """
    if signal.getsignal(signal.SIGINT) is not signal.SIG_DFL:
        return
    if not waiting:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        return

    def first(*_: object) -> None:
        signal.signal(signal.SIGINT, second)
        os.write(
            2, f"{waiting}; Ctrl-C again stops at once\n".encode()
        )  # not by print, which may be what was interrupted
        raise KeyboardInterrupt

    def second(*_: object) -> None:
        with contextlib.suppress(OSError, RuntimeError, ValueError):
            sys.stdout.flush()
        if sys.stderr.isatty():
            os.write(2, b"\x1b[?25h")  # the cursor, which the progress bar hides
        os._exit(130)  # threads that are still in compiled code would make an orderly end crash

    signal.signal(signal.SIGINT, first)
