"""Proposals: the configurations that the surface would run next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from nqjax.inputs import as_choice, as_count, as_key

if TYPE_CHECKING:
    from jax import Array

    from nqjax.surface.draws import SurfaceDraws

#: Most proposals at once.
_MOST = 10_000

_METHODS = ("ei", "thompson")

#: Random points among which the expected improvement chooses, besides the lowest points of draws, and its draws.
_CLOUD = 1000
_DRAWS = 300


def propose_trials(
    surface: SurfaceDraws, n: int = 1, method: str = "ei", key: Array | None = None
) -> list[dict[str, Any]]:
    """Return configurations to run next, in the user's units.

    Parameters
    ----------
    surface : SurfaceDraws
    n : int, optional
    method : {"ei", "thompson"}, optional
        One after the other the point with the largest expected improvement of the best noise-free score, given that
        those before it are run; or the lowest points of n draws.
    key : Array, optional
        A JAX random key; ``jax.random.key(0)`` by default.
    """
    count, how = as_count("n", n, most=_MOST), as_choice("method", method, _METHODS)
    seed = np.asarray(jax.random.key_data(jax.random.key(0) if key is None else as_key(key))).ravel()
    rng = np.random.default_rng(seed.tolist())
    where, which, _ = surface.lowest_in_box
    if how == "thompson":
        chosen = rng.choice(len(where), count, replace=count > len(where))
        return surface.box.values(where[chosen], surface.combinations[which[chosen]])
    some = rng.choice(len(where), min(_DRAWS, len(where)), replace=False)
    z = np.concatenate([where[some], rng.uniform(-1, 1, (_CLOUD, where.shape[1]))])
    rows = np.concatenate([which[some], rng.integers(len(surface.combinations), size=_CLOUD)])
    groups = surface.combinations[rows]
    losses = surface.losses(z, surface.box.present(groups), groups, some)
    best = np.min(surface.losses(surface.points, surface.present, surface.groups, some), axis=1)
    picked: list[int] = []
    for _ in range(count):
        gain = np.mean(np.maximum(best[:, None] - losses, 0), axis=0)
        gain[picked] = -1.0
        picked.append(int(np.argmax(gain)))
        best = np.minimum(best, losses[:, picked[-1]])
    return surface.box.values(z[picked], groups[picked])
