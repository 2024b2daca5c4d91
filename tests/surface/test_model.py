"""The density of a response surface, against SciPy and brute force."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from nqjax.surface import model, slopes
from nqjax.surface.model import Data


@pytest.fixture
def search():
    """Ten trials of three hyperparameters and two categories, one failed and one left out."""
    rng = np.random.default_rng(0)
    scores = rng.uniform(0, 3, 10)
    scores[4] = np.inf
    weights = np.ones(10)
    weights[9] = 0.0
    present = np.ones((10, 3))
    present[2, 1] = 0
    points = rng.uniform(-1, 1, (10, 3)) * present
    groups = (rng.random((10, 2)) < 0.4).astype(float)
    return Data(points, present, groups, scores, weights, np.array([2.0, 1.0]), np.float64(0.001))


def parameters(rng, d=3, categories=2):
    return 0.5 * rng.standard_normal(3 + 2 * d + d * (d - 1) // 2 + categories * (1 + d))


def brute_force(x, data, threshold, d=3):
    """The log density by loops, from the definition in the module's first lines."""
    s = model.unpack(jnp.asarray(x), d, 2)
    turns = np.eye(d)
    turns[np.triu_indices(d, 1)] = s.turns
    variance = np.exp(2 * float(s.log_sigma)) + float(data.rounding)
    accident = 1 / (1 + np.exp(-float(s.accident)))
    total = 0.0
    for i in range(9):
        away = data.points[i] - s.optimum - data.groups[i] @ np.asarray(s.shifts)
        u = turns @ (np.asarray(away) * data.present[i])
        f = float(s.lowest) + data.groups[i] @ np.asarray(s.levels) + 0.5 * np.sum(np.exp(s.log_curvatures) * u**2)
        law = scipy.stats.norm(f, np.sqrt(variance))
        if data.scores[i] <= threshold:
            total += np.log(1 - accident) + law.logpdf(data.scores[i])
        else:
            total += np.log(accident + (1 - accident) * law.sf(threshold))
    return total


@pytest.mark.parametrize("threshold", [1.0, 2.0])
def test_the_density_is_that_of_censored_normal_scores(x64, search, threshold):
    rng = np.random.default_rng(1)
    for _ in range(5):
        x = parameters(rng)
        prior = float(model.log_prior(model.unpack(jnp.asarray(x), 3, 2)))
        found = float(model.log_density(jnp.asarray(x), threshold, search)) - prior
        assert found == pytest.approx(brute_force(x, search, threshold), rel=1e-9)


def test_slopes_are_finite_where_trials_failed_or_do_not_count(x64, search):
    x = jnp.asarray(parameters(np.random.default_rng(2)))
    slope = jax.grad(model.log_density)(x, 1.0, search)
    assert np.isfinite(slope).all()
    step = 1e-6 * np.eye(len(x))
    numeric = [
        (model.log_density(x + e, 1.0, search) - model.log_density(x - e, 1.0, search)) / 2e-6
        for e in jnp.asarray(step)
    ]
    assert np.asarray(slope) == pytest.approx(np.array(numeric), rel=1e-4, abs=1e-5)


def test_the_curvature_is_positive_and_like_the_true_one_at_a_good_fit(x64):
    rng = np.random.default_rng(3)
    points = rng.uniform(-1, 1, (200, 2))
    x = np.array([0.1, 0.2, -0.1, 1.0, 0.5, 0.3, np.log(0.05), -4.0])
    s = model.unpack(jnp.asarray(x), 2, 0)
    none = np.zeros((200, 0))
    scores = np.asarray(model.losses(s, points, np.ones((200, 2)), none)) + 0.05 * rng.normal(size=200)
    data = Data(points, np.ones((200, 2)), none, scores, np.ones(200), np.array([9.0]), np.float64(0))
    found = np.asarray(slopes.curvatures(jnp.asarray(x)[None], jnp.array([9.0]), data))[0]
    exact = -np.asarray(jax.hessian(model.log_density)(jnp.asarray(x), 9.0, data))
    assert np.linalg.eigvalsh(found).min() > 0
    ratio = np.linalg.eigvals(np.linalg.solve(exact, found)).real
    # It leaves second derivatives of f out; a mass matrix that is off by a factor of two costs little.
    assert (ratio > 0.4).all()
    assert (ratio < 2.5).all()


@pytest.mark.parametrize("categories", [0, 2])
def test_many_surfaces_at_once_are_as_one_by_one(x64, search, categories):
    """Values, slopes and scores by matrix products are those of the density itself and of its automatic derivative."""
    rng = np.random.default_rng(4)
    whole = {} if categories else {"present": np.ones((10, 3)), "groups": np.zeros((10, 0))}
    data = search._replace(**whole)
    x = jnp.asarray([parameters(rng, categories=categories) for _ in range(6)])
    threshold = jnp.asarray(rng.uniform(0.5, 2.5, 6))
    value, slope = jax.vmap(jax.value_and_grad(model.log_density), (0, 0, None))(x, threshold, data)
    ours, our_slope = slopes.values_and_slopes(x, threshold, data)
    assert np.asarray(ours) == pytest.approx(np.asarray(value), rel=1e-11)
    assert np.asarray(our_slope) == pytest.approx(np.asarray(slope), rel=1e-9, abs=1e-10)
    single = jax.vmap(lambda x: model.log_scores(x, 1.0, data))(x)
    assert np.asarray(slopes.score_matrix(x, 1.0, data)) == pytest.approx(np.asarray(single), rel=1e-11, abs=1e-12)
