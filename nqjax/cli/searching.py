"""Options and messages that the commands share which train models."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from nqjax.cli.options import read_whole
from nqjax.errors import InputError

if TYPE_CHECKING:
    from nqjax.search.task import Task
    from nqjax.trials.table import Trials
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nqjax.search.task import Task
    from nqjax.trials.table import Trials


def add_running(parser: argparse.ArgumentParser, *, out: bool = True) -> None:
    """Declare the options of commands that train."""
    if out:
        parser.add_argument("--out", metavar="TRIALS", help="the .jsonl file to write, or to go on with")
    parser.add_argument(
        "--population",
        metavar="P",
        type=read_whole,
        help="trials in hand at once (default: as many as keep the devices busy and fit the memory)",
    )


def task_options(name: str, data: str | None) -> dict[str, str]:
    """Return a reference search's arguments; raise InputError for one that lacks its data."""
    from nqjax.search.tasks.registry import REGISTRY

    if data is None and REGISTRY[name].data:
        raise InputError(f"{name} needs a folder with {REGISTRY[name].data}: give --data FOLDER")
    return {} if data is None else {"data": data}


class telling:
    """Say after Ctrl-C what is safe and how to go on."""

    def __init__(self, out: str) -> None:
        self._out = out

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and issubclass(kind, KeyboardInterrupt):
            from nqjax.trials.table import read_trials

            try:
                done = len(read_trials(self._out))
            except InputError:  # nothing was written yet
                done = 0
            text = f"interrupted; {done:,} trials are safe in {self._out}, and the same command goes on"
            print(text, file=sys.stderr)


def check_out(out: str) -> None:
    """Raise InputError for a file that cannot be written, before any work is done."""
    from nqjax.trials.json_lines import JSON_ENDINGS

    path = Path(out)
    if path.suffix not in JSON_ENDINGS:
        raise InputError(f"{out} must end in {' or '.join(JSON_ENDINGS)}, the format that is written")
    if not path.parent.is_dir():
        raise InputError(f"{out} cannot be written: the folder {path.parent} does not exist")


def add_data(parser: argparse.ArgumentParser) -> None:
    """Declare the option that says where the data of a search's task are."""
    parser.add_argument("--data", metavar="FOLDER", help="where the task's data are (default: where they were)")


def task_of(trials: "Trials", file: str, data: str | None) -> "Task":
    """The reference task that a file's trials are of."""
    from nqjax.search.tasks import registry as tasks

    name = trials.settings["task"]
    if name not in tasks.REGISTRY:
        raise InputError(
            f"{file} is of the task {name!r}, which is none of nqjax search --list: use nqjax.search from Python"
        )
    task = tasks.load(name, **task_options(name, trials.made_by.get("data") if data is None else data))
    theirs, ours = trials.settings["task_settings"], task.settings
    other = [name for name in {**theirs, **ours} if theirs.get(name) != ours.get(name)]
    if other:
        found = ", ".join(f"{name} = {theirs.get(name)!r} (here {ours.get(name)!r})" for name in other)
        raise InputError(f"{file} was made with {found}: {_HINTS.get(other[0], 'give its --data FOLDER')}")
    return task


#: What to do where a task's setting is another one than a file's.
_HINTS = {
    "python": "use the Python that made it",
    "text": "use the Python that made it",
    "pretrained": "use the machine that made it, for encoders pretrained elsewhere differ",
    "size": "use nqjax.search from Python, where the task takes it",
    "dtype": "use nqjax.search from Python, where the task takes it",
}
