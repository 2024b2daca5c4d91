"""Train the trials of a search and write each as it ends; or continue a search that has a file."""

from __future__ import annotations

import contextlib
import json
import math
import platform
from collections.abc import Iterable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any, Self

import jax
import numpy as np

from nqjax._version import __version__
from nqjax.errors import InputError
from nqjax.runtime.compiled import power_of_two
from nqjax.runtime.progress import Progress
from nqjax.search import configurations
from nqjax.search import space as spaces
from nqjax.search.engine.checkpoint import Checkpoints, checkpoints_of
from nqjax.search.engine.hosts import adopt, joined, part_of, shared, together
from nqjax.search.engine.scheduler import Schedule
from nqjax.search.engine.tile import RESERVED
from nqjax.search.engine.trial import Trial
from nqjax.search.space import Distribution
from nqjax.search.task import Task, check_task
from nqjax.search.trials_file import TrialsFile
from nqjax.trials.search_lines import Row
from nqjax.trials.table import Trials, best_row, read_trials

# The front page `nqjax.search` can only list names of its own package: the table's are passed on from here.
__all__ = ["Trials", "execute", "read_trials"]


def checked_space(task: Task, space: Mapping[str, Any] | None) -> dict[str, Distribution]:
    """Return the space of a search, the task's own by default, with bare values made `Fixed`.

    Raises
    ------
    InputError
        The task or the space is invalid, or they do not fit each other.
    """
    check_task(task)
    checked = spaces.check(task.space if space is None else space)
    taken = [name for name in checked if name in RESERVED or name == "num_rounds"]
    if taken:
        raise InputError(f"hyperparameter {taken[0]!r} has the name of another column of the table: rename it")
    missing = [name for name in task.static if name not in checked]
    if missing:
        raise InputError(f"the space lacks {missing[0]!r}, which the task {task.name} needs: add it")
    return checked


def key_words(key: Any) -> tuple[int, ...]:
    """Return the two words of a key of the kind "threefry2x32"; raise InputError for another kind.

    The draws of other kinds depend on how many are made at once.
    """
    words = configurations.key_words(key)
    if len(words) != 2:
        raise InputError('the key is not of the kind "threefry2x32": give jax.random.key(0, impl="threefry2x32")')
    return words


def trial_words(key: Any, numbers: Iterable[int]) -> list[tuple[int, ...]]:
    """Return the words of each trial's key, which is the search's key folded with the trial's number."""
    wanted = np.array(list(numbers), np.uint32)
    # Padded to a power of two, so that few sizes are compiled.
    padded = np.resize(wanted, power_of_two(max(len(wanted), 1)))
    with jax.enable_x64(False):
        found = np.asarray(_words(np.array(key_words(key), np.uint32), padded))[: len(wanted)]
    return [tuple(map(int, row)) for row in found]


@jax.jit
def _words(words: jax.Array, numbers: jax.Array) -> jax.Array:
    own = jax.random.wrap_key_data(words, impl="threefry2x32")
    return jax.vmap(lambda number: jax.random.key_data(jax.random.fold_in(own, number)))(numbers)


def as_trials(
    task: Task, configs: Sequence[tuple[int, dict[str, Any]]], words: Sequence[tuple[int, ...]]
) -> list[Trial]:
    """Return the trials with these numbers, configurations and keys; raise InputError for one without rounds."""
    trials = []
    for (number, config), own in zip(configs, words, strict=True):
        rounds = int(task.num_rounds(config))
        if rounds < 1:
            raise InputError(f"trial {number} of the task {task.name} has {rounds} rounds: it needs 1 or more")
        trials.append(Trial(number, config, own, rounds))
    return trials


def search_settings(task: Task, space: Mapping[str, Any], key: Any, sampling: Any) -> dict[str, Any]:
    """Return the settings that identify a search, for the header of its file."""
    return {
        "task": task.name,
        "task_settings": dict(task.settings),
        "score": task.score,
        "minimize": bool(task.minimize),
        "space": spaces.describe(space),
        "sampling": sampling,
        "key": list(key_words(key)),
    }


def check_trials(task: Task, trials: Trials) -> None:
    """Raise InputError if trials were made with another task or other settings of it, or cannot be repeated."""
    if "lineage" in trials:
        raise InputError(
            "the hyperparameters of these trials changed while they trained (pbt), so no configuration is theirs: give "
            "another search"
        )
    wanted = search_settings(task, task.space, tuple(trials.settings["key"]), None)
    for name in ("task", "task_settings", "score", "minimize"):
        now, then = (json.loads(json.dumps(settings[name])) for settings in (wanted, trials.settings))
        if now != then:
            raise InputError(
                f"the trials were made with {name} = {json.dumps(then)}, not {json.dumps(now)}: give that task"
            )
    missing = [name for name in task.space if name not in trials.settings["space"]]
    if missing:
        raise InputError(
            f"the trials lack {missing[0]!r}, which the task {task.name} needs: give the task that made them"
        )


def check_population(population: int | None) -> None:
    """Raise InputError for fewer than one trial at once."""
    if population is not None and population < 1:
        raise InputError(f"population is {population}: give 1 or more")


