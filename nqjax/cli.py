"""The `nqjax` command.

Each subcommand is one `_add_<name>` function, which declares its options, and one `_run_<name>` function, which does
the work. Arguments and the input file are checked before anything heavy is imported, so that a mistake costs no wait.
"""

import argparse
import contextlib
import difflib
import io
import json
import math
import os
import shlex
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from nqjax.errors import InputError

DEMO_METRIC = "val_loss"
GAMMA = (1, 5)  # the default of nqjax.fit, which cannot be asked before it is imported
TRIALS = (1, 2, 4, 8, 16, 32, 64, 128)

# The options that take numbers, which may be negative, infinite, or two: see _join_numbers.
_NUMERIC_OPTIONS = ("--threshold", "--alpha", "--beta", "--gamma", "--sigma", "--trials")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status.

    Parameters
    ----------
    argv : sequence of str, optional
        The arguments; those of the process by default.

    Returns
    -------
    int
        0 for success, 2 for a mistake in the arguments or the input (one line on stderr), 130 when interrupted and 141
        when the reader of the output went away.
    """
    if sys.stdout is None:  # closed by the caller: there is nobody to tell
        return 141
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name that the terminal cannot show is no reason to stop
            stream.reconfigure(errors="backslashreplace")
    try:
        status = _run(sys.argv[1:] if argv is None else list(argv))
        sys.stdout.flush()
    except BrokenPipeError:
        # Python flushes stdout once more on its way out, which must not fail either.
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        print(f"nqjax: error: the output cannot be written: {error.strerror or error}", file=sys.stderr)
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 2
    return status


def _run(argv: list[str]) -> int:
    try:
        args = _parse(argv)
        args.run(args)
    except SystemExit as stop:  # argparse has said everything there is to say
        return stop.code if isinstance(stop.code, int) else 0
    except InputError as error:
        print(f"nqjax: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


# --- arguments ------------------------------------------------------------------------------------------------------


class _Parser(argparse.ArgumentParser):
    """An argument parser that reports a mistake in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: error: {' '.join(message.split())} (see {self.prog} --help)\n")


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        from nqjax._version import __version__

        print(f"nqjax {__version__}")
        parser.exit()


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = _Parser(
        prog="nqjax",
        usage="nqjax COMMAND ...",
        description="Fit the noisy quadratic distribution to the scores of a random hyperparameter search:\n"
        "how good the model can get, how many hyperparameters matter, how noisy one run is, and\n"
        "what more trials would buy.",
        epilog="Begin with: nqjax demo\nThen:       nqjax fit trials.csv --metric val_loss --threshold 0.35",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command", prog="nqjax")
    for add in (_add_fit, _add_demo):
        add(commands)

    args, unknown = parser.parse_known_args(_join_numbers(argv))
    if args.command is None:
        parser.error(f"no command given; choose one of: {', '.join(commands.choices)}")
    if unknown:
        options = [option for action in args.parser._actions for option in action.option_strings]
        close = difflib.get_close_matches(unknown[0], options, n=1)
        args.parser.error(f"unknown argument {unknown[0]!r}" + (f"; did you mean {close[0]}?" if close else ""))
    return args


def _join_numbers(argv: list[str]) -> list[str]:
    """Join a numeric option and the numbers after it into one argument, `--alpha -inf 1` into `--alpha=-inf 1`.

    Left to itself, argparse takes -inf and -1e-3 for options, and has `--alpha 0 1 trials.csv` swallow the file.
    """
    joined: list[str] = []
    rest = iter(argv)
    open_option = False  # whether the last argument still takes numbers
    for argument in rest:
        if argument == "--":
            return [*joined, argument, *rest]
        if open_option and _is_number(argument):
            joined[-1] += (" " if "=" in joined[-1] else "=") + argument
        else:
            joined.append(argument)
            open_option = argument.split("=", 1)[0] in _NUMERIC_OPTIONS
    return joined


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _numbers(text: str) -> list[float]:
    """Return the numbers of one joined argument."""
    numbers = []
    for word in text.split():
        if not _is_number(word) or math.isnan(float(word)):
            raise argparse.ArgumentTypeError(f"{word!r} is not a number")
        numbers.append(float(word))
    if not numbers:
        raise argparse.ArgumentTypeError("a number is missing")
    return numbers


def _threshold(text: str) -> float:
    numbers = _numbers(text)
    if len(numbers) != 1 or not math.isfinite(numbers[0]):
        raise argparse.ArgumentTypeError("give one finite number")
    return numbers[0]


def _constraint(text: str) -> float | tuple[float, float]:
    """Return a fixed value or an interval."""
    numbers = _numbers(text)
    if len(numbers) > 2:
        raise argparse.ArgumentTypeError("give one number to fix it, or two for the lowest and the highest value")
    if len(numbers) == 2 and numbers[0] > numbers[1]:
        raise argparse.ArgumentTypeError(f"the lowest value comes first: {numbers[1]:g} {numbers[0]:g}")
    if len(numbers) == 1 and math.isinf(numbers[0]):
        raise argparse.ArgumentTypeError("it cannot be fixed at infinity; give two numbers for an interval")
    return numbers[0] if len(numbers) == 1 else (numbers[0], numbers[1])


def _sigma(text: str) -> float | tuple[float, float]:
    constraint = _constraint(text)
    if (constraint[0] if isinstance(constraint, tuple) else constraint) < 0:
        raise argparse.ArgumentTypeError("a standard deviation cannot be negative")
    return constraint


def _gamma(text: str) -> int | tuple[int, int]:
    constraint = _constraint(text)
    ends = constraint if isinstance(constraint, tuple) else (constraint,)
    if not all(math.isfinite(end) and end == int(end) and end >= 1 for end in ends):
        raise argparse.ArgumentTypeError("give whole numbers from 1 up")
    return int(ends[0]) if len(ends) == 1 else (int(ends[0]), int(ends[1]))


def _trials(text: str) -> tuple[float, ...]:
    numbers = _numbers(text)
    if not all(math.isfinite(n) and n > 0 for n in numbers):
        raise argparse.ArgumentTypeError("give positive numbers of trials")
    return tuple(sorted(set(numbers)))


# --- nqjax fit ------------------------------------------------------------------------------------------------------

_FIT_EPILOG = """\
PARAMETER OPTIONS take one number, which fixes the parameter, or two, its lowest and its highest value; an end may be
-inf or inf. Scores that are missing, NaN or infinite are failed runs and count on the losing side.

examples:
  nqjax fit trials.csv --metric val_loss --threshold 3.695
  nqjax fit trials.jsonl --metric metrics.accuracy --maximize --threshold 0.89 --beta 0 1
  nqjax fit trials.parquet --metric val_loss --gamma 1 8 --json | jq .alpha
"""


def _add_fit(commands: Any) -> None:
    parser = commands.add_parser(
        "fit",
        usage="nqjax fit FILE --metric NAME [--minimize | --maximize] [--threshold T] [options]",
        help="fit the noisy quadratic distribution to the scores in a file",
        description="Fit the noisy quadratic distribution to the scores of a random search, one trial a row.",
        epilog=_FIT_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("file", metavar="FILE", help="the trials: .csv, .tsv, .jsonl, .ndjson or .parquet")
    parser.add_argument("--metric", metavar="NAME", required=True, help="the column that holds the scores")
    direction = parser.add_mutually_exclusive_group()
    direction.add_argument(
        "--minimize", dest="minimize", action="store_true", default=True, help="lower scores are better (default)"
    )
    direction.add_argument("--maximize", dest="minimize", action="store_false", help="higher scores are better")
    parser.add_argument(
        "--threshold",
        metavar="T",
        type=_threshold,
        help="where the regime ends: only scores as good as T or better shape the fit, the others are counted "
        "(default: none, all scores are used)",
    )
    for name, kind, default, text in (
        ("alpha", _constraint, None, "the lower end: when minimizing, the best score that can be reached"),
        ("beta", _constraint, None, "the upper end: when maximizing, the best score that can be reached"),
        ("gamma", _gamma, GAMMA, "the effective number of hyperparameters (default: 1 5)"),
        ("sigma", _sigma, None, "the standard deviation of one run's noise; 0 for none"),
    ):
        parser.add_argument(f"--{name}", metavar="X|LO HI", type=kind, default=default, help=text)
    parser.add_argument(
        "--trials",
        metavar="N ...",
        type=_trials,
        default=TRIALS,
        help="the numbers of trials at which to give the tuning curve (default: 1 2 4 ... 128)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    parser.set_defaults(run=_run_fit, parser=parser)


def _run_fit(args: argparse.Namespace) -> None:
    from nqjax.trials import read_scores

    scores = read_scores(args.file, args.metric)

    _use_compilation_cache()
    import nqjax
    from nqjax import report

    worst = math.inf if args.minimize else -math.inf
    threshold = worst if args.threshold is None else args.threshold
    constraints = {name: getattr(args, name) for name in ("alpha", "beta", "gamma", "sigma")}
    fit = nqjax.fit(
        scores,
        limits=(-math.inf, threshold) if args.minimize else (threshold, math.inf),
        minimize=args.minimize,
        **constraints,
    )
    document = report.fit_document(
        fit,
        scores,
        file=args.file,
        metric=args.metric,
        threshold=args.threshold if args.threshold is None or math.isfinite(args.threshold) else None,
        constraints=constraints,
        trials=args.trials,
    )
    if args.json:
        print(json.dumps(document, indent=2, allow_nan=False))
    else:
        report.print_fit(document, _console())


# --- nqjax demo -----------------------------------------------------------------------------------------------------


def _add_demo(commands: Any) -> None:
    parser = commands.add_parser(
        "demo",
        usage="nqjax demo",
        help="fit the random search that ships with the package",
        description="Fit the random search that ships with the package: small neural networks on handwritten digits.",
        allow_abbrev=False,
    )
    parser.set_defaults(run=_run_demo, parser=parser)


def _run_demo(_: argparse.Namespace) -> None:
    from nqjax import data

    threshold = str(data.DIGITS_MLP_THRESHOLD)
    command = ["fit", str(data.digits_mlp_path()), "--metric", DEMO_METRIC, "--threshold", threshold]
    print(f"$ {shlex.join(['nqjax', *command])}\n", flush=True)
    fit_args = _parse(command)
    fit_args.run(fit_args)


# --- the process ----------------------------------------------------------------------------------------------------


def _console() -> Any:
    from rich.console import Console

    class PipedConsole(Console):
        def on_broken_pipe(self) -> None:  # rich would exit with status 1; main knows better
            self.quiet = True
            raise BrokenPipeError

    return PipedConsole(highlight=False)


def _use_compilation_cache() -> None:
    """Keep compiled programs in the user's cache directory, so that a second run does not compile them again.

    What the user has configured through JAX's own environment variables stays. A directory that cannot be written is
    no error: the programs are then compiled each time.
    """
    # The loader of cached CPU programs logs tuning preferences of the compiler as errors on some processors.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    warnings.filterwarnings("ignore", message="Error (reading|writing) persistent compilation cache")
    import jax

    if not os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        directory = _cache_directory()
        if directory is None:
            return
        jax.config.update("jax_compilation_cache_dir", str(directory))
    for option, value in (
        ("jax_persistent_cache_min_compile_time_secs", 0.0),  # small programs add up: keep all of them
        ("jax_persistent_cache_min_entry_size_bytes", -1),
    ):
        if option.upper() not in os.environ:
            jax.config.update(option, value)


def _cache_directory() -> Path | None:
    """Return the directory of the compiled programs, made if need be; None if that is impossible."""
    base = Path(os.environ.get("XDG_CACHE_HOME", ""))
    try:
        directory = (base if base.is_absolute() else Path.home() / ".cache") / "nqjax" / "jax"
        directory.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # not writable, or no home
        return None
    return directory if os.access(directory, os.W_OK) else None
