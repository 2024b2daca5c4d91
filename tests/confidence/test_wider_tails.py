"""Tests of how much of the draws an interval of the averaged posterior has."""

import numpy as np
import pytest

from nqjax.confidence.region import wider_tails


def test_intervals_have_a_little_more_than_their_confidence():
    confidences = np.linspace(1e-9, 0.999999, 1001)
    shares = np.array([np.diff(wider_tails(float(one)))[0] for one in confidences])
    assert np.all(np.diff(shares) > 0)
    assert np.all(shares >= confidences - 1e-15)
    assert shares[0] < 1e-8
    assert np.diff(wider_tails(0.8))[0] == pytest.approx(13 / 15)
    assert np.diff(wider_tails(0.95))[0] == pytest.approx(1 - 0.05 / 1.125)
