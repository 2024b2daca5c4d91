"""Paused trials with the states of their training, from which they or others go on in any lane."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import jax

from nqjax.errors import InputError
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
    whole : bool
        Whether to raise an InputError for a trial that does not fit.
    """

    def __init__(self, memory: int, *, whole: bool = False) -> None:
        self._free, self._whole = memory, whole
        self._paused: dict[int, Paused] = {}
        self._lock = threading.Lock()

    def keep(self, lane: Lane, state: Any) -> None:
        """Keep a trial that was paused, if there is room, instead of its state before."""
        needed = _bytes(state)
        with self._lock:
            self._forget(lane.trial.number)
            if needed <= self._free:
                self._free -= needed
                self._paused[lane.trial.number] = Paused(lane, state)
            elif self._whole:
                raise InputError(
                    f"the memory for paused trials is full with {len(self._paused):,} of {needed / 1e6:,.0f} MB each: "
                    "give fewer trials"
                )

    def take(self, number: int) -> Paused | None:
        """Return a trial and forget it; None if it is not here."""
        with self._lock:
            return self._forget(number)

    def round_of(self, number: int) -> int | None:
        """Return the round after which a trial has paused; None if it is not here."""
        found = self._paused.get(number)
        return None if found is None else found.lane.round

    def paused(self) -> list[Paused]:
        """Return the trials that are here, by number."""
        return [self._paused[number] for number in sorted(self._paused)]

    def hand_over(self, sources: Mapping[int, int]) -> None:
        """Give trials the states of these sources, most often their own, and forget all other trials.

        Raises
        ------
        KeyError
            The state of one is not here.
        """
        with self._lock:
            found = {number: self._paused[source] for number, source in sources.items()}
            for number in list(self._paused):
                self._forget(number)
            for number, (lane, state) in found.items():
                curve = {name: list(values) for name, values in lane.curve.items()}
                self._paused[number] = Paused(Lane(lane.trial, curve, lane.round), state)
                self._free -= _bytes(state)

    def _forget(self, number: int) -> Paused | None:
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
