"""What `nqjax fit` and `nqjax bootstrap` give: their output options, and the document of one study."""

import argparse
import json
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from nqjax.cli import process
from nqjax.cli.options import TRIALS, constraints, read_numbers, read_trials

if TYPE_CHECKING:
    import numpy as np

    from nqjax.confidence.bootstrap import Bootstrap
    from nqjax.estimation.fit import Fit


def read_support(text: str) -> tuple[float, float]:
    """Two numbers, the lower one first."""
    numbers = read_numbers(text)
    if len(numbers) != 2 or not numbers[0] < numbers[1]:
        raise argparse.ArgumentTypeError("give two numbers, the lower one first")
    return numbers[0], numbers[1]


def add_output(parser: argparse.ArgumentParser) -> None:
    """Declare the options of what is printed and drawn."""
    add_printed(parser)
    parser.add_argument("--plot", metavar="PICTURE", help="draw the tuning curve: a .png, .svg or .pdf file")


def add_printed(parser: argparse.ArgumentParser) -> None:
    """Declare the options of what is printed."""
    parser.add_argument(
        "--trials",
        metavar="N ...",
        type=read_trials,
        default=TRIALS,
        help="the numbers of trials at which to give the tuning curve (default: 1 2 4 ... 128)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")


def check_output(args: argparse.Namespace) -> None:
    """Raise InputError for a picture that cannot be drawn, before any work is done."""
    if args.plot is not None:
        from nqjax.plots.style import check_picture

        check_picture(args.plot)


def document(args: argparse.Namespace, fit: "Fit", scores: "np.ndarray") -> dict[str, Any]:
    """What there is to say about the fit that was asked for."""
    from nqjax.report.fit import fit_document

    return fit_document(
        fit,
        scores,
        file=args.file,
        metric=args.metric,
        threshold=args.threshold if args.threshold is None or math.isfinite(args.threshold) else None,
        constraints=constraints(args),
        trials=args.trials,
    )


def head(args: argparse.Namespace) -> dict[str, Any]:
    """What was asked, of bands and regions."""
    return {
        "file": args.file,
        "metric": args.metric,
        "minimize": args.minimize,
        "threshold": getattr(args, "threshold", None),
        "confidence": args.confidence,
        "method": args.method,
    }


def give(args: argparse.Namespace, found: Mapping[str, Any], print_tables: Callable[[Any, Any], None]) -> None:
    """Print the document as it was asked for."""
    if args.json:
        print(json.dumps(found, indent=2, allow_nan=False))
    else:
        print_tables(found, process.console())


def draw(args: argparse.Namespace, result: "Fit | Bootstrap", scores: "np.ndarray", **options: Any) -> None:
    """Draw the picture, if one was asked for."""
    if args.plot is not None:
        from nqjax.plots.tuning_curve import save_tuning_curve

        save_tuning_curve(args.plot, result, scores, name=args.metric, **options)
