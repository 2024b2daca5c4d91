"""The runner: its file, going on after any end, and what it refuses."""

import _thread
import errno
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import jax
import numpy as np
import pytest

import nqjax
from nqjax import search
from nqjax.errors import InputError
from nqjax.search import Choice, Derived, Fixed, LogUniform, When
from nqjax.search import trials_file as outfile
from nqjax.search.configurations import sample
from nqjax.search.engine import population, tile
from nqjax.search.engine import scheduler as schedule
from nqjax.search.experiments.ablation import ablation
from nqjax.search.experiments.residual import at_quantiles, residual
from nqjax.search.runner import search_settings
from nqjax.trials.labels import read_labels
from nqjax.trials.scores import read_scores
from nqjax.trials.search_lines import CHECK
from support import tiny_task
from support.interrupts import stopped_after

KEY = jax.random.key(0)
COUNT = 21


@pytest.fixture(scope="module")
def line():
    return tiny_task.Line()


@pytest.fixture(scope="module")
def reference(line):
    return search.run(line, num_trials=COUNT, key=KEY)


@pytest.fixture
def out(tmp_path):
    return tmp_path / "trials.jsonl"


def without_check_sums(text):
    """Return lines of a file as earlier versions wrote them."""
    return re.sub(rf', "{CHECK}": "\w+"', "", text)


def test_the_file(line, reference, out):
    found = search.run(line, num_trials=COUNT, key=KEY, out=out)
    assert found.rows == reference.rows
    first, *rows = [json.loads(text) for text in out.read_text().splitlines()]
    header = first["nqjax_search"]
    assert header["settings"]["task"] == "line"
    assert header["settings"]["space"]["learning_rate"] == {"log_uniform": [0.01, 0.5]}
    assert header["settings"]["key"] == [0, 0]
    assert header["made_by"]["jax"] == jax.__version__
    assert header["made_by"]["lanes"] == 4
    assert [row["trial"] for row in rows] == list(range(COUNT))
    assert all(len(row.pop(CHECK)) == 8 for row in rows)
    assert rows == list(reference.rows)
    read = search.read_trials(out)
    assert read.rows == reference.rows
    assert (read.score, read.minimize, len(read)) == ("val_loss", True, COUNT)
    # The package's own readers pass over the header.
    assert np.array_equal(read_scores(out, "val_loss"), reference.scores)
    assert read_labels(out, "trial") == [str(i) for i in range(COUNT)]
    assert not out.with_name("trials.jsonl.checkpoints").exists()


def test_what_other_hosts_left_is_taken_over(line, reference, out):
    """A search on several hosts that was killed, and goes on with one: their checkpoints go with them."""
    search.run(line, num_trials=COUNT, key=KEY, out=out)
    header, *rows = out.read_text().splitlines(keepends=True)
    parts = [out.with_name(f"trials.host{host}.jsonl") for host in (0, 3)]
    parts[0].write_text(header + "".join(rows[4:9]))
    parts[1].write_text(header + "".join(rows[12:15]) + '{"trial": 99, "val')
    other = out.with_name("trials.hostile.jsonl")
    other.write_text("not ours")
    left = parts[0].with_name(f"{parts[0].name}.checkpoints")
    (left / "tile").mkdir(parents=True)
    out.unlink()
    assert search.run(line, num_trials=COUNT, key=KEY, out=out).rows == reference.rows
    assert search.read_trials(out).rows == reference.rows
    assert not any(part.exists() for part in parts)
    assert not left.exists()
    assert other.read_text() == "not ours"
    # Parts of another search are left alone, and named.
    parts[0].write_text(without_check_sums(header.replace("line", "curve")))
    with pytest.raises(InputError, match=r"trials\.host0\.jsonl was made with task"):
        search.run(line, num_trials=COUNT + 1, key=KEY, out=out)
    assert parts[0].exists()


def test_the_table_goes_into_a_fit(reference):
    assert np.isfinite(nqjax.fit(reference.scores, threshold=None).alpha)
    assert reference["epochs"].dtype == np.int64
    assert reference.best["val_loss"] == reference.scores.min()
    assert [len(curve) for curve in reference.curves("val_error")] == reference["rounds"].tolist()
    assert "curve" not in reference
    with pytest.raises(KeyError, match="the columns"):
        reference["loss"]


