"""Searches that stop trials early: what trains, that it is what a whole training gives, and going on after any end."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest

import nqjax
from nqjax import search
from nqjax.errors import InputError
from nqjax.search import ASHA, BOHB, Choice, DiscreteUniform, Hyperband, LogUniform, SuccessiveHalving
from nqjax.search.engine import population
from nqjax.search.fidelity import staged
from nqjax.search.fidelity.rungs import hyperband_brackets
from support import tiny_task
from support.interrupts import stopped_after

KEY = jax.random.key(0)
COUNT = 40
METHODS = ["halving", "hyperband", "asha"]
#: With those that propose configurations.
ALL = [*METHODS, "bohb"]
#: Trials of several lengths, some of which fail at once.
SPACE = {
    **tiny_task.Line.space,
    "epochs": DiscreteUniform(9, 27),
    "learning_rate": Choice(0.01, 0.03, 0.1, 0.2, 0.3, 0.5, 2.2, 1e9),
}


@pytest.fixture(scope="module")
def line():
    return tiny_task.Line()


@pytest.fixture(scope="module")
def whole(line):
    """Return the random search whose trials the others begin."""
    return search.run(line, SPACE, num_trials=COUNT, key=KEY)


@pytest.fixture
def out(tmp_path):
    return tmp_path / "trials.jsonl"


def _run(line, method, **options):
    return search.run(line, SPACE, num_trials=COUNT, key=KEY, method=method, batch=6, **options)


@pytest.mark.parametrize("method", METHODS)
def test_a_trial_that_pauses_equals_one_that_does_not(line, whole, method):
    """To the last bit, although it goes on in other lanes and next to other trials."""
    found = _run(line, method)
    assert [row["trial"] for row in found.rows] == list(range(COUNT))
    assert len(set(found["trained"].tolist())) > 5
    assert found["trained"].sum() < 0.4 * found["rounds"].sum()
    for row, full in zip(found.rows, whole.rows, strict=True):
        for name, values in full["curve"].items():
            assert row["curve"][name] == values[: row["trained"]]
        if row["trained"] == row["rounds"] or row["failed"]:
            assert row["status"] == "finished"
            assert {name: row[name] for name in full} == full
        else:
            assert row["status"] == "pruned"
            best = min(row["curve"]["val_loss"])
            assert (row["val_loss"], row["curve"]["val_loss"][row["best_round"]]) == (best, best)


def _rung_scores(rows, rungs, eta=3):
    """Return the score of each trial at each rung from its whole learning curve, of shape (trials, rungs)."""
    found = np.full((len(rows), rungs), np.inf)
    for i, row in enumerate(rows):
        curve = row["curve"]["val_loss"]
        for k in range(rungs):
            end = max(1, row["rounds"] // eta ** (rungs - 1 - k))
            if not (row["failed"] and end >= len(curve)):
                found[i, k] = min(curve[:end])
    return found


@pytest.mark.parametrize("method", ["halving", "hyperband"])
def test_the_best_of_each_rung_go_on(line, whole, method):
    """Compared with NumPy's order of the scores in the whole learning curves."""
    found = _run(line, method)
    scores = _rung_scores(whole.rows, 4)
    sizes = [27] * 4 if method == "halving" else [bracket[0].trials for bracket in hyperband_brackets(27)]
    firsts = [0] * 4 if method == "halving" else range(4)
    reached = np.full(COUNT, -1)
    begin = 0
    for size, first in zip(sizes, firsts, strict=True):
        going = np.arange(begin, min(begin + size, COUNT))
        begin, count = begin + size, len(going)
        for rung in range(first, 4):
            if len(going):
                reached[going] = rung
            order = going[np.argsort(scores[going, rung], kind="stable")]
            kept = order[: max(1, count // 3 ** (rung - first + 1))]
            going = kept[np.isfinite(scores[kept, rung])]
    ends = [max(1, row["rounds"] // 3 ** (3 - rung)) for row, rung in zip(whole.rows, reached, strict=True)]
    trained = [min(end, len(row["curve"]["val_loss"])) for end, row in zip(ends, whole.rows, strict=True)]
    assert found["trained"].tolist() == trained
    assert found["failed"].sum() > 2


def test_asha_promotes_by_its_clock(line, whole):
    """The same promotions as on the whole learning curves, and more of them than without its errors."""
    from nqjax.search.fidelity.asha import Asha

    found = _run(line, ASHA(workers=5))
    scores = _rung_scores(whole.rows, 4)
    ends = np.array([[max(1, row["rounds"] // 3 ** (3 - k)) for k in range(4)] for row in whole.rows])
    asha = Asha(COUNT, 5, 4, 3, lambda job: np.diff(ends[job.trial], prepend=0)[job.rung])
    reached = np.zeros(COUNT, int)
    asha.start()
    while (job := asha.next()) is not None:
        reached[job.trial] = max(reached[job.trial], job.rung)
        asha.end(scores[job])
        asha.start()
    trained = [min(ends[i, reached[i]], len(row["curve"]["val_loss"])) for i, row in enumerate(whole.rows)]
    assert found["trained"].tolist() == trained
    assert found.settings["sampling"]["workers"] == 5


@pytest.mark.parametrize("method", ALL)
def test_a_search_cut_off_anywhere_goes_on_to_the_same_table(line, out, method, monkeypatch):
    """Whatever was written before the end, with or without the paused states."""
    lines = []
    append = staged.TrialsFile.add
    monkeypatch.setattr(
        staged.TrialsFile, "add", lambda self, rows: (append(self, rows), lines.append(out.read_bytes()))
    )
    expected = _run(line, method, out=out)
    monkeypatch.undo()
    whole_file = out.read_bytes()
    assert search.read_trials(out).rows == expected.rows
    assert len(lines) > 8
    rng = np.random.default_rng(0)
    for text in [lines[i] for i in rng.choice(len(lines), 6, replace=False)] + lines[-1:]:
        out.write_bytes(text[: rng.integers(len(text) - 300, len(text) + 1)])
        assert _run(line, method, out=out).rows == expected.rows
        assert out.read_bytes() == whole_file


@pytest.mark.parametrize("method", [*ALL, "median", "pbt"])
def test_trials_that_fail_in_half_of_the_space_stop_nothing(line, method):
    space = {**SPACE, "learning_rate": Choice(0.03, 0.1, 1e9, 1e10)}
    found = search.run(line, space, num_trials=COUNT, key=KEY, method=method, batch=6)
    assert [row["trial"] for row in found.rows] == list(range(COUNT))
    if method == "pbt":  # a failed trial takes over a good one
        assert not found["failed"].all()
        assert sum(len(row["lineage"]) > 1 for row in found.rows) > COUNT // 5
    else:
        assert found["failed"].tolist() == (found["learning_rate"] > 1).tolist()
        assert COUNT // 4 < found["failed"].sum() < COUNT
    best = found.best
    assert math.isfinite(best["val_loss"])
    assert best["status"] == "finished"
    assert best["trained"] == best["rounds"]


def test_the_file_of_a_search_that_was_killed_can_be_read(line, out, monkeypatch):
    """A trial that was paused has several lines, and the last one counts, for all readers."""
    lines = []
    append = staged.TrialsFile.add
    monkeypatch.setattr(
        staged.TrialsFile, "add", lambda self, rows: (append(self, rows), lines.append(out.read_bytes()))
    )
    expected = _run(line, "halving", out=out)
    out.write_bytes(lines[-1])
    numbers = [json.loads(text).get("trial") for text in out.read_text().splitlines()]
    assert len(set(numbers)) < len(numbers)
    assert search.read_trials(out).rows == expected.rows
    study = nqjax.read_study(out)
    assert len(study) == COUNT
    assert sorted(study.columns["trained"]) == sorted(expected["trained"])


def test_readers_know_stopped_trials(line, out):
    found = _run(line, "hyperband", out=out)
    study = nqjax.read_study(out)
    pruned = found["status"] == "pruned"
    assert (study.status == "pruned").tolist() == pruned.tolist()
    assert np.isnan(study.scores[pruned]).all()
    ended = ~pruned & ~np.isnan(found.scores)
    assert study.scores[ended].tolist() == found.scores[ended].tolist()
    assert study.sampler == "hyperband"
    assert any("hyperband" in text for text in study.warnings)
    assert "trained" not in study.config
    for one in (study, found):
        with pytest.raises(InputError, match=r"of 40 trials were stopped early.*full trainings"):
            nqjax.worth([one], np.linspace(0, 1, 100))


def test_paused_states_that_do_not_fit_the_memory_change_nothing(line, whole, monkeypatch):
    rounds = []
    train = population.Program.train_round
    monkeypatch.setattr(
        population.Program, "train_round", lambda self, *these: (rounds.append(1), train(self, *these))[1]
    )
    expected = _run(line, "halving")
    kept = len(rounds)
    rounds.clear()
    monkeypatch.setattr(staged, "_SHARE", 0.0)
    assert _run(line, "halving").rows == expected.rows
    assert len(rounds) > kept


def test_a_stop_within_a_rung_goes_on_from_its_checkpoint(line, out, monkeypatch):
    expected = _run(line, "asha")
    for limit in (2, 9, 23):
        with stopped_after(limit, monkeypatch):
            _run(line, "asha", out=out, checkpoint_every=0)
    assert _run(line, "asha", out=out).rows == expected.rows
    assert not out.with_name("trials.jsonl.checkpoints").exists()


@pytest.mark.parametrize("method", ["halving", "asha"])
def test_streams_and_higher_scores(method):
    class Upwards(tiny_task.StreamedLine):
        score, minimize = "gain", False

        def evaluate(self, state, config, batch):
            metrics = super().evaluate(state, config, batch)
            return {"gain": -metrics["val_loss"]}

    space = {**SPACE, "epochs": 9, "batch_size": 8}
    task = Upwards()
    full = search.run(task, space, num_trials=12, key=KEY)
    found = search.run(task, space, num_trials=12, key=KEY, method=method, batch=4)
    for row, other in zip(found.rows, full.rows, strict=True):
        assert row["curve"]["gain"] == other["curve"]["gain"][: row["trained"]]
    compared = 9 if method == "halving" else 12  # trials of the first bracket, or all
    first = [-math.inf if row["curve"]["gain"][0] is None else row["curve"]["gain"][0] for row in full.rows]
    assert found["trained"][np.argmax(first[:compared])] > 1


def test_bohb_trains_as_hyperband_and_proposes_what_is_good(line):
    """Its first bracket is random; later proposals are nearer to the good learning rates than random ones."""
    space = {**tiny_task.Line.space, "epochs": 9, "batch_size": 8, "learning_rate": LogUniform(1e-4, 0.5)}
    found = search.run(line, space, num_trials=85, key=KEY, method=BOHB(random_share=0.0))
    plain = search.run(line, space, num_trials=85, key=KEY, method="hyperband")
    assert found["trained"].tolist().count(9) >= 20
    assert sorted(found["trained"].tolist()[:9]) == sorted(plain["trained"].tolist()[:9])
    assert np.median(found["val_loss"][40:]) < 0.5 * np.median(plain["val_loss"][40:])
    # Proposals need no others: the same trials, each trained by itself, have these curves.
    from nqjax.search.runner import as_trials, execute, search_settings, trial_words

    configs = [(i, {name: found.rows[i][name] for name in space}) for i in range(85)]
    trials = as_trials(line, configs, trial_words(KEY, range(85)))
    full = execute(line, trials, search_settings(line, space, KEY, "proposed"))
    for row, other in zip(found.rows, full.rows, strict=True):
        assert row["curve"]["val_loss"] == other["curve"]["val_loss"][: row["trained"]]


def test_what_does_not_fit_is_refused_in_one_line(line, out):
    _run(line, "halving", out=out)
    before = out.read_bytes()
    cases = [
        ({"num_trials": COUNT + 1, "method": "halving", "out": out}, "num_trials = 40"),
        ({"num_trials": COUNT, "method": SuccessiveHalving(eta=2), "out": out}, "eta = 3"),
        ({"num_trials": COUNT, "method": "hyperband", "out": out}, '"halving"'),
        ({"num_trials": COUNT, "method": Hyperband(min_rounds=28)}, "longest training has 27 rounds"),
        ({"num_trials": COUNT, "method": Hyperband}, r"give an instance, Hyperband\(\)"),
        ({"num_trials": COUNT, "method": ASHA(eta=1)}, "eta is 1"),
        ({"num_trials": COUNT, "method": ASHA(workers=0)}, "workers is 0"),
        ({"num_trials": 0, "method": "asha"}, "num_trials is 0"),
        ({"num_trials": 9, "method": BOHB(random_share=2)}, "random_share is 2"),
        ({"num_trials": 3, "method": "asha", "population": 0}, "population is 0"),
    ]
    for options, part in cases:
        with pytest.raises(InputError, match=part) as error:
            search.run(line, SPACE, key=KEY, **options)
        assert "\n" not in str(error.value)
    assert out.read_bytes() == before


_PAUSE = 0.05
_KILLED = """
import sys, time
import jax
from nqjax import search
from nqjax.search.engine import population
from support import tiny_task

train = population.Program.train_round
def slow(self, *these):
    print("round", flush=True)
    time.sleep(float(sys.argv[3]))
    return train(self, *these)
population.Program.train_round = slow
space = {**tiny_task.Line.space, "epochs": search.DiscreteUniform(9, 27)}
search.run(
    tiny_task.Line(), space, num_trials=40, key=jax.random.key(0), method=sys.argv[1], batch=6, out=sys.argv[2],
    checkpoint_every=0.1,
)
"""


def _killed_after(rounds, method, out, wait):
    """Run the search in a process that is killed in its next round, or when it ends; return its exit status."""
    folders = os.pathsep.join([str(Path(__file__).parents[2]), *sys.path])
    command = [sys.executable, "-c", _KILLED, method, str(out), str(_PAUSE if rounds else 0.0)]
    environment = {**os.environ, "PYTHONPATH": folders}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as running:
        if rounds:
            for _ in range(rounds):
                running.stdout.readline()
            time.sleep(wait)
            running.send_signal(signal.SIGKILL)
        running.communicate(timeout=300)
    return running.returncode


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="processes are killed by a signal")
@pytest.mark.parametrize(
    ("method", "kills", "longest"),
    [
        ("halving", 6, 1.2),
        ("hyperband", 6, 1.2),
        ("bohb", 4, 1.2),
        ("median", 4, 1.2),
        ("asha", 20, 1.6),
        ("tpe", 20, 1.6),
        ("pbt", 20, 3.2),  # what is trained between two comparisons is lost
    ],
)
def test_a_process_that_is_killed_again_and_again_ends_with_the_same_table(
    line, out, method, kills, longest, monkeypatch
):
    """Killed at random moments of its training, then the same command until it ends.

    The rounds of each process are random, up to ``longest`` times the search's rounds over the number of kills.
    """
    space = {**tiny_task.Line.space, "epochs": DiscreteUniform(9, 27)}
    rounds = []
    train = population.Program.train_round
    monkeypatch.setattr(
        population.Program, "train_round", lambda self, *these: (rounds.append(1), train(self, *these))[1]
    )
    expected = search.run(line, space, num_trials=40, key=KEY, method=method, batch=6)
    rng = np.random.default_rng(kills)
    sizes = []
    for _ in range(kills):
        some = int(rng.integers(1, max(3, longest * len(rounds) / kills)))
        assert _killed_after(some, method, out, rng.uniform(0, 1.5 * _PAUSE)) == -signal.SIGKILL
        sizes.append(out.stat().st_size)
    assert len(set(sizes)) > kills // 4
    assert _killed_after(0, method, out, 0) == 0
    assert search.read_trials(out).rows == expected.rows


def test_programs_of_a_task_are_not_found_by_their_names():
    """Tasks with the same shapes differ, so their programs are not kept where another task would find them."""
    from nqjax.runtime.stored import name_of

    task = tiny_task.Line()
    program = population.Program(task, {"batch_size": 4}, {"learning_rate": np.float32}, 4, "cpu")
    assert name_of(program._evaluate_function) is None
    assert name_of(program._slice_function) is None
