"""`nqjax analyze`."""

import argparse
from typing import Any

from nqjax.cli import output, process, reading, reruns
from nqjax.cli.options import AUTO, add_command, add_confidence, add_noise, add_study
from nqjax.cli.reading import add_files

_EPILOG = """\
The answer comes first, in sentences: how good the search can get, what its best trial would score again, whether to go
on, and which hyperparameters explain the scores. Then what could be wrong with it, then the tables. The metric may be
left out where the file says it.

examples:
  nqjax analyze trials.csv --metric val_loss
  nqjax analyze sqlite:///study.db --study resnet --report report.html
  nqjax analyze ~/ray_results/my_exp --metric eval/loss --report report.html
  nqjax analyze wandb_export.csv --metric val_acc --maximize --where "State == 'finished'" --json
"""


def add(commands: Any) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "analyze",
        run,
        usage="nqjax analyze FILE ... [--metric NAME] [--minimize | --maximize] [--report PAGE] [options]",
        summary="how good a search can get, what its best trials are worth, and whether to go on",
        description="How good can this search get, what are its best trials worth, and is it worth going on?",
        epilog=_EPILOG,
    )
    add_arguments(parser)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_files(parser)
    add_study(parser)
    add_noise(parser)
    add_confidence(parser, "the intervals")
    parser.add_argument("--report", metavar="PAGE", help="write an HTML page with tables and pictures, a .html file")
    output.add_json(parser)
    # All thresholds are tried.
    parser.set_defaults(threshold=AUTO)


def run(args: argparse.Namespace) -> None:
    """Analyse the search, write its page and print the answer."""
    if args.report is not None:
        from nqjax.report.page import check_page

        check_page(args.report)
    reading.read(args)
    process.use_compilation_cache()
    noise = reruns.read(args)
    import warnings

    from nqjax.analysis.analyze import analyze
    from nqjax.errors import FitWarning
    from nqjax.report.analysis import print_analysis, save_analysis

    (study,) = args.studies
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitWarning)  # the answer has it
        found = analyze(study, confidence=args.confidence, noise=noise)
    # Print the numbers first: they are not lost if the page cannot be written.
    output.give(args, found.to_dict(), print_analysis)
    if args.report is not None:
        save_analysis(args.report, found, args.command_line)