def test_more_trials_are_added_and_none_is_trained_again(line, reference, out, monkeypatch):
    search.run(line, num_trials=5, key=KEY, out=out)
    added = []
    add = outfile.TrialsFile.add
    monkeypatch.setattr(outfile.TrialsFile, "add", lambda self, rows: (added.extend(rows), add(self, rows)))
    assert search.run(line, num_trials=COUNT, key=KEY, out=out).rows == reference.rows
    assert sorted(row["trial"] for row in added) == list(range(5, COUNT))
    added.clear()
    assert search.run(line, num_trials=7, key=KEY, out=out).rows == reference.rows[:7]
    assert not added


def test_a_torn_line_is_cut_off(line, reference, out):
    search.run(line, num_trials=COUNT, key=KEY, out=out)
    whole = out.read_bytes()
    lines = whole.splitlines(keepends=True)
    for end in (len(lines[0]) // 2, len(lines[0]), len(b"".join(lines[:9])) + 40, len(whole) - 1, 10):
        out.write_bytes(whole[:end])
        assert search.run(line, num_trials=COUNT, key=KEY, out=out).rows == reference.rows
        assert out.read_bytes() == whole


def test_other_versions_are_recorded(line, out, monkeypatch):
    search.run(line, num_trials=3, key=KEY, out=out)
    from nqjax.search import runner

    monkeypatch.setattr(runner, "__version__", "9.9")
    search.run(line, num_trials=5, key=KEY, out=out)
    headers = [json.loads(text)["nqjax_search"] for text in out.read_text().splitlines() if "nqjax_search" in text]
    assert [header["made_by"]["nqjax"] for header in headers][-1] == "9.9"
    assert len(headers) == 2
    assert len(read_scores(out, "val_loss")) == 5


def test_other_settings_are_refused(line, out):
    search.run(line, num_trials=3, key=KEY, out=out)
    before = out.read_bytes()
    other = tiny_task.Line()
    other.settings = {"size": 3}
    other.name = "other"
    changed = {**line.space, "learning_rate": LogUniform(1e-2, 0.4)}
    for arguments, part in (
        ((line, changed, 3, KEY), "space.learning_rate.log_uniform = [0.01, 0.5]"),
        ((line, None, 3, jax.random.key(1)), "key = [0, 0]"),
        ((other, None, 3, KEY), 'task = "line"'),
    ):
        task, space, count, key = arguments
        with pytest.raises(InputError) as error:
            search.run(task, space, num_trials=count, key=key, out=out)
        assert part in str(error.value)
        assert "another --out" in str(error.value)
    with pytest.raises(InputError, match="sampling"):
        search.run(line, grid=2, key=KEY, out=out)
    with pytest.raises(InputError, match="holds 3 trials"):
        search.run(line, num_trials=3, key=KEY, out=out, resume=False)
    assert out.read_bytes() == before


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (Derived(lambda config: 0.0), Derived(lambda config: 0.1)),
        (Derived(lambda config: 1), Derived(lambda config: 1.0)),
        (When(lambda config: True, 0.0, 0.1), When(lambda config: config["epochs"] > 9, 0.0, 0.1)),
    ],
)
def test_other_functions_of_the_space_are_refused(line, out, first, second):
    """The header knows them by their names, and all of these have one; the hyperparameters tell."""
    search.run(line, {**line.space, "noise": first}, num_trials=3, key=KEY, out=out)
    before = out.read_bytes()
    with pytest.raises(InputError, match=r"made with noise = .* for trial 0 \(now .*another --out"):
        search.run(line, {**line.space, "noise": second}, num_trials=6, key=KEY, out=out)
    assert out.read_bytes() == before
    search.run(line, {**line.space, "noise": first}, num_trials=6, key=KEY, out=out)


def test_the_last_digits_of_another_machine_are_no_other_search(line, reference, out):
    search.run(line, num_trials=3, key=KEY, out=out)
    text = out.read_text()
    rate = reference.rows[0]["learning_rate"]
    changed = text.replace(repr(rate), repr(np.nextafter(rate, 1).item()))
    assert changed != text
    out.write_text(without_check_sums(changed))
    assert len(search.run(line, num_trials=6, key=KEY, out=out)) == 6


