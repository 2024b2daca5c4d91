"""Searches of tasks with several objectives: their trials, their file, and going on after any end."""

import jax
import numpy as np
import pytest

import nqjax
from nqjax import search
from nqjax.errors import InputError
from nqjax.search import NSGA2, LogUniform, pareto_search
from support import tiny_task
from support.interrupts import stopped_after

KEY = jax.random.key(3)
METHOD = NSGA2(population=8, constraints=1)
SPACE = {**tiny_task.Line.space, "epochs": 2, "batch_size": 8, "learning_rate": LogUniform(0.01, 5.0)}


class Several(tiny_task.Line):
    """A line whose slope is a cost that grows while its error falls; it shall be 2.9 at most."""

    name = "several"

    def evaluate(self, state, config, batch):
        slope = jax.numpy.broadcast_to(state[0], batch["x"].shape)
        return {**super().evaluate(state, config, batch), "slope": slope, "excess": slope - 2.9}


@pytest.fixture(scope="module")
def task():
    return Several()


def _run(task, count=30, **options):
    names = {"objectives": ["val_loss", "slope"], "constraints": ["excess"], "method": METHOD}
    return pareto_search(task, SPACE, num_trials=count, key=KEY, **{**names, **options})


@pytest.fixture(scope="module")
def found(task):
    return _run(task)


def test_the_trials_are_those_of_the_task(task, found):
    assert found.values.tolist() == [[row["val_loss"], row["slope"]] for row in found.trials.rows]
    assert np.allclose(found.constraints[:, 0], found.values[:, 1] - 2.9, atol=1e-5)
    assert len(found.trials) == len(found.configs) == 30
    for config, row in zip(found.configs, found.trials.rows, strict=True):
        assert {name: row[name] for name in config} == config
    # The numbers are those of the round with the best score.
    for row in found.trials.rows:
        if not row["failed"]:
            assert row["slope"] == row["curve"]["slope"][int(np.argmin(row["curve"]["val_loss"]))]
    assert found.feasible[found.front].all()
    assert len(found.front) > 1


def test_the_generations_are_those_of_a_function_with_the_same_values(found):
    """NSGA-II asks for the same configurations wherever its numbers come from."""
    told = iter(np.concatenate([found.values, found.constraints], axis=1).tolist())
    other = pareto_search(lambda config: next(told), SPACE, num_trials=30, key=KEY, method=METHOD)
    assert other.configs == found.configs
    assert other.trials is None


def test_a_search_that_was_stopped_goes_on(task, found, tmp_path, monkeypatch):
    out = tmp_path / "trials.jsonl"
    with stopped_after(9, monkeypatch):
        _run(task, out=out)
    before = len(search.read_trials(out))
    assert 0 < before < 30
    assert _run(task, out=out).trials.rows == found.trials.rows
    assert _run(task, 20, out=out).configs == found.configs[:20]
    assert len(search.read_trials(out)) == 30
    more = _run(task, 34, out=out)
    # The last generation was cut after 30 trials: only whole ones are learned from, so the others are the same.
    assert more.configs[:30] == found.configs
    with pytest.raises(InputError, match="holds 34 trials already"):
        _run(task, out=out, resume=False)
    with pytest.raises(InputError, match="give another --out"):
        _run(task, out=out, objectives=["val_error", "slope"])
    study = nqjax.read_study(out)
    assert any("not those of a random search" in warning for warning in study.warnings)


def test_a_score_that_is_maximised(task):
    class Gain(Several):
        score, minimize = "gain", False

        def evaluate(self, state, config, batch):
            found = super().evaluate(state, config, batch)
            return {"gain": -found["val_loss"], "slope": found["slope"], "excess": found["excess"]}

    other = _run(Gain(), 8, objectives=["gain", "slope"])
    assert other.minimize == (False, True)
    assert np.allclose(other.values[:, 0], -_run(task, 8).values[:, 0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"objectives": None}, "names of numbers that it reports"),
        ({"objectives": "val_loss"}, "names of numbers that it reports"),
        ({"objectives": ["val_loss", "slope", "val_error"]}, "the method has 2 objectives, and 3 are named"),
        (
            {"objectives": ["val_loss", "size"]},
            "does not report 'size': it reports excess, slope, train_loss, val_error",
        ),
        ({"objectives": ["val_loss"], "method": None}, "objectives is 1"),
        ({"out": "trials.csv"}, "must end in"),
    ],
)
def test_what_is_refused(task, options, message):
    with pytest.raises(InputError, match=message):
        _run(task, 8, **options)


def test_a_function_has_no_file():
    for options in ({"out": "trials.jsonl"}, {"objectives": ["a", "b"]}, {"population": 3}):
        with pytest.raises(InputError, match="for a task"):
            pareto_search(lambda config: (0, 0), SPACE, num_trials=8, key=KEY, **options)
    with pytest.raises(InputError, match="space is missing"):
        pareto_search(lambda config: (0, 0), num_trials=8, key=KEY)
