"""The commands that run searches: what they write and say, and what they refuse."""

import importlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import nqjax
from nqjax import cli, search
from nqjax.cli import process
from nqjax.cli.searching import task_of
from nqjax.errors import InputError
from nqjax.search.space import searched
from nqjax.search.tasks import registry as tasks
from nqjax.search.tasks.records import read_records
from nqjax.trials.scores import read_scores
from support import tiny_task


@pytest.fixture(autouse=True)
def here(monkeypatch, tmp_path):
    monkeypatch.setattr(process, "listen_for_ctrl_c", lambda *_: None)
    monkeypatch.chdir(tmp_path)
    entry = tasks.Entry("support.tiny_task", "Line")
    monkeypatch.setitem(tasks.REGISTRY, "line", entry)
    line = tiny_task.Line()  # one for all commands, so that its programs are compiled once
    monkeypatch.setattr(tiny_task, "Line", lambda: line)


SETTINGS = {"task": "line", "task_settings": {}, "score": "val_loss", "minimize": True, "space": {}, "key": [0, 0]}

COMMAND = ["search", "line", "--trials", "12", "--out", "trials.jsonl", "--fix", "batch_size=8"]


def test_search_residual_and_ablation(capsys):
    assert cli.main(COMMAND) == 0
    text = capsys.readouterr().out
    assert "12 trials in trials.jsonl\n" in text
    trials = search.read_trials("trials.jsonl")
    assert f"Best val_loss: {trials.scores.min():.5g} (trial {trials.best['trial']}: " in text
    assert "Next: nqjax fit trials.jsonl --metric val_loss\n" in text
    assert set(trials["batch_size"]) == {8}
    before = Path("trials.jsonl").read_bytes()
    assert cli.main([*COMMAND, "--population", "1"]) == 0
    assert Path("trials.jsonl").read_bytes() == before
    capsys.readouterr()
    assert "Next: nqjax analyze trials.jsonl --metric val_loss\n" in text
    # The command that it names goes on from here.
    command = re.search(r"Next: nqjax (fit .*)", text)[1].split()
    assert cli.main([*command, "--threshold", "none", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["num_scores"] == 12

    argv = ["residual", "trials.jsonl", "--seeds", "8", "--quantiles", "3", "--out", "runs.jsonl"]
    assert cli.main([*argv, "--threshold", "none"]) == 0
    text = capsys.readouterr().out
    assert len(read_scores("runs.jsonl", "val_loss")) == 24
    assert "erdict" in text or "noise" in text
    assert cli.main(["noise", "runs.jsonl", "--config", "config_id", "--metric", "val_loss"]) == 0
    assert capsys.readouterr().out.split()[-10:] == text.split()[-10:]

    argv = ["ablation", "trials.jsonl", "--out-dir", "ablation", "--trials", "6", "--order", "noise"]
    assert cli.main(argv) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("nothing fixed: 12 trials, best val_loss ")
    assert second.startswith("noise fixed: 6 trials, best val_loss ")
    fixed = search.read_trials("ablation/1-noise.jsonl")
    assert set(fixed["batch_size"]) == {8}
    assert set(fixed["noise"]) == {trials.best["noise"]}


def test_after_a_method_that_learns_the_surface_comes_next(capsys):
    argv = ["search", "line", "--method", "tpe", "--trials", "12", "--out", "guided.jsonl"]
    assert cli.main(argv) == 0
    text = capsys.readouterr().out
    assert "Next: nqjax surface guided.jsonl --metric val_loss\n" in text
    assert "nqjax fit" not in text
    assert cli.main([*argv, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["method"] == "tpe"


def test_a_grid_is_known_as_one(capsys):
    assert cli.main(["search", "line", "--grid", "1", "--out", "grid.jsonl"]) == 0
    assert "Next: nqjax fit grid.jsonl --metric val_loss\n" in capsys.readouterr().out
    assert nqjax.read_study("grid.jsonl").sampler == "grid search"


def test_poor_trials_are_stopped_early(capsys):
    """The summary says how many, and what all cost; what follows in a random search is left out."""
    argv = ["search", "line", "--method", "hyperband", "--eta", "2", "--trials", "12", "--out", "stopped.jsonl"]
    assert cli.main(argv) == 0
    text = capsys.readouterr().out
    trials = search.read_trials("stopped.jsonl")
    stopped = sum(row["status"] == "pruned" for row in trials.rows)
    assert 0 < stopped < 12
    cost = float((trials["trained"] / trials["rounds"]).sum())
    assert f"{stopped} stopped early; all cost {cost:.3g} full trainings\n" in text
    assert "Next:" not in text
    before = Path("stopped.jsonl").read_bytes()
    assert cli.main([*argv, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["num_stopped"], document["cost"]) == (stopped, pytest.approx(cost))
    assert Path("stopped.jsonl").read_bytes() == before
    assert cli.main([*argv[:5], "3", *argv[6:]]) == 2
    assert "sampling.eta = 2" in capsys.readouterr().err


@pytest.mark.filterwarnings("default")
def test_too_little_memory_is_said_in_a_line(capsys, monkeypatch):
    monkeypatch.setattr("nqjax.search.engine.scheduler.free", lambda device: 1)
    assert cli.main(["search", "line", "--trials", "2", "--out", "trials.jsonl"]) == 0
    assert re.fullmatch(r"nqjax: warning: 4 trials .* do not fit the memory.*\n", capsys.readouterr().err)


def test_grid(capsys):
    argv = ["search", "line", "--grid", "2", "--fix", "epochs=2", "--fix", "noise=0.0", "--out", "grid.jsonl"]
    assert cli.main(argv) == 0
    assert "4 trials in grid.jsonl" in capsys.readouterr().out


def test_list(capsys):
    assert cli.main(["search", "--list"]) == 0
    text = capsys.readouterr().out
    assert "digits-mlp" in text
    assert "one GPU" in text
    for name in tasks.REGISTRY:  # whole, whatever the width of the terminal
        assert any(line.split("  ")[0] == name for line in text.splitlines())


@pytest.mark.parametrize("name", tasks.REGISTRY)
def test_a_reference_search_is_a_record(name):
    """The module's docstring says what it is, how it is run, how long it takes, and what is searched."""
    entry = tasks.REGISTRY[name]
    text = importlib.import_module(entry.module).__doc__
    assert text.rstrip().endswith(".")
    record = read_records(entry.module)[name]
    assert record.facts.keys() >= {"Source", "Space", "Command", "Expected time", "Score"}
    assert record.facts["Command"].startswith(f"nqjax search {name} ")
    assert ("--data FOLDER" in record.facts["Command"]) == bool(entry.data)
    kind = getattr(importlib.import_module(entry.module), entry.attribute)
    assert kind.name == name
    assert kind.score == record.facts["Score"].partition(",")[0]
    space = record.facts["Space"]
    known = {**read_records("nqjax.search.tasks.resnet"), **read_records(entry.module)}
    while other := re.search(r"that of ([\w-]+)", space):
        space = space.replace(other[0], known[other[1]].facts["Space"])
    assert [one for one in searched(kind.space) if f"{one} ~ " not in space] == []


def test_checkpoints_need_orbax(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "orbax.checkpoint", None)
    assert cli.main(COMMAND) == 2
    error = "nqjax: error: a search with a file needs orbax-checkpoint: pip install 'nqjax[search]'\n"
    assert capsys.readouterr().err == error


def test_a_missing_package_is_named(monkeypatch):
    def missing(module):
        raise ModuleNotFoundError("No module named 'optax'", name="optax")

    monkeypatch.setattr(tasks, "import_module", missing)
    with pytest.raises(InputError, match=r"the task 'resnet18' needs optax: pip install 'nqjax\[search\]'$"):
        tasks.load("resnet18")


@pytest.mark.parametrize(
    ("argv", "part"),
    [
        (["search", "digit-mlp", "--trials", "3", "--out", "x.jsonl"], "did you mean 'digits-mlp'?"),
        (["search", "nothing", "--trials", "3", "--out", "x.jsonl"], "the tasks: digits-mlp"),
        (["search"], "give a task"),
        (["search", "line", "--out", "x.jsonl"], "give --trials"),
        (["search", "line", "--trials", "3"], "give --out"),
        (["search", "line", "--trials", "3", "--out", "x.csv"], ".jsonl"),
        (["search", "line", "--trials", "3", "--out", "no/x.jsonl"], "folder no does not exist"),
        (["search", "line", "--trials", "0", "--out", "x.jsonl"], "whole number"),
        (["search", "line", "--trials", "3", "--fix", "noisy=1", "--out", "x.jsonl"], "did you mean 'noise'?"),
        (["search", "line", "--trials", "3", "--fix", "noise", "--out", "x.jsonl"], "NAME=VALUE"),
        (["search", "line", "--trials", "3", "--fix", "noise=text", "--out", "x.jsonl"], "'noise' is 'text'"),
        (["search", "line", "--trials", "3", "--data", "here", "--out", "x.jsonl"], "does not take these options"),
        (
            ["search", "resnet18", "--trials", "3", "--out", "x.jsonl"],
            "train/<class>/*.jpg and val/<class>/*.jpg: give --",
        ),
        (["search", "line", "--method", "ashas", "--trials", "3", "--out", "x.jsonl"], "did you mean 'asha'?"),
        (
            ["search", "line", "--method", "asha", "--min-rounds", "9", "--trials", "3", "--out", "x.jsonl"],
            "the longest training has",
        ),
        (["search", "line", "--method", "asha", "--eta", "1", "--trials", "3", "--out", "x.jsonl"], "eta is 1"),
        (["worth", "branin", "--methods", "asha"], "stops trials early"),
        (["residual", "none.jsonl", "--out", "x.jsonl"], "does not exist"),
        (["residual", "other.jsonl", "--out", "x.jsonl"], "not written by nqjax search"),
        (["residual", "other.jsonl"], "give --out"),
        (["ablation", "none.jsonl", "--out-dir", "x", "--trials", "3"], "does not exist"),
    ],
)
def test_mistakes(capsys, argv, part):
    Path("other.jsonl").write_text('{"trial": 1, "val_loss": 2}\n')
    assert cli.main(argv) == 2
    error = capsys.readouterr().err.strip()
    assert "\n" not in error
    assert part in error


@pytest.mark.parametrize("task", ["digits-mlp", "resnet-digits"])
def test_without_scikit_learn(task, monkeypatch, capsys):
    """Without scikit-learn, an extra, the digits are missing, and one line says what to install."""
    for module in ("sklearn", "sklearn.datasets"):  # an earlier test may have imported the second
        monkeypatch.setitem(sys.modules, module, None)
    assert cli.main(["search", task, "--trials", "8", "--out", "x.jsonl"]) == 2
    needs = "the search on the digits needs scikit-learn"
    assert capsys.readouterr().err == f"nqjax: error: {needs}: pip install 'nqjax[search]'\n"
    assert not Path("x.jsonl").exists()


def test_another_search_s_file_is_refused(capsys):
    header = {"nqjax_search": {"settings": {**SETTINGS, "task": "mine"}, "made_by": {"lanes": 16}}}
    Path("trials.jsonl").write_text(json.dumps(header) + '\n{"trial": 0, "val_loss": 1, "failed": false}\n')
    assert cli.main(COMMAND) == 2
    assert 'was made with task = "mine"' in capsys.readouterr().err
    assert cli.main(["residual", "trials.jsonl", "--out", "x.jsonl"]) == 2
    assert "nqjax.search from Python" in capsys.readouterr().err


class OfFolder(tiny_task.Line):
    """A task whose data are in a folder."""

    name = "folder"

    def __init__(self, data):
        super().__init__()
        self.source, self.settings = data, {"train": Path(data, "train").read_text()}


def test_data_are_where_they_were(monkeypatch, capsys):
    """The folder is in the header, may move, and must hold the same."""
    monkeypatch.setattr(tiny_task, "OfFolder", OfFolder, raising=False)
    entry = tasks.Entry("support.tiny_task", "OfFolder", "train")
    monkeypatch.setitem(tasks.REGISTRY, "folder", entry)
    for name in ("one", "other"):
        Path(name).mkdir()
        Path(name, "train").write_text(name)
    argv = ["search", "folder", "--trials", "4", "--out", "trials.jsonl"]
    assert cli.main(argv) == 2
    assert capsys.readouterr().err == "nqjax: error: folder needs a folder with train: give --data FOLDER\n"
    assert cli.main([*argv, "--data", "one"]) == 0
    trials = search.read_trials("trials.jsonl")
    assert trials.made_by["data"] == "one"
    assert trials.settings["task_settings"] == {"train": "one"}
    assert task_of(trials, "trials.jsonl", None).source == "one"
    Path("one").rename("two")
    assert task_of(trials, "trials.jsonl", "two").source == "two"
    assert cli.main([*argv, "--data", "two"]) == 0
    assert cli.main(["residual", "trials.jsonl", "--out", "x.jsonl", "--data", "other"]) == 2
    text = "trials.jsonl was made with train = 'one' (here 'other'): give its --data FOLDER"
    assert text in capsys.readouterr().err
    trials.made_by.pop("data")
    with pytest.raises(InputError, match="needs a folder with train: give --data FOLDER"):
        task_of(trials, "trials.jsonl", None)


@pytest.mark.parametrize(
    ("name", "part"),
    [("python", "use the Python that made it"), ("pretrained", "use the machine that made it")],
)
def test_what_differs_is_said(capsys, name, part):
    settings = {**SETTINGS, "task_settings": {name: "1"}}
    header = {"nqjax_search": {"settings": settings, "made_by": {"lanes": 4}}}
    Path("trials.jsonl").write_text(json.dumps(header) + '\n{"trial": 0, "val_loss": 1, "failed": false}\n')
    assert cli.main(["ablation", "trials.jsonl", "--out-dir", "x", "--trials", "4"]) == 2
    assert f"was made with {name} = '1' (here None): {part}" in capsys.readouterr().err


def test_an_ablation_s_other_file_names_its_own_option(capsys):
    assert cli.main(COMMAND) == 0
    argv = ["ablation", "trials.jsonl", "--out-dir", "ablation", "--trials", "4", "--order", "noise"]
    assert cli.main(argv) == 0
    assert cli.main([*argv, "--seed", "7"]) == 2
    assert capsys.readouterr().err.rstrip().endswith("; give another --out-dir")


def interrupted(tmp_path, pause, times):
    """Run a search with pauses before its rounds, and press Ctrl-C when trials are done; return its stderr and status.

    Parameters
    ----------
    pause : str
        Seconds, an expression of the number of rounds so far; with ``an_hour()``, Ctrl-C is pressed within that hour.
    times : int
        How often; not before it was said that the last one was heard.
    """
    program = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a shell's background jobs ignore it
        "from nqjax.search.tasks import registry as tasks\n"
        "from nqjax.search.engine import tile\n"
        "from nqjax.__main__ import main\n"
        "tasks.REGISTRY['line'] = tasks.Entry('support.tiny_task', 'Line')\n"
        "advance, rounds = tile.Tile.advance, []\n"
        "def an_hour():\n    open('waiting', 'w').close()\n    return 3600\n"
        f"def slow(self, pause):\n    rounds.append(1)\n    time.sleep({pause})\n    return advance(self, pause)\n"
        "tile.Tile.advance = slow\n"
        f"sys.argv = {['nqjax', *COMMAND, '--population', '4', '--trials', '60']!r}\n"
        "sys.exit(main())\n"
    )
    path = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    env = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache"), "PYTHONPATH": path}
    running = subprocess.Popen([sys.executable, "-c", program], stderr=subprocess.PIPE, text=True, env=env)
    out = tmp_path / "trials.jsonl"
    deadline = time.monotonic() + 120
    try:
        files = [out, *[tmp_path / "waiting"] * ("an_hour" in pause)]
        while time.monotonic() < deadline:
            if all(file.exists() for file in files) and out.read_bytes().count(b"\n") > 2:
                break
            time.sleep(0.02)
        running.send_signal(signal.SIGINT)
        error = ""
        while "Ctrl-C again" not in error and (text := running.stderr.readline()):
            error += text
        for _ in range(times - 1):
            running.send_signal(signal.SIGINT)
        error += running.communicate(timeout=60)[1]
    finally:
        running.kill()
    return error, running.returncode


def test_a_real_ctrl_c(tmp_path):
    """SIGINT in the middle of the work: said at once, status 130, and the trials that were counted are there."""
    error, status = interrupted(tmp_path, "0.1", 1)
    assert status in (130, -signal.SIGINT)
    done = len(search.read_trials(tmp_path / "trials.jsonl"))
    assert 0 < done < 60
    assert "Traceback" not in error
    assert "finishing the round; Ctrl-C again stops at once\n" in error
    assert f"interrupted; {done} trials are safe in trials.jsonl" in error


def test_a_second_ctrl_c_stops_at_once(tmp_path):
    """In a round that takes an hour: no waiting, no abort, and whole lines."""
    error, status = interrupted(tmp_path, "0 if len(rounds) < 9 else an_hour()", 2)
    assert status == 130
    assert error.endswith("finishing the round; Ctrl-C again stops at once\n")
    assert 0 < len(search.read_trials(tmp_path / "trials.jsonl")) < 60


@pytest.mark.parametrize("command", ["fit", "analyze", "region"])
def test_a_search_whose_trials_were_stopped_early_is_no_random_search(tmp_path, capsys, command):
    rows = [{"trial": i, "x": i / 10, "loss": 0.1 * i + 0.1, "status": "pruned"} for i in range(20)]
    rows += [{"trial": 20 + i, "x": i / 10, "loss": 0.01 * i, "status": "finished"} for i in range(2)]
    file = tmp_path / "stopped.jsonl"
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    assert cli.main([command, str(file), "--metric", "loss"]) == 2
    said = capsys.readouterr().err
    assert "20 of 22 trials were stopped early and have no score" in said
    assert said.count("\n") == 1


def test_settings_of_rungs_are_refused_where_they_would_be_ignored(tmp_path, capsys):
    arguments = ["search", "digits-mlp", "--trials", "5", "--out", str(tmp_path / "x.jsonl"), "--eta", "4"]
    assert cli.main(arguments) == 2
    assert "the methods that stop poor trials: halving, hyperband, asha, bohb" in capsys.readouterr().err
    assert not any(tmp_path.iterdir())


def test_a_prior_is_for_methods_that_learn(capsys):
    assert cli.main(COMMAND) == 0
    method = ["--method", "tpe", "--batch", "4", "--prior", "trials.jsonl", "--seed", "1"]
    warm = ["search", "line", "--trials", "8", "--out", "warm.jsonl", "--fix", "batch_size=8", *method]
    assert cli.main(warm) == 0
    assert "8 trials in warm.jsonl" in capsys.readouterr().out
    before = Path("warm.jsonl").read_bytes()
    assert cli.main(warm) == 0
    assert Path("warm.jsonl").read_bytes() == before
    assert cli.main([*COMMAND, "--prior", "trials.jsonl"]) == 2
    assert "random takes no earlier trials" in capsys.readouterr().err
    assert cli.main([*warm, "--prior", "missing.jsonl", "--out", "other.jsonl"]) == 2
    assert "missing.jsonl" in capsys.readouterr().err
