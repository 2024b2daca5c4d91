"""Populations: that trials are what they would be alone, that failures stay alone, and that the order says nothing."""

import copy
import functools
import gc
import json
import os
import socket
import subprocess
import sys
import weakref
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nqjax import search
from nqjax.errors import InputError
from nqjax.search import Arrays, Choice, Fixed, Uniform
from nqjax.search.configurations import sample
from nqjax.search.engine import scheduler as schedule
from nqjax.search.engine.population import shuffled
from nqjax.search.engine.programs import clear, programs_of
from nqjax.search.models.dropout import dropout
from nqjax.search.runner import as_trials, execute, search_settings, trial_words
from support import tiny_task

KEY = jax.random.key(0)


def rows_of(trials):
    return {row["trial"]: row for row in trials.rows}


@pytest.fixture(scope="module")
def line():
    return tiny_task.Line()


@pytest.fixture(scope="module")
def reference(line):
    return search.run(line, num_trials=21, key=KEY)


@functools.cache
def compiled(task):
    """Return the task's functions under jit: step by step, they would compile a hundred small programs."""
    return jax.jit(task.init), jax.jit(task.step), jax.jit(task.evaluate)


shuffled_at_once = jax.jit(shuffled, static_argnums=1)


def alone(task, number, order_of=None):
    """One trial by a plain loop, a step at a time, with nothing of the population but its keys."""
    config = sample(task.space, KEY, number)
    own = jax.random.fold_in(KEY, number)
    traced = {name: np.float32(v) if isinstance(v, float) else np.int32(v) for name, v in config.items()}
    traced["batch_size"] = config["batch_size"]
    init, train, evaluate = compiled(task)
    state, curve = init(traced, jax.random.fold_in(own, 0)), []
    for epoch in range(config["epochs"]):
        key = jax.random.fold_in(own, epoch + 1)
        order = np.asarray(shuffled_at_once(jax.random.fold_in(jax.random.fold_in(key, 0), 0), len(task.train)))
        assert sorted(order) == list(range(len(task.train)))
        for step in range(len(order) // config["batch_size"]):
            index = order[step * config["batch_size"] :][: config["batch_size"]]
            batch = {name: jnp.asarray(a[index]) for name, a in task.train.arrays.items()}
            state, _ = train(state, traced, batch, jax.random.fold_in(key, step + 1))
        curve.append(float(np.mean(evaluate(state, traced, task.valid.arrays)["val_loss"])))
    return config, curve


def test_trials_are_what_a_plain_loop_gives(line, reference):
    """To 1e-4 relative: single precision, 6 to 30 steps, sums in another order."""
    for number in (0, 5, 20):
        config, curve = alone(line, number)
        row = rows_of(reference)[number]
        assert {name: row[name] for name in config} == config
        assert row["curve"]["val_loss"] == pytest.approx(curve, rel=1e-4)
        best = row["best_round"]
        assert row["val_loss"] == min(row["curve"]["val_loss"]) == row["curve"]["val_loss"][best]
        assert row["val_error"] == row["curve"]["val_error"][best]
        assert (row["rounds"], row["failed"]) == (config["epochs"], False)


@pytest.mark.parametrize(("population", "workers"), [(1, 1), (7, 2), (64, 8)])
def test_the_population_changes_nothing(line, reference, population, workers, monkeypatch):
    monkeypatch.setattr(schedule, "num_workers", lambda *_: 8)  # of a larger machine
    trials = as_trials(line, [(i, sample(line.space, KEY, i)) for i in range(21)], trial_words(KEY, range(21)))
    assert schedule.Schedule(line, trials, jax.local_devices(), population=population).workers == workers
    assert search.run(line, num_trials=21, key=KEY, population=population).rows == reference.rows


def test_fewer_trials_are_the_first_of_more(line, reference):
    assert search.run(line, num_trials=6, key=KEY).rows == reference.rows[:6]


def test_precision_is_single_whatever_the_process_is_set_to(line, reference, x64):
    assert search.run(line, num_trials=5, key=jax.random.key(0)).rows == reference.rows[:5]


def test_whole_programs_are_used_again(line, reference):
    before = dict(programs_of(line))
    assert before
    search.run(line, num_trials=21, key=jax.random.key(5))
    assert programs_of(line) == before


def test_programs_are_each_tasks_own_and_are_freed_with_it():
    """Also for tasks that are equal, and have no hash."""

    class Equal(tiny_task.Line):
        def __eq__(self, other):
            return isinstance(other, Equal)

        __hash__ = None

    task, other = Equal(), Equal()
    search.run(task, num_trials=2, key=KEY)
    assert programs_of(task)
    assert not programs_of(other)
    kept = [weakref.ref(one) for one in (task, *programs_of(task).values())]
    del task
    gc.collect()
    assert [reference() for reference in kept] == [None] * len(kept)


def test_programs_can_be_cleared_and_follow_every_kind_of_attribute():
    class Plain:
        pass

    task = Plain()
    for value in (1.5, [2], np.zeros(3), Plain(), None):
        task.value = value
        programs_of(task)["key"] = "program"
        assert programs_of(task) == {"key": "program"}
    clear(task)
    assert programs_of(task) == {}
    task.value = Plain()
    programs_of(task)["key"] = "program"
    task.value = None  # the old value is gone, so a reference to it says None, too
    assert programs_of(task) == {}


def test_programs_of_a_task_that_was_changed_are_not_used_again(line, reference):
    class Scaled(tiny_task.Line):
        scale = 1.0

        def evaluate(self, state, config, batch):
            return {name: self.scale * value for name, value in super().evaluate(state, config, batch).items()}

    def scores(task):
        return search.run(task, num_trials=5, key=KEY).scores

    task = Scaled()
    before = scores(task)
    task.scale = 2.0
    assert scores(task) == pytest.approx(2 * before, rel=1e-6)
    other = copy.copy(task)
    other.scale = 4.0
    assert scores(other) == pytest.approx(4 * before, rel=1e-6)
    assert scores(task) == pytest.approx(2 * before, rel=1e-6)
    task.valid = Arrays(**{name: array[:5] for name, array in task.valid.arrays.items()})
    fewer = tiny_task.Line(valid=5)
    assert scores(task) == pytest.approx(2 * scores(fewer), rel=1e-6)


def test_diverging_trials_fail_alone(line, reference):
    """Every tenth trial diverges, at once or on its way: the others are the same to the last digit."""
    space = line.space
    configs = [sample(space, KEY, i) for i in range(21)]
    for i, rate in ((3, 1e30), (10, 1e9), (17, 100.0)):
        configs[i] = {**configs[i], "learning_rate": rate, "epochs": 5}
    trials = as_trials(line, list(enumerate(configs)), trial_words(KEY, range(21)))
    found = rows_of(execute(line, trials, search_settings(line, space, KEY, "random")))
    for number, row in rows_of(reference).items():
        if number not in (3, 10, 17):
            assert found[number] == row
    assert [found[i]["failed"] for i in (3, 10, 17)] == [True] * 3
    # At once: no score. Later: the best score before.
    assert found[3]["val_loss"] is None
    assert found[3]["best_round"] is None
    assert found[3]["curve"]["val_loss"] == [None]
    late = found[17]
    assert late["curve"]["val_loss"][-1] is None
    assert late["val_loss"] == min(late["curve"]["val_loss"][:-1])
    assert len(late["curve"]["val_loss"]) <= 5
    table = search.Trials(tuple(found.values()), search_settings(line, space, KEY, "random"))
    assert np.isnan(table.scores[3])
    assert table.failed.sum() == 3


def test_streams_give_what_their_batches_say(line):
    streamed = tiny_task.StreamedLine()
    found = search.run(streamed, num_trials=9, key=KEY)
    assert search.run(streamed, num_trials=9, key=KEY, population=1).rows == found.rows
    row = found.rows[4]
    own = jax.random.fold_in(KEY, 4)
    words = tuple(map(int, jax.random.key_data(own)))
    config = {**sample(line.space, KEY, 4), "learning_rate": np.float32(row["learning_rate"])}
    config["noise"] = np.float32(row["noise"])
    init, train, evaluate = compiled(line)
    state = init(config, jax.random.fold_in(own, 0))
    for step in range(24 // row["batch_size"]):
        batch = streamed.train.batch(words, 0, step, row["batch_size"])
        key = jax.random.fold_in(jax.random.fold_in(own, 1), step + 1)
        state, _ = train(state, config, jax.tree.map(jnp.asarray, batch), key)
    expected = float(np.mean(evaluate(state, config, line.valid.arrays)["val_loss"]))
    assert row["curve"]["val_loss"][0] == pytest.approx(expected, rel=1e-4)


def test_evaluation_in_blocks_is_evaluation(line, reference):
    task = tiny_task.Line()
    task.evaluation_size = 4  # three blocks, the last one filled up
    found = search.run(task, num_trials=5, key=KEY)
    for row, expected in zip(found.rows, reference.rows, strict=False):
        assert row["curve"]["val_loss"] == pytest.approx(expected["curve"]["val_loss"], rel=1e-5)


def test_shuffles_are_permutations_without_a_pattern():
    for length in (1, 37, 1152, 5000):
        order = np.asarray(shuffled_at_once(jax.random.key(1), length))
        assert sorted(order) == list(range(length))
    orders = np.asarray(jax.jit(jax.vmap(lambda key: shuffled(key, 8)))(jax.random.split(KEY, 4000)))
    counts = np.array([np.bincount(orders[:, place], minlength=8) for place in range(8)])
    # 64 cells of 500 each: six standard deviations.
    assert np.abs(counts - 500).max() < 6 * np.sqrt(500 * 7 / 8)


def test_dropout():
    x = jnp.ones((64, 64))
    at_once = jax.jit(jax.vmap(lambda key, rate: dropout(x, rate, key), in_axes=(0, None)))
    for rate in (0.0, 0.1, 0.5):
        kept = np.asarray(at_once(jax.random.split(KEY, 200), rate))
        share = np.mean(kept == 0)
        assert abs(share - rate) < 6 * np.sqrt(max(rate, 1e-12) * (1 - rate) / kept.size)
        assert np.allclose(kept[kept > 0], 1 / (1 - rate))
    # No mask is like another, nor like itself a place or a row on: correlations of 819,200 pairs within 6 / sqrt(n).
    masks = (kept > 0) * 2.0 - 1
    for other in (np.roll(masks, 1, 0), np.roll(masks, 1, 1), np.roll(masks, 1, 2), np.roll(masks, 16, 2)):
        assert abs(np.mean(masks * other)) < 6 / np.sqrt(masks.size)
    assert np.array_equal(jax.jit(dropout)(x, jnp.float32(0.3), KEY), dropout(x, 0.3, KEY))
    gradient = jax.grad(lambda x: dropout(x, 0.5, KEY).sum())(x)
    assert set(np.unique(gradient)) == {0.0, 2.0}


@pytest.mark.parametrize(
    ("space", "part"),
    [
        ({"learning_rate": 0.1, "epochs": 2, "noise": 0.0}, "lacks 'batch_size'"),
        ({**tiny_task.Line.space, "mode": Choice("a", "b")}, "'mode' is '[ab]', not a number"),
        ({**tiny_task.Line.space, "trial": Uniform(0, 1)}, "'trial' has the name of another column"),
        ({**tiny_task.Line.space, "val_loss": Uniform(0, 1)}, "'val_loss' has the name of another column"),
        ({**tiny_task.Line.space, "epochs": Fixed(0)}, "0 rounds"),
        ({}, "empty"),
    ],
)
def test_bad_spaces(line, space, part):
    with pytest.raises(InputError, match=part):
        search.run(line, space, num_trials=3, key=KEY)


def test_bad_arguments(line):
    with pytest.raises(InputError, match="give an instance"):
        search.run(tiny_task.Line, num_trials=1, key=KEY)
    with pytest.raises(InputError, match="lacks"):
        search.run(object(), num_trials=1, key=KEY)
    with pytest.raises(InputError, match="num_trials"):
        search.run(line, key=KEY)
    with pytest.raises(InputError, match="population"):
        search.run(line, num_trials=1, key=KEY, population=0)
    with pytest.raises(InputError, match="threefry"):
        search.run(line, num_trials=1, key=jax.random.key(0, impl="rbg"))
    task = tiny_task.Line()
    task.score = "val_los"
    with pytest.raises(InputError, match="the metrics are"):
        search.run(task, num_trials=1, key=KEY)


def test_an_error_in_a_task_is_what_is_raised():
    class Broken(tiny_task.Line):
        def step(self, state, config, batch, key):
            raise RuntimeError("of the user's own")

    with pytest.raises(RuntimeError, match="of the user's own"):
        search.run(Broken(), num_trials=3, key=KEY)


_DEVICES = """
import json, sys, jax
from support import tiny_task
from nqjax import search
assert jax.local_device_count() == int(sys.argv[1])
print(json.dumps(search.run(tiny_task.Line(), num_trials=21, key=jax.random.key(0)).rows))
"""


def on_devices(count):
    flags = f"--xla_force_host_platform_device_count={count}"
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    env = {**os.environ, "XLA_FLAGS": flags, "PYTHONPATH": path, "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, "-c", _DEVICES, str(count)], env=env, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def test_two_devices_change_nothing(reference):
    assert on_devices(2) == list(reference.rows)


_HOSTS = """
import json, sys, jax
jax.distributed.initialize(sys.argv[2], 2, int(sys.argv[1]))
from support import tiny_task
from nqjax import search
runs = [search.run(tiny_task.Line(), num_trials=n, key=jax.random.key(0), out=sys.argv[3]).rows for n in (9, 21)]
print(json.dumps([jax.process_count(), *runs]))
"""


def on_two_hosts(program, out):
    """Run a program on two hosts, given their number, the address of the first and a path; return what they print."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    env = {**os.environ, "PYTHONPATH": path, "JAX_PLATFORMS": "cpu"}
    hosts = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(i), address, str(out)],
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for i in range(2)
    ]
    texts = []
    for host in hosts:
        text, error = host.communicate(timeout=300)
        assert host.returncode == 0, error[-2000:]
        texts.append(json.loads(text.splitlines()[-1]))
    return texts


@pytest.mark.slow
def test_two_hosts_change_nothing(reference, tmp_path):
    """Each trains its share; both get the table, and the first one writes it. The second call adds trials."""
    out = tmp_path / "trials.jsonl"
    for count, first, second in on_two_hosts(_HOSTS, out):
        assert count == 2
        assert first == list(reference.rows[:9])
        assert second == list(reference.rows)
    assert search.read_trials(out).rows == reference.rows
    assert [path.name for path in tmp_path.iterdir()] == ["trials.jsonl"]


_REFUSED = """
import json, sys, jax
jax.distributed.initialize(sys.argv[2], 2, int(sys.argv[1]))
import pathlib
from support import tiny_task
from nqjax import search
line, out, key, texts = tiny_task.Line(), pathlib.Path(sys.argv[3]), jax.random.key(0), []
def refused(task=line, **options):
    try:
        search.run(task, num_trials=5, key=key, out=out, **options)
    except search.runner.InputError as error:
        texts.append(str(error))
refused()  # the joined file is of another search
out.unlink(missing_ok=True)
part = out.with_name("trials.host1.jsonl")
if jax.process_index() == 1:
    part.write_text("not ours")
refused()
part.unlink(missing_ok=True)
class Narrow(tiny_task.Line):
    lanes = 2
search.run(Narrow(), num_trials=5, key=key, out=out)
print(json.dumps([*texts, search.run(line, num_trials=9, key=key, out=out).made_by["lanes"]]))
"""


@pytest.mark.slow
def test_what_one_host_refuses_all_do(line, tmp_path):
    """None waits for one that has ended; and a search that goes on keeps its width on all of them."""
    out = tmp_path / "trials.jsonl"
    search.run(line, num_trials=3, key=jax.random.key(7), out=out)
    (one, two, lanes), (other, last, width) = on_two_hosts(_REFUSED, out)
    assert "trials.jsonl was made with key = [0, 7]" in one
    assert other == f"host 0: {one}"
    assert "trials.host1.jsonl was not written by this command" in last
    assert two == f"host 1: {last}"
    assert lanes == width == 2


@pytest.mark.slow
def test_eight_devices_change_nothing(reference):
    assert on_devices(8) == list(reference.rows)


@pytest.mark.slow
@pytest.mark.parametrize("population", [1, 7, 64])
def test_the_population_changes_nothing_on_the_digits(population):
    task = search.load("digits-mlp")
    task.epochs = 10
    one = search.run(task, num_trials=40, key=KEY)
    other = search.run(task, num_trials=40, key=KEY, population=population)
    assert np.abs(one.scores - other.scores).max() <= 1e-5
