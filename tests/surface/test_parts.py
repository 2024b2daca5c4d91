"""Parts of the surface's fit: the lowest point of the box, where sampling begins, weights of thresholds."""

import numpy as np
import pytest
import scipy.optimize
import scipy.stats

from nqjax.surface.minimum import lowest_points
from nqjax.surface.start import as_vector, least_squares, pivots
from nqjax.surface.weights import _left_out


@pytest.mark.parametrize("d", [1, 2, 5])
def test_lowest_points_against_a_general_optimiser(d):
    rng = np.random.default_rng(d)
    root = rng.normal(size=(20, d, d))
    curvature = np.einsum("mij,mkj->mik", root, root) + 0.01 * np.eye(d)
    optimum = 1.5 * rng.normal(size=(20, d))
    found = lowest_points(curvature, optimum)

    def loss(z, m):
        return 0.5 * (z - optimum[m]) @ curvature[m] @ (z - optimum[m])

    for m in range(20):
        other = scipy.optimize.minimize(loss, np.zeros(d), args=(m,), bounds=[(-1, 1)] * d, options={"ftol": 1e-15})
        assert loss(found[m], m) <= other.fun + 1e-8
        assert np.abs(found[m]).max() <= 1


def test_least_squares_find_an_exact_quadratic():
    rng = np.random.default_rng(0)
    z = rng.uniform(-1, 1, (4000, 3))
    curvature, optimum = np.diag([2.0, 1.0, 0.5]) + 0.2, np.array([0.3, -0.2, 0.1])
    y = 0.7 + 0.5 * np.einsum("ni,ij,nj->n", z - optimum, curvature, z - optimum)
    found = least_squares(z, y)
    assert found.curvature == pytest.approx(curvature, abs=0.01)
    assert found.optimum == pytest.approx(optimum, abs=0.01)
    assert found.lowest == pytest.approx(0.7, abs=0.01)
    vector = as_vector(found, 1)
    assert len(vector) == 1 + 3 + 3 + 3 + 2 + 1 + 3


def test_pivots_do_not_depend_on_the_order_of_the_hyperparameters():
    rng = np.random.default_rng(1)
    root = rng.normal(size=(6, 6))
    curvature = root @ root.T
    order = pivots(curvature)
    for _ in range(5):
        shuffled = rng.permutation(6)
        again = pivots(curvature[np.ix_(shuffled, shuffled)])
        assert shuffled[again].tolist() == order


def test_densities_that_leave_a_trial_out_are_those_of_a_normal_mean():
    """Draws of a normal mean given 20 values: the predictive density without one of them is known."""
    rng = np.random.default_rng(2)
    y = rng.normal(size=20)
    draws = y.mean() + rng.normal(size=40_000) / np.sqrt(20)
    log_density = scipy.stats.norm.logpdf(y, draws[:, None])
    found = _left_out(log_density, log_density)
    without = (y.sum() - y) / 19
    assert found == pytest.approx(scipy.stats.norm.logpdf(y, without, np.sqrt(1 + 1 / 19)), abs=0.02)
