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
        By which it is known in its search.
    config : dict
        Hyperparameters as Python values.
    words : tuple of int
        Of the key that all of its randomness comes from.
    rounds : int
        How long it trains.
    labels : mapping
        Further columns of its row.
    """

    number: int
    config: dict[str, Any]
    words: tuple[int, ...]
    rounds: int
    labels: Mapping[str, Any] = field(default_factory=dict)

    def identity(self) -> dict[str, Any]:
        """Return what its training depends on, for JSON."""
        return {"number": self.number, "config": self.config, "words": list(self.words), "rounds": self.rounds}


@dataclass
class Lane:
    """A trial under way: its learning curves so far, a value a round."""

    trial: Trial
    curve: dict[str, list[float]] = field(default_factory=dict)
    round: int = 0
    failed: bool = False

    def record(self, values: Mapping[str, float]) -> None:
        """Add a round; with a value that is not finite the trial has failed."""
        for name, value in values.items():
            self.curve.setdefault(name, []).append(value)
        self.round += 1
        self.failed = not all(map(math.isfinite, values.values()))

    def saved(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return {"trial": self.trial.identity(), "round": self.round, "curve": self.curve}


class Part(NamedTuple):
    """What a tile has done of a round."""

    step: int
    total: Any  # (lanes,): the sum of the losses

    @classmethod
    def none(cls, lanes: int) -> Self:
        """Return the beginning of a round."""
        return cls(0, np.zeros(lanes, np.float32))
