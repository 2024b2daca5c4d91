"""The scheduler of trials: a few threads, each of which trains one tile after another on a device.

An accelerator trains one tile at a time, a CPU one for each core. A tile takes the next trial whenever a lane is free.
Tiles do not communicate or wait for each other, so results are the same on any number of devices.
"""

from __future__ import annotations

import collections
import contextlib
import json
import queue
import threading
import time
import warnings
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import jax
import numpy as np

from nqjax.errors import InputError
from nqjax.runtime.compiled import power_of_two
from nqjax.runtime.parallel import num_workers
from nqjax.search.engine.bank import Bank
from nqjax.search.engine.checkpoint import Checkpoints
from nqjax.search.engine.memory import free
from nqjax.search.engine.population import Program
from nqjax.search.engine.programs import programs_of
from nqjax.search.engine.tile import Tile
from nqjax.search.engine.trial import Lane, Trial
from nqjax.search.task import Task

#: Trials side by side in a program on a CPU: more do not fit the caches of a core.
LANES = 16

#: The most trials side by side in a program on an accelerator.
LANES_ACCELERATOR = 1024

#: Tiles that an accelerator trains at a time.
_TILES_PER_DEVICE = 1

#: Seconds between checks of the threads' results; Ctrl-C is noticed at a check.
_CHECK_INTERVAL = 0.2

_programs_lock = threading.Lock()


