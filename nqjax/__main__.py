"""The process of the `nqjax` command; `python -m nqjax` is the same."""

import signal
import sys


def main() -> int:
    """Run the command line in a process of its own."""
    # The work is compiled code, from which Python would hear of Ctrl-C only at its end, and there is nothing to save.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from nqjax.cli import main as run

    return run()


if __name__ == "__main__":
    sys.exit(main())