@pytest.mark.parametrize("text", ["trial,y\n1,2\n", '{"y": 1}\n', '{"trial": 1, "y": 2}\n', "[1, 2]\n", "x"])
def test_a_foreign_file_is_left_alone(line, out, text):
    out.write_text(text)
    with pytest.raises(InputError):
        search.run(line, num_trials=3, key=KEY, out=out)
    assert out.read_text() == text


def test_unwritable_files(line, tmp_path):
    for path, part in ((tmp_path / "no" / "x.jsonl", "cannot be written"), (tmp_path / "x.csv", "must end in")):
        with pytest.raises(InputError, match=part):
            search.run(line, num_trials=3, key=KEY, out=path)


def test_one_writer_at_a_time(line, out):
    with outfile.TrialsFile(out, {}, {}), pytest.raises(InputError, match="another process is writing"):
        search.run(line, num_trials=3, key=KEY, out=out)


def test_a_full_disk_leaves_the_finished_trials_safe(line, reference, out, monkeypatch):
    """The disk is full in the middle of a line; with room again, the same call goes on."""
    write, room = os.write, [5000]

    def full(file, data):
        if room[0] <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = write(file, bytes(data)[: room[0]])
        room[0] -= written
        return written

    monkeypatch.setattr(outfile.os, "write", full)
    with pytest.raises(InputError, match=r"No space left on device; its [1-9][0-9]* finished trials are safe"):
        search.run(line, num_trials=COUNT, key=KEY, out=out)
    monkeypatch.undo()
    safe = search.read_trials(out)
    assert 0 < len(safe) < COUNT
    assert set(map(str, safe.rows)) <= set(map(str, reference.rows))
    assert search.run(line, num_trials=COUNT, key=KEY, out=out).rows == reference.rows


@pytest.mark.parametrize("call", ["write", "fsync"])
@pytest.mark.parametrize("count", [2, 4])
def test_ctrl_c_while_a_line_is_written(line, reference, out, monkeypatch, call, count):
    """It comes when the system's call returns: what was written is kept or cut off whole, and nothing is lost."""
    original, calls = getattr(os, call), []

    def interrupted(file, *data):
        result = original(file, *data)
        calls.append(1)
        if len(calls) == count:
            raise KeyboardInterrupt
        return result

    monkeypatch.setattr(outfile.os, call, interrupted)
    with pytest.raises(KeyboardInterrupt):
        search.run(line, num_trials=COUNT, key=KEY, out=out)
    monkeypatch.undo()
    numbers = [json.loads(text)["trial"] for text in out.read_text().splitlines()[1:]]
    assert len(numbers) == len(set(numbers)) >= count - 1
    assert search.run(line, num_trials=COUNT, key=KEY, out=out).rows == reference.rows


def test_an_error_of_one_worker_keeps_what_the_others_finished(line, reference, out, monkeypatch):
    """Two workers: in their first round one fails, and the other finishes its four trials."""
    both, advance, names = threading.Barrier(2), tile.Tile.advance, []

    def one_fails(self, pause):
        names.append(self.name)
        both.wait(60)
        if self.name == names[0]:
            raise RuntimeError("of one worker")
        time.sleep(0.5)  # until the error has stopped the search
        return advance(self, pause)

    monkeypatch.setattr(schedule, "num_workers", lambda *_: 2)
    monkeypatch.setattr(tile.Tile, "advance", one_fails)
    space = {**line.space, "epochs": 1}
    with pytest.raises(RuntimeError, match="of one worker"):
        search.run(line, space, num_trials=16, key=KEY, out=out)
    assert len(search.read_trials(out)) == 4


