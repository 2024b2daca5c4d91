"""Every method learns, repeats itself from its key and survives failed trials; single ones promise more."""

import jax
import numpy as np
import pytest

from nqjax.errors import InputError
from nqjax.search import Choice, DiscreteUniform, LogUniform, Uniform, When
from nqjax.search.objectives import FUNCTIONS
from nqjax.search.optimizers.cube import EncodedSpace
from nqjax.search.optimizers.evolution import CMAES, DifferentialEvolution
from nqjax.search.optimizers.fixed_designs import GridSearch, SobolSearch
from nqjax.search.optimizers.gaussian_process import GaussianProcess
from nqjax.search.optimizers.lockstep import Lockstep, search_keys
from nqjax.search.optimizers.random_search import RandomSearch
from nqjax.search.optimizers.registry import METHODS, as_method, method_settings
from nqjax.search.optimizers.surface_search import SurfaceSearch
from nqjax.search.optimizers.tpe import TPE

#: Small settings, so that programs are small.
QUICK = {
    "random": RandomSearch(),
    "grid": GridSearch(),
    "sobol": SobolSearch(),
    "tpe": TPE(startup=6),
    "gp": GaussianProcess(startup=6, steps=5, candidates=64),
    "cma_es": CMAES(population=6),
    "evolution": DifferentialEvolution(population=6),
    "surface": SurfaceSearch(startup=14, fitted_from=14, every=3),
}

MIXED = {
    "rate": LogUniform(1e-4, 1.0),
    "size": DiscreteUniform(1, 5),
    "kind": Choice("a", "b"),
    "extra": When(lambda c: c["kind"] == "b", Uniform(0.0, 1.0), 0.0),
}


@pytest.fixture(autouse=True)
def _needs_evosax(request):
    method = request.node.callspec.params.get("method", "") if hasattr(request.node, "callspec") else ""
    if method in ("cma_es", "evolution"):
        pytest.importorskip("evosax", reason="evosax is not installed")


def _bowl(configs, bad=()):
    values = np.array([(np.log10(c["rate"]) + 2) ** 2 + 0.1 * (c["size"] - 3) ** 2 + c["extra"] for c in configs])
    values[list(bad)] = np.nan
    return values


def _run(method, trials=18, searches=2, batch=1, space=MIXED, scores=_bowl):
    run = Lockstep(method, EncodedSpace(space), trials, search_keys(jax.random.key(0), range(searches)))
    rows = [[] for _ in range(searches)]
    for _ in range(0, trials, batch):
        asked = run.ask(batch)
        run.tell(np.array([scores(own) for own in asked]))
        for row, own in zip(rows, asked, strict=True):
            row.extend(own)
    return rows


def test_all_methods_are_tested():
    assert set(QUICK) == set(METHODS)
    assert all(as_method(name).name == name for name in METHODS)


@pytest.mark.parametrize("method", QUICK)
def test_configurations_are_of_the_space_and_follow_from_the_key(method):
    rows = _run(QUICK[method])
    space = EncodedSpace(MIXED)
    for row in rows:
        assert len(row) == 18
        for config in row:
            space.encode(config)  # raises for a value outside
    assert rows[0] != rows[1]
    assert _run(QUICK[method]) == rows


@pytest.mark.parametrize("method", QUICK)
def test_failed_trials_stop_nothing(method):
    def half_fail(configs):
        return np.where([c["size"] > 2 for c in configs], np.nan, _bowl(configs))

    rows = _run(QUICK[method], scores=half_fail)
    everything_fails = _run(QUICK[method], scores=lambda configs: np.full(len(configs), np.nan))
    assert all(np.isfinite(c["rate"]) for row in rows + everything_fails for c in row)


# Evolution may draw the same difference of two members twice; the surface asks for five proposals at a time anyway.
@pytest.mark.parametrize("method", [name for name in QUICK if name not in ("evolution", "surface")])
def test_batches_are_of_different_configurations(method):
    space = {"x": Uniform(0.0, 1.0), "y": Uniform(0.0, 1.0)}
    rows = _run(QUICK[method], trials=24, batch=4, space=space, scores=FUNCTIONS["sphere"].values)
    for row in rows:
        assert len({(c["x"], c["y"]) for c in row}) > 0.9 * len(row)


@pytest.mark.parametrize("fails", ["nothing", "half of the space"])
@pytest.mark.parametrize(
    ("method", "names", "trials"),
    [("tpe", "ab", 60), ("gp", "ab", 40), ("surface", "ab", 40), ("cma_es", "abcde", 96), ("evolution", "abcde", 96)],
)
def test_methods_that_learn_beat_random_search(method, names, trials, fails):
    objective, searches = FUNCTIONS["sphere"], 8
    space = {name: objective.space[name] for name in names}

    def scores(configs):
        values = objective.values(configs)
        return np.where([fails != "nothing" and c["b"] > 0.5 for c in configs], np.nan, values)

    best = {}
    for name, one in (("own", QUICK[method]), ("random", RandomSearch())):
        rows = _run(one, trials, searches, space=space, scores=scores)
        best[name] = np.median([np.nanmin(scores(row)) for row in rows])
    assert best["own"] < 0.5 * best["random"]


