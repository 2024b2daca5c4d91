"""`nqjax region`."""

import argparse
from typing import Any

from nqjax.cli import averaged, cautions, output, process, reading, reruns, threshold
from nqjax.cli.bands import METHODS as BANDS
from nqjax.cli.options import add_command, add_confidence, add_noise, add_search, add_seed, read_whole

_METHODS = ("averaged", "profile", "consonance", "bootstrap", "posterior")


_EPILOG = """\
averaged    credible intervals averaged over every threshold and over gamma: the default without a threshold, and the
            only ones that hold where the regime is a small share of the scores
profile     parameters that fit nearly as well as the best ones; each interval has the confidence by itself: the default
            with a threshold
consonance  parameters within a confidence band over the regime; the confidence holds for all intervals at once: wide
bootstrap   percentiles of refitted resamples; with few scores, coverage is below the confidence
posterior   credible intervals under a weak prior; nqjax posterior shows more of it

docs/coverage.md has the measured coverage.

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
        usage="nqjax region FILE ... [--metric NAME] [--minimize | --maximize] [--threshold T|auto|none] [options]",
        summary="confidence intervals of the parameters and of the tuning curve",
        description="Confidence intervals of the parameters and of the tuning curve.",
        epilog=_EPILOG,
    )
    add_search(parser)
    add_noise(parser)
    parser.add_argument(
        "--method", choices=_METHODS, help="the method, see below (default: averaged; profile with a threshold)"
    )
    add_confidence(parser, "the intervals")
    parser.add_argument("--band", choices=BANDS, default=BANDS[0], help=f"band of consonance (default: {BANDS[0]})")
    parser.add_argument(
        "--resamples", metavar="N", type=read_whole, default=1000, help="resamples of bootstrap (default: 1000)"
    )
    add_seed(parser, "bootstrap and posterior")
    output.add_printed(parser)


def _run(args: argparse.Namespace) -> None:
    scores = reading.read(args)
    process.use_compilation_cache()
    noise = reruns.read(args)
    import jax

    method: Any = args.method or ("averaged" if averaged.leaves_open(args) else "profile")
    if method == "averaged":
        averaged.give(args, averaged.answer(args, scores, args.confidence, noise=noise), scores)
        return
    from nqjax.analysis.confidence_region import region_of
    from nqjax.analysis.fit import fit_of
    from nqjax.report.confidence import print_confidence, region_document

    chosen = threshold.resolve(args, scores, noise)
    key = jax.random.key(args.seed)
    region = region_of(chosen, method, args.confidence, key, args.resamples, band=args.band)
    document = region_document(
        region,
        head=output.head(args, chosen.study.limits, scores),
        confidence=args.confidence,
        method=method,
        trials=output.trials(args, len(scores)),
    )
    fit = getattr(region, "fit", None) or fit_of(chosen)
    document["warnings"] = cautions.joined(document["warnings"], cautions.of_intervals(args, chosen, fit))
    output.give(args, document, print_confidence)
