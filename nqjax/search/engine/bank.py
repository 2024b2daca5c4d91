"""Paused trials with the states of their training, from which they go on in any lane."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any, NamedTuple

import jax

from nqjax.search.engine.trial import Lane


class Paused(NamedTuple):
    """A trial that has stopped after a round: its learning curves, and its state as NumPy arrays."""

    lane: Lane
    state: Any


class Bank:
    """Paused trials in the host's memory, at most a number of bytes.

    A trial that does not fit is not kept: it is trained from its start again, to the same numbers.

    Parameters
    ----------
    memory : int
        Bytes that the states may take.
    """

    def __init__(self, memory: int) -> None:
        self._free = memory
        self._paused: dict[int, Paused] = {}
        self._lock = threading.Lock()

    def keep(self, lane: Lane, state: Any) -> None:
        """Keep a trial that was paused, if there is room."""
        needed = _bytes(state)
        with self._lock:
            if needed <= self._free:
                self._free -= needed
                self._paused[lane.trial.number] = Paused(lane, state)

    def take(self, number: int) -> Paused | None:
        """Return a trial and forget it; None if it is not here."""
        with self._lock:
            found = self._paused.pop(number, None)
            if found is not None:
                self._free += _bytes(found.state)
            return found

    def drop(self, numbers: Iterable[int]) -> None:
        """Forget trials that will not go on."""
        for number in numbers:
            self.take(number)


def _bytes(state: Any) -> int:
    return sum(leaf.nbytes for leaf in jax.tree.leaves(state))
