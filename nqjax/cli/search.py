"""`nqjax search`."""

import argparse
import math
import shlex
from typing import TYPE_CHECKING, Any

from nqjax.cli import output, populations, process
from nqjax.cli.options import add_command, add_seed, read_whole
from nqjax.cli.searching import add_running, check_out, safe_in, task_options, telling
from nqjax.errors import InputError
from nqjax.trials.columns import listed_names

if TYPE_CHECKING:
    from nqjax.search.task import Task
    from nqjax.trials.table import Trials

#: Names of the facts about a task in JSON, and in the records of its module.
_FACTS = {"source": "Source", "space": "Space", "time": "Expected time"}

#: Methods that do not learn from scores.
_UNLEARNED = ("random", "grid", "sobol")

_EPILOG = """\
Trials that are counted are safe: after Ctrl-C, or a crash, the same command continues, and with a larger number of
trials it adds the missing ones. In a random or a grid search the configuration of trial i depends on neither the number
of trials, the population nor the devices; on CPUs with enough memory, neither do its scores. Other methods choose the
next trials by the scores so far: what their trials are worth, in random trials, nqjax worth measures. halving,
hyperband, asha and bohb stop poor trials early, and train those that go on from where they paused; median stops what is
worse than the median of earlier trials. pbt trains a population to its end, whose poor trials take over the weights and
hyperparameters of good ones every few rounds. With another number of trials theirs, but for median, is another search.

examples:
  nqjax search --list
  nqjax search digits-mlp --trials 1024 --out trials.jsonl
  nqjax search digits-mlp --trials 256 --seed 1 --fix momentum=0.9 --fix dropout=0 --out fixed.jsonl
  nqjax search digits-mlp --grid 3 --out grid.jsonl
  nqjax search digits-mlp --method tpe --trials 96 --batch 8 --out tpe.jsonl
  nqjax search digits-mlp --method tpe --trials 32 --prior tpe.jsonl --seed 1 --out warm.jsonl
  nqjax search digits-mlp --method hyperband --trials 200 --out hyperband.jsonl
  nqjax search digits-mlp --method pbt --population 16 --interval 3 --out pbt.jsonl
"""


def add(commands: Any) -> None:
    """Declare the command."""
    parser = add_command(
        commands,
        "search",
        _run,
        usage="nqjax search TASK --trials N --out TRIALS.jsonl [options]",
        summary="run a random search on a reference task, many trials at once",
        description="Run a random hyperparameter search, many trials side by side in one program.",
        epilog=_EPILOG,
    )
    parser.add_argument("task", metavar="TASK", nargs="?", help="a reference search, see --list")
    parser.add_argument("--list", action="store_true", help="list the reference searches and how long they take")
    parser.add_argument("--trials", dest="count", metavar="N", type=read_whole, help="how many configurations to try")
    parser.add_argument(
        "--grid", metavar="K", type=read_whole, help="search a grid instead, with K values of each hyperparameter"
    )
    parser.add_argument(
        "--method",
        metavar="NAME",
        default="random",
        help="what chooses the configurations: random (default), grid, sobol, tpe, gp, cma_es, evolution or surface "
        "(the last five learn from the scores so far); halving, hyperband, asha, bohb and median stop poor trials "
        "early; pbt copies weights within populations",
    )
    parser.add_argument(
        "--batch",
        metavar="B",
        type=read_whole,
        default=16,
        help="trials that such a method asks for at a time; the workers of asha; median compares trials with those of "
        "earlier batches (default: 16)",
    )
    parser.add_argument(
        "--eta", metavar="E", type=read_whole, help="halving and so on: one trial in E goes on (default: 3)"
    )
    parser.add_argument(
        "--min-rounds",
        metavar="R",
        type=read_whole,
        help="halving and so on: rounds, such as epochs, of the shortest training (default: 1)",
    )
    populations.add(parser)
    parser.add_argument(
        "--prior",
        metavar="FILE",
        help="earlier trials of the same hyperparameters, from which tpe, gp and surface learn, and whose best one "
        "cma_es and evolution start from; they are no trials of this search",
    )
    parser.add_argument("--fix", metavar="NAME=VALUE", action="append", default=[], help="fix a hyperparameter")
    add_running(parser, population="; with --method pbt the trials of a population (default: 16)")
    add_seed(parser, "the search")
    parser.add_argument("--data", metavar="FOLDER", help="the folder with the task's data, if it needs any")
    output.add_json(parser)


def _run(args: argparse.Namespace) -> None:
    from nqjax.search.optimizers.registry import STOPPING, check_learns, check_name
    from nqjax.search.tasks import registry as tasks

    if args.list:
        output.give(args, {"tasks": _described(tasks.REGISTRY)}, _print_list)
        return
    if args.task is None:
        args.parser.error("give a task; nqjax search --list shows them")
    if args.task not in tasks.REGISTRY:
        tasks.load(args.task)  # raises the error
    check_name(args.method, may_stop=True)
    own = populations.settings(args)
    rungs = {name: value for name in ("eta", "min_rounds") if (value := getattr(args, name)) is not None}
    if "eta" in rungs and args.method == "median":
        args.parser.error("--eta is for halving, hyperband, asha and bohb: median has no rungs")
    if rungs and args.method not in STOPPING:
        args.parser.error(f"--eta and --min-rounds are for the methods that stop poor trials: {', '.join(STOPPING)}")
    if args.prior is not None:
        check_learns("grid" if args.grid is not None else args.method)
    options = task_options(args.task, args.data)
    if args.method != "random" and args.grid is not None:
        args.parser.error("give --method or --grid, not both")
    if args.count is None and args.grid is None and own is None:
        args.parser.error("give --trials, the number of configurations")
    if args.out is None:
        args.parser.error("give --out, the file of the trials")
    check_out(args.out)
    process.use_compilation_cache()
    safe = safe_in(args.out)
    process.listen_for_ctrl_c("finishing the round", safe)
    process.say_warnings()
    import jax

    from nqjax.search.fidelity.methods import FIDELITY_METHODS
    from nqjax.search.searches import run

    method: Any = args.method
    if method in FIDELITY_METHODS:
        method = FIDELITY_METHODS[method](**rungs, **(own or {}))
    task = tasks.load(args.task, **options)
    space = {**task.space, **_fixed(args.fix, task)}
    with telling(safe):
        trials = run(
            task,
            space,
            num_trials=args.count,
            key=jax.random.key(args.seed),
            grid=args.grid,
            method=method,
            batch=args.batch,
            prior=args.prior,
            out=args.out,
            population=args.population if own is None else None,
            progress=True,
        )
    output.give(args, _summary(trials, args.out), _print_summary)


