"""The states of paused trials in a folder, from which a search goes on after its process has ended."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from nqjax.search.engine.bank import Bank
from nqjax.search.engine.checkpoint import Checkpoints
from nqjax.search.engine.trial import Lane, Trial

#: The name of the only checkpoint in the folder.
_NAME = "states"


class SavedStates:
    """The states of all trials of a search after one round.

    Parameters
    ----------
    checkpoints : Checkpoints or None
        The folder; without one nothing is kept.
    every : float
        Seconds from one save to the next.
    """

    def __init__(self, checkpoints: Checkpoints | None, every: float) -> None:
        self._checkpoints, self._every = checkpoints, every
        self._safe = time.monotonic()

    def save(self, bank: Bank) -> None:
        """Save the trials that are paused, if the last save was long ago."""
        if self._checkpoints is None or time.monotonic() - self._safe < self._every:
            return
        paused = bank.paused()
        if paused:
            self._checkpoints.save(_NAME, [one.state for one in paused], [one.lane.saved() for one in paused])
        self._safe = time.monotonic()

    def load(
        self,
        bank: Bank,
        trials: Mapping[int, Trial],
        rounds: int,
        needed: Iterable[int],
        empty: Callable[[Trial], Any],
    ) -> bool:
        """Put the states of trials after a round into the bank; return False if they are not here.

        Parameters
        ----------
        bank : Bank
        trials : mapping
            The trials of that round, by number.
        rounds : int
        needed : iterable of int
            The numbers of those whose states must be here.
        empty : callable
            A state of zeros, of a given trial.
        """
        tiles = self._checkpoints.tiles() if self._checkpoints is not None else []
        saved = [lane for _, lanes in tiles for lane in lanes if lane is not None]
        own = [trials.get(lane["trial"]["number"]) for lane in saved]
        whole = [
            trial
            for trial, lane in zip(own, saved, strict=True)
            if trial is not None
            and lane["round"] == rounds
            and json.dumps(trial.identity()) == json.dumps(lane["trial"])
        ]
        if len(whole) < len(saved) or not set(needed) <= {trial.number for trial in whole}:
            return False
        assert self._checkpoints is not None
        try:
            states = self._checkpoints.state(_NAME, [empty(trial) for trial in whole])
        except (OSError, ValueError, KeyError):  # damaged, or of another version: they are trained again
            return False
        for trial, lane, state in zip(whole, saved, states, strict=True):
            bank.keep(Lane(trial, lane["curve"], lane["round"]), state)
        return True

    def clear(self) -> None:
        """Remove what was saved."""
        if self._checkpoints is not None:
            self._checkpoints.clear()