class Schedule:
    """The trials of a search, and how they are trained.

    Parameters
    ----------
    task : Task
    trials : sequence of Trial
        All trials of the search, also finished ones, because they determine the types of the hyperparameters.
    devices : sequence of Device
        Devices of one kind.
    lanes : int, optional
        Trials in a program; by default as many as fit the memory.
    population : int, optional
        Trials that train at once; on a CPU rounded up to whole programs.
    memory : int, optional
        Bytes that may be used on each device; by default most of the free memory.
    """

    def __init__(
        self,
        task: Task,
        trials: Sequence[Trial],
        devices: Sequence[jax.Device],
        *,
        lanes: int | None = None,
        population: int | None = None,
        memory: int | None = None,
    ) -> None:
        self.task, self.devices = task, list(devices)
        self._programs = programs_of(task)
        self._platform = devices[0].platform
        self._groups: dict[Any, list[Trial]] = collections.defaultdict(list)
        for trial in trials:
            self._groups[static_of(task, trial)].append(trial)
        self._dtypes = dtypes_of(task, trials)
        cpu = self._platform == "cpu"
        if memory is None:
            self._memory = free(self.devices[0])
        else:
            self._memory = memory * len(self.devices) if cpu else memory
        self.lanes = lanes or self._fitting(population)
        limits = [num_workers(self.devices, _TILES_PER_DEVICE)]
        if cpu:  # its tiles share the memory; fewer tiles give the same results and take longer
            limits.append(max(1, self._memory // max(1, self._bytes(self.lanes))))
        if population is not None:
            limits.append(-(-population // self.lanes))
        self.workers = min(limits)
        self._until: Mapping[int, int] | None = None
        self._bank: Bank | None = None
        self._stops: Callable[[Lane], bool] | None = None
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._news: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def _fitting(self, population: int | None) -> int:
        """Return how many lanes fit the memory; programs that are too large are compiled again with fewer lanes."""
        if self._platform == "cpu":
            wanted = self.task.lanes or LANES
        else:
            most = max(map(len, self._groups.values()))
            wanted = min(population or LANES_ACCELERATOR, power_of_two(-(-most // len(self.devices))))
        lanes = wanted
        while lanes > 1:
            needed = self._bytes(lanes)
            if needed <= self._memory:
                break
            lanes = max(1, power_of_two(int(lanes * self._memory / needed) + 1) // 2)
        if self._platform == "cpu" and lanes < wanted:
            warnings.warn(
                f"{wanted} trials side by side do not fit the memory, so {lanes} are trained: their scores differ a "
                "little from those of the same search where there is more memory",
                stacklevel=2,
            )
        return lanes

    def _bytes(self, lanes: int) -> int:
        """Return the bytes that the largest program takes on one device."""
        programs = [self._program(static, lanes) for static in self._groups]
        with ThreadPoolExecutor(num_workers(self.devices, _TILES_PER_DEVICE)) as pool:
            return max(pool.map(lambda program: program.bytes(self.devices[0]), programs))

    def _program(self, static: Any, lanes: int) -> Program:
        key = static, tuple(self._dtypes.items()), lanes, self._platform
        with _programs_lock:
            if key not in self._programs:
                self._programs[key] = Program(self.task, dict(static), self._dtypes, lanes, self._platform)
            return self._programs[key]

    def empty(self, trial: Trial) -> Any:
        """Return a state of zeros for a trial."""
        program = self._program(static_of(self.task, trial), self.lanes)
        words = np.array([trial.words] * self.lanes, np.uint32)
        with jax.enable_x64(False):
            return jax.tree.map(lambda leaf: leaf[0], program.empty_state(program.configs([trial] * self.lanes), words))

    def run(
        self,
        done: set[int],
        checkpoints: Checkpoints | None,
        every: float,
        until: Mapping[int, int] | None = None,
        bank: Bank | None = None,
        stops: Callable[[Lane], bool] | None = None,
    ) -> Generator[tuple[list[dict[str, Any]], float]]:
        """Train the trials that are not done; yield rows as trials end, and the work since the last yield, in trials.

        ``until`` has the round at which each of these trials pauses; without it they train to their ends. Paused trials
        are kept in the bank, and go on from there. ``stops`` says whether one stops for good after a round.

        When the caller stops, Ctrl-C included, each tile ends its round (with a stream, its step) and saves a
        checkpoint if its last one, or the tile's start, is more than a tenth of ``every`` seconds ago.
        """
        self._until, self._bank, self._stops = until, bank, stops
        pending = {
            static: collections.deque(
                sorted((t for t in group if t.number not in done), key=lambda t: -self._lane(t).end)
            )
            for static, group in self._groups.items()
        }
        self._pending = {static: group for static, group in pending.items() if group}
        self._restored = self._read(checkpoints) if checkpoints else []
        self._checkpoints, self._every = checkpoints, every
        news: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._news = news
        self._stop.clear()
        tiles = sum(-(-len(group) // self.lanes) for group in self._pending.values()) + len(self._restored)
        threads = [
            threading.Thread(
                target=self._work, args=(self.devices[i % len(self.devices)], news), name=f"nqjax-{i}", daemon=True
            )
            for i in range(min(self.workers, tiles))
        ]
        working = len(threads)
        try:
            for thread in threads:
                thread.start()
            while working:
                with contextlib.suppress(queue.Empty):
                    new = news.get(timeout=_CHECK_INTERVAL)
                    if new is None:
                        working -= 1
                    elif isinstance(new, BaseException):
                        raise new
                    else:
                        yield new
        finally:
            self._stop.set()
            for thread in threads:
                while thread.is_alive():  # with pauses, so that another Ctrl-C is noticed
                    thread.join(_CHECK_INTERVAL)

    def rest(self) -> list[dict[str, Any]]:
        """Return the rows of trials that ended after the caller had stopped."""
        rows = []
        with contextlib.suppress(queue.Empty):
            while True:
                new = self._news.get_nowait()
                if isinstance(new, tuple):
                    rows += new[0]
        return rows

    def _read(self, checkpoints: Checkpoints) -> list[tuple[Any, str, list[Lane | None]]]:
        """Return the static hyperparameters, the tile's name and the lanes of each usable checkpoint.

        Their trials are removed from the pending ones.
        """
        found = []
        for name, saved in checkpoints.tiles():
            # The whole identity is compared: if the space or a length has changed, a number is another trial's.
            places = {
                json.dumps(trial.identity()): (static, trial)
                for static, group in self._pending.items()
                for trial in group
            }
            wanted = [places.get(json.dumps(lane["trial"])) if lane else None for lane in saved]
            known = [(place, lane) for place, lane in zip(wanted, saved, strict=True) if place and lane]
            if any(lane["round"] >= self._lane(place[1]).end for place, lane in known):
                wanted = []  # further than it may be now
            statics = {place[0] for place in wanted if place}
            if len(wanted) != self.lanes or len(statics) != 1:
                checkpoints.drop(name)
                continue
            static = statics.pop()
            lanes = [
                replace(self._lane(place[1]), curve=lane["curve"], round=lane["round"]) if place and lane else None
                for place, lane in zip(wanted, saved, strict=True)
            ]
            for lane in lanes:
                if lane is not None:
                    self._pending[static].remove(lane.trial)
            found.append((static, name, lanes))
        return found

    def _work(self, device: jax.Device, news: queue.SimpleQueue[Any]) -> None:
        # Training is in single precision, even if the process has set another one. This setting is the thread's own.
        try:
            with jax.enable_x64(False):
                while not self._stop.is_set():
                    with self._lock:
                        restored = self._restored.pop(0) if self._restored else None
                        static = (
                            restored[0]
                            if restored
                            else max(self._pending, key=lambda s: len(self._pending[s]), default=None)
                        )
                    if static is None or not (restored or self._pending[static]):
                        break
                    self._train(static, device, news, restored)
        except BaseException as error:  # noqa: BLE001 - the main thread raises it
            news.put(error)
        else:
            news.put(None)

    def _train(self, static: Any, device: jax.Device, news: queue.SimpleQueue[Any], restored: Any) -> None:
        """Train a tile until no trial is left for it."""
        parts: dict[str, Any] = {"bank": self._bank, "stops": self._stops}
        tile = Tile(self._program(static, self.lanes), device, restored[1] if restored else None, **parts)
        checkpoints = self._checkpoints
        if restored and checkpoints:
            try:
                tile.restore(restored[2], lambda like: checkpoints.state(tile.name, like))
            except (OSError, ValueError, KeyError):  # damaged, or of another version: start again
                with self._lock:
                    self._pending[static].extend(lane.trial for lane in restored[2] if lane)
                tile = Tile(tile.program, device, **parts)
        safe = time.monotonic()

        def due() -> bool:
            every = self._every / 10 if self._stop.is_set() else self._every
            return checkpoints is not None and time.monotonic() - safe > every

        tile.fill(lambda: self._take(static))
        while tile.busy and not self._stop.is_set():
            news.put(tile.advance(lambda: self._stop.is_set() or due()))
            tile.fill(lambda: self._take(static))
            if checkpoints and tile.busy and due():
                checkpoints.save(tile.name, tile.state, [None if lane is None else lane.saved() for lane in tile.lanes])
                safe = time.monotonic()
        if checkpoints and not tile.busy:
            checkpoints.drop(tile.name)

    def _take(self, static: Any) -> Lane | None:
        with self._lock:
            if self._stop.is_set() or not self._pending[static]:
                return None
            return self._lane(self._pending[static].popleft())

    def _lane(self, trial: Trial) -> Lane:
        return Lane(trial, until=None if self._until is None else self._until[trial.number])


def static_of(task: Task, trial: Trial) -> tuple[tuple[str, Any], ...]:
    """Return the static hyperparameters of a trial, by which programs differ."""
    return tuple((name, trial.config[name]) for name in task.static)


def dtypes_of(task: Task, trials: Sequence[Trial]) -> dict[str, Any]:
    """Return the types of the traced hyperparameters: int32 if all values are whole numbers, else float32."""
    dtypes: dict[str, Any] = {}
    for name in trials[0].config:
        if name in task.static:
            continue
        kinds = {type(trial.config[name]) for trial in trials}
        if not kinds <= {bool, int, float}:
            other = next(trial.config[name] for trial in trials if type(trial.config[name]) not in (bool, int, float))
            raise InputError(
                f"hyperparameter {name!r} is {other!r}, not a number: name it in the task's static, or give numbers"
            )
        dtypes[name] = np.float32 if float in kinds else np.int32
    return dtypes