def execute(
    task: Task,
    trials: Sequence[Trial],
    settings: Mapping[str, Any],
    *,
    out: str | Path | None = None,
    resume: bool = True,
    population: int | None = None,
    memory: int | None = None,
    devices: Sequence[jax.Device] | None = None,
    checkpoint_every: float = 120.0,
    progress: bool = False,
) -> Trials:
    """Train given trials; the other arguments are those of `run`, and these are their defaults."""
    check_population(population)
    devices = jax.local_devices() if devices is None else list(devices)
    made_by = made_by_of(devices[0], task)
    host, hosts = jax.process_index(), jax.process_count()
    file: TrialsFile | InMemory = InMemory()
    with contextlib.ExitStack() as stack:
        with together():
            if out is not None:
                path = Path(out) if hosts == 1 else part_of(Path(out), host)
                file = TrialsFile(path, settings, made_by, resume=resume)
            stack.enter_context(file)
            checkpoints = checkpoints_of(file.path, settings) if file.path else None
            if checkpoints and (not resume or "lanes" not in file.made_by):
                checkpoints.clear()  # this search starts again: the file that they belong to is gone
            if out is not None and host == 0:
                adopt(file, Path(out), settings, hosts)
        rows, lanes = shared(file, out, settings)
        check_rows(rows, trials, out)
        mine = [trial for i, trial in enumerate(trials) if i % hosts == host]
        left = {trial.number for trial in mine} - rows.keys()
        with together():
            if left:
                schedule = Schedule(task, trials, devices, lanes=lanes, population=population, memory=memory)
                file.begin(schedule.lanes)
                with Progress("trials", len(mine), done=len(mine) - len(left), show=progress) as bar:
                    train(
                        schedule, file, {t.number for t in trials} - left, checkpoints, checkpoint_every, bar, settings
                    )
                if checkpoints:
                    checkpoints.clear()
            if isinstance(file, TrialsFile):
                file.finish()
    rows = joined(file, out, settings, made_by) if hosts > 1 else file.rows
    numbers = sorted(trial.number for trial in trials)
    return Trials(tuple(rows[number] for number in numbers), settings, file.made_by or made_by)


def check_rows(rows: Mapping[int, Row], trials: Sequence[Trial], out: str | Path | None) -> None:
    """Raise InputError if a finished trial has other hyperparameters than the space gives it now.

    The file's header has only the names of the space's functions, so it does not show a change of a function.
    """
    for trial in trials:
        row = rows.get(trial.number, trial.config)
        for name, value in trial.config.items():
            if not _alike(row.get(name), value):
                raise InputError(
                    f"{out} was made with {name} = {json.dumps(row.get(name))} for trial {trial.number} (now "
                    f"{json.dumps(value)}): a function of the space has changed; give another --out"
                )


def _alike(one: Any, other: Any) -> bool:
    """Return whether two values are equal, except for the last digits, which differ between machines."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-9)
    return type(one) is type(other) and bool(one == other)


def train(
    schedule: Schedule,
    file: TrialsFile | InMemory,
    done: set[int],
    checkpoints: Checkpoints | None,
    every: float,
    bar: Progress,
    settings: Mapping[str, Any],
    **parts: Any,
) -> None:
    """Train and write rows as trials end; after Ctrl-C or an error also those of trials that end meanwhile.

    ``parts`` are the arguments of `Schedule.run` for trials that pause.
    """
    failed = sum(bool(row["failed"]) for row in file.rows.values())
    score, minimize = settings["score"], settings["minimize"]
    best = best_row(file.rows.values(), score, minimize)
    rows: list[Row] = []
    with contextlib.closing(schedule.run(done, checkpoints, every, **parts)) as results:
        try:
            for rows, work in results:
                if rows:
                    file.add(rows)
                failed += sum(row["failed"] for row in rows)
                best = best_row([*([best] if best else []), *rows], score, minimize)
                note = f"{failed:,} failed" + (f", best {best[score]:.5g}" if best else "")
                bar.advance(work, note)
        except BaseException:
            results.close()
            with contextlib.suppress(InputError):  # if writing failed, the first error says so
                file.add(row for row in [*rows, *schedule.rest()] if file.rows.get(row["trial"]) != row)
            raise


def made_by_of(device: jax.Device, task: Task) -> dict[str, Any]:
    """Return versions and other facts that the header of a file records."""
    versions = {}
    for name in ("jax", "flax", "optax", "numpy"):
        with contextlib.suppress(metadata.PackageNotFoundError):  # a task need not use Flax or Optax
            versions[name] = metadata.version(name)
    found = {"nqjax": __version__, "python": platform.python_version(), **versions, "device": device.device_kind}
    return {**found, "data": task.source} if task.source else found


class InMemory:
    """Rows in memory, with the interface of `TrialsFile`, for a search without a file."""

    def __init__(self) -> None:
        self.rows: dict[int, Row] = {}
        self.made_by: dict[str, Any] = {}
        self.path = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def begin(self, lanes: int) -> None:
        """Do nothing."""

    def add(self, rows: Iterable[Row]) -> None:
        """Keep rows."""
        self.rows.update({row["trial"]: row for row in rows})
