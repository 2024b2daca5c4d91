"""NSGA-II against pymoo's under the same settings, its parts against plain loops, and fronts with constraints."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nqjax.errors import InputError
from nqjax.search import NSGA2, Choice, DiscreteUniform, Uniform, hypervolume, pareto_front, pareto_search
from nqjax.search.optimizers.cube import Cube
from nqjax.search.optimizers.dominance import best, crowding, ranks
from nqjax.search.optimizers.variation import crossed, mutated, tournaments

_VARIABLES = 30
_GENERATIONS = 250
_REFERENCE = (1.1, 1.1)

#: The hypervolume of the exact front, f2 = 1 - sqrt(f1), to the reference (1.1, 1.1): 1.21 - 1/3.
_EXACT = 1.21 - 1 / 3


def _zdt1(x):
    g = 1 + 9 * x[..., 1:].mean(axis=-1)
    return jnp.stack([x[..., 0], g * (1 - jnp.sqrt(x[..., 0] / g))], axis=-1)


@jax.jit
def _run_zdt1(keys):
    cube, method = Cube((0,) * _VARIABLES, (False,) * _VARIABLES), NSGA2(population=100)

    def one(key):
        def generation(state, number):
            first = number * 100
            state, points = method.ask(cube, state, first, 100)
            return method.tell(cube, state, first, None, _zdt1(points)), None

        state, _ = jax.lax.scan(generation, method.init(cube, 100 * _GENERATIONS, key), jnp.arange(_GENERATIONS))
        points = jnp.concatenate([state.points, state.inner.points])
        values = _zdt1(points)
        return values[best(values, jnp.zeros(200), 100)[0]]

    return jax.lax.map(one, keys)


@pytest.mark.usefixtures("x64")
def test_the_front_of_zdt1_is_as_good_as_pymoos():
    found = np.asarray(_run_zdt1(jax.random.split(jax.random.key(0), 4)))
    ours = [hypervolume(values, _REFERENCE) for values in found]
    assert min(ours) > 0.95 * _EXACT
    assert max(ours) < _EXACT
    pytest.importorskip("pymoo", reason="pymoo is not installed: only the exact front was compared")
    from pymoo.algorithms.moo.nsga2 import NSGA2 as Theirs
    from pymoo.operators.crossover.sbx import SBX
    from pymoo.operators.mutation.pm import PM
    from pymoo.optimize import minimize
    from pymoo.problems import get_problem

    method = Theirs(
        pop_size=100, crossover=SBX(prob=0.9, eta=15), mutation=PM(prob=1.0, prob_var=1 / _VARIABLES, eta=20)
    )
    theirs = minimize(get_problem("zdt1"), method, ("n_gen", _GENERATIONS), seed=1)
    assert np.median(ours) == pytest.approx(hypervolume(theirs.F, _REFERENCE), rel=0.05)


def _loop_ranks(values, violations):
    def beats(i, j):
        if violations[i] <= 0 and violations[j] <= 0:
            return (values[i] <= values[j]).all() and (values[i] < values[j]).any()
        return violations[i] < violations[j]

    left, rank, front = set(range(len(values))), np.zeros(len(values), int), 0
    while left:
        free = {j for j in left if not any(beats(i, j) for i in left)}
        for j in free:
            rank[j] = front
        left, front = left - free, front + 1
    return rank


def test_ranks_are_those_of_a_plain_loop():
    rng = np.random.default_rng(0)
    for objectives in (2, 3):
        values = rng.integers(0, 6, (40, objectives)).astype(float)  # with ties
        violations = np.maximum(rng.normal(size=40), 0)
        found = ranks(jnp.asarray(values), jnp.asarray(violations))
        np.testing.assert_array_equal(found, _loop_ranks(values, violations))
        free = np.asarray(ranks(jnp.asarray(values), jnp.zeros(40))) == 0
        np.testing.assert_array_equal(free, pareto_front(values))


def test_crowding_is_the_sum_of_the_sides_of_the_cuboid():
    values = jnp.array([[0.0, 10.0], [1.0, 4.0], [3.0, 3.0], [4.0, 0.0], [9.0, 9.0]])
    found = crowding(values, jnp.array([0, 0, 0, 0, 1]))
    np.testing.assert_allclose(found, [np.inf, 3 / 4 + 7 / 10, 3 / 4 + 4 / 10, np.inf, np.inf], rtol=1e-6)


@pytest.mark.parametrize("objectives", [2, 3, 4])
def test_hypervolume_is_that_of_inclusion_and_exclusion(objectives):
    rng = np.random.default_rng(objectives)
    values = rng.uniform(0, 1.2, (8, objectives))
    inside = [point for point in values if (point < 1).all()]
    expected = 0.0
    for size in range(1, len(inside) + 1):
        for group in itertools.combinations(inside, size):
            expected -= (-1) ** size * np.prod(1 - np.max(group, axis=0))
    assert hypervolume(values, np.ones(objectives)) == pytest.approx(expected, rel=1e-12)
    assert hypervolume(-values, -np.ones(objectives), minimize=False) == pytest.approx(expected, rel=1e-12)


def test_hypervolume_is_pymoos():
    pytest.importorskip("pymoo", reason="pymoo is not installed")
    from pymoo.indicators.hv import HV

    rng = np.random.default_rng(0)
    for objectives in (2, 3):
        values = rng.uniform(0, 1, (50, objectives))
        expected = HV(ref_point=np.ones(objectives))(values)
        assert hypervolume(values, np.ones(objectives)) == pytest.approx(expected, rel=1e-10)


def test_edges_of_fronts():
    assert hypervolume(np.empty((0, 2)), [1, 1]) == 0
    assert hypervolume([[np.nan, 0], [2, 2], [0, np.inf]], [1, 1]) == 0
    assert pareto_front([[1, 1], [1, 1], [2, 0], [np.nan, 0]]).tolist() == [True, True, True, False]
    assert pareto_front([[1, 1], [0, 0]], feasible=[True, False]).tolist() == [True, False]
    assert pareto_front([[1, 1], [0, 2]], minimize=[True, False]).tolist() == [False, True]
    for call, message in (
        (lambda: pareto_front([1, 2]), "shape"),
        (lambda: pareto_front([[1, 2]], minimize=[True] * 3), "minimize has 3 values"),
        (lambda: pareto_front([[1, 2]], feasible=[1]), "feasible has shape"),
        (lambda: hypervolume([[1, 2]], [1, 2, 3]), "the reference has shape"),
    ):
        with pytest.raises(InputError, match=message):
            call()


def test_variation_stays_in_the_cube_and_keeps_the_middle_of_parents():
    keys = jax.random.split(jax.random.key(0), 3)
    first, second = jnp.full((20_000, 1), 0.3), jnp.full((20_000, 1), 0.6)
    one, two = crossed(keys[0], first, second, 1.0, 15.0)
    assert float(jnp.mean(one == first)) == pytest.approx(0.5, abs=0.02)  # half of the coordinates are not crossed
    assert float((one + two).mean()) == pytest.approx(0.9, abs=2e-3)
    moved = mutated(keys[1], jnp.full((20_000, 1), 0.05), 1.0, 20.0)
    assert 0 <= float(moved.min()) < float(moved.max()) <= 1
    assert float(jnp.mean(moved < 0.05)) == pytest.approx(0.5, abs=0.02)  # up and down are equally likely
    same = mutated(keys[1], first, 0.0, 20.0)
    np.testing.assert_array_equal(same, first)
    # The density of a spread b below 1 is (index + 1) / 2 b^index, so half of all spreads are below 1.
    apart = np.abs(np.asarray(one - two))[np.asarray(one != first) & np.asarray(one != second)] / 0.3
    assert np.mean(apart < 1) == pytest.approx(0.5, abs=0.02)
    assert np.mean(apart < 0.95) == pytest.approx(0.5 * 0.95**16, abs=0.02)
    rank = jnp.array([0, 1, 1, 2])
    won = tournaments(keys[2], rank, jnp.array([1.0, 2.0, 1.0, 0.0]))
    assert np.sum(np.asarray(won) == 0) == 2  # the best wins both of its tournaments
    assert 3 not in np.asarray(won)


def test_constraints_are_kept_and_failures_harm_nothing():
    def function(config):
        x, y = config["x"], config["y"]
        if x > 1.9:
            return (np.nan, 0.0, 0.0)
        return (x**2 + y, (x - 1) ** 2 + y, 0.5 - x)  # on the front x lies in [0.5, 1] and y is 0

    space = {"x": Uniform(-2, 2), "y": Uniform(0, 1)}
    method = NSGA2(constraints=1, population=20)
    found = pareto_search(function, space, num_trials=610, key=jax.random.key(0), method=method)
    assert len(found.configs) == len(found.values) == 610
    x, y = (np.array([config[name] for config in found.front_configs]) for name in ("x", "y"))
    assert ((x >= 0.5) & (x < 1.1)).all()
    assert np.median(y) < 0.02
    assert len(x) > 30
    assert found.feasible[found.front].all()
    assert (np.diff(found.values[found.front, 0]) >= 0).all()
    # The area between the front and (2, 1), by quadrature.
    t = np.linspace(0.25, 1, 10_001)
    exact = np.trapezoid(1 - (np.sqrt(t) - 1) ** 2, t) + 1
    assert 0.93 * exact < found.hypervolume((2, 1)) < exact


def test_runs_repeat_maximise_and_take_separate_values():
    space = {"n": DiscreteUniform(0, 20), "kind": Choice("a", "b"), "z": Uniform(0, 1)}

    def function(columns):
        penalty = np.where(columns["kind"] == "a", 0.0, 1.0)
        return np.stack([columns["n"] / 20 - penalty, 1 - (columns["n"] / 20) ** 2 - penalty], axis=1)

    def run(key, sign):
        return pareto_search(
            lambda columns: sign * function(columns),
            space,
            num_trials=200,
            key=jax.random.key(key),
            method=NSGA2(population=20),
            minimize=sign < 0,
            vectorized=True,
        )

    first, again, mirrored, other = run(0, 1), run(0, 1), run(0, -1), run(1, 1)
    assert first.configs == again.configs == mirrored.configs
    assert first.configs != other.configs
    assert {config["kind"] for config in first.front_configs} == {"a"}
    assert len({config["n"] for config in first.front_configs}) >= 18
    assert first.hypervolume((-1, -1)) == pytest.approx(mirrored.hypervolume((1, 1)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"objectives": 1}, "objectives is 1: give at least 2"),
        ({"population": 7}, "population is 7: give an even number"),
        ({"crossover": 1.5}, "crossover is 1.5"),
        ({"mutation_index": -1}, "mutation_index is -1"),
    ],
)
def test_settings_that_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        NSGA2(**options)


@pytest.mark.parametrize(
    ("function", "options", "message"),
    [
        (lambda config: 1.0, {}, "must return 2 numbers for each configuration"),
        (lambda config: (1.0, 2.0), {"minimize": [True] * 3}, "minimize has 3 values"),
        (lambda config: (1.0, 2.0), {"method": "nsga2"}, "give NSGA2"),
        (lambda config: (1.0, 2.0), {"num_trials": 0}, "num_trials is 0"),
        (3, {}, "cannot be called"),
    ],
)
def test_searches_that_are_refused(function, options, message):
    arguments = {"num_trials": 8, "key": jax.random.key(0), "method": NSGA2(population=20), **options}
    with pytest.raises(InputError, match=message):
        pareto_search(function, {"x": Uniform(0, 1)}, **arguments)
