"""The process of a command: its console, its compiled programs, its signals."""

import contextlib
import os
import signal
import sys
import warnings
from typing import Any

from nqjax.runtime.files import cache_folder


def console() -> Any:
    """Return the console of stdout; one that tells when its reader went away."""
    from rich.console import Console

    class PipedConsole(Console):
        def on_broken_pipe(self) -> None:  # rich would exit with status 1; main knows better
            self.quiet = True
            raise BrokenPipeError

    return PipedConsole(highlight=False)


def use_compilation_cache() -> None:
    """Keep compiled programs in the user's cache directory, so that a second run does not compile them again.

    What the user has configured through JAX's own environment variables stays. A directory that cannot be written is
    no error: the programs are then compiled each time.
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
        ("jax_persistent_cache_min_compile_time_secs", 0.0),  # small programs add up: keep all of them
        ("jax_persistent_cache_min_entry_size_bytes", -1),
    ):
        if option.upper() not in os.environ:
            jax.config.update(option, value)


def say_warnings() -> None:
    """Have warnings say in one line what matters, not where in the program they come from."""
    warnings.showwarning = lambda message, *_: print(f"nqjax: warning: {message}", file=sys.stderr)


def listen_for_ctrl_c(waiting: str = "") -> None:
    """Have Ctrl-C raise KeyboardInterrupt, for work that ends in order; see `nqjax.__main__` for the others.

    Parameters
    ----------
    waiting : str
        What the first Ctrl-C says where the end takes a while; the second one then ends the process at once.
    """
    if signal.getsignal(signal.SIGINT) is not signal.SIG_DFL:
        return
    if not waiting:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        return

    def first(*_: object) -> None:
        signal.signal(signal.SIGINT, second)
        os.write(2, f"{waiting}; Ctrl-C again stops at once\n".encode())  # print may be what was interrupted
        raise KeyboardInterrupt

    def second(*_: object) -> None:
        with contextlib.suppress(OSError, RuntimeError, ValueError):
            sys.stdout.flush()
        if sys.stderr.isatty():
            os.write(2, b"\x1b[?25h")  # the cursor, which the progress bar hides
        os._exit(130)  # threads that are still in compiled code would make an orderly end crash

    signal.signal(signal.SIGINT, first)
