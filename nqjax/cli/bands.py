"""`nqjax bands`."""

import argparse
import math
from typing import Any

from nqjax.cli import output, reading
from nqjax.cli.options import add_command, add_confidence, add_study, read_pair

#: Methods of `nqjax.confidence_bands`, whose import would take too long here.
METHODS = ("ld_highest_density", "ld_equal_tailed", "ks", "dkw")


_EPILOG = """\
The band holds for every distribution of the scores, with exactly the given confidence for continuous ones. Failed runs
(missing, NaN or infinite scores) count as worse than all scores.

examples:
  nqjax bands trials.csv --metric accuracy --maximize --support 0 1
  nqjax bands trials.csv --metric val_loss --confidence 0.8 --json
"""


def add(commands: Any) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "bands",
        _run,
        usage="nqjax bands FILE ... [--metric NAME] [--minimize | --maximize] [options]",
        summary="simultaneous confidence bands for the distribution of the scores and their tuning curve",
        description="A simultaneous confidence band for the CDF of the scores, and for their tuning curve.",
        epilog=_EPILOG,
    )
    reading.add_files(parser)
    add_study(parser)
    parser.add_argument(
        "--support",
        metavar="LO HI",
        type=read_pair,
        default=(-math.inf, math.inf),
        help="lowest and highest possible score, such as 0 1 for an accuracy (default: -inf inf)",
    )
    add_confidence(parser, "the band")
    parser.add_argument("--method", choices=METHODS, default=METHODS[0], help=f"kind of band (default: {METHODS[0]})")
    output.add_printed(parser)


def _run(args: argparse.Namespace) -> None:
    import numpy as np

    scores = reading.read(args)
    worst = args.support[1] if args.minimize else args.support[0]
    scores = np.where(np.isfinite(scores), scores, worst)
    import warnings

    import nqjax
    from nqjax.report.confidence import bands_document, print_confidence

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # about ties: the document has it
        options: Any = {"method": args.method, "support": args.support, "minimize": args.minimize}
        bands = nqjax.confidence_bands(scores, args.confidence, **options)
    document = bands_document(
        bands,
        head=output.head(args, None, scores),
        confidence=args.confidence,
        method=args.method,
        trials=output.trials(args, len(scores)),
    )
    output.give(args, document, print_confidence)