def read_value(text: str) -> Any:
    """Return the value of a text: true, false, a number, or the text itself."""
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            value = kind(text)
        except ValueError:
            continue
        if math.isfinite(value):
            return value
    return text


def _fixed(texts: list[str], task: "Task") -> dict[str, Any]:
    import difflib

    from nqjax.search.space import Fixed

    fixed = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not value:
            raise InputError(f"--fix {text}: give NAME=VALUE, such as --fix {next(iter(task.space))}=0.1")
        if name not in task.space:
            close = difflib.get_close_matches(name, task.space, n=1)
            hint = f" (did you mean {close[0]!r}?)" if close else ""
            raise InputError(
                f"--fix {text}: {task.name} has no {name!r}{hint}; it has {listed_names(list(task.space))}"
            )
        fixed[name] = Fixed(read_value(value))
    return fixed


def _described(registry: Any) -> list[dict[str, Any]]:
    """Return the reference searches: their names, and what their modules say about them."""
    from nqjax.search.tasks.records import Record, read_records

    found = []
    for name, entry in registry.items():
        record = read_records(entry.module).get(name, Record("", {}))
        facts = {label: record.facts.get(fact) for label, fact in _FACTS.items()}
        data = f"--data FOLDER, with {entry.data}" if entry.data else None
        found.append({"name": name, "summary": record.summary, **facts, "data": data})
    return found


def _print_list(document: dict[str, Any], console: Any) -> None:
    from rich.padding import Padding
    from rich.text import Text

    for task in document["tasks"]:
        console.print(Text.assemble((task["name"], "bold"), f"  {task['summary']}"), soft_wrap=True)
        for label in ("source", "space", "data", "time"):
            if task[label]:
                console.print(Padding(Text(f"{label}: {task[label]}"), (0, 0, 0, 4)))


def _summary(trials: "Trials", out: str) -> dict[str, Any]:
    """Return the number of trials, and the best one."""
    from nqjax.trials.readers.search_files import method_of

    best = trials.best
    return {
        "file": out,
        "metric": trials.score,
        "minimize": trials.minimize,
        "method": method_of(trials.settings.get("sampling")),
        "num_trials": len(trials),
        "num_failed": int(trials.failed.sum()),
        **_stopped(trials),
        "best_score": None if best is None else best[trials.score],
        "best_trial": None if best is None else best["trial"],
        "best": None if best is None else {name: best[name] for name in trials.settings["space"] if name in best},
    }


def _stopped(trials: "Trials") -> dict[str, Any]:
    """Return how many trials were stopped early, and what all cost, where that may happen."""
    if "trained" not in trials:
        return {}
    if "lineage" in trials:
        return populations.summary(trials)
    share = trials["trained"] / trials["rounds"]
    return {"num_stopped": int((trials["status"] == "pruned").sum()), "cost": float(share.sum())}


def _print_summary(found: dict[str, Any], console: Any) -> None:
    """Print the number of trials, the best one, and the next commands."""
    out, metric = found["file"], found["metric"]
    trials = "1 trial" if found["num_trials"] == 1 else f"{found['num_trials']:,} trials"
    failed = f", {found['num_failed']:,} failed" if found["num_failed"] else ""
    console.print(f"{trials} in {out}{failed}", soft_wrap=True, markup=False)
    if "num_copied" in found:
        console.print(populations.sentence(found), soft_wrap=True, markup=False)
    elif "cost" in found:
        stopped = f"{found['num_stopped']:,} stopped early; all cost {found['cost']:.3g} full trainings"
        console.print(stopped, soft_wrap=True, markup=False)
    if found["best"] is None:
        console.print(f"No trial has a {metric}: all failed before their first evaluation.")
        return
    config = ", ".join(f"{name} {_short(value)}" for name, value in found["best"].items())
    best = f"Best {metric}: {found['best_score']:.5g} (trial {found['best_trial']}: {config})"
    console.print(best, soft_wrap=True, markup=False)
    if "num_copied" in found:
        console.print("Its hyperparameters are those of its last rounds; its schedule has all of them.", soft_wrap=True)
    if "cost" in found:
        return  # what follows is for random searches
    direction = "" if found["minimize"] else " --maximize"
    # Scores of methods that learn from them are no random sample: the surface needs none.
    for command in ("analyze", "fit") if found["method"] in _UNLEARNED else ("analyze", "surface"):
        text = f"Next: nqjax {command} {shlex.quote(out)} --metric {metric}{direction}"
        console.print(text, soft_wrap=True, markup=False)


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
