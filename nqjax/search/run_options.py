"""The options that all functions which train a search's trials share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

import jax


class RunOptions(TypedDict, total=False):
    """Options of how trials are trained and where they are kept; none of them changes a configuration.

    `nqjax.search.runner.execute` has the defaults.

    Attributes
    ----------
    resume : bool
        Whether to continue a file that exists; if not, one with trials is refused. True by default.
    population : int or None
        How many trials to train at once; by default as many as keep the devices busy and fit the memory. On a CPU it
        is rounded up to whole programs of 16 trials (or what the task says).
    memory : int or None
        Bytes that may be used on each device; by default 70 % of what is available.
    devices : sequence of Device or None
        All local ones by default.
    checkpoint_every : float
        Seconds of work between checkpoints; 120 by default.
    progress : bool
        Whether to show a bar on a terminal, and lines elsewhere; False by default.
    """

    resume: bool
    population: int | None
    memory: int | None
    devices: Sequence[jax.Device] | None
    checkpoint_every: float
    progress: bool
