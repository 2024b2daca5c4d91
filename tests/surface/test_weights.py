"""Predictive densities of trials that are left out of a fit."""

import mpmath
import numpy as np
import pytest

from nqjax.surface.weights import _left_out


@pytest.mark.parametrize("size", [1.0, 30.0, 2000.0])
def test_left_out_densities_are_those_of_exact_arithmetic(size):
    """Also where the draws that predict a trial have weights that a float cannot hold."""
    rng = np.random.default_rng(0)
    fitted, asked = size * rng.normal(size=(2, 40, 3))
    for i, found in enumerate(_left_out(fitted, asked)):
        weights = [1 / mpmath.exp(mpmath.mpf(value)) for value in fitted[:, i]]
        most = sum(weights) / len(weights) * mpmath.sqrt(len(weights))
        weights = [min(weight, most) for weight in weights]
        total = sum(w * mpmath.exp(mpmath.mpf(a)) for w, a in zip(weights, asked[:, i], strict=True))
        assert found == pytest.approx(float(mpmath.log(total / sum(weights))), rel=1e-12)
