"""Ray Tune: a trainable by hand, and a run of its own with two workers."""

import doctest

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nqjax.errors import InputError
from nqjax.search import Arrays, Choice, Derived, DiscreteUniform, LogUniform, Task, Uniform, When

pytest.importorskip("ray.tune", reason="Ray Tune is not installed")
from nqjax.integrations.ray import complete, param_space, trainable

pytestmark = pytest.mark.filterwarnings("ignore")  # Ray's own

KEY = jax.random.key(0)
CONFIG = {"rate": 0.05, "length": 4, "width": 2}


class Line(Task):
    """Descends a line with noise from its keys; its shapes follow from ``width``."""

    name, score, static = "line", "error", ("width",)
    space = {  # noqa: RUF012
        "rate": LogUniform(0.01, 0.5),
        "length": DiscreteUniform(1, 4),
        "width": Choice(2, 3),
        "half": Derived(lambda c: c["rate"] / 2),
    }
    train = valid = Arrays(x=[1.0, 2.0, 3.0])

    def batch_size(self, config):
        return 1

    def num_rounds(self, config):
        return config["length"]

    def init(self, config, key):
        return jax.random.normal(key, (config["width"],))

    def step(self, state, config, batch, key):
        loss, slope = jax.value_and_grad(lambda w: jnp.mean((w * batch["x"] - 1) ** 2))(state)
        return state - config["half"] * slope + 0.01 * jax.random.normal(key, state.shape), loss

    def evaluate(self, state, config, batch):
        return {"error": (state.mean() * batch["x"] - 1) ** 2}


class Diverging(Line):
    def step(self, state, config, batch, key):
        return state * jnp.inf, jnp.float32(1)


def _steps(one, count):
    return [one.step()["error"] for _ in range(count)]


@pytest.fixture(scope="module")
def kind():
    return trainable(Line(), key=KEY)


def test_a_trial_has_its_rounds_and_ends(kind):
    one = kind(dict(CONFIG))
    found = [one.step() for _ in range(4)]
    assert [row["done"] for row in found] == [False, False, False, True]
    assert not any(row["failed"] for row in found)
    assert set(found[0]) == {"train_loss", "error", "failed", "done"}
    assert _steps(kind(dict(CONFIG)), 4) == [row["error"] for row in found]
    assert _steps(kind({**CONFIG, "seed": 1}), 4) != [row["error"] for row in found]


def test_a_checkpoint_goes_on_bit_for_bit(kind):
    whole = _steps(kind(dict(CONFIG)), 4)
    one = kind(dict(CONFIG))
    assert _steps(one, 2) == whole[:2]
    saved = one.save_checkpoint("")
    other = kind({**CONFIG, "rate": 0.2})
    _steps(other, 1)
    assert other.reset_config(dict(CONFIG))
    other.load_checkpoint(saved)
    found = [other.step() for _ in range(2)]
    assert [row["error"] for row in found] == whole[2:]
    assert found[-1]["done"]
    assert one.step()["error"] == whole[2]  # saving has changed nothing


def test_a_state_goes_on_with_other_hyperparameters(kind):
    """Population-based training gives a trial the winner's state and keeps its own rate."""
    winner = kind(dict(CONFIG))
    _steps(winner, 2)
    loser = kind({**CONFIG, "rate": 0.3})
    loser.load_checkpoint(winner.save_checkpoint(""))
    assert loser.step()["error"] != winner.step()["error"]
    wide = kind({**CONFIG, "width": 3})
    with pytest.raises(InputError, match="other shapes"):
        wide.load_checkpoint(winner.save_checkpoint(""))


def test_a_failed_trial_has_the_worst_score():
    for minimize in (True, False):
        task = Diverging()
        task.minimize = minimize
        found = trainable(task)(dict(CONFIG)).step()
        assert found["failed"]
        assert found["done"]
        assert found["error"] == (np.inf if minimize else -np.inf)


def test_spaces_in_rays_terms():
    space = {
        **Line.space,
        "epochs": 3,
        "extra": When(lambda c: c["width"] == 3, Uniform(1.0, 2.0), 0.0),
    }
    rays = param_space(space)
    assert set(rays) == {"rate", "length", "width", "extra"}
    draws = [rays["length"].sample() for _ in range(100)]
    assert set(draws) == {1, 2, 3, 4}
    assert complete(space, {**CONFIG, "extra": 1.5, "width": 3})["extra"] == 1.5
    full = complete(space, {**CONFIG, "extra": 1.5})
    assert (full["extra"], full["epochs"], full["half"]) == (0.0, 3, 0.025)
    with pytest.raises(InputError, match="lacks 'rate'"):
        complete(space, {"length": 1, "width": 2})
    with pytest.raises(InputError, match="no hyperparameter 'speed'"):
        complete(space, {**CONFIG, "speed": 2})
    with pytest.raises(InputError, match="both branches"):
        param_space({"x": When(lambda c: True, Uniform(0, 1), Uniform(1, 2))})


def test_the_examples_run():
    from nqjax.integrations import ray as module

    found = doctest.testmod(module)
    assert found.attempted > 3
    assert not found.failed


@pytest.mark.slow
@pytest.mark.parametrize("scheduler", ["asha", "pbt"])
def test_tune_runs_it_with_two_workers(scheduler, tmp_path, monkeypatch):
    import ray
    from ray import tune
    from ray.tune.schedulers import ASHAScheduler, PopulationBasedTraining

    monkeypatch.setenv("RAY_AIR_NEW_OUTPUT", "0")
    # The class of the task is in this file, which workers do not import: cloudpickle sends it by value.
    ray.cloudpickle.register_pickle_by_value(__import__(__name__))
    ray.init(num_cpus=2, include_dashboard=False, configure_logging=False)
    try:
        if scheduler == "asha":
            chosen = ASHAScheduler(max_t=4, grace_period=1, reduction_factor=2)
        else:
            chosen = PopulationBasedTraining(
                time_attr="training_iteration",
                perturbation_interval=2,
                hyperparam_mutations={"rate": tune.loguniform(0.01, 0.5)},
            )
        tuner = tune.Tuner(
            trainable(Line, key=KEY),
            param_space={**param_space(Line.space), "length": 4, "width": 2},
            tune_config=tune.TuneConfig(
                metric="error", mode="min", num_samples=6, scheduler=chosen, max_concurrent_trials=2
            ),
            run_config=tune.RunConfig(storage_path=str(tmp_path), name="line", verbose=0),
        )
        grid = tuner.fit()
    finally:
        ray.shutdown()
    assert not grid.errors
    assert len(grid) == 6
    rounds = [result.metrics["training_iteration"] for result in grid]
    assert max(rounds) == 4
    best = grid.get_best_result()
    if scheduler == "asha":  # the numbers are those of a trial by hand
        assert min(rounds) < 4
        again = _steps(trainable(Line(), key=KEY)(best.config), best.metrics["training_iteration"])
        assert best.metrics["error"] == pytest.approx(again[-1], rel=1e-5)