@pytest.mark.parametrize("method", ["tpe", "gp"])
def test_coordinates_that_a_configuration_does_not_read_change_nothing(method):
    space = EncodedSpace(MIXED)
    cube = space.cube
    one = QUICK[method]
    rng = np.random.default_rng(0)
    u = np.asarray(cube.snap(jax.numpy.asarray(rng.uniform(size=(12, cube.dimension)))))
    configs, active = space.decode(np.asarray(u, np.float64))
    other = np.where(active, u, rng.uniform(size=u.shape))
    points = []
    with jax.enable_x64(True):
        for given in (u, other):
            state = one.init(cube, 20, jax.random.key(1))
            history = state.history.asked(jax.numpy.asarray(0), jax.numpy.asarray(given, float))
            memory = one.memory_of(state.memory, history, jax.numpy.asarray(12))
            state = state._replace(history=history, memory=memory)
            state = one.tell(
                cube, state, jax.numpy.asarray(0), jax.numpy.asarray(active), jax.numpy.asarray(_bowl(configs))
            )
            points.append(np.asarray(one.ask(cube, state, jax.numpy.asarray(12), 1)[1]))
    np.testing.assert_array_equal(*points)


def test_every_second_trial_is_from_the_surface_and_the_process_knows_it(monkeypatch):
    """Batches of three: in even places stand proposals, and the process has them in its history."""
    proposed = []

    def propose(self, space, configs, scores, count, key):
        proposed.extend({"x": 0.001 * (len(proposed) + i), "y": 0.5} for i in range(count))
        assert len(configs) == len(scores)
        return proposed[-count:]

    monkeypatch.setattr(SurfaceSearch, "propose", propose)
    space = {"x": Uniform(0.0, 1.0), "y": Uniform(0.0, 1.0)}
    run = Lockstep(
        SurfaceSearch(startup=4, fitted_from=6, every=2), EncodedSpace(space), 15, search_keys(jax.random.key(0), [0])
    )
    rows = []
    for _ in range(5):
        (asked,) = run.ask(3)
        rows += asked
        run.tell(FUNCTIONS["sphere"].values(asked)[None])
    np.testing.assert_allclose(run._state.history.u[0], [[c["x"], c["y"]] for c in rows], atol=1e-12)
    assert [row in proposed for row in rows] == [i >= 6 and i % 2 == 0 for i in range(15)]
    alone = Lockstep(
        SurfaceSearch(startup=6, fitted_from=6, partner="none"),
        EncodedSpace(space),
        9,
        search_keys(jax.random.key(0), [0]),
    )
    rows = []
    for _ in range(3):
        rows += alone.ask(3)[0]
        alone.tell(np.zeros((1, 3)))
    assert [row in proposed for row in rows] == [i >= 6 for i in range(9)]


@pytest.mark.parametrize(
    ("method", "setting", "word"),
    [
        (SurfaceSearch, {"acquisition": "thomson"}, "choose one of ei, thompson"),
        (SurfaceSearch, {"partner": "GP"}, "choose one of gp, none"),
        (SurfaceSearch, {"every": 0}, "every is 0"),
        (GaussianProcess, {"clip": "regimes"}, "choose one of regime, none"),
        (GaussianProcess, {"acquisition": "EI"}, "choose one of ei, pi, ucb"),
        (GaussianProcess, {"transform": "sqrt"}, "choose one of none, log, rank, power"),
    ],
)
def test_settings_that_mean_nothing_are_refused(method, setting, word):
    with pytest.raises(InputError, match=word):
        method(**setting)


def test_scores_of_a_generation_that_has_ended_are_dropped():
    pytest.importorskip("evosax", reason="evosax is not installed")
    cube, one = EncodedSpace(FUNCTIONS["branin"].space).cube, CMAES(population=6)
    with jax.enable_x64(True):
        first = jax.numpy.asarray(0)
        state, u = one.ask(cube, one.init(cube, 20, jax.random.key(0)), first, 8)
        state = one.tell(cube, state, first, jax.numpy.ones((8, 2), bool), jax.numpy.arange(8.0))
    np.testing.assert_array_equal(state.scores, [6.0, 7.0, np.nan, np.nan, np.nan, np.nan])
    np.testing.assert_allclose(state.points[:2], u[6:])


def test_a_grid_has_every_cell_once():
    rows = _run(
        GridSearch(points=3),
        trials=27,
        searches=1,
        space=FUNCTIONS["sphere"].space | {"d": 0.5, "e": 0.5},
        scores=lambda cs: np.zeros(len(cs)),
    )
    assert len({tuple(c.values()) for c in rows[0]}) == 27
    assert {c["a"] for c in rows[0]} == {0.0, 0.5, 1.0}


def test_sobol_points_are_spread_more_evenly_than_random_ones():
    from scipy.stats import qmc

    space = {"x": Uniform(0.0, 1.0), "y": Uniform(0.0, 1.0)}
    discrepancy = {}
    for name, one in (("sobol", SobolSearch()), ("random", RandomSearch())):
        rows = _run(one, 64, 5, space=space, scores=lambda cs: np.zeros(len(cs)))
        discrepancy[name] = [qmc.discrepancy([[c["x"], c["y"]] for c in row]) for row in rows]
    assert max(discrepancy["sobol"]) < min(discrepancy["random"])


def test_settings_are_named():
    assert method_settings(TPE(startup=3)) == {"method": "tpe", "startup": 3, "candidates": 24, "good_share": 0.1}


@pytest.mark.parametrize(("method", "word"), [("tpee", "did you mean 'tpe'"), (TPE, "an instance"), (3, "give one of")])
def test_unknown_methods_are_refused(method, word):
    with pytest.raises(InputError, match=word):
        as_method(method)
