"""Probabilities of thresholds: by how well the surface of each predicts the best scores, one left out at a time.

A threshold that is too large bends the surface to scores far from the best ones. Its likelihood does not tell: any
surface explains more than none. But it predicts the best scores worse. So every threshold is judged on the same task,
that of the smallest: which trials are better than it, and by how much (Northrop, Attalides and Jonathan 2017 judge
thresholds of extremes in this way). Weights are means over bootstraps of the trials (Yao et al. 2018, pseudo-BMA+).
"""

import jax
import numpy as np
from scipy.special import logsumexp

from nqjax.runtime.compiled import Compiled, made_once
from nqjax.surface.model import Data
from nqjax.surface.slopes import score_matrix
from nqjax.types import Floats

#: Bootstraps of the trials.
_BOOTSTRAPS = 1000

#: Least probability of a threshold that is kept.
_LEAST = 1e-3


def threshold_weights(x: Floats, data: Data) -> Floats:
    """Return probabilities of thresholds, shape (thresholds,).

    Parameters
    ----------
    x : ndarray, shape (draws, thresholds, chains, parameters)
    data : Data
    """
    thresholds = np.asarray(data.thresholds)
    distinct = np.append(np.diff(thresholds) < 0, True)
    smallest = thresholds[-1]
    real = np.asarray(data.weights) > 0
    found = []
    for group in np.flatnonzero(distinct):
        draws = x[:, group].reshape(-1, x.shape[-1])
        with jax.enable_x64(True):
            device = jax.local_devices()[0]
            fitted = np.asarray(_program().at(device, draws, thresholds[group], data))[:, real]
            asked = np.asarray(_program().at(device, draws, smallest, data))[:, real]
        found.append(_left_out(fitted, asked))
    score = np.array(found)  # (distinct thresholds, trials)
    rng = np.random.default_rng(0)
    shares = rng.dirichlet(np.ones(score.shape[1]), _BOOTSTRAPS) * score.shape[1]
    total = shares @ score.T
    each = np.exp(total - total.max(axis=1, keepdims=True))
    mean = np.mean(each / each.sum(axis=1, keepdims=True), axis=0)
    mean = np.where(mean > _LEAST, mean, 0.0)
    weights = np.zeros(len(thresholds))
    weights[distinct] = mean / mean.sum()
    return weights


def _left_out(fitted: Floats, asked: Floats) -> Floats:
    """Return log predictive densities of what is asked of each trial by draws of a fit without it, shape (trials,).

    Parameters
    ----------
    fitted, asked : ndarray, shape (draws, trials)
        Log densities of what each trial says in the fit, and of what is asked of it.
    """
    # Truncated importance sampling (Ionides 2008), in logarithms: what is likely by one may be impossible by the other.
    log_weight = -fitted
    mean = logsumexp(log_weight, axis=0) - np.log(len(log_weight))
    log_weight = np.minimum(log_weight, mean + 0.5 * np.log(len(log_weight)))
    return np.asarray(logsumexp(log_weight + asked, axis=0) - logsumexp(log_weight, axis=0))


@made_once
def _program() -> Compiled:
    return Compiled(score_matrix)
