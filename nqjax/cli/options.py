"""Types of arguments, and options that several commands share."""

import argparse
import functools
import math
from collections.abc import Callable
from typing import Any, NoReturn

from nqjax.cli.help import HelpFormatter
from nqjax.cli.reading import add_files, add_rows
from nqjax.errors import InputError, one_line
from nqjax.runtime.memory import check_memory

#: The default of nqjax.fit, whose import would take too long here.
GAMMA = (1, 5)

#: The largest gamma that is tried without being asked for, however many hyperparameters a file has.
MOST_GAMMA = 10

#: The value of --threshold that has a threshold chosen.
AUTO = "auto"

#: Bytes that each of a counted thing takes at least: a resample, a draw, a trial.
_LEAST_BYTES = 100

#: Options with other names in earlier versions.
RENAMED = {"--prob": "--confidence", "--level": "--confidence"}

#: Commands whose option of the old name was 1 minus that of the new one.
_COMPLEMENTS = (("noise", "--level"),)

#: Options that take numbers, perhaps several, negative or infinite ones: see join_numbers.
NUMERIC_OPTIONS = (
    "--threshold",
    "--quantile",
    "--alpha",
    "--beta",
    "--gamma",
    "--sigma",
    "--trials",
    "--level",
    "--confidence",
    "--prob",
    "--cost",
    "--support",
    "--score",
    "--probability",
    "--width",
    "--at",
)


def hint_for(command: str, argument: str, options: list[str]) -> str | None:
    """Return a hint for an option that has another name now, or None."""
    name = argument.partition("=")[0]
    if RENAMED.get(name) not in options:
        return None
    if (command, name) in _COMPLEMENTS:
        return f"{name} P is now {RENAMED[name]} 1-P: for {name} 0.05, give {RENAMED[name]} 0.95"
    return f"{name} is now {RENAMED[name]}"


class Parser(argparse.ArgumentParser):
    """An argument parser that reports a mistake in one line."""

    def error(self, message: str) -> NoReturn:
        """Print the message in one line and exit with status 2."""
        self.exit(2, f"{self.prog}: error: {one_line(' '.join(message.split()))} (see {self.prog} --help)\n")

    def _get_values(self, action: argparse.Action, arg_strings: list[str]) -> Any:
        # For an option, argparse would take the value "--" away, and fail without it.
        if action.option_strings and arg_strings == ["--"]:
            raise argparse.ArgumentError(action, "'--' is not a value")
        return super()._get_values(action, arg_strings)


class Version(argparse.Action):
    """Print the version and exit."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        """Print it and exit."""
        from nqjax._version import __version__

        print(f"nqjax {__version__}")
        parser.exit()


def join_numbers(argv: list[str]) -> list[str]:
    """Join a numeric option and the numbers after it: `--alpha -inf 1` becomes the single argument `--alpha=-inf 1`.

    Otherwise argparse takes -inf and -1e-3 for options, and the file in `--alpha 0 1 trials.csv` for a number.
    """
    joined: list[str] = []
    rest = iter(argv)
    open_option = False  # whether the last argument still takes numbers
    for argument in rest:
        if argument == "--":
            return [*joined, argument, *rest]
        if open_option and is_number(argument):
            joined[-1] += (" " if "=" in joined[-1] else "=") + argument
        else:
            joined.append(argument)
            open_option = argument.split("=", 1)[0] in NUMERIC_OPTIONS
    return joined


def is_number(text: str) -> bool:
    """Return whether a text is a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def read_numbers(text: str) -> list[float]:
    """Return the numbers of one joined argument."""
    numbers = []
    for word in text.split():
        if not is_number(word) or math.isnan(float(word)):
            raise argparse.ArgumentTypeError(f"{word!r} is not a number")
        numbers.append(float(word))
    if not numbers:
        raise argparse.ArgumentTypeError("a number is missing")
    return numbers


def read_threshold(text: str) -> float:
    """Return one finite number."""
    numbers = read_numbers(text)
    if len(numbers) != 1 or not math.isfinite(numbers[0]):
        raise argparse.ArgumentTypeError("give one finite number")
    return numbers[0]


