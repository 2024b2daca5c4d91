"""Draws of a posterior and the request that they answer."""

from typing import Any, NamedTuple

import jax
import numpy as np
from jax import Array
from numpy.typing import NDArray

from nqjax.posterior.prior import Prior
from nqjax.types import Floats


class Request(NamedTuple):
    """What was asked for."""

    prior: Prior
    method: str
    num_chains: int
    num_warmup: int
    num_samples: int
    confidence: float

    @property
    def settings(self) -> dict[str, Any]:
        """What can be written down."""
        return {
            name: getattr(self, name) for name in ("method", "num_chains", "num_warmup", "num_samples", "confidence")
        }


class Draws(NamedTuple):
    """Draws of one study; leading axes: chains, draws."""

    gamma: NDArray[np.int64]
    theta: Floats  # (..., 3), on the scale of the regime
    stats: dict[str, NDArray[Any]]
    num_divergent: int  # of all that were drawn, those that were left out included
    log_probability: Floats  # (gammas,), posterior
    log_evidence: float
    error: float  # of the probabilities of gamma
    loss: float  # of the log evidence of a gamma that is probable
    seed: int


def make_seed(key: Array) -> int:
    """A seed for NumPy; `jax.random.bits` would be compiled first."""
    words = np.asarray(jax.random.key_data(key)).ravel().tolist()
    return int(np.random.SeedSequence(words).generate_state(1)[0])
