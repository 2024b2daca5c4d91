"""The density that is sampled: that of all scores, given each threshold, times the prior."""

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from nqjax.posterior.averaging.data import MOST_THRESHOLDS, Search
from nqjax.posterior.averaging.likelihood import Parameters, Scores, log_likelihoods
from nqjax.posterior.averaging.prior import log_prior
from nqjax.posterior.averaging.space import Space
from nqjax.runtime.compiled import Compiled, made_once
from nqjax.runtime.parallel import in_parallel
from nqjax.types import Floats

#: Points of a chunk.
_CHUNK = 512

#: Number of scores times number of points that are evaluated at the same time.
_SIDE_BY_SIDE = 4096


@made_once
def _program(rounded: bool) -> Compiled:
    return Compiled(functools.partial(_densities, rounded=rounded))


def _densities(at: Parameters, scores: Scores, parts: Any, log_scale: Array, *, rounded: bool) -> Array:
    """Return the log of likelihood times prior given each threshold, shape (points, thresholds)."""

    def prior(at: Parameters) -> Array:
        theta = at.alpha, jnp.log(at.delta), jnp.log(at.sigma)

        def given(threshold: Array) -> Array:
            distances = threshold - at.alpha, threshold, scores.quarter - at.alpha
            return log_prior(parts, theta, *distances, at.gamma, log_scale)

        return jax.vmap(given)(scores.thresholds)

    def some(at: Parameters) -> Array:
        few = jax.tree.map(lambda a: a[None], at)
        return log_likelihoods(few, scores, rounded)[0] + prior(at)

    value = jax.lax.map(some, at, batch_size=max(1, _SIDE_BY_SIDE // scores.values.shape[-1]))
    return jnp.where(jnp.isnan(value), -jnp.inf, value)


def log_densities(
    search: Search, space: Space, parts: Any, more: Callable[[Parameters], Floats]
) -> Callable[[Floats], Floats]:
    """Return the function from coordinates (points, 4) to log densities given each threshold (points, thresholds).

    ``more`` is added to all of them: the prior of gamma, bounds, what is known of the noise. Its argument is on the
    scale of ``search.scores``.
    """
    program, devices = _program(bool(search.unit)), jax.local_devices()
    number, log_scale = len(search.thresholds), np.float64(math.log(search.scale))

    def evaluate(x: Floats) -> Floats:
        at, log_volume = space.to_parameters(x)
        value = np.empty((len(x), MOST_THRESHOLDS))

        def work(start: int, device: Any) -> tuple[int, Floats]:
            mine = slice(start, start + _CHUNK)
            few = [np.pad(a[mine], (0, max(0, start + _CHUNK - len(x))), mode="edge") for a in at]
            with jax.enable_x64(True):
                return start, np.asarray(program.at(device, Parameters(*few), search.scores, parts, log_scale))  # type: ignore[arg-type]

        for start, found in in_parallel(work, range(0, len(x), _CHUNK), devices[:1]):
            value[start : start + _CHUNK] = found[: len(x) - start]
        return np.asarray(value[:, :number] + (log_volume + more(at))[:, None] + search.log_beyond)

    return evaluate