def read_regime(text: str) -> float | str | None:
    """Return a threshold, "auto" to have one chosen, or None for "none"."""
    word = text.strip().lower()
    if word in (AUTO, "none"):
        return AUTO if word == AUTO else None
    try:
        return read_threshold(text)
    except argparse.ArgumentTypeError as error:
        raise argparse.ArgumentTypeError(f"{error} (or auto, or none)") from None


def read_constraint(text: str) -> float | tuple[float, float]:
    """Return a fixed value or an interval."""
    numbers = read_numbers(text)
    if len(numbers) > 2:
        raise argparse.ArgumentTypeError("give one number to fix it, or two for the lowest and the highest value")
    if len(numbers) == 2 and numbers[0] > numbers[1]:
        raise argparse.ArgumentTypeError(f"the lowest value comes first: {numbers[1]:g} {numbers[0]:g}")
    if len(numbers) == 1 and math.isinf(numbers[0]):
        raise argparse.ArgumentTypeError("it cannot be fixed at infinity; give two numbers for an interval")
    return numbers[0] if len(numbers) == 1 else (numbers[0], numbers[1])


def read_sigma(text: str) -> float | tuple[float, float]:
    """Return a standard deviation, or an interval for it."""
    constraint = read_constraint(text)
    if (constraint[0] if isinstance(constraint, tuple) else constraint) < 0:
        raise argparse.ArgumentTypeError("a standard deviation cannot be negative")
    return constraint


def read_gamma(text: str) -> int | tuple[int, int]:
    """Return a whole number, or an interval of whole numbers."""
    constraint = read_constraint(text)
    ends = constraint if isinstance(constraint, tuple) else (constraint,)
    if not all(math.isfinite(end) and end == int(end) and end >= 1 for end in ends):
        raise argparse.ArgumentTypeError("give whole numbers from 1 up")
    return int(ends[0]) if len(ends) == 1 else (int(ends[0]), int(ends[1]))


def read_trials(text: str) -> tuple[float, ...]:
    """Return positive numbers, sorted and without repetitions."""
    numbers = read_numbers(text)
    if not all(math.isfinite(n) and n > 0 for n in numbers):
        raise argparse.ArgumentTypeError("give positive numbers of trials")
    return tuple(sorted(set(numbers)))


def read_pair(text: str) -> tuple[float, float]:
    """Return two numbers, the lower one first."""
    numbers = read_numbers(text)
    if len(numbers) != 2 or not numbers[0] < numbers[1]:
        raise argparse.ArgumentTypeError("give two numbers, the lower one first")
    return numbers[0], numbers[1]


def read_positive(text: str) -> float:
    """Return one finite number above 0."""
    number = read_threshold(text)
    if number <= 0:
        raise argparse.ArgumentTypeError("give a number above 0")
    return number


def read_share(text: str) -> float:
    """Return a number between 0 and 1."""
    given = read_numbers(text)
    if len(given) != 1 or not 0 < given[0] < 1:
        raise argparse.ArgumentTypeError("give one number between 0 and 1")
    return given[0]


@functools.cache  # so that one option is read by one function in all commands
def at_least(least: int) -> Callable[[str], int]:
    """Return a function that reads whole numbers from ``least`` up."""

    def read(text: str) -> int:
        try:
            number = int(text.replace(",", ""))
        except ValueError:
            number = least - 1
        if number < least:
            raise argparse.ArgumentTypeError(f"give a whole number from {least} up")
        try:
            check_memory("it", number, _LEAST_BYTES)
        except InputError as error:
            raise argparse.ArgumentTypeError(str(error)) from None
        return number

    return read


read_whole = at_least(1)


def read_seed(text: str) -> int:
    """Return a whole number that fits into a random key."""
    if not text.isdecimal() or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(f"give a whole number from 0 to {2**32 - 1}")
    return int(text)


def add_command(
    commands: Any,
    name: str,
    run: Callable[[argparse.Namespace], None],
    *,
    usage: str,
    summary: str,
    description: str,
    epilog: str | None = None,
) -> argparse.ArgumentParser:
    """Declare a command that calls ``run`` with its arguments, and return its parser."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        usage=usage,
        help=summary,
        description=description,
        epilog=epilog,
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    parser.set_defaults(run=run, parser=parser)
    return parser


def add_search(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of a fit: the file, the metric, the threshold and the constraints."""
    add_files(parser)
    add_study(parser)
    add_threshold(parser)
    add_constraints(parser)


