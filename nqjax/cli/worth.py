"""`nqjax worth`."""

import argparse
from typing import TYPE_CHECKING, Any

from nqjax.cli import process, reading
from nqjax.cli.measured import add_answer, check_answer, give_worth, whole_numbers
from nqjax.cli.options import add_command, add_study, read_whole
from nqjax.cli.searching import check_out, telling
from nqjax.errors import InputError, visible

if TYPE_CHECKING:
    from nqjax.analysis.worth import Worth
    from nqjax.search.experiments.replications import Replications

#: Scores of random trials that a function is measured against, and a task, which takes time.
_BASELINE_OF_FUNCTION = 20_000
_BASELINE_OF_TASK = 1_024

#: The baseline's searches are numbered from here, so that none shares its random numbers with a method's.
_FIRST = 1_000_000

_BASELINE = "baseline"

_EPILOG = """\
The unit is one random trial: a method whose searches, after 40 trials, are as good as random search after 95, is worth
95. With a task or a function, every method is run many times, all replications side by side; finished searches are
safe in --out, and the same command continues. With files, each is one search of your own, whatever tool made it.

functions: noisy-bowl, branin, hartmann6, rosenbrock, sphere
tasks:     nqjax search --list
methods:   random, grid, sobol, tpe, gp, cma_es, evolution, surface

examples:
  nqjax worth branin --methods random tpe gp --replications 100 --trials 40
  nqjax worth digits-mlp --methods random tpe --replications 50 --trials 30 --out worth.jsonl --report worth.html
  nqjax worth worth.jsonl --at 10 20 30 --json
  nqjax worth tpe_1.csv tpe_2.csv tpe_3.csv --against random.csv --metric val_loss
"""


def add(commands: Any) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "worth",
        _run,
        usage="nqjax worth TASK | FUNCTION | FILE ... [options]",
        summary="what a method of search is worth, in trials of random search",
        description="After how many trials is random search as good as another method?",
        epilog=_EPILOG,
    )
    parser.add_argument("what", metavar="WHAT", nargs="+", help="a task, a function, or files of searches")
    parser.add_argument(
        "--methods", metavar="NAME", nargs="+", default=["random", "tpe", "gp"], help="default: random tpe gp"
    )
    parser.add_argument(
        "--replications", metavar="R", type=read_whole, default=100, help="searches by each method (default: 100)"
    )
    parser.add_argument(
        "--trials", dest="count", metavar="N", type=read_whole, default=40, help="trials of a search (default: 40)"
    )
    parser.add_argument(
        "--batch", metavar="B", type=read_whole, default=1, help="trials asked for at a time (default: 1)"
    )
    parser.add_argument(
        "--at",
        metavar="N ...",
        type=whole_numbers("trials"),
        help="after how many trials to compare (default: 10, 20, 30, ...)",
    )
    parser.add_argument(
        "--baseline-trials",
        metavar="N",
        type=read_whole,
        help="random trials to measure against (default: 20,000 of a function, 1,024 of a task)",
    )
    parser.add_argument("--against", metavar="FILE", help="with files: a random search on the same task and space")
    add_study(parser)
    parser.add_argument("--out", metavar="RUNS", help="the .jsonl file of finished searches, to write or to continue")
    parser.add_argument("--data", metavar="FOLDER", help="the folder with the task's data, if it needs any")
    add_answer(parser, "the worth by trials")


def _run(args: argparse.Namespace) -> None:
    check_answer(args)
    if args.out is not None:
        check_out(args.out)
    from nqjax.search.optimizers.registry import check_name

    for method in args.methods:
        check_name(method)
    found, about = _measured(args)
    from nqjax.report.worth import worth_document

    document = worth_document(found, **about)
    give_worth(args, document, found)


