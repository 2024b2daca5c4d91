"""The handwritten digits of scikit-learn, in memory."""

from __future__ import annotations

import numpy as np

from nqjax.runtime.extras import require
from nqjax.search.sources import Arrays

#: Images for training: 18 whole batches of 64, so that an epoch uses all. The remaining 645 are for validation.
NUM_TRAIN = 1152

#: The seed of the split, which is part of the task: a search's key does not change it.
_SPLIT_SEED = 0


def digits() -> tuple[Arrays, Arrays]:
    """Return the digits for training and for validation, standardised by the mean and deviation of training pixels.

    Returns
    -------
    train, valid : Arrays
        ``x`` of shape (images, 8, 8, 1) and ``y``, the classes; 1,152 and 645 images.

    Raises
    ------
    InputError
        If scikit-learn is not installed.
    """
    datasets = require("sklearn.datasets", "search", "the search on the digits")
    x, y = datasets.load_digits(return_X_y=True)
    order = np.random.default_rng(_SPLIT_SEED).permutation(len(x))
    x, y = x[order].reshape(-1, 8, 8, 1), y[order].astype(np.int32)
    train = x[:NUM_TRAIN]
    x = ((x - train.mean()) / train.std()).astype(np.float32)
    return Arrays(x=x[:NUM_TRAIN], y=y[:NUM_TRAIN]), Arrays(x=x[NUM_TRAIN:], y=y[NUM_TRAIN:])
