"""`nqjax similarity`."""

import argparse
import itertools
from typing import TYPE_CHECKING, Any

from nqjax.cli import output, reading
from nqjax.cli.landscape import add_columns, add_report, check_report
from nqjax.cli.options import add_command, read_share, read_trials
from nqjax.errors import InputError

if TYPE_CHECKING:
    from nqjax.landscape.landscape import Landscape
    from nqjax.trials.study import StudyTable

_EPILOG = """\
Compare the epochs of one file's learning curves (--at), several columns of one file, or the same metric in several
files, over the configurations that they share. A pattern such as 'loss_*' is one landscape with several runs; only then
can it be said how alike two runs of one landscape are, which is the most that can be expected of two landscapes.

examples:
  nqjax similarity grid.jsonl --metric val_loss --at 1 3 10 30
  nqjax similarity grid.csv --metric train_loss val_loss --report similarity.html
  nqjax similarity cifar10.csv cifar100.csv imagenet.csv --metric 'val_acc_*' --maximize --json
"""


def add(commands: Any) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "similarity",
        _run,
        usage="nqjax similarity FILE ... [--metric NAME ...] [--at EPOCH ...] [options]",
        summary="how far ranks carry over: from few epochs to many, between data sets, from training to test",
        description="Do the good configurations of one landscape stay good in another?",
        epilog=_EPILOG,
    )
    parser.add_argument("file", metavar="FILE", nargs="+", help="tables of the same hyperparameters")
    add_columns(parser)
    parser.add_argument(
        "--at",
        metavar="N ...",
        type=read_trials,
        help="compare the best scores of the learning curves up to these epochs",
    )
    parser.add_argument(
        "--best",
        metavar="SHARE",
        type=read_share,
        default=0.1,
        help="the share of configurations that are the best ones (default: 0.1)",
    )
    add_report(parser)
    output.add_json(parser)


def _run(args: argparse.Namespace) -> None:
    check_report(args)
    for source in args.file:
        reading.check_exists(source)
    lands, studies = _landscapes(args)
    if len(lands) < 2:
        raise InputError("there is one landscape: give several files, several columns of --metric, or epochs (--at)")
    import dataclasses

    from nqjax.landscape.reading import cautions
    from nqjax.landscape.shared import similarity
    from nqjax.report.similarity import print_similarity, similarity_document

    reading.keep(args, [dataclasses.replace(study, warnings=cautions(study)) for study in studies])
    args.file = args.file[0] if len(args.file) == 1 else f"{args.file[0]} and {len(args.file) - 1} more"
    pairs = [
        (first, second, similarity(a, b, args.best))
        for (first, a), (second, b) in itertools.combinations(lands.items(), 2)
    ]
    document = similarity_document(pairs, file=args.file, minimize=args.minimize)
    output.give(args, document, print_similarity)
    if args.report is not None:
        from nqjax.landscape.shared import similarity_matrix
        from nqjax.report.similarity_page import save_similarity_page

        matrix = similarity_matrix(list(lands.values()), args.best)
        found = reading.described(args, document)
        save_similarity_page(args.report, matrix, list(lands), found, args.command_line)


def _landscapes(args: argparse.Namespace) -> "tuple[dict[str, Landscape], list[StudyTable]]":
    """Return the landscapes by name, and the studies that they are from."""
    import numpy as np

    from nqjax.landscape.reading import column_scores, expand, landscape_of, read_columns, scores_at

    options = {"categorical": args.categorical, "drop": args.drop, "keep": args.keep}
    lands, studies = {}, []
    for source in dict.fromkeys(args.file):
        study, names = read_columns(
            source, args.metric, minimize=args.minimize, where=args.where, per_trial=args.per_trial, study=args.study
        )
        studies.append(study)
        about = "" if len(args.file) == 1 else f"{_short(source, args.file)}: "
        if args.at is not None:
            if len(names) > 1:
                raise InputError(f"--at compares epochs of one metric, but --metric names {len(names)}: give one")
            for epoch in args.at:
                if epoch != int(epoch):
                    raise InputError("--at has a fraction of an epoch: give whole numbers of epochs")
                label = f"{about}epoch {int(epoch)}"
                lands[label] = landscape_of(study, scores_at(study, int(epoch)), names, **options)
            continue
        for name in args.metric or names:
            columns = expand(study, [name])
            scores = np.stack([column_scores(study, column) for column in columns], axis=1)
            several = len(args.metric or names) > 1
            label = f"{about}{name}" if several or not about else about.removesuffix(": ")
            lands[label] = landscape_of(study, scores, names, **options)
    return lands, studies


def _short(source: str, sources: "list[str]") -> str:
    """Return the name of a file without its folder, unless two files have the same."""
    names = [one.rsplit("/", 1)[-1] for one in sources]
    name = source.rsplit("/", 1)[-1]
    return name if names.count(name) == 1 else source
