"""`nqjax region`."""

import argparse
from typing import Any

from nqjax.cli import output, process, reruns, threshold
from nqjax.cli.bands import METHODS as BANDS
from nqjax.cli.options import add_command, add_confidence, add_noise, add_search, add_seed, read_whole

_METHODS = ("profile", "consonance", "bootstrap", "posterior")


_EPILOG = """\
profile     parameters that fit nearly as well as the best ones; each interval has the confidence by itself
consonance  parameters within a confidence band over the regime; the confidence holds for all intervals at once: wide
bootstrap   percentiles of refitted resamples; with few scores, coverage is below the confidence
posterior   credible intervals under a weak prior; nqjax posterior shows more of it

docs/coverage.md has the measured coverage of all four.

examples:
  nqjax region trials.csv --metric val_loss
  nqjax region trials.csv --metric error --threshold 0.11 --method consonance --confidence 0.8
  nqjax region trials.csv --metric error --threshold 0.11 --alpha 0 1 --beta 0 1 --json
"""


def add(commands: Any) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "region",
        _run,
        usage="nqjax region FILE --metric NAME [--minimize | --maximize] [--threshold T|auto|none] [options]",
        summary="confidence intervals of the parameters and of the tuning curve",
        description="Confidence intervals: how good the model can get, and what more trials would buy.",
        epilog=_EPILOG,
    )
    add_search(parser)
    add_noise(parser)
    parser.add_argument(
        "--method", choices=_METHODS, default=_METHODS[0], help="the method, see below (default: profile)"
    )
    add_confidence(parser, "the intervals")
    parser.add_argument("--band", choices=BANDS, default=BANDS[0], help=f"band of consonance (default: {BANDS[0]})")
    parser.add_argument(
        "--resamples", metavar="N", type=read_whole, default=1000, help="resamples of bootstrap (default: 1000)"
    )
    add_seed(parser, "bootstrap and posterior")
    output.add_printed(parser)


def _run(args: argparse.Namespace) -> None:
    from nqjax.trials.scores import read_scores

    scores = read_scores(args.file, args.metric)
    process.use_compilation_cache()
    noise = reruns.read(args)
    import jax

    from nqjax.analysis.confidence_region import region_of
    from nqjax.report.confidence import print_confidence, region_document

    chosen = threshold.resolve(args, scores, noise)
    key = jax.random.key(args.seed)
    region = region_of(chosen, args.method, args.confidence, key, args.resamples, band=args.band)
    document = region_document(
        region,
        head=output.head(args, chosen.study.limits, scores),
        confidence=args.confidence,
        method=args.method,
        trials=output.trials(args, len(scores)),
    )
    output.give(args, document, print_confidence)
