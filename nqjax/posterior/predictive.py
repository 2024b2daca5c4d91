"""What ArviZ is given of a posterior: draws, log-likelihoods, replicated searches."""

import warnings
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
from jax import Array
from numpy.typing import NDArray

from nqjax.inputs import as_count, oriented_limits
from nqjax.runtime.extras import require
from nqjax.special.chunked import noisy_log_pdf, noisy_log_tails

if TYPE_CHECKING:
    from nqjax.posterior.posterior import Posterior


Floats = NDArray[np.float64]


#: Numbers that an array of scores for all draws holds at most.
_MOST = 20_000_000


def observed(post: "Posterior") -> Floats:
    """All scores as the posterior sees them: those outside the limits at the limit they are beyond."""
    low, high = post.limits
    y = np.where(np.isfinite(post._scores), post._scores, np.inf if post.minimize else -np.inf)
    return np.clip(y, low, high)


def replicate(post: "Posterior", num: int | None, key: Array | None) -> Floats:
    """Searches of the same size from the posterior predictive distribution, shape (num, num_scores)."""
    draws = post.alpha.size
    num = min(draws, max(1, _MOST // post.num_scores)) if num is None else as_count("num", num)
    return _replicated(post, (np.arange(num) * (draws / num)).astype(int), key)


def _replicated(post: "Posterior", rows: NDArray[np.integer], key: Array | None = None) -> Floats:
    """One search for each of some draws."""
    alpha, beta, sigma, gamma = (a.ravel()[rows, None] for a in (post.alpha, post.beta, post.sigma, post.gamma))
    seed = post._draws.seed if key is None else int(jax.random.bits(key, dtype=np.uint32))
    rng = np.random.default_rng([seed, 2])
    shape = (len(rows), post.num_scores)
    v = rng.random(shape) ** (2 / gamma)
    delta, noise = beta - alpha, sigma * rng.standard_normal(shape)
    return np.clip(alpha + delta * v + noise if post.minimize else beta - delta * v - noise, *post.limits)


def log_likelihood(post: "Posterior") -> Floats:
    """Of each score for each draw, shape (num_chains, num_samples, num_scores).

    The density of a score inside the limits, the probability to lie beyond a limit of one that does.
    """
    low, high = oriented_limits(post.limits, post.minimize)
    y = post._scores if post.minimize else -post._scores
    y = np.where(np.isfinite(y), y, np.inf)
    best = post.alpha if post.minimize else -post.beta
    delta = post.beta - post.alpha
    s, gamma = post.sigma / delta, post.gamma.astype(float)
    out = np.empty((*post.alpha.shape, len(y)))
    inside = (y > low) & (y <= high)
    u = (y[inside] - best[..., None]) / delta[..., None]
    unit = np.log(delta)[..., None]
    out[..., inside] = noisy_log_pdf(u, 1.0, s[..., None], gamma[..., None]) - unit
    for side, (end, beyond) in enumerate(((low, y <= low), (high, y > high))):
        if np.any(beyond):
            out[..., beyond] = noisy_log_tails((end - best) / delta, 1.0, s, gamma)[side][..., None]
    return out


def to_arviz(post: "Posterior") -> Any:
    """An InferenceData of ArviZ 0.x, or a DataTree of ArviZ 1 on."""
    with warnings.catch_warnings():  # its announcement of a new version is of no interest here
        warnings.simplefilter("ignore")
        az = require("arviz", "report", "post.idata")
    chains, samples = post.alpha.shape
    # The same draws of every chain, so that a replicated search stands beside the draw that it is from.
    kept = min(samples, max(1, _MOST // (chains * post.num_scores)))
    draw = (np.arange(kept) * (samples / kept)).astype(int)
    rows = (np.arange(chains)[:, None] * samples + draw).ravel()
    groups = {
        "posterior": {name: getattr(post, name) for name in ("alpha", "beta", "gamma", "sigma", "regime_probability")},
        "sample_stats": post._draws.stats,
        "posterior_predictive": {"score": _replicated(post, rows).reshape(chains, kept, post.num_scores)},
        "observed_data": {"score": observed(post)},
    }
    if post.alpha.size * post.num_scores <= _MOST:
        groups["log_likelihood"] = {"score": log_likelihood(post)}
    dims = {"score": ["trial"]}
    attributes = {"nqjax_settings": str(post._settings), "minimize": int(post.minimize), "limits": str(post.limits)}
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
