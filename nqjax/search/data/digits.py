"""scikit-learn's handwritten digits, in memory."""

from __future__ import annotations

import numpy as np

from nqjax.errors import missing_extra
from nqjax.search.sources import Arrays

#: 18 whole batches of 64, so that an epoch drops no image; the other 645 images are for validation.
NUM_TRAIN = 1152


#: The split is part of the problem, not of the search: no key changes it.
_SPLIT_SEED = 0


def digits() -> tuple[Arrays, Arrays]:
    """Return the digits, split in two and standardised by the mean and deviation of all training pixels.

    Returns
    -------
    train, valid : Arrays
        ``x`` of shape (images, 8, 8, 1) and ``y``, the classes: 1,152 images, and 645.

    Raises
    ------
    InputError
        Without scikit-learn, which has them.
    """
    try:
        from sklearn import datasets
    except ImportError:
        raise missing_extra("reading the digits", "scikit-learn", "search") from None

    x, y = datasets.load_digits(return_X_y=True)
    order = np.random.default_rng(_SPLIT_SEED).permutation(len(x))
    x, y = x[order].reshape(-1, 8, 8, 1), y[order].astype(np.int32)
    train = x[:NUM_TRAIN]
    x = ((x - train.mean()) / train.std()).astype(np.float32)
    return Arrays(x=x[:NUM_TRAIN], y=y[:NUM_TRAIN]), Arrays(x=x[NUM_TRAIN:], y=y[NUM_TRAIN:])
