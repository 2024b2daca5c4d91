"""A tile: the lanes of one program on one device, each of which trains one trial at a time."""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from nqjax.errors import InputError
from nqjax.search.engine.bank import Bank
from nqjax.search.engine.population import Program
from nqjax.search.engine.trial import Lane, Part
from nqjax.trials.search_lines import CHECK
from nqjax.trials.study import FINISHED, PRUNED, RUNNING

#: Keys of a trial's row that are not hyperparameters or metrics.
RESERVED = ("trial", "failed", "best_round", "rounds", "trained", "status", "curve", CHECK)


class Tile:
    """Lanes that train together.

    Parameters
    ----------
    program : Program
        The program that the lanes run.
    device : Device
        The device that it runs on.
    name : str, optional
        Name of the tile's checkpoint; random by default.
    bank : Bank, optional
        Where trials are kept that pause, and from which they go on.
    stops : callable, optional
        Whether a trial stops for good after a round.
    """

    def __init__(
        self,
        program: Program,
        device: jax.Device,
        name: str | None = None,
        bank: Bank | None = None,
        stops: Callable[[Lane], bool] | None = None,
    ) -> None:
        self.program, self.device, self._bank, self._stops = program, device, bank, stops
        self.name = name or uuid.uuid4().hex
        self.lanes: list[Lane | None] = [None] * program.lanes
        self._state: Any = None
        self._configs: dict[str, np.ndarray] = {}
        self._part = Part.none(program.lanes)
        self._words: np.ndarray = np.zeros((program.lanes, 2), np.uint32)

    @property
    def busy(self) -> bool:
        """True if any lane has a trial."""
        return any(self.lanes)

    def fill(self, take: Callable[[], Lane | None]) -> None:
        """Give a trial from ``take`` to each empty lane, until ``take`` returns None.

        A trial that was paused goes on from its state.
        """
        if self._part.step:  # all lanes begin a round together
            return
        fresh = np.zeros(self.program.lanes, bool)
        paused = {}
        for i, lane in enumerate(self.lanes):
            if lane is None:
                own = take()
                if own is None:
                    break
                known = self._bank.take(own.trial.number) if self._bank else None
                if known is None:
                    fresh[i] = True
                else:
                    own.curve, own.round, paused[i] = known.lane.curve, known.lane.round, known.state
                self.lanes[i] = own
        if fresh.any() or paused:
            self._prepare()
        if fresh.any():
            self._state = self.program.start(self.device, self._state, self._configs, self._words, fresh)
        if paused:
            self._state = self.program.place(self.device, self._state, paused)

    def restore(self, lanes: list[Lane | None], state: Callable[[Any], Any]) -> None:
        """Continue from a checkpoint; ``state`` is a function that reads it into the structure of a given state."""
        self.lanes = lanes
        self._prepare()
        self._state, (step, total) = state((self._state, self._part))
        self._part = Part(int(step), total)

    def _prepare(self) -> None:
        """Set each lane's hyperparameters and key; an empty lane repeats the trial of another lane."""
        some = next(lane.trial for lane in self.lanes if lane is not None)
        trials = [some if lane is None else lane.trial for lane in self.lanes]
        self._configs = self.program.configs(trials)
        self._words = np.array([trial.words for trial in trials], np.uint32)
        if self._state is None:
            self._state = self.program.empty_state(self._configs, self._words)

    def advance(self, pause: Callable[[], bool]) -> tuple[list[dict[str, Any]], float]:
        """Train to the end of the round and evaluate, or pause in the round: see `Program.train_round`.

        Returns
        -------
        rows : list of dict
            The rows of the trials that ended or paused, failed ones included.
        work : float
            Each round counts 1 / rounds of a trial; a trial that fails also counts its remaining rounds.
        """
        rounds = np.array([0 if lane is None else lane.round for lane in self.lanes], np.int32)
        self._state, self._part, loss = self.program.train_round(
            self.device, self._state, self._configs, self._words, rounds, self._part, pause
        )
        if loss is None:
            return [], 0.0
        metrics = self.program.evaluate(self.device, self._state, self._configs)
        values = {"train_loss": loss, **metrics}
        rows, work, paused = [], 0.0, {}
        for i, lane in enumerate(self.lanes):
            if lane is None:
                continue
            lane.record({name: _shortest(value[i]) for name, value in values.items()})
            work += 1 / lane.trial.rounds
            stops = self._stops is not None and not lane.failed and self._stops(lane)
            if lane.failed or stops or lane.round >= lane.end:
                work += (lane.end - lane.round) / lane.trial.rounds
                rows.append(row(lane, self.program.task.score, self.program.task.minimize))
                if self._bank and not (lane.failed or stops) and lane.round < lane.trial.rounds:
                    paused[i] = lane
                self.lanes[i] = None
        if self._bank and paused:
            states = self.program.slices(self.device, self._state, list(paused))
            for lane, state in zip(paused.values(), states, strict=True):
                self._bank.keep(lane, state)
        return rows, work

    @property
    def state(self) -> Any:
        """The state of all lanes and the progress in the round, as NumPy arrays."""
        return jax.device_get((self._state, self._part))


def row(lane: Lane, score: str, minimize: bool) -> dict[str, Any]:
    """Return the row of a trial, with all metrics of the round where the score was best.

    The round in which a trial failed does not count; a trial that failed in its first round has no metrics (None). In a
    search that stops trials early, the row also has the rounds that were trained and the trial's status.
    """
    if score not in lane.curve:
        raise InputError(f"the score is {score!r}, but the metrics are {', '.join(sorted(lane.curve))}")
    finite = lane.curve[score][: lane.round - lane.failed]
    best = (min if minimize else max)(range(len(finite)), key=finite.__getitem__) if finite else None
    metrics = {name: None if best is None else values[best] for name, values in lane.curve.items()}
    taken = [name for name in lane.trial.config if name in metrics or name in RESERVED]
    if taken:
        raise InputError(f"hyperparameter {taken[0]!r} has the name of another column of the table: rename it")
    return {
        "trial": lane.trial.number,
        **lane.trial.labels,
        **lane.trial.config,
        **metrics,
        "failed": lane.failed,
        "best_round": best,
        "rounds": lane.trial.rounds,
        **({} if lane.until is None else _part_trained(lane)),
        "curve": {name: [_or_none(value) for value in values] for name, values in lane.curve.items()},
    }


def _part_trained(lane: Lane) -> dict[str, Any]:
    paused = lane.round < lane.trial.rounds and not lane.failed
    return {"trained": lane.round, "status": (RUNNING if lane.trial.lineage else PRUNED) if paused else FINISHED}


def _shortest(value: Any) -> float:
    """Return the number with the fewest decimal digits that rounds to ``value`` in single precision."""
    return float(str(np.float32(value)))


def _or_none(value: float) -> float | None:
    return value if math.isfinite(value) else None
