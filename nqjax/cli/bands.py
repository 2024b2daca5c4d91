"""`nqjax bands` and `nqjax region`: what holds at a confidence level, without and with the noisy quadratic."""

import argparse
import math
from typing import Any

from nqjax.cli import output, process
from nqjax.cli.arguments import (
    add_constraints,
    add_file,
    add_study,
    add_threshold,
    constraints,
    limits,
    read_share,
)

_METHODS = ("ld_highest_density", "ld_equal_tailed", "ks", "dkw")

_BANDS_EPILOG = """\
The band holds for every CDF, whatever the scores follow, with exactly the confidence asked for. Failed runs (missing,
NaN or infinite scores) count as worse than all scores.

examples:
  nqjax bands trials.csv --metric accuracy --maximize --support 0 1
  nqjax bands trials.csv --metric val_loss --confidence 0.8 --json
"""
_REGION_EPILOG = """\
The region holds every noisy quadratic that keeps within the confidence band over the regime. If one is true there, it
is in the region with at least the confidence asked for, and so is all that follows from it.

examples:
  nqjax region trials.csv --metric val_loss --threshold 3.695 --confidence 0.8
  nqjax region trials.csv --metric error --threshold 0.11 --alpha 0 1 --beta 0 1 --json
"""


def add(commands: Any) -> None:
    """Declare both commands."""
    bands = commands.add_parser(
        "bands",
        usage="nqjax bands FILE --metric NAME [--minimize | --maximize] [options]",
        help="simultaneous confidence bands for the distribution of the scores and their tuning curve",
        description="A simultaneous confidence band for the CDF of the scores, and for their tuning curve.",
        epilog=_BANDS_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_file(bands)
    add_study(bands)
    bands.add_argument(
        "--support",
        metavar="LO HI",
        type=output.read_support,
        default=(-math.inf, math.inf),
        help="what can be observed, such as 0 1 for an accuracy (default: -inf inf)",
    )
    _add_common(bands, 0.95)
    bands.set_defaults(run=_run_bands, parser=bands)
    region = commands.add_parser(
        "region",
        usage="nqjax region FILE --metric NAME [--minimize | --maximize] [--threshold T] [options]",
        help="every noisy quadratic that is consonant with the scores: simultaneous intervals",
        description="The consonance region of the scores: intervals of the parameters and of the tuning curve.",
        epilog=_REGION_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add_file(region)
    add_study(region)
    add_threshold(region)
    add_constraints(region)
    _add_common(region, 0.8)
    region.set_defaults(run=_run_region, parser=region)


def _add_common(parser: argparse.ArgumentParser, confidence: float) -> None:
    parser.add_argument(
        "--confidence", metavar="P", type=read_share, default=confidence, help=f"(default: {confidence})"
    )
    parser.add_argument("--method", choices=_METHODS, default=_METHODS[0], help="of the band (default: the first)")
    output.add_printed(parser)


def _head(args: argparse.Namespace) -> dict[str, Any]:
    return {
        "file": args.file,
        "metric": args.metric,
        "minimize": args.minimize,
        "threshold": getattr(args, "threshold", None),
        "confidence": args.confidence,
        "method": args.method,
    }


def _run_bands(args: argparse.Namespace) -> None:
    import numpy as np

    from nqjax.trials import read_scores

    scores = read_scores(args.file, args.metric)
    worst = args.support[1] if args.minimize else args.support[0]
    scores = np.where(np.isfinite(scores), scores, worst)
    import nqjax
    from nqjax.report_confidence import bands_document, print_confidence

    bands = nqjax.confidence_bands(scores, args.confidence, method=args.method, support=args.support)
    document = bands_document(bands, head=_head(args), minimize=args.minimize, trials=args.trials)
    output.give(args, document, print_confidence)


def _run_region(args: argparse.Namespace) -> None:
    from nqjax.trials import read_scores

    scores = read_scores(args.file, args.metric)
    process.use_compilation_cache()
    import nqjax
    from nqjax.report_confidence import print_confidence, region_document

    region = nqjax.consonance_region(
        scores,
        limits=limits(args.threshold, args.minimize),
        confidence=args.confidence,
        minimize=args.minimize,
        method=args.method,
        **constraints(args),  # type: ignore[arg-type]
    )
    output.give(args, region_document(region, head=_head(args), trials=args.trials), print_confidence)
