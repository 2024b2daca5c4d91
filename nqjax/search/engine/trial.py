"""One trial and its state while it trains."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Self

import numpy as np


@dataclass(frozen=True)
class Trial:
    """One training run.

    Attributes
    ----------
    number : int
        Its number in its search.
    config : dict
        Its hyperparameters, as Python values.
    words : tuple of int
        The words of its key, from which all of its randomness comes.
    rounds : int
        The number of rounds that it trains.
    labels : mapping
        Further columns of its row.
    lineage : tuple of pairs of int
        Where the weights of a trial may be copied from another one: the trials that have trained them, and the rounds
        before which they began.
    """

    number: int
    config: dict[str, Any]
    words: tuple[int, ...]
    rounds: int
    labels: Mapping[str, Any] = field(default_factory=dict)
    lineage: tuple[tuple[int, int], ...] = ()

    def identity(self) -> dict[str, Any]:
        """Return everything that its training depends on, for JSON."""
        own = {"number": self.number, "config": self.config, "words": list(self.words), "rounds": self.rounds}
        return {**own, "lineage": [list(part) for part in self.lineage]} if self.lineage else own


@dataclass
class Lane:
    """A trial under way, with its learning curves so far, one value for each round."""

    trial: Trial
    curve: dict[str, list[float]] = field(default_factory=dict)
    round: int = 0
    failed: bool = False
    until: int | None = None  # the round at which it pauses; None: it trains to its end

    @property
    def end(self) -> int:
        """The number of rounds after which it leaves its lane."""
        return self.trial.rounds if self.until is None else self.until

    def record(self, values: Mapping[str, float]) -> None:
        """Add the values of a round; the trial has failed if one of them is not finite."""
        for name, value in values.items():
            self.curve.setdefault(name, []).append(value)
        self.round += 1
        self.failed = not all(map(math.isfinite, values.values()))

    def saved(self) -> dict[str, Any]:
        """Return the lane for a checkpoint, as JSON."""
        return {"trial": self.trial.identity(), "round": self.round, "curve": self.curve}


class Part(NamedTuple):
    """The progress of a tile in a round: the number of steps that are done, and the sum of their losses."""

    step: int
    total: Any  # (lanes,)

    @classmethod
    def none(cls, lanes: int) -> Self:
        """Return the progress at the start of a round: no steps, and losses of 0."""
        return cls(0, np.zeros(lanes, np.float32))
