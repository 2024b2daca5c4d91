"""Hypergradients against central differences, closed forms and each other; and where they are refused."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nqjax.errors import InputError
from nqjax.search import Choice, LogUniform, Training, Uniform, hypergradient, run
from nqjax.search.gradients import unrolled
from nqjax.search.gradients.result import summarize
from nqjax.search.gradients.training import split, steps_of
from nqjax.search.gradients.unrolled import scores_of
from support.tiny_task import Line, StreamedLine

_RNG = np.random.default_rng(0)
_X = _RNG.normal(size=(40, 5))
_Y = np.sin(_X @ _RNG.normal(size=5)) + 0.1 * _RNG.normal(size=40)
_X_VALID = _RNG.normal(size=(30, 5))
_Y_VALID = np.sin(_X_VALID.sum(axis=1))

_SPACE = {"rate": LogUniform(1e-3, 10), "momentum": Uniform(0, 0.99), "decay": LogUniform(1e-6, 10), "width": 8}
_CONFIG = {"rate": 0.05, "momentum": 0.8, "decay": 1e-2, "width": 8}


def _network(params, x):
    return jnp.tanh(x @ params["hidden"]) @ params["last"]


def _network_loss(params, x, y):
    return jnp.mean((_network(params, x) - y) ** 2)


def _network_init(config, key):
    first, second = jax.random.split(key)
    params = {
        "hidden": jax.random.normal(first, (5, config["width"])) / 2,
        "last": jax.random.normal(second, (config["width"],)) / 2,
    }
    return params, jax.tree.map(jnp.zeros_like, params)


def _network_step(state, config, key, number):
    params, momentum = state
    batch = jax.random.choice(key, 40, (10,))

    def loss(p):
        return _network_loss(p, jnp.asarray(_X)[batch], jnp.asarray(_Y)[batch])

    slope = jax.grad(loss)(params)
    rate = config["rate"] * (1 - number / 40)
    momentum = jax.tree.map(lambda m, g, p: config["momentum"] * m + g + config["decay"] * p, momentum, slope, params)
    return jax.tree.map(lambda p, m: p - rate * m, params, momentum), momentum


#: A network whose training has batches, momentum and a schedule.
NETWORK = Training(
    space=_SPACE,
    num_steps=40,
    init=_network_init,
    step=_network_step,
    score=lambda state, config: _network_loss(state[0], _X_VALID, _Y_VALID),
)


def _central(training, config, name, log, keys, step=1e-4):
    ends = []
    for sign in (1, -1):
        value = config[name] * np.exp(sign * step) if log else config[name] + sign * step
        changed = {**config, name: float(value)}
        ends.append(scores_of(steps_of(training, changed), split(training, changed)[0], keys))
    return (ends[0] - ends[1]) / (2 * step)


def _keys(seeds):
    return jax.vmap(lambda i: jax.random.fold_in(jax.random.key(0), i))(jnp.arange(seeds, dtype=jnp.uint32))


@pytest.mark.usefixtures("x64")
def test_unrolled_derivatives_are_central_differences():
    found = hypergradient(NETWORK, _CONFIG, key=jax.random.key(0), seeds=8)
    assert found.names == ("rate", "momentum", "decay")
    assert [one.scale for one in found.derivatives] == ["log", "linear", "log"]
    for place, name in enumerate(found.names):
        expected = _central(NETWORK, _CONFIG, name, name != "momentum", _keys(8))
        np.testing.assert_allclose(found.by_seed[:, place], expected, rtol=1e-3)
        assert found[name].mean == pytest.approx(expected.mean(), rel=1e-3)
        assert found[name].median == pytest.approx(np.median(expected), rel=1e-3)
        assert found[name].standard_error == pytest.approx(expected.std(ddof=1) / np.sqrt(8), rel=1e-3)
    assert found["rate"].reliable
    assert found["rate"].gradient == found["rate"].mean
    assert found.gradient.shape == found.reliable.shape == (3,)


def test_the_cost_is_the_time_of_the_derivatives_in_trainings(monkeypatch):
    """The clock is a fake: on a loaded machine a small program may take any time."""
    seconds = iter([6.0, 2.0])
    monkeypatch.setattr(unrolled, "timed", lambda program, *values: (next(seconds), jax.device_get(program(*values))))
    found = hypergradient(NETWORK, _CONFIG, key=jax.random.key(0), seeds=8)
    assert found.cost == 3.0
    assert "cost 3.0 plain trainings" in str(found)


def test_the_time_of_a_program_is_its_shortest(monkeypatch):
    ticks = iter([0.0, 0.2, 1.0, 1.05, 2.0, 2.1])
    monkeypatch.setattr(unrolled, "time", SimpleNamespace(perf_counter=lambda: next(ticks)))
    took, result = unrolled.timed(lambda x: x + 1, jnp.ones(()))
    assert took == pytest.approx(0.05)
    assert result == 2.0


def test_an_unstable_training_is_refused():
    found = hypergradient(NETWORK, {**_CONFIG, "rate": 1.2, "momentum": 0.95}, key=jax.random.key(0))
    assert not found.reliable.any()
    assert np.isnan(found.gradient).all()
    assert all(one.refused and one.reason.startswith("refused: ") for one in found.derivatives)
    assert "refused" in str(found)


def test_seeds_train_as_the_trials_of_a_search():
    config = {"learning_rate": 0.1, "epochs": 3, "batch_size": 4, "noise": 0.05}
    line = Line()
    trials = run(line, num_trials=5, key=jax.random.key(3), space=config)
    found = hypergradient(line, config, key=jax.random.key(3), seeds=5)
    last = [row["curve"]["val_loss"][-1] for row in trials.rows]
    np.testing.assert_allclose(found.scores, last, rtol=1e-5)
    assert found.names == ("learning_rate", "noise")
    expected = [_central(line, config, name, name != "noise", trial_keys(5), 1e-2) for name in found.names]
    np.testing.assert_allclose(found.by_seed, np.transpose(expected), rtol=0.02, atol=2e-4)


def trial_keys(seeds):
    return jax.vmap(lambda i: jax.random.fold_in(jax.random.key(3), i))(jnp.arange(seeds, dtype=jnp.uint32))


def _logistic(params, decay):
    margin = jnp.where(jnp.asarray(_Y) > 0, 1, -1) * (jnp.asarray(_X) @ params)
    return jnp.mean(jax.nn.softplus(-margin)) + 0.5 * decay * params @ params


def _logistic_training(steps):
    return Training(
        space={"rate": LogUniform(1e-3, 10), "decay": LogUniform(1e-6, 10)},
        num_steps=steps,
        init=lambda config, key: jax.random.normal(key, (5,)),
        step=lambda w, config, key, number: w - config["rate"] * jax.grad(_logistic)(w, config["decay"]),
        score=lambda w, config: jnp.mean(jax.nn.softplus(-jnp.where(_Y_VALID > 0, 1, -1) * (_X_VALID @ w))),
        objective=lambda w, config: _logistic(w, config["decay"]),
        regularizers=("decay",),
    )


def test_implicit_is_unrolled_where_training_has_converged():
    config = {"rate": 1.0, "decay": 0.05}
    training = _logistic_training(400)
    whole = hypergradient(training, config, key=jax.random.key(0), names="decay", seeds=4)
    optimum = hypergradient(training, config, key=jax.random.key(0), method="implicit", seeds=4)
    assert optimum.names == ("decay",)
    assert optimum["decay"].gradient == pytest.approx(whole["decay"].gradient, rel=0.01)
    assert optimum["decay"].reliable
    assert abs(optimum["decay"].gradient) > 1e-3


def _jumping(state, config):
    """Return a score with a slope of -1 and jumps of 1 up after each tenth, which no derivative sees."""
    return jnp.floor(10 * state) / 5 - state


@pytest.mark.parametrize(("score", "refused"), [(_jumping, True), (lambda state, config: -state, False)])
def test_central_differences_find_jumps(score, refused):
    training = Training(
        space={"x": Uniform(0, 100)},
        num_steps=1,
        init=lambda config, key: jax.random.uniform(key),
        step=lambda state, config, key, number: state + config["x"],
        score=score,
    )
    with jax.enable_x64(True):
        plain = hypergradient(training, {"x": 30.0}, key=jax.random.key(0))["x"]
        checked = hypergradient(training, {"x": 30.0}, key=jax.random.key(0), check=True)["x"]
    assert plain.reliable
    assert plain.gradient == pytest.approx(-1)
    assert np.isnan(plain.central_difference)
    assert checked.refused == refused
    assert checked.central_difference == pytest.approx(1 if refused else -1, abs=0.1)
    assert ("jumps" in checked.reason) == refused


@pytest.mark.usefixtures("x64")
def test_central_differences_of_a_smooth_training_agree():
    found = hypergradient(NETWORK, _CONFIG, key=jax.random.key(0), seeds=8, check=True)
    for one in found.derivatives:
        assert not one.refused
        assert one.central_difference == pytest.approx(one.gradient, rel=0.05)


@pytest.mark.usefixtures("x64")
def test_implicit_derivative_of_ridge_regression_is_the_closed_form():
    decay = 0.3

    def objective(w, config):
        return 0.5 * jnp.mean((jnp.asarray(_X) @ w - jnp.asarray(_Y)) ** 2) + 0.5 * config["decay"] * w @ w

    training = Training(
        space={"decay": LogUniform(1e-6, 10)},
        num_steps=300,
        init=lambda config, key: jnp.zeros(5),
        step=lambda w, config, key, number: w - 0.4 * jax.grad(objective)(w, config),
        score=lambda w, config: jnp.mean((jnp.asarray(_X_VALID) @ w - jnp.asarray(_Y_VALID)) ** 2),
        objective=objective,
        regularizers=("decay",),
    )
    found = hypergradient(training, {"decay": decay}, key=jax.random.key(0), method="implicit", seeds=4, damping=0.0)
    bent = _X.T @ _X / 40 + decay * np.eye(5)
    w = np.linalg.solve(bent, _X.T @ _Y / 40)
    by_w = 2 * _X_VALID.T @ (_X_VALID @ w - _Y_VALID) / 30
    assert found["decay"].gradient == pytest.approx(-decay * by_w @ np.linalg.solve(bent, w), rel=1e-4)


def test_implicit_is_refused_where_training_has_not_converged():
    found = hypergradient(
        _logistic_training(5), {"rate": 0.1, "decay": 0.05}, key=jax.random.key(0), method="implicit", seeds=4
    )
    assert "has not converged" in found["decay"].reason
    assert np.isnan(found["decay"].gradient)


def test_implicit_is_refused_at_a_saddle():
    training = Training(
        space={"decay": LogUniform(1e-3, 1)},
        num_steps=1,
        init=lambda config, key: jnp.array([1.0, 0.0]),  # a minimum along one axis, a maximum along the other
        step=lambda w, config, key, number: w,
        score=lambda w, config: w[0] + w[1],
        objective=lambda w, config: (
            (1 + config["decay"]) * (w[0] - 1) ** 2 + config["decay"] * w[0] - 0.1 * w[0] - w[1] ** 2
        ),
        regularizers=("decay",),
    )
    found = hypergradient(training, {"decay": 0.1}, key=jax.random.key(0), method="implicit", seeds=4)
    assert "curvature is negative" in found["decay"].reason


def test_the_rule_accepts_ordinary_seeds_and_refuses_a_dominant_one():
    rng = np.random.default_rng(0)
    normal = [summarize("a", "log", rng.normal(3, 1, 16)) for _ in range(500)]
    assert not any(one.refused for one in normal)
    noise = [summarize("a", "log", rng.normal(0, 1, 16)) for _ in range(500)]
    assert sum(one.refused for one in noise) <= 5
    assert sum(one.reliable for one in noise) < 60  # two standard errors of 15 degrees of freedom: 6 %
    assert summarize("a", "log", np.append(rng.normal(0, 1, 15), 1e3)).refused
    assert summarize("a", "log", np.append(rng.normal(3, 1, 15), -1e9)).refused
    nearly_equal = summarize("a", "log", np.append(np.full(15, 2.0), 2.1))
    assert nearly_equal.reliable
    assert summarize("a", "log", np.full(8, 2.0)).signal_to_noise == np.inf
    assert "1 of 8 seeds" in summarize("a", "log", np.append(np.ones(7), np.inf)).reason
    assert "exactly 0" in summarize("a", "log", np.zeros(8)).reason


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"config": {"rate": 0.1}}, "lacks 'momentum'"),
        ({"config": {**_CONFIG, "rate": float("nan")}}, "rate: nan"),
        ({"config": {**_CONFIG, "rate": 0.0}}, "rate is 0: its logarithm needs a value above 0"),
        ({"config": 3}, "config must be a mapping"),
        ({"method": "forward"}, "there is no method 'forward'"),
        ({"method": "implicit"}, "needs the objective"),
        ({"names": ["width"]}, "cannot be differentiated by 'width'"),
        ({"names": []}, "no hyperparameter to differentiate by"),
        ({"seeds": 3}, "seeds is 3: give at least 4"),
        ({"damping": -1}, "damping is -1"),
        ({"key": 3}, "key must be one JAX random key"),
    ],
)
def test_faults_are_one_line(options, message):
    arguments = {"config": _CONFIG, "key": jax.random.key(0), **options}
    with pytest.raises(InputError, match=message):
        hypergradient(NETWORK, **arguments)


def test_seeds_that_do_not_fit_the_memory_follow_each_other(monkeypatch):
    training = _logistic_training(20)  # its states take 400 bytes a seed, and as much on the way back
    config = {"rate": 0.5, "decay": 0.1}
    whole = hypergradient(training, config, key=jax.random.key(0), seeds=8)
    monkeypatch.setattr("nqjax.search.gradients.unrolled.free", lambda device: 2500)
    parts = hypergradient(training, config, key=jax.random.key(0), seeds=8)
    np.testing.assert_allclose(parts.by_seed, whole.by_seed, rtol=1e-4)
    np.testing.assert_allclose(parts.scores, whole.scores, rtol=1e-5)
    widths = [name[2] for (name, _) in next(iter(training._steps.values())).programs if name[0] == "slopes"]
    assert widths == [8, 3]
    monkeypatch.setattr("nqjax.search.gradients.unrolled.free", lambda device: 500)
    with pytest.raises(InputError, match="which the memory does not hold"):
        hypergradient(training, config, key=jax.random.key(0), seeds=8)


def test_whole_numbers_are_values_of_continuous_hyperparameters():
    training = _logistic_training(20)
    whole, number = (hypergradient(training, {"rate": r, "decay": 1}, key=jax.random.key(0), seeds=4) for r in (1, 1.0))
    np.testing.assert_array_equal(whole.by_seed, number.by_seed)
    with pytest.raises(InputError, match="rate is 'fast': give a finite number"):
        hypergradient(training, {"rate": "fast", "decay": 1}, key=jax.random.key(0))


@pytest.mark.parametrize("name", ["rate", ["rate", "decay"]])
def test_implicit_knows_no_learning_rate(name):
    with pytest.raises(InputError, match="the optimum does not depend on rate"):
        hypergradient(
            _logistic_training(5), {"rate": 0.1, "decay": 0.1}, key=jax.random.key(0), method="implicit", names=name
        )


def test_tasks_that_cannot_be_differentiated():
    config = {"learning_rate": 0.1, "epochs": 3, "batch_size": 4, "noise": 0.05}
    with pytest.raises(InputError, match="are a stream"):
        hypergradient(StreamedLine(), config, key=jax.random.key(0))
    training = Training({"kind": Choice("a", "b")}, 1, NETWORK.init, NETWORK.step, NETWORK.score)
    with pytest.raises(InputError, match="no hyperparameter to differentiate"):
        hypergradient(training, {"kind": "a"}, key=jax.random.key(0))
    with pytest.raises(InputError, match="score of the training is not a function"):
        Training(_SPACE, 1, NETWORK.init, NETWORK.step, None)
    with pytest.raises(InputError, match="'decoy' is not in the space"):
        Training(_SPACE, 1, NETWORK.init, NETWORK.step, NETWORK.score, regularizers=("decoy",))


def test_a_name_is_no_task():
    with pytest.raises(InputError, match=r"give one such as nqjax\.search\.load"):
        hypergradient("digits-mlp", {}, key=jax.random.key(0))
