"""Memory: what training needs, what there is, and how many trials are therefore trained side by side."""

import types

import jax
import jax.numpy as jnp
import pytest

from nqjax import search
from nqjax.runtime.memory import available
from nqjax.search import Choice
from nqjax.search.configurations import sample
from nqjax.search.engine import population
from nqjax.search.engine.scheduler import Schedule
from nqjax.search.runner import as_trials, trial_words
from support import tiny_task

KEY = jax.random.key(0)
DEVICE = jax.local_devices()[0]


class Wide(tiny_task.Line):
    """A state of any size, which nothing but its shape depends on."""

    static = ("batch_size", "width")

    def init(self, config, key):
        return jnp.zeros(config["width"])

    def step(self, state, config, batch, key):
        return state - config["learning_rate"], state[0]

    def evaluate(self, state, config, batch):
        return {"val_loss": state[0] * batch["x"]}


def trials_of(task, space, count=21):
    return as_trials(task, [(i, sample(space, KEY, i)) for i in range(count)], trial_words(KEY, range(count)))


def schedule_of(task, space=None, count=21, **options):
    return Schedule(task, trials_of(task, space or task.space, count), [DEVICE], **options)


def test_memory_decides_how_many_trials_a_program_holds(tmp_path):
    line = tiny_task.Line()
    with pytest.warns(UserWarning, match="4 trials side by side do not fit the memory, so 1 are trained"):
        found = search.run(line, num_trials=3, key=KEY, memory=1, out=tmp_path / "trials.jsonl")
    assert found.made_by["lanes"] == 1
    assert [row["epochs"] for row in found.rows] == [sample(line.space, KEY, i)["epochs"] for i in range(3)]


def test_a_cpu_has_fewer_tiles_before_narrower_ones(monkeypatch):
    """The width changes the scores' last digits, the number of tiles does not."""
    monkeypatch.setattr("nqjax.search.engine.scheduler.num_workers", lambda *_: 8)
    line = tiny_task.Line()
    needed = schedule_of(line)._bytes(4)
    assert needed > 0
    for share, workers in ((20, 8), (3, 3), (1, 1)):
        found = schedule_of(line, memory=share * needed)
        assert (found.lanes, found.workers) == (4, workers)
    with pytest.warns(UserWarning, match="so 2 are trained"):
        assert schedule_of(line, memory=needed - 1).lanes == 2
    # A search that goes on keeps its width.
    assert schedule_of(line, memory=1, lanes=4).lanes == 4


def test_what_is_measured_is_not_allocated():
    """A state of 4 TB a lane: more than there is, and known without being made."""
    width = 2**40
    task = Wide()
    program = population.Program(task, {"batch_size": 8, "width": width}, {"learning_rate": float}, 4, "cpu")
    assert program.bytes(DEVICE) >= 4 * 4 * width


def test_the_largest_program_counts():
    """Whatever makes it large: not the batch size alone."""
    space = {**Wide.space, "width": Choice(1000, 10)}
    task = Wide()
    largest = population.Program(task, {"batch_size": 4, "width": 1000}, {"learning_rate": float}, 4, "cpu")
    assert schedule_of(task, space)._bytes(4) >= largest.bytes(DEVICE) > 4 * 4 * 1000


def test_an_evaluation_that_is_larger_than_the_training_counts():
    class Greedy(Wide):
        def evaluate(self, state, config, batch):
            spread = state[:, None] + jnp.arange(5000.0)
            return {"val_loss": jnp.sort(spread, axis=None)[0] * batch["x"]}

    static = {"batch_size": 8, "width": 1000}
    wide, greedy = Wide(), Greedy()
    small = population.Program(wide, static, {"learning_rate": float}, 4, "cpu").bytes(DEVICE)
    assert population.Program(greedy, static, {"learning_rate": float}, 4, "cpu").bytes(DEVICE) > small + 2**24


@pytest.mark.parametrize(
    ("options", "count", "lanes"),
    [
        ({}, 21, 32),  # enough for all: a power of two, so that few widths are compiled
        ({}, 5000, 1024),
        ({"population": 7}, 21, 7),
        ({"memory": 10_000}, 21, 8),
        ({"memory": 999}, 21, 1),
        ({"lanes": 48}, 21, 48),
    ],
)
def test_an_accelerator_holds_as_many_trials_as_fit(monkeypatch, options, count, lanes):
    """By an account of 1,000 bytes a trial, on a device that is not here."""
    monkeypatch.setattr(population.Program, "bytes", lambda self, device: 1000 * self.lanes)
    device = types.SimpleNamespace(platform="gpu", memory_stats=lambda: {"bytes_limit": 2**40, "bytes_in_use": 0})
    line = tiny_task.Line()
    trials = trials_of(line, {**line.space, "batch_size": 8}, count)
    found = Schedule(line, trials, [device], **options)
    assert (found.lanes, found.workers) == (lanes, 1)
    halves = Schedule(line, trials, [device, device], **options)
    assert halves.workers == (1 if "population" in options else 2)


def test_what_can_be_had(tmp_path):
    """The system's account, and the limits of the groups that the process is in, above it included."""

    def write(path, text):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)

    assert available(tmp_path) > 0
    write("proc/meminfo", "MemTotal: 9000 kB\nMemFree: 1000 kB\nMemAvailable:  8000 kB\n")
    assert available(tmp_path) == 8000 * 1024
    # Version 2: a job without a limit of its own in a slice with one.
    write("proc/self/cgroup", "0::/slice/job\n")
    write("sys/fs/cgroup/slice/job/memory.max", "max\n")
    write("sys/fs/cgroup/slice/memory.max", "5000000\n")
    write("sys/fs/cgroup/slice/memory.current", "3000000\n")
    write("sys/fs/cgroup/slice/memory.stat", "anon 2500000\ninactive_file 500000\n")
    assert available(tmp_path) == 2_500_000
    # Version 1.
    write("proc/self/cgroup", "4:memory:/box\n3:cpu,cpuacct:/box\n")
    write("sys/fs/cgroup/memory/box/memory.limit_in_bytes", "4000000\n")
    write("sys/fs/cgroup/memory/box/memory.usage_in_bytes", "4100000\n")
    write("sys/fs/cgroup/memory/box/memory.stat", "total_inactive_file 200000\n")
    assert available(tmp_path) == 100_000
