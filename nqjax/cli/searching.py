"""Options and messages of the commands that train models."""

import argparse
import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from nqjax.cli.options import read_whole
from nqjax.errors import InputError, visible
from nqjax.runtime import interrupt

if TYPE_CHECKING:
    from nqjax.search.task import Task
    from nqjax.trials.table import Trials


#: What to do if a setting of the task differs from that of the file.
_HINTS = {
    "python": "use the Python that made it",
    "text": "use the Python that made it",
    "pretrained": "use the machine that made it, because encoders pretrained elsewhere differ",
    "size": "use nqjax.search from Python, where the task takes it",
    "dtype": "use nqjax.search from Python, where the task takes it",
}


def add_running(parser: argparse.ArgumentParser, *, out: bool = True, population: str = "") -> None:
    """Declare the options of a run; ``population`` is what else the option of this name means."""
    if out:
        parser.add_argument("--out", metavar="TRIALS", help="the .jsonl file to write, or to continue")
    parser.add_argument(
        "--population",
        metavar="P",
        type=read_whole,
        help=f"trials that run at once (default: as many as keep the devices busy and fit into memory){population}",
    )


def task_options(name: str, data: str | None) -> dict[str, str]:
    """Return the arguments of a reference search; raise InputError if it needs data and has none."""
    from nqjax.search.tasks.registry import REGISTRY

    if data is None and REGISTRY[name].data:
        raise InputError(f"{name} needs a folder with {REGISTRY[name].data}: give --data FOLDER")
    return {} if data is None else {"data": data}


@contextlib.contextmanager
def telling(safe: Callable[[], str]) -> Iterator[None]:
    """After Ctrl-C, say what is safe and how to continue."""
    try:
        yield
    except KeyboardInterrupt:
        interrupt.tell(safe())
        raise


def safe_in(out: str) -> Callable[[], str]:
    """Return a fast function that says how many trials are safe in a file, also while trials are added."""

    def say() -> str:
        from nqjax.trials.search_lines import HEADER

        done, header = set(), HEADER.encode()
        with contextlib.suppress(OSError), Path(out).open("rb") as file:  # nothing was written yet
            # The number comes first. A trial that was paused has several lines.
            done = {
                line.split(b",", 1)[0]
                for line in file
                if line.endswith(b"\n") and header not in line[: len(header) + 8]
            }
        return f"interrupted; {len(done):,} trials are safe in {visible(out)}, and the same command continues"

    return say


def check_out(out: str) -> None:
    """Raise InputError for a file that cannot be written, before any work is done."""
    from nqjax.trials.json_lines import JSON_ENDINGS

    path = Path(out)
    if path.suffix not in JSON_ENDINGS:
        raise InputError(f"{out} must end in {' or '.join(JSON_ENDINGS)}, the format that is written")
    if not path.parent.is_dir():
        raise InputError(f"{out} cannot be written: the folder {path.parent} does not exist")


def add_data(parser: argparse.ArgumentParser) -> None:
    """Declare the folder with the data of a search's task."""
    parser.add_argument(
        "--data", metavar="FOLDER", help="the folder with the task's data (default: the one that the search used)"
    )


def task_of(trials: "Trials", file: str, data: str | None) -> "Task":
    """Return the reference task that a file of trials was made with."""
    from nqjax.search.tasks import registry as tasks

    name = trials.settings["task"]
    if name not in tasks.REGISTRY:
        raise InputError(
            f"{file} was made with the task {name!r}, which is not in nqjax search --list: use nqjax.search from Python"
        )
    task = tasks.load(name, **task_options(name, trials.made_by.get("data") if data is None else data))
    theirs, ours = trials.settings["task_settings"], task.settings
    other = [name for name in {**theirs, **ours} if theirs.get(name) != ours.get(name)]
    if other:
        found = ", ".join(f"{name} = {theirs.get(name)!r} (here {ours.get(name)!r})" for name in other)
        raise InputError(f"{file} was made with {found}: {_HINTS.get(other[0], 'give its --data FOLDER')}")
    return task
