"""`nqjax fit`."""

import argparse
from typing import Any

from nqjax.cli import output, process, threshold
from nqjax.cli.options import add_command, add_search, constraints, limits

_EPILOG = """\
PARAMETER OPTIONS take one number, which fixes the parameter, or two, its lowest and its highest value; an end may be
-inf or inf. Scores that are missing, NaN or infinite are failed runs and count on the losing side.

examples:
  nqjax fit trials.csv --metric val_loss
  nqjax fit trials.csv --metric val_loss --threshold 3.695
  nqjax fit trials.jsonl --metric metrics.accuracy --maximize --threshold 0.89 --beta 0 1
  nqjax fit trials.parquet --metric val_loss --gamma 1 8 --json | jq .alpha
  nqjax fit trials.csv --metric val_loss --threshold 3.695 --plot curve.png
"""


def add(commands: Any) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "fit",
        _run,
        usage="nqjax fit FILE --metric NAME [--minimize | --maximize] [--threshold T|auto|none] [options]",
        summary="fit the noisy quadratic distribution to the scores in a file",
        description="Fit the noisy quadratic distribution to the scores of a random search, one trial a row.",
        epilog=_EPILOG,
    )
    add_search(parser)
    output.add_output(parser)


def _run(args: argparse.Namespace) -> None:
    from nqjax.trials.scores import read_scores

    output.check_output(args)
    scores = read_scores(args.file, args.metric)

    process.use_compilation_cache()
    import nqjax
    from nqjax.report.fit import print_fit

    chosen = threshold.choose(args, scores)
    if chosen is not None and chosen.fit is not None:
        fit = chosen.fit
    else:
        ends = limits(args.threshold, args.minimize)
        fit = nqjax.fit(scores, limits=ends, minimize=args.minimize, **constraints(args))
    document = output.document(args, fit, scores)
    document["regime"] = threshold.movement(args, scores, chosen)
    output.give(args, document, print_fit)
    output.draw(args, fit, scores)
