"""`nqjax replay`."""

import argparse
import json
from typing import TYPE_CHECKING, Any

from nqjax.cli import process, reading
from nqjax.cli.measured import add_answer, check_answer, give_worth, whole_numbers
from nqjax.cli.options import add_command, add_study, read_whole
from nqjax.cli.searching import check_out
from nqjax.errors import InputError

if TYPE_CHECKING:
    from nqjax.search.fidelity.tables import CurveTable
    from nqjax.trials.study import StudyTable
    from nqjax.types import Floats

#: Methods that a table of learning curves can run.
_METHODS = ("random", "halving", "hyperband", "asha", "median")

#: Fewest trials of a table, and the share of them beyond which no worth is given: its best trials are too few.
_FEWEST = 40
_RESOLVED = 3

_EPILOG = """\
Whole searches are run on the learning curves of a random search whose trials were trained to their ends: they draw
trials from it with replacement, see their scores at each rung, and pay what the trainings cost. The answer is what each
method is worth at equal cost: W full trainings of random search are as good. Rungs divide the training from its end:
with eta 3 and 30 epochs they are 30, 10, 3 and 1. All rounds cost the same.

methods: random, halving, hyperband, asha, median

examples:
  nqjax replay curves.csv --metric val_loss
  nqjax replay sqlite:///study.db --methods random asha --workers 16 --cost 10 30 --report replay.html
  nqjax replay trials.jsonl --methods halving hyperband --eta 4 --rungs 3 --out replay.jsonl
"""


def add(commands: Any) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "replay",
        _run,
        usage="nqjax replay CURVES ... [--metric NAME] [--methods NAME ...] [--cost N ...] [options]",
        summary="what early stopping would have been worth on your learning curves",
        description="What would stopping poor trials early have been worth on these learning curves, at equal cost?",
        epilog=_EPILOG,
    )
    reading.add_files(parser)
    add_study(parser)
    parser.add_argument(
        "--methods",
        metavar="NAME",
        nargs="+",
        default=list(_METHODS[:4]),
        help="default: random halving hyperband asha",
    )
    parser.add_argument(
        "--replications", metavar="R", type=read_whole, default=200, help="searches by each method (default: 200)"
    )
    parser.add_argument(
        "--cost",
        metavar="N ...",
        type=whole_numbers("full trainings"),
        default=[10, 30],
        help="in full trainings (default: 10 30)",
    )
    parser.add_argument(
        "--eta", metavar="E", type=read_whole, help="one in E trials goes on, E times as far (default: 3)"
    )
    parser.add_argument(
        "--rungs", metavar="K", type=read_whole, help="how often trials are compared (default: as curves have room for)"
    )
    parser.add_argument(
        "--min-rounds", metavar="R", type=read_whole, help="median: no trial stops before this round (default: 1)"
    )
    parser.add_argument(
        "--workers",
        metavar="W",
        type=read_whole,
        default=8,
        help="asha: workers; median: trials of a batch (default: 8)",
    )
    parser.add_argument("--out", metavar="RUNS", help="write the best score of each search by cost to a .jsonl file")
    add_answer(parser, "the worth by cost")


def _run(args: argparse.Namespace) -> None:
    check_answer(args)
    if args.out is not None:
        check_out(args.out)
    for method in args.methods:
        if method not in _METHODS:
            raise InputError(f"{method} cannot run on learning curves: choose from {', '.join(_METHODS)}")
    reading.read(args)
    (study,) = args.studies
    table = _table(args, study)
    process.listen_for_ctrl_c()

    import jax

    from nqjax.report.replay import replay_document, replay_worth
    from nqjax.search.fidelity.methods import ASHA, Hyperband, MedianStopping, SuccessiveHalving
    from nqjax.search.fidelity.replay import replay
    from nqjax.search.fidelity.table_error import table_error

    kinds: dict[str, Any] = {kind.name: kind(eta=table.eta) for kind in (SuccessiveHalving, Hyperband, ASHA)}
    kinds |= {"random": "random", "median": MedianStopping(args.min_rounds or 1)}
    methods = {name: kinds[name] for name in args.methods}
    key, budget = jax.random.key(args.seed), max(args.cost)
    shared: dict[str, Any] = {"key": key, "workers": args.workers, "progress": True}
    best = replay(table, methods, replications=args.replications, budget=budget, **shared)
    errors = table_error(table, methods, args.cost, **shared)
    if args.out is not None:
        _write(args, table, best)
    resolved = len(table) // _RESOLVED
    found = replay_worth(best, errors, table, args.cost, resolved)
    document = replay_document(found, table, args.file, args.workers, resolved)
    give_worth(args, document, found)


def _table(args: argparse.Namespace, study: "StudyTable") -> "CurveTable":
    """Return the table of the curves of a study."""
    from nqjax.search.fidelity.tables import curve_table
    from nqjax.trials.whole_curves import whole_curves

    try:
        curves = whole_curves(study)
    except InputError as error:
        raise InputError(f"{args.file}: {error}") from None
    if len(curves.values) < _FEWEST:
        raise InputError(
            f"{args.file} has {len(curves.values)} trials, too few to run searches on: give a random search of at "
            f"least {_FEWEST}, better 500"
        )
    eta, longest = args.eta or 3, int(curves.rounds.max())
    if eta < 2:
        raise InputError(f"eta is {eta}: give 2 or more, since one trial in eta goes on")
    room = 1
    while eta**room <= longest:
        room += 1
    if args.rungs is not None and args.rungs > room:
        raise InputError(
            f"rungs is {args.rungs}, which begins below one round: a training of {longest} rounds has room for {room} "
            f"with eta {eta}"
        )
    return curve_table(curves.values, rounds=curves.rounds, rungs=args.rungs or room, eta=eta, minimize=args.minimize)


def _write(args: argparse.Namespace, table: "CurveTable", best: "dict[str, Floats]") -> None:
    """Write the settings and a line for each search: its best score after each cost, null where it has none yet."""
    from nqjax.runtime.files import written_whole

    settings = {"file": args.file, "metric": args.metric, "minimize": args.minimize, "trials": len(table)}
    settings |= {"eta": table.eta, "rungs": table.rungs, "workers": args.workers, "seed": args.seed}
    sign = 1.0 if args.minimize else -1.0
    try:
        with written_whole(args.out) as file:
            file.write(json.dumps({"nqjax_replay": settings}) + "\n")
            for name, searches in best.items():
                for number, scores in enumerate(searches.tolist()):
                    values = [sign * score if abs(score) < float("inf") else None for score in scores]
                    file.write(json.dumps({"method": name, "replication": number, "best": values}) + "\n")
    except OSError as error:
        raise InputError(f"{args.out} cannot be written: {error.strerror or error}") from error
