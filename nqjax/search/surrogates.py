"""Surrogates of real searches: a function that behaves like the trials, so thousands of searches cost nothing."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import scipy.special
from numpy.typing import ArrayLike, NDArray

from nqjax.errors import InputError
from nqjax.inputs import as_scores
from nqjax.search.optimizers.cube import EncodedSpace
from nqjax.search.space import Config

Floats = NDArray[np.float64]

#: Networks of the ensemble, units of their two hidden layers, steps of training, learning rate and weight decay.
_NETWORKS = 5
_UNITS = 64
_STEPS = 2000
_RATE = 3e-3
_DECAY = 1e-3

#: Fewest trials from which a surrogate is made.
_FEWEST = 50


@dataclass(frozen=True, eq=False)
class Surrogate:
    """An objective from the trials of a real search, made by `surrogate`.

    Attributes
    ----------
    name : str
    space : mapping
    noise : float
        Standard deviation of normal noise that is added to each score.
    """

    name: str
    space: Mapping[str, Any]
    noise: float
    minimize: bool
    _encoded: EncodedSpace
    _weights: Any
    _normal: Floats
    _scores: Floats

    def values(self, configs: Sequence[Config]) -> Floats:
        """Return the noise-free score of each configuration; lower is better."""
        u = np.stack([self._encoded.encode(config)[0] for config in configs])
        z = np.asarray(_predict(self._weights, jnp.asarray(u, jnp.float32)), np.float64)
        return np.interp(z, self._normal, self._scores)


def surrogate(
    configurations: Sequence[Config],
    scores: ArrayLike,
    space: Mapping[str, Any],
    *,
    noise: float,
    key: Any,
    name: str = "surrogate",
    minimize: bool = True,
) -> Surrogate:
    """Fit an ensemble of small networks to the trials of a search.

    The networks predict the normal quantile of a score's rank, so the scores of random configurations keep their
    distribution, without the noise, which the networks average out.

    Parameters
    ----------
    configurations : sequence of dict
    scores : array_like, shape (trials,)
        NaN or infinite for failed runs, which rank last.
    space : mapping
        From names to distributions or values (`nqjax.search.space`).
    noise : float
        Standard deviation of a run, such as sigma of `nqjax.fit`.
    key : key
        A JAX key.
    name : str, optional
    minimize : bool, optional

    Returns
    -------
    Surrogate

    Raises
    ------
    InputError
        There are fewer than 50 trials, or a configuration is not of the space.

    Examples
    --------
    >>> import jax
    >>> import numpy as np
    >>> from nqjax.search import Uniform, surrogate
    >>> space = {"x": Uniform(0, 1)}
    >>> x = np.random.default_rng(0).uniform(size=100)
    >>> made = surrogate([{"x": v} for v in x], (x - 0.3) ** 2, space, noise=0.0, key=jax.random.key(0))
    >>> low, high = made.values([{"x": 0.3}, {"x": 0.9}])
    >>> bool(low < 0.02 < high)
    True
    """
    y = as_scores(scores) if minimize else -as_scores(scores)
    if len(y) != len(configurations) or len(y) < _FEWEST:
        raise InputError(
            f"a surrogate needs a score for each configuration, and {_FEWEST} or more: there are {len(y)} scores and "
            f"{len(configurations)} configurations"
        )
    if not np.isfinite(y).any():
        raise InputError("all scores failed: a surrogate needs finite ones")
    y = np.where(np.isfinite(y), y, np.max(y, where=np.isfinite(y), initial=-np.inf))
    encoded = EncodedSpace(space)
    u = np.stack([encoded.encode(config)[0] for config in configurations])
    rank = np.argsort(np.argsort(y, kind="stable"), kind="stable")
    normal = scipy.special.ndtri((rank + 0.5) / len(y))
    with jax.enable_x64(False):
        weights = _train(
            jax.random.split(key, _NETWORKS), jnp.asarray(u, jnp.float32), jnp.asarray(normal, jnp.float32)
        )
    order = np.argsort(normal)
    return Surrogate(name, encoded.space, float(noise), minimize, encoded, weights, normal[order], y[order])


def _network(weights: Any, u: jax.Array) -> jax.Array:
    hidden = 2 * u - 1
    for matrix, shift in weights[:-1]:
        hidden = jnp.tanh(hidden @ matrix + shift)
    matrix, shift = weights[-1]
    return (hidden @ matrix + shift)[:, 0]


@jax.jit
def _predict(weights: Any, u: jax.Array) -> jax.Array:
    return jnp.mean(jax.vmap(_network, (0, None))(weights, u), axis=0)


@jax.jit
def _train(keys: Any, u: jax.Array, target: jax.Array) -> Any:
    optimiser = optax.adamw(optax.cosine_decay_schedule(_RATE, _STEPS), weight_decay=_DECAY)
    sizes = [u.shape[1], _UNITS, _UNITS, 1]

    def one(key: Any) -> Any:
        layers = list(itertools.pairwise(sizes))
        weights = [
            (jax.random.normal(jax.random.fold_in(key, i), (a, b)) / jnp.sqrt(a), jnp.zeros(b))
            for i, (a, b) in enumerate(layers)
        ]

        def step(carry: Any, _: Any) -> tuple[Any, None]:
            weights, state = carry
            slope = jax.grad(lambda w: jnp.mean((_network(w, u) - target) ** 2))(weights)
            updates, state = optimiser.update(slope, state, weights)
            return (optax.apply_updates(weights, updates), state), None

        (weights, _), _ = jax.lax.scan(step, (weights, optimiser.init(weights)), None, length=_STEPS)
        return weights

    return jax.vmap(one)(keys)
