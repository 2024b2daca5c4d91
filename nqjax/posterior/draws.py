"""Draws of a posterior and the request that they answer."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nqjax.posterior.prior import Prior
from nqjax.types import Floats


class Request(NamedTuple):
    """Prior, method and sizes that a posterior is sampled with."""

    prior: Prior
    method: str = "nuts"
    num_chains: int = 4
    num_warmup: int = 500
    num_samples: int = 1000
    confidence: float = 0.95

    @property
    def settings(self) -> dict[str, Any]:
        """The settings that JSON can hold."""
        return {
            name: getattr(self, name) for name in ("method", "num_chains", "num_warmup", "num_samples", "confidence")
        }


class Draws(NamedTuple):
    """Draws of one study; leading axes: chains, draws."""

    gamma: NDArray[np.int64]
    theta: Floats  # (..., 3), on the scale of the regime
    stats: dict[str, NDArray[Any]]
    num_divergent: int  # of all transitions, unused draws included
    log_probability: Floats  # (gammas,), posterior
    log_evidence: float
    error: float  # of the probabilities of gamma
    loss: float  # error of the log evidence of probable gammas
    seed: int
