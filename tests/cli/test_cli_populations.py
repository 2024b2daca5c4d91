"""`nqjax search --method pbt`: its options, what it says, and what it refuses."""

import json
from pathlib import Path

import numpy as np
import pytest

from nqjax import cli, search
from nqjax.cli import process
from nqjax.search.tasks import registry as tasks
from support import tiny_task

COMMAND = ["search", "line", "--method", "pbt", "--population", "10", "--interval", "1", "--out", "pbt.jsonl"]
FIXED = ["--fix", "batch_size=8", "--fix", "epochs=4"]


@pytest.fixture(autouse=True)
def here(monkeypatch, tmp_path):
    monkeypatch.setattr(process, "listen_for_ctrl_c", lambda *_: None)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(tasks.REGISTRY, "line", tasks.Entry("support.tiny_task", "Line"))
    line = tiny_task.Line()  # one for all commands, so that its programs are compiled once
    monkeypatch.setattr(tiny_task, "Line", lambda: line)


def test_a_population_and_what_is_said_of_it(capsys):
    argv = [*COMMAND, *FIXED]
    assert cli.main(argv) == 0
    text = capsys.readouterr().out
    trials = search.read_trials("pbt.jsonl")
    copied = sum(len(lineage) > 1 for lineage in trials["lineage"])
    assert len(trials) == 10
    assert 2 <= copied <= 10
    assert f"{copied} trials have taken over the weights of others; all cost 10 full trainings\n" in text
    assert "Its hyperparameters are those of its last rounds" in text
    assert "Next:" not in text
    before = Path("pbt.jsonl").read_bytes()
    assert cli.main([*argv, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["num_trials"], document["num_copied"], document["cost"]) == (10, copied, 10)
    assert Path("pbt.jsonl").read_bytes() == before
    assert cli.main([*argv, "--exploit", "0.5"]) == 2
    assert "sampling.exploit_probability = 1.0 (now sampling.exploit_probability = 0.5)" in capsys.readouterr().err


def test_settings_reach_the_method(capsys):
    own = ["--truncation", "0.4", "--resample", "0", "--exploit", "0.5", "--burn-in", "2", "--trials", "20"]
    assert cli.main([*COMMAND, *FIXED, *own]) == 0
    sampling = search.read_trials("pbt.jsonl").settings["sampling"]
    wanted = {"population": 10, "interval": 1, "truncation": 0.4, "resample": 0, "exploit_probability": 0.5}
    assert {name: sampling[name] for name in wanted} == wanted
    assert (sampling["burn_in"], sampling["num_trials"]) == (2, 20)
    assert "20 trials" in capsys.readouterr().out


def test_commands_that_need_a_random_search_refuse_it(capsys):
    assert cli.main([*COMMAND, *FIXED]) == 0
    capsys.readouterr()
    for argv, part in (
        (["residual", "pbt.jsonl", "--seeds", "4", "--out", "runs.jsonl"], "changed while they trained"),
        (["ablation", "pbt.jsonl", "--out-dir", "ablation", "--trials", "4"], "changed while they trained"),
        (["worth", "pbt.jsonl", "--against", "random.csv", "--metric", "val_loss"], "a row for each population"),
    ):
        scores = np.random.default_rng(0).uniform(size=100).tolist()
        Path("random.csv").write_text("val_loss\n" + "\n".join(map(str, scores)) + "\n")
        assert cli.main(argv) == 2
        error = capsys.readouterr().err
        assert part in error
        assert "Traceback" not in error


@pytest.mark.parametrize(
    ("argv", "part"),
    [
        (["--method", "halving", "--trials", "9", "--interval", "2"], "--exploit are for --method pbt"),
        (["--trials", "9", "--burn-in", "2"], "--exploit are for --method pbt"),
        (["--method", "pbt", "--eta", "2"], "the methods that stop poor trials"),
        (["--method", "pbt", "--grid", "2"], "not both"),
        (["--method", "pbt", "--exploit", "2"], "exploit_probability is 2"),
        (["--method", "pbt", "--interval", "9"], "the longest training has 5 rounds"),
        (["--method", "pbt", "--population", "1"], "population is 1"),
        (["--method", "median", "--trials", "9", "--eta", "2"], "median has no rungs"),
        (["--method", "median", "--trials", "9", "--min-rounds", "5"], "the longest training has 5 rounds"),
        (["--method", "ptb", "--trials", "3"], "did you mean 'pbt'"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(argv, part, capsys):
    assert cli.main(["search", "line", *argv, "--out", "x.jsonl"]) == 2
    error = capsys.readouterr().err
    assert part in error
    assert error.count("\n") == 1
    assert not Path("x.jsonl").exists()


def test_it_is_no_method_of_replicated_searches(capsys):
    assert cli.main(["worth", "branin", "--methods", "pbt", "--replications", "2", "--trials", "2"]) == 2
    assert "copies weights between trials" in capsys.readouterr().err