def add_study(parser: argparse.ArgumentParser) -> None:
    """Declare the metric, its direction, and the options that choose rows."""
    parser.add_argument(
        "--metric", metavar="NAME", help="the column that holds the scores; may be left out where the file says it"
    )
    direction = parser.add_mutually_exclusive_group()
    direction.add_argument(
        "--minimize",
        "--minimise",
        dest="minimize",
        action="store_true",
        default=None,
        help="lower scores are better (default, unless the file records the other direction)",
    )
    direction.add_argument(
        "--maximize", "--maximise", dest="minimize", action="store_false", default=None, help="higher scores are better"
    )
    add_rows(parser)


def add_threshold(
    parser: "argparse.ArgumentParser | argparse._MutuallyExclusiveGroup",
    text: str = "where the regime ends: scores as good as T or better are fitted, the others only counted; auto "
    "averages the answer over all of them; none uses all scores (default: auto)",
    default: str | None = AUTO,
) -> None:
    """Declare the threshold of a search."""
    parser.add_argument("--threshold", metavar="T|auto|none", type=read_regime, default=default, help=text)


def add_constraints(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the four parameters."""
    for name, kind, default, text in (
        ("alpha", read_constraint, None, "the lower end: the best score of the regime when minimising"),
        ("beta", read_constraint, None, "the upper end: the best score of the regime when maximising"),
        (
            "gamma",
            read_gamma,
            None,
            "the effective number of hyperparameters (default: 1 5, averaged 0.5 to 6.5; more if more than 5 vary)",
        ),
        ("sigma", read_sigma, None, "the standard deviation of one run's noise; 0 for no noise"),
    ):
        parser.add_argument(f"--{name}", metavar="X|LO HI", type=kind, default=default, help=text)


def add_noise(parser: argparse.ArgumentParser) -> None:
    """Declare the noise of one run that was measured by reruns."""
    parser.add_argument(
        "--noise",
        metavar="FILE|repeats|COLUMNS",
        action="append",
        help="noise of one run, measured: a file of reruns of some configurations, with the same metric; repeats takes "
        "the configurations that the trials' file has several times; several columns of that file, as seed_0,seed_1 or "
        "'seed_*', hold the scores of several seeds, of which the metric is one or the mean",
    )
    parser.add_argument(
        "--noise-config",
        metavar="NAME",
        nargs="+",
        action="extend",
        help="the columns that together name the configuration of a rerun (default: a column such as config_id or "
        "trial, or the hyperparameters)",
    )


def limits(threshold: float | None, minimize: bool) -> tuple[float, float]:
    """Return the limits of the regime that a threshold stands for."""
    worst = math.inf if minimize else -math.inf
    end = worst if threshold is None else threshold
    return (-math.inf, end) if minimize else (end, math.inf)


def threshold_of(limits: tuple[float, float], minimize: bool) -> float | None:
    """Return the threshold of a regime, None where all scores belong to it."""
    end = limits[1] if minimize else limits[0]
    return end if math.isfinite(end) else None


def add_confidence(parser: argparse.ArgumentParser, of: str) -> None:
    """Declare the confidence; ``of`` says of what."""
    parser.add_argument(
        "--confidence", metavar="P", type=read_share, default=0.95, help=f"confidence of {of} (default: 0.95)"
    )


def level_of(confidence: float) -> float:
    """Return the size of a test that goes with intervals of a confidence, without the digits of rounding."""
    return round(1 - confidence, 15)


def constraints(args: argparse.Namespace) -> dict[str, Any]:
    """Return the constraints of the four parameters."""
    given = {name: getattr(args, name) for name in ("alpha", "beta", "gamma", "sigma")}
    if given["gamma"] is None:
        count = max((study.num_hyperparameters for study in getattr(args, "studies", [])), default=0)
        given["gamma"] = GAMMA[0], max(GAMMA[1], min(count, MOST_GAMMA))
    return given


def add_seed(parser: argparse.ArgumentParser, of: str, default: int = 0) -> None:
    """Declare the seed; ``of`` says of what."""
    text = f"seed of {of} (default: {default})"
    parser.add_argument("--seed", metavar="S", type=read_seed, default=default, help=text)
