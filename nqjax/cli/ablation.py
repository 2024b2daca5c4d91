"""`nqjax ablation`."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nqjax.cli import output, process
from nqjax.cli.options import add_command, add_seed, read_whole, threshold_of
from nqjax.cli.reading import add_file
from nqjax.cli.searching import add_data, add_running, task_of, telling
from nqjax.errors import InputError, visible

if TYPE_CHECKING:
    from nqjax.search.experiments.ablation import Stage
    from nqjax.trials.table import Trials


_EPILOG = """\
Hyperparameters are fixed one after another at the values of the best trial; each stage is a new search, in its own file
of the folder. Gamma falls when a hyperparameter that matters is fixed. After Ctrl-C, the same command continues.

examples:
  nqjax ablation trials.jsonl --out-dir ablation --trials 512
  nqjax ablation trials.jsonl --out-dir ablation --trials 512 --order learning_rate momentum
"""


def add(commands: Any) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "ablation",
        _run,
        usage="nqjax ablation TRIALS.jsonl --out-dir FOLDER --trials N [--order NAME ...] [options]",
        summary="fix hyperparameters of a search one after another, and report gamma",
        description="Fix the hyperparameters of a search one after another, search again, and report gamma each time.",
        epilog=_EPILOG,
    )
    add_file(parser, "the .jsonl file that nqjax search has written")
    parser.add_argument("--out-dir", metavar="FOLDER", required=True, help="the folder for the files of the searches")
    parser.add_argument(
        "--trials", dest="count", metavar="N", type=read_whole, required=True, help="number of trials of each search"
    )
    parser.add_argument(
        "--order", metavar="NAME", nargs="+", help="hyperparameters to fix, in this order (default: all except one)"
    )
    add_running(parser, out=False)
    add_seed(parser, "the searches", default=1)  # not that of nqjax search, so that no trial is repeated
    add_data(parser)
    output.add_json(parser)


def _run(args: argparse.Namespace) -> None:
    from nqjax.trials.table import read_trials

    trials = read_trials(args.file)
    task = task_of(trials, args.file, args.data)
    folder = Path(args.out_dir)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder} cannot be made: {error.strerror}; give another --out-dir") from error
    process.use_compilation_cache()

    def safe() -> str:
        return f"interrupted; the finished trials are safe in {visible(str(folder))}, and the same command continues"

    process.listen_for_ctrl_c("finishing the round", safe)
    process.say_warnings()
    import jax

    from nqjax.search.experiments.ablation import ablation

    stages = []
    try:
        with telling(safe):
            for stage in ablation(
                task,
                trials,
                num_trials=args.count,
                key=jax.random.key(args.seed),
                order=args.order,
                space=space_of(trials, task.space),
                folder=folder,
                population=args.population,
                progress=True,
            ):
                stages.append(_document(stage))
                if not args.json:
                    print(visible(_line(stages[-1])), flush=True)
    except InputError as error:  # about the file of a search
        raise InputError(str(error).replace("give another --out", "give another --out-dir")) from error
    if args.json:
        found = {"file": args.file, "metric": trials.score, "minimize": trials.minimize, "stages": stages}
        output.give(args, found, lambda *_: None)


def space_of(trials: "Trials", space: Any) -> dict[str, Any]:
    """Return the space that was searched: that of the task, with the fixed hyperparameters."""
    from nqjax.search.space import Fixed

    found = {}
    for name, entry in space.items():
        description = trials.settings["space"].get(name, {})
        found[name] = Fixed(description["fixed"]) if "fixed" in description else entry
    return found


def _document(stage: "Stage") -> dict[str, Any]:
    """Return what is reported about a stage."""
    trials, fit = stage.trials, None if stage.regime is None else stage.regime.fit
    best = trials.best
    found = {"metric": trials.score, "minimize": trials.minimize, "fixed": list(stage.fixed), "num_trials": len(trials)}
    found["best_score"] = None if best is None else float(best[trials.score])
    for name in ("gamma", "alpha", "beta", "sigma"):
        found[name] = None if fit is None else getattr(fit, name)
    return {**found, "threshold": None if fit is None else threshold_of(fit.limits, trials.minimize)}


def _line(stage: dict[str, Any]) -> str:
    from nqjax.runtime.text import significant

    fixed, trials = ", ".join(stage["fixed"]) or "nothing", "trial" if stage["num_trials"] == 1 else "trials"
    best = "none" if stage["best_score"] is None else significant(stage["best_score"], 5)
    text = f"{fixed} fixed: {stage['num_trials']:,} {trials}, best {stage['metric']} {best}"
    if stage["gamma"] is None:
        return f"{text}; no regime found, so no gamma"
    end = "alpha" if stage["minimize"] else "beta"
    threshold = "no threshold" if stage["threshold"] is None else f"threshold {stage['threshold']:.4g}"
    return f"{text}; gamma {stage['gamma']}, {end} {stage[end]:.4g}, sigma {stage['sigma']:.2g} ({threshold})"