def test_long_trials_go_on_from_a_checkpoint(line, reference, out, monkeypatch):
    """Stopped in the middle of all its trials: only the rounds that are left are trained, to the same numbers."""
    train, rounds = population.Program.train_round, []

    def counted(self, *these):
        rounds.append(1)
        if len(rounds) == 2:
            raise KeyboardInterrupt
        return train(self, *these)

    monkeypatch.setattr(schedule, "num_workers", lambda *_: 1)
    space = {**line.space, "epochs": 5, "batch_size": 8}
    whole = search.run(line, space, num_trials=4, key=KEY)
    monkeypatch.setattr(population.Program, "train_round", counted)
    with pytest.raises(KeyboardInterrupt):
        search.run(line, space, num_trials=4, key=KEY, out=out, checkpoint_every=0)
    folder = out.with_name("trials.jsonl.checkpoints")
    assert folder.is_dir()
    rounds[:] = [0] * 10
    assert search.run(line, space, num_trials=4, key=KEY, out=out, checkpoint_every=0).rows == whole.rows
    assert len(rounds) == 10 + 4  # of five rounds one was safe
    assert not folder.exists()


def run_until_stopped(rounds, monkeypatch, *arguments, **options):
    """Run a search that Ctrl-C ends in the middle of its trials, and leaves checkpoints."""
    with stopped_after(rounds, monkeypatch):
        search.run(*arguments, checkpoint_every=0, **options)


LONG = {**tiny_task.Line.space, "epochs": 5, "batch_size": 8}


@pytest.mark.parametrize("header", [False, True])
@pytest.mark.parametrize(
    ("space", "key"),
    [(LONG, jax.random.key(1)), ({**LONG, "epochs": 2}, KEY), ({**LONG, "noise": 0.05}, KEY), (LONG, KEY)],
)
def test_another_search_s_checkpoints_are_not_gone_on_with(line, out, monkeypatch, space, key, header):
    """The file of a stopped search was removed, and another one begins under its name."""
    run_until_stopped(3, monkeypatch, line, LONG, num_trials=4, key=KEY, out=out)
    folder = out.with_name("trials.jsonl.checkpoints")
    assert folder.is_dir()
    out.unlink()
    if header:  # the new search was killed before it could remove them
        settings = search_settings(line, space, key, "random")
        with outfile.TrialsFile(out, settings, {}) as file:
            file.begin(4)
    found = search.run(line, space, num_trials=4, key=key, out=out)
    assert found.rows == search.run(line, space, num_trials=4, key=key).rows
    assert not folder.exists()


def test_a_checkpoint_is_of_its_trials_alone(line, out, monkeypatch):
    """A task whose trials are shorter now: its settings do not say so, but a checkpoint does."""
    run_until_stopped(3, monkeypatch, line, LONG, num_trials=4, key=KEY, out=out)
    shorter = tiny_task.Line()
    shorter.num_rounds = lambda config: 2
    expected = search.run(shorter, LONG, num_trials=4, key=KEY).rows
    assert search.run(shorter, LONG, num_trials=4, key=KEY, out=out).rows == expected


def test_a_damaged_checkpoint_costs_only_its_rounds(line, out, monkeypatch):
    whole = search.run(line, LONG, num_trials=4, key=KEY)
    run_until_stopped(2, monkeypatch, line, LONG, num_trials=4, key=KEY, out=out)
    folder = out.with_name("trials.jsonl.checkpoints")
    for path in folder.rglob("*"):
        if path.is_file() and "state" in path.parts[-2:] + path.parts[-4:-2]:
            path.write_bytes(b"damaged")
    assert search.run(line, LONG, num_trials=4, key=KEY, out=out).rows == whole.rows
    assert not folder.exists()


_PROGRAM = """
import signal, sys, time, jax
from support import tiny_task
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
from nqjax import search
from nqjax.search.engine import tile
advance = tile.Tile.advance
def slow(self, pause):
    time.sleep(0.1)
    return advance(self, pause)
tile.Tile.advance = slow
search.run(tiny_task.Line(), num_trials=60, key=jax.random.key(0), out=sys.argv[1], population=4)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_stopped_search_goes_on(line, out, number):
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    env = {**os.environ, "PYTHONPATH": path}
    running = subprocess.Popen([sys.executable, "-c", _PROGRAM, str(out)], stderr=subprocess.DEVNULL, env=env)
    deadline = time.monotonic() + 120
    while (not out.exists() or out.read_bytes().count(b"\n") < 4) and time.monotonic() < deadline:
        time.sleep(0.02)
    running.send_signal(number)
    running.wait(timeout=60)
    safe = search.read_trials(out)
    assert 0 < len(safe) < 60
    found = search.run(line, num_trials=60, key=KEY, out=out)
    assert found.rows == search.run(line, num_trials=60, key=KEY).rows
    assert set(map(str, safe.rows)) <= set(map(str, found.rows))


_LONG_PROGRAM = """
import sys, time, jax
from support import tiny_task
from nqjax import search
from nqjax.search.engine import population
batches = population.Program._batches
def slow(self, *these):
    time.sleep(0.02)
    return batches(self, *these)
