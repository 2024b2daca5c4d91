"""`nqjax regime`."""

import argparse
from typing import Any

from nqjax.cli import output, process, reading
from nqjax.cli.options import add_command, add_constraints, add_study, constraints, read_share

_EPILOG = """\
Thresholds that keep from two thirds of the scores down to a few are tried, the largest regime first, until two tests
accept one: do the scores follow their fit, and does the fit describe the best of them as well as a fit to these alone?
Where no threshold is acceptable, the output says so, and the exit status is 0.

examples:
  nqjax regime trials.csv --metric val_loss
  nqjax regime trials.csv --metric accuracy --maximize --beta 0 1 --json
  nqjax regime trials.csv --metric val_loss --plot path.png
"""


def add(commands: Any) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "regime",
        _run,
        usage="nqjax regime FILE ... [--metric NAME] [--minimize | --maximize] [options]",
        summary="choose the threshold up to which the noisy quadratic holds, and show why",
        description="Where does the noisy quadratic hold? Choose the threshold of the regime by tests.",
        epilog=_EPILOG,
    )
    reading.add_files(parser)
    add_study(parser)
    parser.add_argument(
        "--level",
        metavar="P",
        type=read_share,
        default=0.1,
        help="how often a true regime may be rejected in favour of a smaller one (default: 0.1)",
    )
    add_constraints(parser)
    parser.add_argument("--plot", metavar="PICTURE", help="draw the candidates: a .png, .svg or .pdf file")
    output.add_json(parser)


def _run(args: argparse.Namespace) -> None:
    output.check_output(args)
    scores = reading.read(args)
    process.use_compilation_cache()
    import nqjax
    from nqjax.report.regime import print_regime, regime_document

    regime = nqjax.find_regime(scores, minimize=args.minimize, level=args.level, **constraints(args))
    output.give(
        args,
        {**output.head(args, regime.limits if regime.found else None, scores), **regime_document(regime)},
        print_regime,
    )
    if args.plot is not None:
        from nqjax.plots.path import threshold_path
        from nqjax.plots.style import save

        save(threshold_path(regime, name=args.metric).ax[0].figure, args.plot)
