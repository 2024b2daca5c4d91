"""`nqjax regime`, and `--threshold auto` of the other commands."""

import argparse
from typing import TYPE_CHECKING, Any

from nqjax.cli import output, process
from nqjax.cli.options import add_command, add_constraints, add_file, add_study, constraints, read_share

if TYPE_CHECKING:
    pass


_EPILOG = """\
Thresholds that keep from two thirds of the scores down to a few are tried, the largest regime first. The first is
chosen that its tests accept: whether the fit meets its own scores, and whether it fits the best of them as well as they
are fitted by themselves. Where no threshold is acceptable, it says so, and the exit status is 0.

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
        usage="nqjax regime FILE --metric NAME [--minimize | --maximize] [options]",
        summary="choose the threshold up to which the noisy quadratic holds, and show why",
        description="Where does the noisy quadratic hold? Choose the threshold of the regime by tests.",
        epilog=_EPILOG,
    )
    add_file(parser)
    add_study(parser)
    parser.add_argument(
        "--level",
        metavar="P",
        type=read_share,
        default=0.1,
        help="with which a true regime may be passed over for a smaller one (default: 0.1)",
    )
    add_constraints(parser)
    parser.add_argument("--plot", metavar="PICTURE", help="draw the path: a .png, .svg or .pdf file")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")


def _run(args: argparse.Namespace) -> None:
    from nqjax.trials.scores import read_scores

    output.check_output(args)
    scores = read_scores(args.file, args.metric)
    process.use_compilation_cache()
    import nqjax
    from nqjax.report.regime import print_regime, regime_document

    regime = nqjax.find_regime(scores, minimize=args.minimize, level=args.level, **constraints(args))
    head = {"file": args.file, "metric": args.metric, "minimize": args.minimize}
    output.give(args, {**head, **regime_document(regime)}, print_regime)
    if args.plot is not None:
        from nqjax.plots.regime import save_regime

        save_regime(args.plot, regime, name=args.metric)
