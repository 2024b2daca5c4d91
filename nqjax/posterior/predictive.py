"""Posterior predictive draws and log-likelihoods, and the ArviZ data made of them."""

import warnings
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nqjax.inputs import as_count, oriented_limits
from nqjax.runtime.extras import require
from nqjax.special.chunked import noisy_log_pdf, noisy_log_tails
from nqjax.types import Floats

#: Most numbers in an array of scores for all draws.
_MOST_NUMBERS = 20_000_000


class SearchDraws(NamedTuple):
    """One search's scores and draws of its parameters, each of shape (num_chains, num_samples)."""

    alpha: Floats
    beta: Floats
    gamma: NDArray[np.int64]
    sigma: Floats
    scores: Floats  # (num_scores,), as given
    limits: tuple[float, float]
    minimize: bool


def censored(scores: Floats, limits: tuple[float, float], minimize: bool) -> Floats:
    """Return scores; a score beyond a limit is replaced by the limit, and a failed run by the losing limit."""
    y = np.where(np.isfinite(scores), scores, np.inf if minimize else -np.inf)
    return np.clip(y, *limits)


def replicate(search: SearchDraws, num: int | None, seed: int) -> Floats:
    """Return searches of the same size from the posterior predictive distribution, shape (num, num_scores)."""
    draws = search.alpha.size
    num = min(draws, max(1, _MOST_NUMBERS // len(search.scores))) if num is None else as_count("num", num)
    return _replicated(search, (np.arange(num) * (draws / num)).astype(int), seed)


def _replicated(search: SearchDraws, rows: NDArray[np.integer], seed: int) -> Floats:
    """Return one replicated search for each of some draws."""
    alpha, beta, gamma, sigma = (a.ravel()[rows, None] for a in search[:4])
    rng = np.random.default_rng([seed, 2])
    shape = (len(rows), len(search.scores))
    v = rng.random(shape) ** (2 / gamma)
    delta, noise = beta - alpha, sigma * rng.standard_normal(shape)
    return np.clip(alpha + delta * v + noise if search.minimize else beta - delta * v - noise, *search.limits)


def log_likelihood(search: SearchDraws) -> Floats:
    """Return the log-likelihood of each score for each draw, shape (num_chains, num_samples, num_scores).

    For a score inside the limits it is the log of the density, for a score beyond a limit the log of the probability
    beyond the limit.
    """
    low, high = oriented_limits(search.limits, search.minimize)
    y = search.scores if search.minimize else -search.scores
    y = np.where(np.isfinite(y), y, np.inf)
    best = search.alpha if search.minimize else -search.beta
    delta = search.beta - search.alpha
    s, gamma = search.sigma / delta, search.gamma.astype(float)
    out = np.empty((*search.alpha.shape, len(y)))
    inside = (y > low) & (y <= high)
    u = (y[inside] - best[..., None]) / delta[..., None]
    unit = np.log(delta)[..., None]
    out[..., inside] = noisy_log_pdf(u, 1.0, s[..., None], gamma[..., None]) - unit
    for side, (end, beyond) in enumerate(((low, y <= low), (high, y > high))):
        if np.any(beyond):
            out[..., beyond] = noisy_log_tails((end - best) / delta, 1.0, s, gamma)[side][..., None]
    return out


def to_arviz(
    search: SearchDraws, regime_probability: Floats, stats: Mapping[str, Any], seed: int, settings: str
) -> Any:
    """Return an InferenceData of ArviZ 0.x, or a DataTree of ArviZ 1 and later."""
    with warnings.catch_warnings():  # about a new version, from its first import
        warnings.simplefilter("ignore")
        az = require("arviz", "report", "post.idata")
    chains, samples = search.alpha.shape
    num_scores = len(search.scores)
    # The same draws of every chain, so that a replicated search is stored with the draw that it was made from.
    kept = min(samples, max(1, _MOST_NUMBERS // (chains * num_scores)))
    draw = (np.arange(kept) * (samples / kept)).astype(int)
    rows = (np.arange(chains)[:, None] * samples + draw).ravel()
    parameters = {name: getattr(search, name) for name in ("alpha", "beta", "gamma", "sigma")}
    groups = {
        "posterior": {**parameters, "regime_probability": regime_probability},
        "sample_stats": stats,
        "posterior_predictive": {"score": _replicated(search, rows, seed).reshape(chains, kept, num_scores)},
        "observed_data": {"score": censored(search.scores, search.limits, search.minimize)},
    }
    if search.alpha.size * num_scores <= _MOST_NUMBERS:
        groups["log_likelihood"] = {"score": log_likelihood(search)}
    dims = {"score": ["trial"]}
    attributes = {"nqjax_settings": settings, "minimize": int(search.minimize), "limits": str(search.limits)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if az.__version__.startswith("0."):
            found = az.from_dict(**groups, dims=dims, attrs=attributes)
            found.posterior_predictive = found.posterior_predictive.assign_coords(draw=draw)
        else:
            found = az.from_dict(groups, dims=dims, attrs={"/": attributes})
            predicted = found["posterior_predictive"]
            predicted.dataset = predicted.to_dataset().assign_coords(draw=draw)
    return found
