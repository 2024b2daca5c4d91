"""Densities of TPE against Optuna's, and drawing from them against the densities."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.special
import scipy.stats

from nqjax.search.optimizers.cube import Cube
from nqjax.search.optimizers.method import History
from nqjax.search.optimizers.parzen import draw, log_density, parzen_estimator
from nqjax.search.optimizers.tpe import TPE, _lowest

KINDS = {
    "continuous": Cube((0, 0), (False, False)),
    "whole numbers": Cube((0, 900), (False, False)),
    "categories": Cube((0, 3), (False, True)),
}


def _reference(cube, u, x):
    """Return Optuna's log densities of points, turned into those of the unit cube."""
    optuna = pytest.importorskip("optuna", reason="Optuna is not installed")
    from optuna.samplers._tpe.parzen_estimator import _ParzenEstimator, _ParzenEstimatorParameters
    from optuna.samplers._tpe.sampler import default_weights

    kinds = optuna.distributions
    space, columns = {}, {}
    for i, (count, categorical) in enumerate(zip(cube.counts, cube.categorical, strict=True)):
        if categorical:
            space[str(i)] = kinds.CategoricalDistribution([str(k) for k in range(count)])
            columns[str(i)] = lambda p, i=i, count=count: np.floor(p[:, i] * count)
        elif count:
            space[str(i)] = kinds.IntDistribution(2, count + 1)
            columns[str(i)] = lambda p, i=i, count=count: 2 + np.floor(p[:, i] * count)
        elif i:
            space[str(i)] = kinds.FloatDistribution(1e-3, 10.0, log=True)
            columns[str(i)] = lambda p, i=i: 1e-3 * 1e4 ** p[:, i]
        else:
            space[str(i)] = kinds.FloatDistribution(0.0, 1.0)
            columns[str(i)] = lambda p, i=i: p[:, i]
    logs = sum(np.log(np.log(1e4)) for i, count in enumerate(cube.counts) if i and not count)
    estimator = _ParzenEstimator(
        {name: column(u) for name, column in columns.items()},
        space,
        _ParzenEstimatorParameters(1.0, True, False, default_weights, True),
    )
    return estimator.log_pdf({name: column(x) for name, column in columns.items()}) + logs


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [0, 1, 2, 7, 24, 25, 90])
def test_densities_are_those_of_optuna(kind, count):
    cube, room = KINDS[kind], 100
    rng = np.random.default_rng(count)
    with jax.enable_x64(True):
        u, x = (np.array(cube.snap(jnp.asarray(rng.uniform(size=(n, 2))))) for n in (count, 50))
        if kind == "whole numbers":  # Optuna sorts equal points in no fixed order
            u[:, 1] = (rng.permutation(cube.counts[1])[:count] + 0.5) / cube.counts[1]
        padded = np.full((room, 2), 0.123)
        padded[:count] = u
        estimator = parzen_estimator(jnp.asarray(padded), jnp.ones((room, 2), bool), jnp.arange(room) < count)
        ours = np.asarray(log_density(cube, estimator, jnp.asarray(x)))
    np.testing.assert_allclose(ours, _reference(cube, u, x), rtol=0, atol=1e-10)


def _estimator(cube, count=12, used=True):
    rng = np.random.default_rng(4)
    u = cube.snap(jnp.asarray(rng.uniform(size=(count, 2))))
    active = jnp.ones((count, 2), bool).at[:, 1].set(used)
    return parzen_estimator(u, active, jnp.ones(count, bool))


def test_the_density_integrates_to_one():
    cube = KINDS["continuous"]
    with jax.enable_x64(True):
        side = (np.arange(400) + 0.5) / 400
        points = np.stack(np.meshgrid(side, side), axis=-1).reshape(-1, 2)
        total = np.mean(np.exp(np.asarray(log_density(cube, _estimator(cube), jnp.asarray(points)))))
    assert total == pytest.approx(1.0, abs=1e-4)  # the midpoint rule's error


@pytest.mark.parametrize("kind", ["whole numbers", "categories"])
def test_probabilities_of_separate_values_sum_to_one(kind):
    count = KINDS[kind].counts[1]
    cube = Cube((count,), (kind == "categories",))
    with jax.enable_x64(True):
        rng = np.random.default_rng(5)
        u = cube.snap(jnp.asarray(rng.uniform(size=(9, 1))))
        estimator = parzen_estimator(u, jnp.ones((9, 1), bool), jnp.ones(9, bool))
        values = (jnp.arange(count) + 0.5)[:, None] / count
        assert float(jnp.sum(jnp.exp(log_density(cube, estimator, values)))) == pytest.approx(1.0, abs=1e-12)


def test_draws_have_the_density():
    with jax.enable_x64(True):
        cube = Cube((0, 3), (False, True))
        estimator = _estimator(cube)
        points = np.asarray(draw(cube, estimator, jax.random.key(1), 20_000))
        side = np.linspace(0, 1, 401)
        middle = (side[1:] + side[:-1]) / 2
        pairs = np.array([[m, (k + 0.5) / 3] for m in middle for k in range(3)])
        density = np.exp(np.asarray(log_density(cube, estimator, jnp.asarray(pairs)))).reshape(-1, 3)
    cdf = np.concatenate([[0.0], np.cumsum(density.sum(axis=1)) / 400])
    assert scipy.stats.kstest(points[:, 0], lambda v: np.interp(v, side, cdf)).pvalue > 1e-3
    share = density.mean(axis=0)
    found = np.bincount(np.floor(points[:, 1] * 3).astype(int), minlength=3)
    assert scipy.stats.chisquare(found, 20_000 * share / share.sum()).pvalue > 1e-3


