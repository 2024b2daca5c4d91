"""The shipped search, which this package ran, follows the noisy quadratic over its regime."""

import csv

import jax
import numpy as np

import nqjax
from nqjax import data


def test_the_fit_stays_inside_the_bands_over_its_regime():
    """The fitted CDF within the simultaneous 95 % band at every score of the regime that the tests choose."""
    with data.digits_mlp_path().open() as file:
        rows = csv.DictReader(line for line in file if not line.startswith("#"))
        scores = np.array([float(row["val_loss"] or "nan") for row in rows])
    scores = np.where(np.isfinite(scores), scores, scores[np.isfinite(scores)].max())  # failed runs as the worst
    regime = nqjax.find_regime(scores)
    assert regime.found
    y = np.unique(scores[scores <= regime.threshold])
    assert len(y) >= 100
    with jax.enable_x64(True):
        cdf = np.asarray(regime.fit.distribution.cdf(y))
    bands = nqjax.confidence_bands(scores, 0.95)
    # Both ends jump at the scores: the upper one has its least value just before.
    assert np.all(np.asarray(bands.lower.cdf(y)) <= cdf)
    assert np.all(cdf <= np.asarray(bands.upper.cdf(np.nextafter(y, -np.inf))))