def _measured(args: argparse.Namespace) -> "tuple[dict[str, dict[str, Worth]], dict[str, Any]]":
    """Return the worth of each method, by the score that is compared, and facts for the document."""
    from nqjax.search.objectives import FUNCTIONS
    from nqjax.search.tasks.registry import REGISTRY
    from nqjax.trials.json_lines import JSON_ENDINGS

    (first, *others) = args.what
    if not others and (first in FUNCTIONS or first in REGISTRY):
        if args.against is not None:
            args.parser.error(
                f"--against is for files of searches: {first} is measured against random trials of its own"
            )
        return _of_runs(args, _replicated(args, first), first)
    for source in args.what:
        if not _is_there(source):
            known = ", ".join([*FUNCTIONS, *list(REGISTRY)[:3]])
            raise InputError(f"{source} is no file, function or task: give a file, or one of {known}, ...")
    if not others and args.against is None and first.endswith(JSON_ENDINGS):
        from nqjax.search.experiments.replications import read_replications

        return _of_runs(args, read_replications(first), first)
    return _of_files(args)


def _is_there(source: str) -> bool:
    try:
        reading.check_exists(source)
    except InputError:
        return False
    return True


def _replicated(args: argparse.Namespace, name: str) -> "Replications":
    process.use_compilation_cache()
    process.listen_for_ctrl_c("finishing", _safe(args.out))
    process.say_warnings()
    import jax

    from nqjax.search.experiments.replicate import replicate
    from nqjax.search.experiments.replications import Replications
    from nqjax.search.objectives import FUNCTIONS

    if name in FUNCTIONS:
        objective: Any = FUNCTIONS[name]
    else:
        from nqjax.cli.searching import task_options
        from nqjax.search.tasks import registry as tasks

        objective = tasks.load(name, **task_options(name, args.data))
    wanted = args.baseline_trials or (_BASELINE_OF_FUNCTION if name in FUNCTIONS else _BASELINE_OF_TASK)
    options = {"num_trials": args.count, "key": jax.random.key(args.seed), "batch": args.batch, "out": args.out}
    with telling(_safe(args.out)):
        runs = replicate(objective, args.methods, replications=args.replications, progress=True, **options)
        searches = -(-wanted // args.count)
        base = replicate(
            objective, {_BASELINE: "random"}, replications=searches, first=_FIRST, progress=True, **options
        )
    return Replications({**runs.scores, **base.scores}, {**runs.true, **base.true}, runs.settings, runs.minimize)


def _safe(out: str | None) -> Any:
    def say() -> str:
        if out is None:
            return "interrupted; give --out to keep finished searches"
        return f"interrupted; finished searches are safe in {visible(out)}, and the same command continues"

    return say


def _of_runs(
    args: argparse.Namespace, runs: "Replications", source: str
) -> "tuple[dict[str, dict[str, Worth]], dict[str, Any]]":
    from nqjax.analysis.worth import worth

    if _BASELINE not in runs.scores:
        raise InputError(f"{source} has no random trials to measure against: run nqjax worth TASK --out {source}")
    baseline = runs.scores[_BASELINE].ravel()
    found: dict[str, dict[str, Worth]] = {}
    for name, scores in runs.scores.items():
        if name == _BASELINE:
            continue
        own = {"observed": worth(scores, baseline, args.at, minimize=True)}
        true, of_baseline = runs.true.get(name), runs.true.get(_BASELINE)
        if true is not None and of_baseline is not None and (true != scores).any():
            own["true"] = worth(scores, baseline, args.at, minimize=True, true=(true, of_baseline.ravel()))
        found[name] = own
    about = {"what": str(runs.settings["objective"]), "baseline": len(baseline), "batch": runs.settings["batch"]}
    return found, about


def _of_files(args: argparse.Namespace) -> "tuple[dict[str, dict[str, Worth]], dict[str, Any]]":
    from nqjax.analysis.studies import is_adaptive
    from nqjax.analysis.worth import worth

    if args.against is None:
        raise InputError("files of searches are measured against random trials: give --against FILE")
    reading.check_exists(args.against)
    baseline = reading.read_one(args, args.against)
    if is_adaptive(baseline):
        raise InputError(
            f"{args.against} is no random search, as its sampler is {baseline.sampler}: give --against one that is"
        )
    args.metric, args.minimize = baseline.metric, baseline.minimize
    studies = [reading.read_one(args, source, may_be_stopped=True) for source in args.what]
    reading.keep(args, [baseline])
    found = worth(list(studies), baseline, args.at, minimize=args.minimize)
    about = {"what": f"{len(studies)} searches", "baseline": len(baseline), "batch": None}
    return {studies[0].sampler or "the method": {"observed": found}}, about
