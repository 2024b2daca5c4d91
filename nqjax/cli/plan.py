"""`nqjax plan`."""

import argparse
from typing import Any

from nqjax.cli import output, process, threshold
from nqjax.cli.options import add_command, add_search, constraints, limits, read_positive, read_share, read_threshold

_EPILOG = """\
The fit to the trials that were run is taken as it is. A score beyond the threshold is one it knows nothing about.

examples:
  nqjax plan trials.csv --metric error --threshold 0.11 --score 0.096 --probability 0.9
  nqjax plan trials.csv --metric accuracy --maximize --threshold 0.89 --score 0.904 --probability 0.5 --json
  nqjax plan trials.csv --metric error --threshold 0.11 --width 0.002 --at 20 --confidence 0.8
"""


def add(commands: Any) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "plan",
        _run,
        usage="nqjax plan FILE --metric NAME (--score S --probability P | --width W --at N) [options]",
        summary="how many trials it takes to reach a score, or to pin down the tuning curve",
        description="How many trials does a search need, to reach a score or for a narrow band of the tuning curve?",
        epilog=_EPILOG,
    )
    add_search(parser)
    parser.add_argument("--score", metavar="S", type=read_threshold, help="the score to reach, or a better one")
    parser.add_argument("--probability", metavar="P", type=read_share, help="with which the best trial reaches it")
    parser.add_argument(
        "--width", metavar="W", type=read_positive, help="the width that the band of the tuning curve may have"
    )
    parser.add_argument("--at", metavar="N", type=read_positive, help="the number of trials at which it may have it")
    parser.add_argument("--confidence", metavar="P", type=read_share, default=0.95, help="of that band (default: 0.95)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of text")


def _run(args: argparse.Namespace) -> None:
    given = tuple(getattr(args, name) is not None for name in ("score", "probability", "width", "at"))
    if given not in ((True, True, False, False), (False, False, True, True)):
        args.parser.error("give either --score and --probability, or --width and --at")
    from nqjax.trials.scores import read_scores

    scores = read_scores(args.file, args.metric)
    process.use_compilation_cache()
    import nqjax
    from nqjax.report.plan import plan_document, print_plan

    threshold.choose(args, scores)
    ends = limits(args.threshold, args.minimize)
    fit = nqjax.fit(scores, limits=ends, minimize=args.minimize, **constraints(args))
    if args.score is not None:
        asked = {"score": args.score, "probability": args.probability}
    else:
        asked = {"width": args.width, "at": args.at, "confidence": args.confidence}
    head = {"file": args.file, "metric": args.metric, "minimize": args.minimize, "threshold": args.threshold}
    trials = float(nqjax.required_trials(fit, **asked))
    document = plan_document(fit, scores, trials, head=head, asked=asked, constraints=constraints(args))
    output.give(args, document, print_plan)
