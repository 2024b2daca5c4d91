"""`nqjax analyze`."""

import argparse
from typing import TYPE_CHECKING, Any

from nqjax.cli import output, process, reading, reruns
from nqjax.cli.options import AUTO, add_command, add_confidence, add_noise, add_study
from nqjax.errors import InputError

if TYPE_CHECKING:
    from nqjax.trials.study import StudyTable

_EPILOG = """\
The answer comes first, in sentences: how good the search can get, what its best trial would score again, whether to go
on, and which hyperparameters explain the scores. Then what could be wrong with it, then the tables. The metric may be
left out where the file says it.

Two files or more are a comparison of as many models, each tuned by a search of its own: which is better, from which
number of trials or which cost on, and how surely. --together takes them as one search, as other commands do.

examples:
  nqjax analyze trials.csv --metric val_loss
  nqjax analyze sqlite:///study.db --study resnet --report report.html
  nqjax analyze ~/ray_results/my_exp --metric eval/loss --report report.html
  nqjax analyze wandb_export.csv --metric val_acc --maximize --where "State == 'finished'" --json
  nqjax analyze baseline.csv ours.csv theirs.csv --metric accuracy --maximize --cost seconds --report compare.html
"""

#: Most files of a comparison, as in nqjax.analysis.studies, whose import would take too long here.
MOST_FILES = 10


def add(commands: Any) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "analyze",
        run,
        usage="nqjax analyze FILE ... [--metric NAME] [--minimize | --maximize] [--report PAGE] [options]",
        summary="how good a search can get, what its best trials are worth, whether to go on; which is better",
        description="How good can this search get, what are its best trials worth, and is it worth going on?\n"
        "Of several files: which model is better?",
        epilog=_EPILOG,
    )
    add_arguments(parser)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    reading.add_files(parser, "several files are compared with each other, a pattern in quotes is one search")
    add_study(parser)
    parser.add_argument("--together", action="store_true", help="several files are one search")
    parser.add_argument(
        "--cost",
        metavar="COLUMN|auto",
        help="compare at equal cost: the column that holds the cost of a trial; auto takes the one that each file is "
        "recognised to have (default: equal numbers of trials)",
    )
    parser.add_argument(
        "--no-surface",
        dest="surface",
        action="store_false",
        help="leave out the response surface, which takes some seconds more (see `nqjax surface`)",
    )
    add_noise(parser)
    add_confidence(parser, "the intervals")
    parser.add_argument("--report", metavar="PAGE", help="write an HTML page with tables and pictures, a .html file")
    output.add_json(parser)
    # All thresholds are tried.
    parser.set_defaults(threshold=AUTO)


def run(args: argparse.Namespace) -> None:
    """Analyse the search, or compare several; write the page and print the answer."""
    if args.report is not None:
        from nqjax.report.page import check_page

        check_page(args.report)
    if len(args.file) > 1 and not args.together:
        _compare(args)
        return
    if args.cost is not None:
        args.parser.error("argument --cost: it is for the comparison of several files")
    reading.read(args)
    process.use_compilation_cache()
    noise = reruns.read(args)
    process.listen_for_ctrl_c()
    import warnings

    from nqjax.analysis.analyze import analyze
    from nqjax.errors import FitWarning
    from nqjax.report.analysis import print_analysis, save_analysis

    (study,) = args.studies
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FitWarning)  # the answer has it
        found = analyze(study, confidence=args.confidence, noise=noise, surface=args.surface)
    # Print the numbers first: they are not lost if the page cannot be written.
    output.give(args, found.to_dict(), print_analysis)
    if args.report is not None:
        save_analysis(args.report, found, args.command_line)


def _compare(args: argparse.Namespace) -> None:
    """Compare the searches of several files."""
    files = list(args.file)
    if len(files) > MOST_FILES:
        raise InputError(
            f"{len(files)} files are too many to compare, at most {MOST_FILES}: give --together if they are one search"
        )
    studies = [_read(args, file) for file in files]
    reading.keep(args, studies)
    args.file = ", ".join(files)
    process.use_compilation_cache()
    noises = reruns.read_each(args, files, studies)
    process.listen_for_ctrl_c()

    from nqjax.analysis.analyze import analyze, default_names
    from nqjax.report.studies import print_comparison, save_comparison

    found = analyze(
        studies,
        confidence=args.confidence,
        noise=[None if one is None else one.noise for one in noises],
        names=default_names(files),
        cost=args.cost,
    )
    output.give(args, found.to_dict(), print_comparison)
    if args.report is not None:
        save_comparison(args.report, found, args.command_line)


def _read(args: argparse.Namespace, file: str) -> "StudyTable":
    reading.check_exists(file)
    return reading.read_one(args, file)