def test_a_coordinate_that_nobody_used_is_uniform():
    cube = KINDS["continuous"]
    with jax.enable_x64(True):
        estimator = _estimator(cube, used=False)
        points = jnp.asarray([[0.3, v] for v in (0.0, 0.4, 1.0)])
        density = np.asarray(log_density(cube, estimator, points))
        alone = parzen_estimator(estimator.centre[:-1, :1], jnp.ones((12, 1), bool), jnp.ones(12, bool))
        # Only the prior's own kernel, of twelve and one, is not uniform in it.
        assert np.ptp(density) < 0.1
        assert density[1] == pytest.approx(float(log_density(Cube((0,), (False,)), alone, points[:1, :1])[0]), abs=0.1)


def test_the_order_that_tpe_remembers_is_that_of_sorting():
    """Point by point in batches, and at once; with equal coordinates."""
    cube, method, room = Cube((0, 3, 4), (False, False, True)), TPE(startup=3, candidates=4), 48
    ask = jax.jit(method.ask, static_argnums=(0, 3))
    state = method.init(cube, room, jax.random.key(0))
    for count in range(5, 41, 5):
        first = jnp.asarray(count - 5)
        state, u = ask(cube, state, first, 5)
        state = method.tell(cube, state, first, jnp.ones((5, 3), bool), jnp.sum((u - 0.4) ** 2, axis=1))
        expected = np.argsort(np.asarray(state.history.u[:count]), axis=0, stable=True)
        np.testing.assert_array_equal(state.memory[:count], expected)
    at_once = method.memory_of(method.start(cube, room), state.history, jnp.asarray(count))
    np.testing.assert_array_equal(at_once, state.memory)
    bad = (jnp.arange(room) < count) & (state.history.scores > 0.1)
    given = parzen_estimator(state.history.u, state.history.active, bad, state.memory)
    for a, b in zip(given, parzen_estimator(state.history.u, state.history.active, bad), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("kind", KINDS)
def test_kernels_after_the_last_trial_are_not_looked_at(kind):
    """Whatever stands there, the estimator and its density are those of the first trials."""
    cube, rng, count, room = KINDS[kind], np.random.default_rng(3), 17, 40
    with jax.enable_x64(True):
        u = cube.snap(jnp.asarray(rng.uniform(size=(room, 2))))
        member = jnp.arange(room) < count
        member = member.at[jnp.asarray([4, 9])].set(False)
        active = jnp.asarray(rng.uniform(size=(room, 2)) < 0.8)
        order = TPE().memory_of(None, History(u, active, u[:, 0], member), jnp.asarray(count))
        x = cube.snap(jnp.asarray(rng.uniform(size=(30, 2))))
        cut = parzen_estimator(u, active, member, order, jnp.asarray(count))
        alone = parzen_estimator(u[:count], active[:count], member[:count])
        for a, b in zip(cut, alone, strict=True):
            np.testing.assert_array_equal(jnp.concatenate([a[:count], a[-1:]]), b)
        found = log_density(cube, cut, x, jnp.asarray(count))
        np.testing.assert_allclose(found, log_density(cube, alone, x), rtol=1e-13)


def test_the_lowest_scores_are_those_of_a_stable_sort():
    rng = np.random.default_rng(4)
    for count in (0, 1, 3, 7):
        scores = rng.integers(0, 6, 30).astype(float)
        scores[rng.integers(0, 30, 8)] = np.inf
        expected = np.zeros(30, bool)
        expected[np.argsort(scores, kind="stable")[:count]] = True
        np.testing.assert_array_equal(_lowest(jnp.asarray(scores), count, 7), expected)


def test_a_density_of_many_dimensions_is_finite_and_the_formula():
    """Kernels that are narrow in 60 coordinates are e200 times as high as the prior."""
    cube = Cube((0,) * 60, (False,) * 60)
    with jax.enable_x64(True):
        u = jnp.asarray(np.random.default_rng(5).uniform(size=(1, 60))) * jnp.ones((98, 1))
        estimator = parzen_estimator(u, jnp.ones(u.shape, bool), jnp.ones(98, bool))
        x = u[:1] + jnp.asarray([[0.0], [0.001]])
        terms = np.asarray(estimator.log_weights)
        for column, centre, width in zip(np.asarray(x).T, estimator.centre.T, estimator.width.T, strict=True):
            kernel = scipy.stats.norm(centre, width)
            terms = terms + kernel.logpdf(column[:, None]) - np.log(kernel.cdf(1) - kernel.cdf(0))
        expected = scipy.special.logsumexp(terms, axis=1)
        np.testing.assert_allclose(log_density(cube, estimator, x), expected, rtol=1e-10)
