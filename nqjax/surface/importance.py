"""Importance among good trials: each hyperparameter's share of the variance within the regime."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from nqjax.surface.intervals import Interval, intervals_of

if TYPE_CHECKING:
    from nqjax.surface.draws import SurfaceDraws

#: Points of the box, draws, and fewest points of a regime.
_CLOUD = 8192
_DRAWS = 200
_FEWEST = 64


def find_importance(surface: SurfaceDraws, confidence: float = 0.9) -> dict[str | tuple[str, str], Interval]:
    """Return each hyperparameter's share of the variance of noise-free scores within the regime, and each pair's.

    Those of the hyperparameters include half of each of their pairs, and sum to 1; pairs have their own share again,
    which is negative where two hyperparameters make up for each other.

    The surface is a sum of terms: a square for each hyperparameter and a product for each pair. The share of a term is
    its covariance with the sum over the variance of the sum (Li et al. 2010), over configurations that are uniform in
    the part of the box where the surface is better than the threshold.
    """
    d, names = surface.centre.shape[1], [axis.name for axis in surface.box.axes]
    pairs = list(itertools.combinations(range(d), 2))
    cloud = surface.box.cloud(_CLOUD, 1)
    some = np.linspace(0, len(surface.lowest) - 1, min(len(surface.lowest), _DRAWS)).astype(int)
    shares = np.empty((len(some), d + len(pairs)))
    for i, m in enumerate(some):
        away, bent = cloud - surface.centre[m], surface.curvature[m]
        terms = np.stack(
            [
                *(0.5 * bent[j, j] * away[:, j] ** 2 for j in range(d)),
                *(bent[j, k] * away[:, j] * away[:, k] for j, k in pairs),
            ]
        )
        total = terms.sum(axis=0)
        reach = surface.sign * surface.threshold[m] - surface.lowest[m]
        inside = total <= max(reach, np.partition(total, _FEWEST)[_FEWEST])
        part, whole = terms[:, inside], total[inside]
        covariance = (part - part.mean(axis=1, keepdims=True)) @ (whole - whole.mean()) / inside.sum()
        shares[i] = covariance / np.var(whole)
        for number, pair in enumerate(pairs, d):
            shares[i, list(pair)] += shares[i, number] / 2
    keys: list[str | tuple[str, str]] = [*names, *((names[j], names[k]) for j, k in pairs)]
    return dict(zip(keys, intervals_of(shares, confidence), strict=True))
