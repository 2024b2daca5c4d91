"""`nqjax fit`."""

import argparse
import json
import math
from typing import Any

from nqjax.cli import process
from nqjax.cli.arguments import TRIALS, add_constraints, add_study, add_threshold, constraints, limits, read_trials

_EPILOG = """\
PARAMETER OPTIONS take one number, which fixes the parameter, or two, its lowest and its highest value; an end may be
-inf or inf. Scores that are missing, NaN or infinite are failed runs and count on the losing side.

examples:
  nqjax fit trials.csv --metric val_loss --threshold 3.695
  nqjax fit trials.jsonl --metric metrics.accuracy --maximize --threshold 0.89 --beta 0 1
  nqjax fit trials.parquet --metric val_loss --gamma 1 8 --json | jq .alpha
"""


def add(commands: Any) -> None:
    """Declare the command."""
    parser = commands.add_parser(
        "fit",
        usage="nqjax fit FILE --metric NAME [--minimize | --maximize] [--threshold T] [options]",
        help="fit the noisy quadratic distribution to the scores in a file",
        description="Fit the noisy quadratic distribution to the scores of a random search, one trial a row.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("file", metavar="FILE", help="the trials: .csv, .tsv, .jsonl, .ndjson or .parquet")
    add_study(parser)
    add_threshold(parser)
    add_constraints(parser)
    parser.add_argument(
        "--trials",
        metavar="N ...",
        type=read_trials,
        default=TRIALS,
        help="the numbers of trials at which to give the tuning curve (default: 1 2 4 ... 128)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    parser.set_defaults(run=_run, parser=parser)


def _run(args: argparse.Namespace) -> None:
    from nqjax.trials import read_scores

    scores = read_scores(args.file, args.metric)

    process.use_compilation_cache()
    import nqjax
    from nqjax import report

    given = constraints(args)
    fit = nqjax.fit(scores, limits=limits(args.threshold, args.minimize), minimize=args.minimize, **given)
    document = report.fit_document(
        fit,
        scores,
        file=args.file,
        metric=args.metric,
        threshold=args.threshold if args.threshold is None or math.isfinite(args.threshold) else None,
        constraints=given,
        trials=args.trials,
    )
    if args.json:
        print(json.dumps(document, indent=2, allow_nan=False))
    else:
        report.print_fit(document, process.console())
