"""Optuna in both directions."""

import multiprocessing

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nqjax.errors import InputError
from nqjax.search import Arrays, Choice, DiscreteUniform, LogUniform, Task, Uniform, When

optuna = pytest.importorskip("optuna", reason="Optuna is not installed")
from nqjax.integrations.optuna import NqjaxSampler, optimize  # noqa: E402 - it needs Optuna

optuna.logging.set_verbosity(optuna.logging.ERROR)


class Line(Task):
    """Descends a line in as many rounds as the configuration says."""

    name, score = "line", "error"
    space = {  # noqa: RUF012
        "rate": LogUniform(0.01, 0.5),
        "length": DiscreteUniform(1, 3),
        "kind": Choice(0, 1),
        "decay": When(lambda c: c["kind"] == 1, Uniform(0.0, 0.1), 0.0),
    }
    train = valid = Arrays(x=[1.0, 2.0])

    def batch_size(self, config):
        return 2

    def num_rounds(self, config):
        return config["length"]

    def init(self, config, key):
        return jnp.float32(0)

    def step(self, state, config, batch, key):
        loss, slope = jax.value_and_grad(lambda w: jnp.mean((w * batch["x"] - 1) ** 2))(state)
        return state * (1 - config["decay"]) - config["rate"] * slope, loss

    def evaluate(self, state, config, batch):
        return {"error": (state * batch["x"] - 1) ** 2}


def _study(**options):
    return optuna.create_study(sampler=optuna.samplers.TPESampler(seed=3), **options)


def test_a_study_on_lanes_has_the_trials_of_optunas_own_loop():
    ours, theirs = _study(), _study()
    optimize(ours, Line(), 24, key=jax.random.key(0), batch=6)
    scores = {trial.number: trial.value for trial in ours.trials}
    for _ in range(4):
        asked = [theirs.ask() for _ in range(6)]
        for trial in asked:
            trial.suggest_float("rate", 0.01, 0.5, log=True)
            trial.suggest_int("length", 1, 3)
            if trial.suggest_categorical("kind", (0, 1)) == 1:
                trial.suggest_float("decay", 0.0, 0.1)
        for trial in asked:
            theirs.tell(trial, scores[trial.number])
    assert [t.params for t in ours.trials] == [t.params for t in theirs.trials]
    assert {t.user_attrs["rounds"] for t in ours.trials} <= {1, 2, 3}
    assert all(("decay" in t.params) == (t.params["kind"] == 1) for t in ours.trials)


def test_a_failed_batch_leaves_no_trial_running():
    class Broken(Line):
        def evaluate(self, state, config, batch):
            raise ZeroDivisionError

    study = _study()
    with pytest.raises(ZeroDivisionError):
        optimize(study, Broken(), 4, key=jax.random.key(0), batch=4)
    assert {t.state.name for t in study.trials} == {"FAIL"}


def test_the_direction_must_be_the_tasks():
    with pytest.raises(InputError, match="is to maximize, but error of line is to minimize"):
        optimize(_study(direction="maximize"), Line(), 4, key=jax.random.key(0))


def _objective(trial):
    x, k = trial.suggest_float("x", 1e-3, 1.0, log=True), trial.suggest_int("k", 1, 5)
    kind = trial.suggest_categorical("kind", ["a", "b"])
    if trial.number % 7 == 3:
        raise optuna.TrialPruned
    return (np.log10(x) + 1) ** 2 + 0.1 * (k - 3) ** 2 + (kind == "a")


@pytest.mark.parametrize("method", ["tpe", "gp", "sobol", "random"])
def test_a_sampler_repeats_itself_and_learns(method):
    studies = []
    for _ in range(2):
        studies.append(optuna.create_study(sampler=NqjaxSampler(method)))
        studies[-1].optimize(_objective, n_trials=24)
    assert [t.params for t in studies[0].trials] == [t.params for t in studies[1].trials]
    if method in ("tpe", "gp"):
        late = [t for t in studies[0].trials[14:] if t.value is not None]
        assert np.median([t.value for t in late]) < np.median([t.value for t in studies[0].trials[:10] if t.value])


def test_the_surface_proposes():
    study = optuna.create_study(sampler=NqjaxSampler("surface"))
    study.optimize(
        lambda t: (t.suggest_float("x", 0, 1) - 0.3) ** 2 + (t.suggest_float("y", 0, 1) - 0.7) ** 2, n_trials=23
    )
    assert np.mean([t.value for t in study.trials[20:]]) < 0.3 * np.mean([t.value for t in study.trials[:20]])


def test_a_maximised_study_is_turned():
    study = optuna.create_study(direction="maximize", sampler=NqjaxSampler("tpe"))
    study.optimize(lambda t: -((t.suggest_float("x", 0, 1) - 0.3) ** 2), n_trials=30)
    assert abs(study.best_params["x"] - 0.3) < 0.1


@pytest.mark.parametrize(
    ("suggest", "word"),
    [
        (lambda t: t.suggest_float("x", 0, 1, step=0.1), "x is FloatDistribution"),
        (lambda t: t.suggest_int("n", 1, 100, log=True), "n is IntDistribution"),
    ],
)
def test_a_space_that_cannot_be_searched_is_named(suggest, word):
    study = optuna.create_study(sampler=NqjaxSampler("tpe"))
    with pytest.raises(InputError, match=word):
        study.optimize(suggest, n_trials=12)


def test_methods_with_a_state_of_their_own_are_refused():
    pytest.importorskip("evosax", reason="evosax is not installed")
    with pytest.raises(InputError, match="keeps a state of its own"):
        NqjaxSampler("cma_es")


def test_random_trials_follow_from_the_seed_and_their_number():
    """Two processes that share a study have samplers of one seed: they must not try the same configurations."""
    first, second = (optuna.create_study(sampler=NqjaxSampler("tpe", seed=1)) for _ in range(2))
    second.enqueue_trial({"x": 0.01, "k": 1, "kind": "a"})
    for study in (first, second):
        study.optimize(_objective, n_trials=6)
    assert [t.params for t in first.trials[1:]] == [t.params for t in second.trials[1:]]
    assert len({tuple(t.params.values()) for t in first.trials}) == 6


def _work(url):
    study = optuna.load_study(study_name="shared", storage=url, sampler=NqjaxSampler("tpe", seed=1))
    study.optimize(_objective, n_trials=12)


def test_two_processes_share_a_database(tmp_path):
    url = f"sqlite:///{tmp_path / 'study.db'}"
    optuna.create_study(study_name="shared", storage=url)
    spawn = multiprocessing.get_context("spawn")
    workers = [spawn.Process(target=_work, args=(url,)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(240)
        assert worker.exitcode == 0
    study = optuna.load_study(study_name="shared", storage=url)
    assert len(study.trials) == 24
    assert len({tuple(t.params.values()) for t in study.trials}) > 20
