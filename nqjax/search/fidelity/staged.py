"""Trials that train in parts: up to a round, and later from there on."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import jax

from nqjax.errors import InputError
from nqjax.runtime.progress import Progress
from nqjax.search.engine.bank import Bank
from nqjax.search.engine.checkpoint import checkpoints_of
from nqjax.search.engine.memory import free
from nqjax.search.engine.scheduler import Schedule
from nqjax.search.engine.trial import Lane, Trial
from nqjax.search.fidelity.saved_states import SavedStates
from nqjax.search.runner import InMemory, check_population, check_rows, made_by_of, train
from nqjax.search.task import Task
from nqjax.search.trials_file import TrialsFile
from nqjax.trials.search_lines import Row
from nqjax.trials.table import Trials

#: The share of the free memory of the host that paused trials may take.
_SHARE = 0.5


class StagedTraining:
    """The trials of one search that train in parts; use it in a `with` statement.

    A trial has a line in the file after each part, and the last one counts. What a trial scored after a round follows
    from its learning curve, so a search that was killed needs nothing but its file to decide as before; only paused
    states are lost, and trials that go on are then trained from their starts, to the same numbers.

    Parameters
    ----------
    task : Task
    settings : mapping
        The settings that identify the search.
    bar : Progress
        Counts full trainings.
    whole : bool
        Whether all paused states are needed, so that those that do not fit the memory are an error.
    out, resume, population, memory, devices, checkpoint_every
        As for `nqjax.search.run`.

    Raises
    ------
    InputError
        There are several hosts; the file is of another search or cannot be written.
    """

    def __init__(
        self,
        task: Task,
        settings: Mapping[str, Any],
        bar: Progress,
        *,
        whole: bool = False,
        out: str | Path | None = None,
        resume: bool = True,
        population: int | None = None,
        memory: int | None = None,
        devices: Sequence[jax.Device] | None = None,
        checkpoint_every: float = 120.0,
        progress: bool = False,  # noqa: ARG002 - the caller has the bar
    ) -> None:
        if jax.process_count() > 1:
            raise InputError("trials that pause or stop early train on one host: start this search on one")
        check_population(population)
        self._task, self._settings, self._bar = task, settings, bar
        self._trials: list[Trial] = []
        self._devices = jax.local_devices() if devices is None else list(devices)
        self._limits = {"population": population, "memory": memory}
        self._every, self._resume, self._whole = checkpoint_every, resume, whole
        self._made_by = made_by_of(self._devices[0], task)
        self._file: TrialsFile | InMemory = InMemory()
        if out is not None:
            self._file = TrialsFile(out, settings, self._made_by, resume=resume)
        self._schedule: Schedule | None = None
        self._lanes: int | None = None
        self.bank = Bank(int(_SHARE * free(jax.local_devices(backend="cpu")[0])), whole=whole)

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            stack.enter_context(self._file)
            path = self._file.path
            self._checkpoints = checkpoints_of(path, self._settings) if path else None
            states = checkpoints_of(path, self._settings, "states") if path and self._whole else None
            self._saved = SavedStates(states, self._every)
            if self._checkpoints and (not self._resume or "lanes" not in self._file.made_by):
                self._checkpoints.clear()  # this search starts again: the file that they belong to is gone
                self._saved.clear()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    @property
    def rows(self) -> Mapping[int, Row]:
        """The trials so far, by number."""
        return self._file.rows

    def score(self, number: int, rounds: int) -> float | None:
        """Return the best score of a trial after a number of rounds, lower ones better; None if it is not trained yet.

        It is infinite for a trial that failed within these rounds.
        """
        row = self._file.rows.get(number)
        if row is None:
            return None
        if row["failed"] and row["trained"] <= rounds:
            return math.inf
        if row["trained"] < rounds:
            return None
        values = row["curve"][self._task.score][:rounds]
        return float(min(values) if self._task.minimize else -max(values))

    def add(self, trials: Sequence[Trial]) -> None:
        """Add trials, which may follow from the scores of those before."""
        check_rows(self._file.rows, trials, self._file.path)
        self.replace([*self._trials, *trials])

    def replace(self, trials: Sequence[Trial]) -> None:
        """Have other trials from now on."""
        self._trials = list(trials)
        self._schedule = None

    def check(self, trials: Sequence[Trial]) -> None:
        """Raise InputError if the file has a trial with other hyperparameters."""
        check_rows(self._file.rows, trials, self._file.path)

    def train(self, until: Mapping[int, int]) -> None:
        """Train trials up to these rounds, those that are there already not again."""
        missing = {number: rounds for number, rounds in until.items() if self.score(number, rounds) is None}
        if missing:
            self.advance(missing)

    def advance(
        self, until: Mapping[int, int], *, again: bool = False, stops: Callable[[Lane], bool] | None = None
    ) -> None:
        """Train trials from where they are, or from their starts, up to these rounds.

        With ``again`` the file has their rows already, and they are not written. ``stops`` says whether a trial stops
        for good after a round.
        """
        schedule = self._ready()
        done = {trial.number for trial in self._trials} - until.keys()
        parts = {"until": until, "bank": self.bank, "stops": stops}
        file, checkpoints, bar = self._file, self._checkpoints, self._bar
        if again:
            file, checkpoints, bar = InMemory(), None, Progress("trials", 1, show=False)
        train(schedule, file, done, checkpoints, self._every, bar, self._settings, **parts)
        if checkpoints:
            checkpoints.clear()

    def _ready(self) -> Schedule:
        """Return the schedule of the trials."""
        if self._schedule is None:
            lanes = self._lanes or self._file.made_by.get("lanes")
            self._schedule = Schedule(self._task, self._trials, self._devices, lanes=lanes, **self._limits)
            self._lanes = self._schedule.lanes
            self._file.begin(self._lanes)
        return self._schedule

    def save(self) -> None:
        """Save the states of all paused trials, if the last save was long ago."""
        self._saved.save(self.bank)

    def restore(self, trials: Mapping[int, Trial], rounds: int, needed: Iterable[int]) -> bool:
        """Have the states that trials had after a round in the bank; return False if they were not saved."""
        self.replace(list(trials.values()))
        return self._saved.load(self.bank, trials, rounds, needed, lambda trial: self._ready().empty(trial))

    def stop(self, numbers: Iterable[int]) -> None:
        """Free the memory of trials that will not go on."""
        self.bank.drop(numbers)

    def table(self) -> Trials:
        """Sort the file, and return the table of the trials."""
        if isinstance(self._file, TrialsFile):
            self._file.finish()
        self._saved.clear()
        rows = tuple(self._file.rows[number] for number in sorted(self._file.rows))
        return Trials(rows, self._settings, self._file.made_by or self._made_by)
