"""`nqjax bootstrap`."""

import argparse
import math
from pathlib import Path
from typing import Any

from nqjax.cli import cautions, output, process, reading, threshold
from nqjax.cli.options import add_command, add_confidence, add_search, add_seed, read_whole
from nqjax.errors import InputError
from nqjax.runtime.extras import require
from nqjax.runtime.files import check_writable

_EPILOG = """\
Ctrl-C ends the resampling early, with exit status 130; if there is time (two seconds), the report is then about the
resamples so far.

With few scores, percentile intervals cover less than their confidence (docs/coverage.md): nqjax region has better ones.

examples:
  nqjax bootstrap trials.csv --metric val_loss --threshold 3.695 --plot curve.png
  nqjax bootstrap trials.csv --metric accuracy --maximize --threshold 0.89 --resamples 10000 --method bca
  nqjax bootstrap trials.parquet --metric val_loss --threshold 0.4 --save resamples.parquet --json
"""


def add(commands: Any) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "bootstrap",
        _run,
        usage="nqjax bootstrap FILE ... [--metric NAME] [--minimize | --maximize] [--threshold T|auto|none] [options]",
        summary="refit resamples of a file's scores: confidence intervals and a band for the tuning curve",
        description="Fit the scores of a random search, then refit resamples of them, drawn with replacement: how\n"
        "different would the estimates be if the search were run again?",
        epilog=_EPILOG,
    )
    add_search(parser)
    parser.add_argument(
        "--resamples", metavar="N", type=read_whole, default=1000, help="number of resamples (default: 1000)"
    )
    add_confidence(parser, "the intervals")
    parser.add_argument(
        "--method",
        choices=("percentile", "bca"),
        default="percentile",
        help="quantiles of the resamples (default), or bias-corrected and accelerated ones",
    )
    add_seed(parser, "the resampling")
    output.add_output(parser)
    parser.add_argument("--save", metavar="FILE", help="write the estimates from the resamples to a .parquet file")


def _run(args: argparse.Namespace) -> None:
    if args.resamples < (needed := math.ceil(2 / (1 - args.confidence) - 1e-9)):
        raise InputError(
            f"{args.resamples} resamples are too few for the confidence {args.confidence:g}: use --resamples {needed}"
        )
    if args.save is not None:
        if not args.save.endswith(".parquet"):
            raise InputError(f"--save writes Parquet: give {args.save!r} the ending .parquet")
        require("pyarrow", "parquet", "--save")
        if not Path(args.save).absolute().parent.is_dir():
            raise InputError(f"the folder of --save {args.save!r} does not exist: make it first")
        check_writable(args.save)
    output.check_output(args)
    scores = reading.read(args)

    process.listen_for_ctrl_c(safe=lambda: "interrupted before there was a report: nothing is kept")
    process.use_compilation_cache()
    import jax

    from nqjax.analysis.bootstrap import bootstrap_of
    from nqjax.report import bootstrap as report_bootstrap

    chosen = threshold.resolve(args, scores)
    key = jax.random.key(args.seed)
    boot = bootstrap_of(chosen, args.resamples, key, args.confidence, progress=True, on_interrupt="return")
    document = report_bootstrap.bootstrap_document(
        output.fit_document(args, boot.fit, scores, chosen.study.limits),
        boot,
        method=args.method,
        seed=args.seed,
        requested=args.resamples,
    )
    document["warnings"] = cautions.joined(document["warnings"], cautions.of_intervals(args, chosen, boot.fit))
    # Print the numbers first: they are not lost if a file cannot be written.
    output.give(args, document, report_bootstrap.print_bootstrap)
    if args.save is not None:
        report_bootstrap.save(boot, args.save)
    output.draw(args, boot if document["bootstrap"]["has_band"] else boot.fit, scores)
    if boot.num_resamples < args.resamples:
        raise KeyboardInterrupt
