"""Simultaneous bands: they hold their share of whole curves, and no narrower rank envelope does."""

import numpy as np
import pytest

from nqjax.posterior.envelope import envelope


@pytest.mark.parametrize("confidence", [0.5, 0.8, 0.95])
@pytest.mark.parametrize("shape", [(200, 1), (201, 7), (400, 30)])
def test_the_band_holds_its_share_of_whole_curves_and_the_next_narrower_one_does_not(confidence, shape):
    curves = np.cumsum(np.random.default_rng(0).normal(size=shape), axis=1)
    low, high = envelope(curves, confidence)
    assert np.mean(np.all((low <= curves) & (curves <= high), axis=1)) >= confidence
    ordered = np.sort(curves, axis=0)
    (place,) = np.flatnonzero(ordered[:, 0] == low[0])
    assert np.array_equal(ordered[place], low)
    assert np.array_equal(ordered[len(curves) - 1 - place], high)
    inside = (ordered[place + 1] <= curves) & (curves <= ordered[len(curves) - 2 - place])
    assert np.mean(np.all(inside, axis=1)) < confidence


def test_equal_curves_have_a_band_of_no_width():
    low, high = envelope(np.full((10, 3), 2.0), 0.9)
    assert low.tolist() == high.tolist() == [2.0] * 3
