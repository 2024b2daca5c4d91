"""Earlier trials: what a method makes of them, what it does not, and priors that do not fit."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import nqjax
from nqjax.errors import InputError
from nqjax.search import (
    TPE,
    Choice,
    DiscreteUniform,
    EarlierTrials,
    Function,
    GaussianProcess,
    LogUniform,
    SurfaceSearch,
    Uniform,
    When,
    replicate,
    run,
)
from nqjax.search.objectives import FUNCTIONS
from nqjax.search.optimizers.cube import EncodedSpace, TwoTasks
from nqjax.search.optimizers.lockstep import Lockstep, search_keys
from nqjax.search.optimizers.method import History, KeyedHistory
from nqjax.search.optimizers.warm_start import levelled
from nqjax.search.prior import as_prior, encoded, fingerprint
from nqjax.search.space import describe
from support.short_line import Line

KEY = jax.random.key(0)
SPACE = {
    "rate": LogUniform(1e-4, 1.0),
    "size": DiscreteUniform(1, 5),
    "kind": Choice("a", "b"),
    "extra": When(lambda c: c["kind"] == "b", Uniform(0.0, 1.0), 0.0),
    "fixed": 3,
}


def _rows(count, seed=0):
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(count):
        kind = str(rng.choice(["a", "b"]))
        row = {"rate": float(10 ** rng.uniform(-4, 0)), "size": int(rng.integers(1, 6)), "kind": kind}
        rows.append(row | ({"extra": float(rng.random())} if kind == "b" else {}))
    return rows


def _bowl(c):
    return (np.log10(c["rate"]) + 2) ** 2 + 0.1 * (c["size"] - 3) ** 2 + c.get("extra", 0)


def _square(shift=0.0, **options):
    return Function(lambda c: (c["x"] - 0.3) ** 2 + shift, {"x": Uniform(-1, 1)}, name="square", **options)


def _line(count=21, scale="values"):
    x = np.linspace(-1, 1, count).tolist()
    return EarlierTrials([{"x": v} for v in x], [(v - 0.3) ** 2 for v in x], scale=scale)


def test_the_history_is_that_of_one_search_with_all_trials():
    """TPE with a prior proposes what its own formula does after the same trials, given the key of the new trial."""
    space = EncodedSpace(SPACE)
    rows = _rows(12)
    prior = encoded(EarlierTrials(rows, [_bowl(row) for row in rows], scale="values"), space)
    ((config,),) = Lockstep(TPE(), space, 20, search_keys(KEY, [0]), prior).ask(1)
    rest = np.zeros((20, 4))
    with jax.enable_x64(True):
        u, scores = np.concatenate([prior.u, rest]), np.append(prior.scores, np.full(20, np.inf))
        active, told = np.concatenate([prior.active, rest == 0]), np.arange(32) < 12
        history = History(*map(jnp.asarray, (u, active, scores, told)))
        key = jax.random.fold_in(search_keys(KEY, [0])[0], 0)
        memory = TPE().memory_of(None, history, jnp.asarray(12))
        point = jax.jit(lambda *state: TPE().suggest(space.cube, KeyedHistory(*state), jnp.asarray(12), key)[1])(
            key, history, memory
        )
        point = np.asarray(space.cube.snap(point))
    (expected,), _ = space.decode(point[None])
    assert config["kind"] == expected["kind"]
    assert [config[n] for n in ("rate", "size", "extra")] == pytest.approx(
        [expected[n] for n in ("rate", "size", "extra")], rel=1e-9
    )


def test_places_do_not_depend_on_either_scale():
    runs = [
        replicate(_square(shift), ["tpe"], replications=2, num_trials=8, key=KEY, prior=prior).scores["tpe"] - shift
        for shift, prior in (
            (0.0, _line(scale="ranks")),
            (1024.0, EarlierTrials(_line().configs, [np.exp(9 * s) for s in _line().scores])),
        )
    ]
    np.testing.assert_allclose(*runs, atol=1e-9)
    assert runs[0].min() < 0.05


def test_own_places_stand_at_the_level_of_their_neighbours():
    rng = np.random.default_rng(1)
    u = rng.random((40, 2))
    scores = np.sum((u - 0.5) ** 2, axis=1)
    own = 0.5 + 0.02 * rng.standard_normal((6, 2))
    with jax.enable_x64(True):
        history = History(
            jnp.asarray(np.concatenate([u, own])),
            jnp.ones((46, 2), bool),
            jnp.asarray(np.concatenate([scores, 1000 + np.sum((own - 0.5) ** 2, axis=1)])),
            jnp.ones(46, bool),
        )
        found = np.asarray(levelled(history, jnp.asarray(40)).scores)
    assert np.array_equal(np.argsort(found[:40]), np.argsort(scores))
    assert found[:40].mean() == pytest.approx(0, abs=1e-9)
    nearest = [np.mean(found[:40][np.argsort(np.sum((u - p) ** 2, axis=1))[:5]]) for p in own]
    assert found[40:].mean() == pytest.approx(np.mean(nearest), abs=1e-9)
    assert found[40:].mean() < -0.5


@pytest.mark.parametrize("scale", ["values", pytest.param("ranks", marks=pytest.mark.slow)])
def test_surface_learns_from_earlier_trials(scale):
    runs = replicate(
        FUNCTIONS["sphere"], [SurfaceSearch(startup=20)], replications=1, num_trials=5, key=KEY, prior=_sphere(scale)
    )
    assert runs.scores["surface"].min() < 0.08  # of 5 random trials the best is above 0.1 in 93 %


def _sphere(scale):
    u = np.random.default_rng(0).random((40, 5))
    return EarlierTrials(
        [dict(zip("abcde", p.tolist(), strict=True)) for p in u], ((u - 0.4) ** 2).sum(axis=1), scale=scale
    )


@pytest.mark.parametrize("method", ["cma_es", "evolution"])
def test_generations_start_from_the_best_trial(method):
    pytest.importorskip("evosax", reason="evosax is not installed")
    point = dict.fromkeys("abcde", 0.4)
    prior = EarlierTrials([dict.fromkeys("abcde", 0.9), point], [1.0, 0.0])
    scores = [
        replicate(FUNCTIONS["sphere"], [method], replications=3, num_trials=8, key=KEY, prior=own).scores[method]
        for own in (None, prior)
    ]
    assert scores[1].min() < 1e-12 if method == "evolution" else scores[1].mean() < scores[0].mean()


def test_random_numbers_do_not_depend_on_the_prior():
    """With a start longer than the prior, the trials that stay random are those of a search without it."""
    options = {"replications": 2, "num_trials": 8, "key": KEY}
    plain = replicate(_square(), {"tpe": TPE(startup=20)}, **options).scores["tpe"]
    warm = replicate(_square(), {"tpe": TPE(startup=20)}, prior=_line(12), **options).scores["tpe"]
    np.testing.assert_array_equal(warm, plain)


def test_a_gaussian_process_tells_tasks_apart():
    """Two earlier trials are not enough for its start, which is random; after that all are of the searched task."""
    cube = TwoTasks.of(EncodedSpace({"x": Uniform(-1, 1), "k": Choice(1, 2)}).cube)
    snapped = np.asarray(cube.snap(jnp.array([[0.3, 0.1, 0.1], [0.2, 0.9, 0.9]])))
    np.testing.assert_allclose(snapped, [[0.3, 0.25, 0.75], [0.2, 0.75, 0.75]])
    assert np.asarray(cube.tasks(jnp.array([True, False]))).tolist() == [0.25, 0.75]
    small = {"gp": GaussianProcess(startup=6, steps=3, candidates=32)}
    options = {"replications": 2, "num_trials": 10, "key": KEY}
    plain = replicate(_square(), ["random"], **options).scores["random"]
    warm = replicate(_square(), small, prior=_line(2, scale="ranks"), **options).scores["gp"]
    np.testing.assert_array_equal(warm[:, :4], plain[:, :4])
    assert (warm[:, 4:] != plain[:, 4:]).any()
    assert warm.min(axis=1).max() < 0.05


def test_a_search_goes_on_with_the_same_prior_only(tmp_path):
    earlier = run(Line(), num_trials=16, key=jax.random.key(1), out=tmp_path / "prior.jsonl")
    options = {"num_trials": 16, "method": "tpe", "batch": 8, "key": KEY}
    whole = run(Line(), prior=earlier, **options)
    path = tmp_path / "trials.jsonl"
    run(Line(), prior=tmp_path / "prior.jsonl", out=path, **options)
    table = path.read_bytes()
    lines = table.splitlines(keepends=True)
    assert len(lines) == 17  # the header, and no earlier trial
    path.write_bytes(b"".join(lines[:12]) + lines[12][:9])  # killed in the second batch
    again = run(Line(), prior=earlier, out=path, **options)
    np.testing.assert_array_equal(again.scores, whole.scores)
    assert path.read_bytes() == table
    other = run(Line(), num_trials=16, key=jax.random.key(2))
    with pytest.raises(InputError, match=r"sampling\.prior\.sha256"):
        run(Line(), prior=other, out=path, **options)
    with pytest.raises(InputError, match=r"sampling\.prior\.trials = 16"):
        run(Line(), out=path, **options)
    header = json.loads(lines[0])["nqjax_search"]["settings"]["sampling"]["prior"]
    assert header["trials"] == 16
    assert header["scale"] == "values"


def test_the_file_of_replications_has_the_prior(tmp_path):
    path = tmp_path / "runs.jsonl"
    options = {"replications": 1, "num_trials": 4, "key": KEY, "out": path}
    replicate(_square(), ["tpe"], prior=_line(), **options)
    with pytest.raises(InputError, match="prior"):
        replicate(_square(), ["tpe"], **options)


def test_studies_and_tables_are_read(tmp_path):
    space = EncodedSpace(SPACE)
    rows = [{**row, "loss": _bowl(row)} for row in _rows(20)]
    path = tmp_path / "study.csv"
    names = ["rate", "size", "kind", "extra", "loss"]
    titles = ["params_rate", "params_size", "params_kind", "params_extra", "loss"]
    path.write_text("\n".join([",".join(titles), *(",".join(str(r.get(n, "")) for n in names) for r in rows)]))
    settings = {"score": "loss", "minimize": True, "space": SPACE}
    by_hand = encoded(EarlierTrials(_rows(20), [row["loss"] for row in rows]), space)
    for source in (path, nqjax.read_study(str(path), "loss")):
        found = encoded(as_prior(source, settings), space)
        np.testing.assert_allclose(found.u, by_hand.u)
        np.testing.assert_array_equal(found.active, by_hand.active)
        assert found.by_ranks
    assert fingerprint(found, space) == fingerprint(by_hand, space)


def test_what_was_fixed_may_be_searched_and_the_other_way_round():
    earlier = run(Line(), {"rate": LogUniform(0.01, 0.5), "start": 0.5}, num_trials=4, key=KEY)
    settings = {**earlier.settings, "space": describe(Line.space)}
    found = encoded(as_prior(earlier, settings), EncodedSpace(Line.space))
    np.testing.assert_allclose(found.u[:, 1], 0.75)
    narrow = {"rate": LogUniform(0.01, 0.5), "start": 0.25}
    with pytest.raises(InputError, match=r"no earlier trial.*start is 0\.5"):
        encoded(as_prior(earlier, {**settings, "space": describe(narrow)}), EncodedSpace(narrow))


def test_maximising_turns_the_scores():
    space = EncodedSpace({"x": Uniform(-1, 1)})
    up = encoded(EarlierTrials([{"x": 0.0}, {"x": 0.5}, {"x": 0.2}], [1.0, 3.0, np.nan], minimize=False), space)
    np.testing.assert_array_equal(up.scores, [-1.0, -3.0, np.inf])
    np.testing.assert_array_equal(up.best, [0.75])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": None}, "trial 1 of the prior lacks the hyperparameter 'kind'"),
        ({"speed": 2}, "has the hyperparameter 'speed', which the space lacks"),
    ],
)
def test_priors_of_other_hyperparameters_are_refused(change, message):
    rows = _rows(3)
    rows[1] = {name: value for name, value in {**rows[1], **change}.items() if value is not None}
    with pytest.raises(InputError, match=message):
        encoded(EarlierTrials(rows, [1.0, 2.0, 3.0]), EncodedSpace(SPACE))


@pytest.mark.parametrize("change", [{"rate": 2.0}, {"size": 6}, {"size": 2.5}, {"kind": "c"}, {"fixed": 4}])
def test_trials_outside_the_space_are_left_out_with_a_warning(change):
    rows = _rows(3)
    rows[1].update(change)
    name, value = next(iter(change.items()))
    with pytest.warns(UserWarning, match=f"1 of 3 earlier trials lie outside.*{name} is {value!r} in trial 1"):
        found = encoded(EarlierTrials(rows, [1.0, 2.0, 3.0]), EncodedSpace(SPACE))
    np.testing.assert_array_equal(found.scores, [1.0, 3.0])
    with pytest.raises(InputError, match="no earlier trial"):
        encoded(EarlierTrials([rows[1]], [1.0]), EncodedSpace(SPACE))


def test_methods_that_do_not_learn_are_refused():
    for options in ({}, {"method": "sobol"}, {"method": "hyperband"}, {"grid": 2}):
        with pytest.raises(InputError, match="takes no earlier trials"):
            run(Line(), num_trials=4, key=KEY, prior=[], **options)
    many = EarlierTrials([{"x": 0.0}] * 600, np.zeros(600))
    with pytest.raises(InputError, match="gp takes 512 at most"):
        replicate(_square(), ["gp"], replications=1, num_trials=2, key=KEY, prior=many)


def test_invalid_priors():
    with pytest.raises(InputError, match="give one each"):
        EarlierTrials([{"x": 0.0}], [1.0, 2.0])
    with pytest.raises(InputError, match="no trial with a score"):
        EarlierTrials([{"x": 0.0}], [np.nan])
    with pytest.raises(InputError, match="'values' or 'ranks'"):
        EarlierTrials([{"x": 0.0}], [1.0], scale="same")
