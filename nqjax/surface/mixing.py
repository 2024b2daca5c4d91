"""Whether chains agree: the potential scale reduction of their halves (split R-hat, Gelman et al. 2013)."""

import numpy as np

from nqjax.types import Floats

#: Chains that agree have a split R-hat below this.
AGREE = 1.2


def mean_r_hat(x: Floats, threshold: Floats) -> float:
    """Return the mean split R-hat of the chains of each threshold.

    Parameters
    ----------
    x : ndarray, shape (draws, chains)
    threshold : ndarray, shape (chains,)
        The threshold of each chain, which it does not change.
    """
    values, counts = np.unique(threshold, return_counts=True)
    return float(np.average([_split_r_hat(x[:, threshold == value]) for value in values], weights=counts))


def _split_r_hat(x: Floats) -> float:
    half = len(x) // 2
    halves = np.concatenate([x[:half], x[half : 2 * half]], axis=1)
    within, between = np.mean(np.var(halves, axis=0, ddof=1)), np.var(np.mean(halves, axis=0), ddof=1)
    return float(np.sqrt((half - 1) / half + between / within)) if within > 0 else 1.0
