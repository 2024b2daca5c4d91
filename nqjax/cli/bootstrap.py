"""`nqjax bootstrap`."""

import argparse
import math
from pathlib import Path
from typing import Any

from nqjax.cli import output, process, threshold
from nqjax.cli.options import add_command, add_search, constraints, limits, read_seed, read_share, read_whole
from nqjax.errors import InputError
from nqjax.runtime.extras import require

_EPILOG = """\
Ctrl-C ends the resampling early: the report is then made from the resamples that are done, and the exit status is 130.

Percentile intervals of few scores cover less than they say (docs/coverage.md): nqjax region has better ones.

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
        usage="nqjax bootstrap FILE --metric NAME [--minimize | --maximize] [--threshold T|auto|none] [options]",
        summary="refit resamples of a file's scores: confidence intervals and a band for the tuning curve",
        description="Fit the scores of a random search, then refit resamples of them drawn with replacement: how far\n"
        "would the estimates be off if the search were run again?",
        epilog=_EPILOG,
    )
    add_search(parser)
    parser.add_argument("--resamples", metavar="N", type=read_whole, default=1000, help="how many (default: 1000)")
    parser.add_argument(
        "--level", metavar="P", type=read_share, default=0.95, help="confidence level of the intervals (default: 0.95)"
    )
    parser.add_argument(
        "--method",
        choices=("percentile", "bca"),
        default="percentile",
        help="quantiles of the resamples (default), or bias-corrected and accelerated ones",
    )
    parser.add_argument("--seed", metavar="N", type=read_seed, default=0, help="of the resampling (default: 0)")
    output.add_output(parser)
    parser.add_argument("--save", metavar="FILE", help="write the resamples' estimates to a .parquet file")


def _run(args: argparse.Namespace) -> None:
    from nqjax.trials.scores import read_scores

    if args.resamples < (needed := math.ceil(2 / (1 - args.level) - 1e-9)):
        raise InputError(
            f"{args.resamples} resamples are too few for the level {args.level:g}: use --resamples {needed}"
        )
    if args.save is not None:
        if not args.save.endswith(".parquet"):
            raise InputError(f"--save writes Parquet: give {args.save!r} the ending .parquet")
        require("pyarrow", "parquet", "--save")
        if not Path(args.save).absolute().parent.is_dir():
            raise InputError(f"the folder of --save {args.save!r} does not exist: make it first")
    output.check_output(args)
    scores = read_scores(args.file, args.metric)

    process.listen_for_ctrl_c()
    process.use_compilation_cache()
    import jax

    import nqjax
    from nqjax.report import bootstrap as report_bootstrap

    threshold.choose(args, scores)
    boot = nqjax.bootstrap(
        scores,
        args.resamples,
        key=jax.random.key(args.seed),
        limits=limits(args.threshold, args.minimize),
        minimize=args.minimize,
        progress=True,
        on_interrupt="return",
        **constraints(args),  # type: ignore[arg-type]
    )
    document = output.document(args, boot.fit, scores)
    report_bootstrap.extend(
        document, boot, level=args.level, method=args.method, seed=args.seed, requested=args.resamples
    )
    # The numbers first, so that a file that cannot be written loses nothing.
    output.give(args, document, report_bootstrap.print_bootstrap)
    if args.save is not None:
        report_bootstrap.save(boot, args.save)
    output.draw(args, boot if document["bootstrap"]["has_band"] else boot.fit, scores, level=args.level)
    if boot.num_resamples < args.resamples:
        raise KeyboardInterrupt
