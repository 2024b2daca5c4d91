"""`nqjax noise`."""

import argparse
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nqjax.cli import output, reading
from nqjax.cli.options import (
    AUTO,
    add_command,
    add_confidence,
    add_study,
    add_threshold,
    level_of,
    limits,
    read_positive,
)

if TYPE_CHECKING:
    from nqjax.trials.study import StudyTable

#: What the confidence is of.
CONFIDENCE = "the intervals; a true noise model is rejected with probability 1 - P at most"

_EPILOG = """\
The file has one run in each row: configurations that were retrained with many seeds, for example those at the 12.5, 25,
..., 100 % quantiles of the scores. Configurations with a mean score beyond the threshold are reported, but not judged.
Failed runs (missing, NaN or infinite scores) are counted and left out.

examples:
  nqjax noise retrained.csv --config config_id --metric error --threshold 0.11
  nqjax noise retrained.jsonl --config config.id --metric accuracy --maximize --threshold 0.89 --plot noise.png
  nqjax noise runs.csv --config learning_rate batch_size --metric val_loss
  nqjax noise retrained.parquet --config trial --metric val_loss --sigma 0.028 --json | jq .holds
"""


def add(commands: Any) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "noise",
        _run,
        usage="nqjax noise FILE --config NAME ... --metric NAME [--threshold T|none] [options]",
        summary="check from retrained configurations whether the noise is normal and of one size",
        description="Check from configurations that were retrained with many seeds whether the noise model holds:\n"
        "normal residuals, with one standard deviation for all configurations inside the regime.",
        epilog=_EPILOG,
    )
    # Not required here: in `--config NAME FILE`, argparse takes the file for another name, see `_file_and_config`.
    parser.add_argument("file", metavar="FILE", nargs="?", help="the runs, one a row: a file as nqjax fit takes it")
    parser.add_argument(
        "--config",
        metavar="NAME",
        nargs="+",
        action="extend",
        required=True,
        help="the column that names the configuration of each run, or several that together do",
    )
    add_study(parser)
    add_threshold(
        parser,
        "where the regime ends; none judges all configurations (default: none; auto is not possible, because a "
        "threshold is chosen from a whole search: see nqjax regime)",
        default=None,
    )
    parser.add_argument("--sigma", metavar="S", type=read_positive, help="sigma of a fit, to compare the noise with")
    add_confidence(parser, CONFIDENCE)
    output.add_json(parser)
    parser.add_argument("--plot", metavar="PICTURE", help="draw the residuals and spreads: a .png, .svg or .pdf file")


def _file_and_config(args: argparse.Namespace) -> tuple[str, list[str]]:
    """Return the file and the columns; the file may be the last of what follows --config."""
    if args.file is not None:
        return args.file, args.config
    if len(args.config) == 1:
        args.parser.error("the following arguments are required: FILE")
    return args.config[-1], args.config[:-1]


def _runs(args: argparse.Namespace) -> "StudyTable":
    """Return the runs, one a row, or one report of each if that is asked for."""
    from nqjax.trials.readers.read import read_runs

    reading.check_exists(args.file)
    if args.per_trial:
        runs = reading.read_one(args, args.file)
    else:
        runs = read_runs(args.file, args.metric, minimize=args.minimize, where=args.where, study=args.study)
    # The warnings of a search, such as that configurations occur several times, do not apply to reruns.
    runs = replace(runs, warnings=())
    reading.keep(args, [runs])
    return runs


def _run(args: argparse.Namespace) -> None:
    args.file, args.config = _file_and_config(args)
    reading.need_metric(args)
    if args.threshold == AUTO:
        args.parser.error(
            "argument --threshold: auto is not possible here, because a threshold is chosen from a whole search: "
            "give the one that nqjax regime chose for it, or none"
        )
    output.check_output(args)
    from nqjax.checks.noise import SEPARATOR, noise_diagnostics
    from nqjax.report.noise import noise_document, print_noise

    regime = limits(args.threshold, args.minimize)
    runs = _runs(args)
    diagnostics = noise_diagnostics(
        runs,
        args.config,
        args.metric,
        limits=regime,
        minimize=args.minimize,
        fit=args.sigma,
        level=level_of(args.confidence),
    )
    head = output.head(args, regime, runs.scores)
    document = noise_document(diagnostics, head=head, config=SEPARATOR.join(args.config))
    output.give(args, document, print_noise)
    if args.plot is not None:
        from nqjax.plots.runs import noise
        from nqjax.plots.style import save

        save(noise(diagnostics, name=args.metric).ax[0].figure, args.plot)