population.Program._batches = slow
space = {**tiny_task.Line.space, "epochs": 200, "batch_size": 4}
search.run(tiny_task.StreamedLine(), space, num_trials=3, key=jax.random.key(0), out=sys.argv[1], checkpoint_every=0.1)
"""


def test_a_killed_search_goes_on_from_its_checkpoint(out, monkeypatch):
    """SIGKILL in the middle of its only tile, before any trial has ended."""
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    env = {**os.environ, "PYTHONPATH": path}
    running = subprocess.Popen([sys.executable, "-c", _LONG_PROGRAM, str(out)], stderr=subprocess.DEVNULL, env=env)
    folder = out.with_name("trials.jsonl.checkpoints")
    seen, deadline = set(), time.monotonic() + 120
    while len(seen) < 4 and time.monotonic() < deadline:
        time.sleep(0.01)
        seen |= {path.name for path in folder.glob("*/*") if "." not in path.name}
    running.send_signal(signal.SIGKILL)
    running.wait(timeout=60)
    assert len(search.read_trials(out)) == 0
    steps, batches = [], population.Program._batches
    monkeypatch.setattr(population.Program, "_batches", lambda *these: steps.append(1) or batches(*these))
    task, space = tiny_task.StreamedLine(), {**tiny_task.Line.space, "epochs": 200, "batch_size": 4}
    found = search.run(task, space, num_trials=3, key=KEY, out=out)
    assert 0 < len(steps) < 200 * 6 - 4  # what was before the third checkpoint is not trained again
    assert found.rows == search.run(task, space, num_trials=3, key=KEY).rows
    assert not folder.exists()


def test_a_round_of_a_stream_goes_on_in_the_middle(out, monkeypatch):
    """Six steps a round: stopped after eight, it goes on with the ninth, to the same numbers; one trial joins later."""
    monkeypatch.setattr(schedule, "num_workers", lambda *_: 1)
    task, space = tiny_task.StreamedLine(), {**tiny_task.Line.space, "epochs": 5, "batch_size": 4}
    whole = search.run(task, space, num_trials=4, key=KEY)
    steps, batches = [], population.Program._batches

    def counted(*these):
        steps.append(1)
        if len(steps) == 9:
            raise KeyboardInterrupt
        return batches(*these)

    monkeypatch.setattr(population.Program, "_batches", counted)
    with pytest.raises(KeyboardInterrupt):
        search.run(task, space, num_trials=3, key=KEY, out=out, checkpoint_every=0)
    steps[:] = [0] * 10
    found = search.run(task, space, num_trials=4, key=KEY, out=out)
    # The fourth trial takes the empty lane when the round ends.
    assert len(steps) - 10 == 22 + 2 * 6
    assert found.rows == whole.rows


def test_ctrl_c_does_not_wait_for_the_end_of_a_long_round(out, monkeypatch):
    class Long(tiny_task.StreamedLine):
        def steps_per_round(self, config):
            return 100_000

    steps = []

    def batches(self, words, rounds, step):
        steps.append(step)
        if len(steps) == 5:
            _thread.interrupt_main()
        time.sleep(0.01)
        return {name: np.ones((self.lanes, self.batch_size), np.float32) for name in ("x", "y")}

    monkeypatch.setattr(population.Program, "_batches", batches)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    try:
        with pytest.raises(KeyboardInterrupt):
            search.run(Long(), {**LONG, "learning_rate": 0.01}, num_trials=3, key=KEY, out=out, checkpoint_every=0.5)
    finally:
        signal.signal(signal.SIGINT, before)
    assert 5 <= len(steps) < 5000


def test_grid(line):
    found = search.run(line, {**line.space, "epochs": 2, "noise": 0.0}, grid=3, key=KEY)
    assert len(found) == 3 * 2
    assert found["learning_rate"][::2] == pytest.approx([0.01, np.sqrt(0.005), 0.5])
    assert found["batch_size"].tolist() == [4, 8] * 3
    with pytest.raises(InputError, match="8,000,000,000 trials and more"):
        search.run(line, {**line.space, "a": Fixed(1), "b": Choice(*range(1000))}, grid=1000, key=KEY)


def test_residual(line, reference, out):
    runs = residual(line, reference, num_seeds=6, num_quantiles=3, out=out)
    ranked = sorted(reference.rows, key=lambda row: row["val_loss"])
    expected = [ranked[6]["trial"], ranked[13]["trial"], ranked[20]["trial"]]
    assert [row["trial"] for row in at_quantiles(reference, 3)] == expected
    assert runs["config_id"].tolist() == np.repeat(expected, 6).tolist()
    assert runs["seed"].tolist() == list(range(6)) * 3
    for i, number in enumerate(expected):
        rates = runs["learning_rate"][6 * i : 6 * i + 6]
        assert np.all(rates == reference["learning_rate"][number])
    # Every run has randomness of its own, and none is the search's.
    assert len(np.unique(runs.scores)) == 18
    assert not set(runs.scores) & set(reference.scores)
    # A run depends on its configuration and its seed, not on how many there are.
    fewer = residual(line, reference, num_seeds=2, num_quantiles=3)
    assert np.array_equal(fewer.scores, runs.scores.reshape(3, 6)[:, :2].ravel())
    judged = nqjax.noise_diagnostics(out, "config_id", "val_loss")
    assert {c.id for c in judged.configurations} == set(map(str, expected))
    assert all(c.number == 6 for c in judged.configurations)
    with pytest.raises(InputError, match="quantiles"):
        residual(line, reference, num_quantiles=22)


def test_ablation(line, reference, tmp_path):
    stages = list(ablation(line, reference, num_trials=12, key=KEY, order=["noise", "epochs"], folder=tmp_path))
    assert [stage.fixed for stage in stages] == [(), ("noise",), ("noise", "epochs")]
    best = reference.best
    assert np.all(stages[2].trials["noise"] == best["noise"])
    assert np.all(stages[2].trials["epochs"] == best["epochs"])
    assert len(np.unique(stages[2].trials["learning_rate"])) == 12
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1-noise.jsonl", "2-epochs.jsonl"]
    assert stages[0].gamma is None or 1 <= stages[0].gamma <= 5
    with pytest.raises(InputError, match="not searched"):
        list(ablation(line, reference, num_trials=3, key=KEY, order=["nothing"]))


@pytest.mark.parametrize(("number", "count"), [(25, 25), (42, 14), (42, 28), (399, 7), (3, 1)])
def test_quantiles_are_counted_in_whole_numbers(number, count):
    """The k-th is the first trial that at least the share k / count reaches, also where that is no binary number."""
    rows = [{"trial": i, "val_loss": float(i)} for i in range(number)]
    found = at_quantiles(search.Trials(tuple(rows), {"score": "val_loss", "minimize": True}), count)
    assert [row["trial"] + 1 for row in found] == [
        min(i for i in range(1, number + 1) if i * count >= k * number) for k in range(1, count + 1)
    ]


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"name": "curve"}, 'task = "line", not "curve"'),
        ({"score": "val_error"}, 'score = "val_loss", not "val_error"'),
        ({"minimize": False}, "minimize = true, not false"),
        ({"settings": {"sizes": (1, 2)}}, r'task_settings = {}, not {"sizes": \[1, 2\]}'),
        ({"space": {**tiny_task.Line.space, "decay": 0.1}}, "lack 'decay'"),
    ],
)
def test_trials_of_another_task_are_refused(reference, changes, part):
    other = tiny_task.Line()
    vars(other).update(changes)
    with pytest.raises(InputError, match=part):
        residual(other, reference, num_seeds=2, num_quantiles=2)
    with pytest.raises(InputError, match=part):
        next(ablation(other, reference, num_trials=3, key=KEY))


def test_the_configurations_are_the_space_s(reference):
    for row in reference.rows:
        config = sample(tiny_task.Line.space, KEY, row["trial"])
        assert {name: row[name] for name in config} == config
