"""The `nqjax` command.

Each subcommand is a module with a function `add`, which declares its options, and one that does the work. Arguments and
the input file are checked before JAX is imported, so that a mistake is reported at once.
"""

import argparse
import difflib
import functools
import io
import shlex
import sys
from collections.abc import Sequence
from typing import Any

from nqjax.cli import (
    ablation,
    analyze,
    bands,
    bootstrap,
    compare,
    demo,
    doctor,
    fit,
    landscape,
    many,
    noise,
    plan,
    posterior,
    process,
    regime,
    region,
    replay,
    residual,
    search,
    similarity,
    surface,
    worth,
)
from nqjax.cli.help import HelpFormatter
from nqjax.cli.options import Parser, Version, hint_for, join_numbers
from nqjax.errors import InputError, one_line
from nqjax.runtime import interrupt


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments; by default those of the process.

    Returns
    -------
    int
        0 for success, 2 for a mistake in the arguments or the input (one line on stderr), 130 when interrupted and 141
        when the reader of the output has closed it.
    """
    if sys.stdout is None:  # closed by the caller
        return 141
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name that the terminal cannot show is escaped
            stream.reconfigure(errors="backslashreplace")
    try:
        status = _run(sys.argv[1:] if argv is None else list(argv))
        sys.stdout.flush()
    except BrokenPipeError:
        # Python flushes stdout once more on its way out, which must not fail either.
        process.give_up_stdout()
        status = 141
    except OSError as error:
        print(f"nqjax: error: the output cannot be written: {one_line(error.strerror or str(error))}", file=sys.stderr)
        process.close_stdout()
        return 2
    return 141 if process.took_stdout_back() else status


def _run(argv: list[str]) -> int:
    try:
        args = parse(argv)
        args.run(args)
    except SystemExit as stop:  # argparse has printed the message
        return stop.code if isinstance(stop.code, int) else 0
    except InputError as error:
        print(f"nqjax: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return interrupt.STATUS
    except Exception:
        # Whatever fails in compiled code while it is interrupted, or without a device, would be a traceback of JAX.
        if interrupt.is_interrupted():
            return interrupt.STATUS
        if message := process.missing_platform():
            print(f"nqjax: error: {one_line(message)}", file=sys.stderr)
            return 2
        raise
    return 0


@functools.cache
def _parsers() -> tuple[Parser, Any]:
    """Return the parser of the command line, and its action that has those of the commands."""
    parser = Parser(
        prog="nqjax",
        usage="nqjax COMMAND ...",
        description="Fit the noisy quadratic distribution to the scores of a random hyperparameter search:\n"
        "how good the model can get, how many hyperparameters matter, how noisy one run is, and\n"
        "what more trials would buy.",
        epilog="Begin with: nqjax demo\nThen:       nqjax analyze trials.csv --metric val_loss",
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=Version, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command", prog="nqjax")
    analyses = analyze, fit, regime, region, posterior, compare, bootstrap, bands, plan, noise, many
    for command in (*analyses, surface, landscape, similarity, search, worth, replay, residual, ablation, demo, doctor):
        command.add(commands)
    return parser, commands


def parse(argv: list[str]) -> argparse.Namespace:
    """Parse the arguments; the first one is the command."""
    parser, commands = _parsers()
    if argv and argv[0].startswith("-") and argv[0] not in ("-h", "--help", "--version"):
        parser.error("the command comes first, as in: nqjax fit FILE --metric NAME")
    args, unknown = parser.parse_known_args(join_numbers(argv))
    if args.command is None:
        parser.error(f"no command given; choose one of: {', '.join(commands.choices)}")
    if unknown:
        options = [option for action in args.parser._actions for option in action.option_strings]
        name = unknown[0].partition("=")[0]
        if hint := hint_for(args.command, unknown[0], options):
            args.parser.error(hint)
        close = difflib.get_close_matches(name, options, n=1) if name.startswith("-") else []
        args.parser.error(f"unknown argument {unknown[0]!r}" + (f"; did you mean {close[0]}?" if close else ""))
    args.command_line = shlex.join(["nqjax", *argv])
    return args
