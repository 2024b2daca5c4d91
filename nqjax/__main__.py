"""The process of the `nqjax` command; `python -m nqjax` is the same."""

import signal
import sys


def main() -> int:
    """Run the command line in its own process."""
    # Compiled code would delay Python's handling of Ctrl-C to its end. Commands with something to save change this.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from nqjax.cli import main as run

    return run()


if __name__ == "__main__":
    sys.exit(main())
