"""Options and functions for what a command prints and draws."""

import argparse
import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from nqjax.cli import process, reading, reruns
from nqjax.cli.options import constraints, read_trials, threshold_of
from nqjax.errors import visible

if TYPE_CHECKING:
    import numpy as np

    from nqjax.confidence.bootstrap import Bootstrap
    from nqjax.estimation.fit import Fit
    from nqjax.posterior.averaged import AveragedPosterior
    from nqjax.report.documents import FitDocument, Head


def add_output(parser: argparse.ArgumentParser) -> None:
    """Declare the options of what is printed, and of the picture of a tuning curve."""
    add_printed(parser)
    parser.add_argument("--plot", metavar="PICTURE", help="draw the tuning curve: a .png, .svg or .pdf file")


def add_printed(parser: argparse.ArgumentParser) -> None:
    """Declare the options of what is printed."""
    parser.add_argument(
        "--trials",
        metavar="N ...",
        type=read_trials,
        help="the numbers of trials at which to give the tuning curve (default: 1 2 4 ... up to 10 times the scores)",
    )
    add_json(parser)


def add_json(parser: argparse.ArgumentParser) -> None:
    """Declare the option that prints JSON."""
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")


def check_output(args: argparse.Namespace) -> None:
    """Raise InputError for a picture that cannot be drawn, before any work is done."""
    if args.plot is not None:
        from nqjax.plots.style import check_picture

        check_picture(args.plot)


def head(
    args: argparse.Namespace, limits: tuple[float, float] | None = None, scores: "np.ndarray | None" = None
) -> "Head":
    """Return the part that the documents of all commands have in common."""
    from nqjax.report.head import head_of

    threshold = None if limits is None else threshold_of(limits, args.minimize)
    found = head_of(args.file, args.metric, args.minimize, threshold, scores)
    return {**found, **noise_entry(args)}  # type: ignore[typeddict-item]


def noise_entry(args: argparse.Namespace) -> dict[str, Any]:
    """Return the entry of a document for measured noise; empty where a command was given none."""
    measured = getattr(args, "measured", None)
    return {} if measured is None else {"noise": reruns.entry(measured)}


def fit_document(
    args: argparse.Namespace, fit: "Fit", scores: "np.ndarray", limits: tuple[float, float]
) -> "FitDocument":
    """Return the document of the fit that was asked for."""
    from nqjax.report import fit as report

    found = report.fit_document(
        fit,
        scores,
        file=args.file,
        metric=args.metric,
        threshold=threshold_of(limits, args.minimize),
        constraints=constraints(args),
        trials=trials(args, len(scores)),
    )
    return {**found, **noise_entry(args)}  # type: ignore[typeddict-item]


def trials(args: argparse.Namespace, num_scores: int) -> tuple[float, ...]:
    """Return the numbers of trials that were asked for; by default powers of two, to ten times the scores."""
    if args.trials is not None:
        return tuple(args.trials)
    last = 10 * num_scores
    return (*(2**k for k in range(max(last - 1, 1).bit_length())), last)


def give(args: argparse.Namespace, found: Mapping[str, Any], print_tables: Callable[[Any, Any], None]) -> None:
    """Print the document, as JSON or as tables; a page or picture is still to be written if the reader stops early."""
    try:
        if args.json:
            found = reading.described(args, dict(found))
            print(json.dumps(found, indent=2, allow_nan=False), flush=True)
        else:
            reading.say(args)
            print_tables(printable(found), process.console())
    except BrokenPipeError:
        if not any(getattr(args, name, None) for name in ("report", "plot", "draws")):
            raise
        process.give_up_stdout()


def printable(value: Any) -> Any:
    """Return a document whose texts can do nothing to a terminal: they hold names of files and columns."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, Mapping):
        return {key: printable(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [printable(inner) for inner in value]
    return value


def draw(args: argparse.Namespace, result: "Fit | Bootstrap | AveragedPosterior", scores: "np.ndarray") -> None:
    """Draw the tuning curve, if a picture was asked for."""
    if args.plot is not None:
        from nqjax.plots.curve import tuning_curve
        from nqjax.plots.style import save

        save(tuning_curve(result, scores, name=args.metric).ax.figure, args.plot)
