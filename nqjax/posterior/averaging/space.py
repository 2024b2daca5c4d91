"""Coordinates of gamma, sigma, alpha and beta in which the averaged posterior is smooth, unbounded and nearly normal.

Scores are oriented to minimisation, with the best at 0 and the largest threshold at 1. The coordinates are

- the log-odds of the place of log gamma between its bounds,
- log sigma,
- p, with ``-alpha = exp(p) + sigma (p - log sigma)``, as in `nqjax.posterior.density.coordinates`,
- ``gamma / 2 * log delta``: about minus the logarithm of the share of the scores in a regime.
"""

from typing import NamedTuple

import numpy as np
import scipy.special

from nqjax.posterior.averaging.likelihood import Parameters
from nqjax.types import Floats

#: Range of log sigma in which the search for the posterior begins, in units of a regime's width.
_LOG_SIGMA = (-9.0, 1.5)

#: The same of p.
_LOG_DEPTH = (-7.0, 2.0)

#: The same of p - log sigma, where the noise is large.
_NOISY_DEPTH = (-4.0, 3.0)

#: What a logarithm may reach before it stands for infinity.
_FAR = 200.0


class Space(NamedTuple):
    """The range of gamma, and the regimes."""

    gamma: tuple[float, float]
    thresholds: Floats  # (thresholds,), distances from the best score
    used: Floats  # (thresholds,), numbers of scores inside
    beyond: Floats  # (thresholds,)

    def to_parameters(self, x: Floats) -> tuple[Parameters, Floats]:
        """Return the parameters at the coordinates, shape (points, 4), and the log density of the coordinates' volume.

        The volume is that of (log gamma, alpha, log delta, log sigma), and of gamma a part of one of all its range: if
        gamma has one value, its coordinate only has a probability density.
        """
        low, high = np.log(self.gamma)
        u, log_sigma, p, rate = np.clip(x, -_FAR, _FAR).T
        gamma = np.clip(np.exp(low + (high - low) * scipy.special.expit(u)), *self.gamma)
        sigma = np.exp(log_sigma)
        alpha = -(np.exp(p) + sigma * (p - log_sigma))
        delta = np.exp(np.clip(2 * rate / gamma, -_FAR, _FAR))
        volume = -np.logaddexp(0, u) - np.logaddexp(0, -u) + np.logaddexp(p, log_sigma) + np.log(2 / gamma)
        return Parameters(alpha, delta, sigma, gamma), volume

    def first(self, count: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """Return points that are spread over all that is plausible, and the log density of this proposal.

        Each point is plausible for one regime: sigma and the depth of alpha follow its scale, delta the share of the
        scores in it. Where the noise is large alpha may lie above the best score: p is then below log sigma.
        """
        kind = rng.integers(len(self.used), size=count)
        log_scale = np.log(self.thresholds)
        gamma_place = rng.logistic(size=count)
        log_sigma = log_scale[kind] + rng.uniform(*_LOG_SIGMA, count)
        noisy = rng.random(count) < 0.5
        p = np.where(
            noisy, log_sigma + rng.uniform(*_NOISY_DEPTH, count), log_scale[kind] + rng.uniform(*_LOG_DEPTH, count)
        )
        a, b = self.used + 1, self.beyond + 1
        x = np.stack([gamma_place, log_sigma, p, np.zeros(count)], axis=1)
        at, _ = self.to_parameters(x)
        widths = np.maximum(self.thresholds - at.alpha[:, None], 1e-3 * at.sigma[:, None] + 1e-9 * self.thresholds)
        half = at.gamma / 2
        x[:, 3] = half * np.log(widths[np.arange(count), kind]) - np.log(rng.beta(a[kind], b[kind]))
        # The proposal is a mixture over the regimes.
        log_share = np.minimum(half[:, None] * np.log(widths) - x[:, 3:], -1e-12)
        log_beta = a * log_share + (b - 1) * np.log(-np.expm1(log_share)) - scipy.special.betaln(a, b)
        in_sigma = _uniform(log_sigma[:, None] - log_scale, _LOG_SIGMA)
        in_depth = _uniform((p - log_sigma)[:, None], _NOISY_DEPTH) + _uniform(p[:, None] - log_scale, _LOG_DEPTH)
        with np.errstate(divide="ignore"):
            mixture = scipy.special.logsumexp(log_beta + np.log(in_sigma * in_depth / 2), axis=1) - np.log(len(a))
        return x, mixture - np.logaddexp(0, gamma_place) - np.logaddexp(0, -gamma_place)


def _uniform(x: Floats, ends: tuple[float, float]) -> Floats:
    """Return the density of a uniform distribution."""
    return np.where((x >= ends[0]) & (x <= ends[1]), 1 / (ends[1] - ends[0]), 0.0)
