"""`nqjax replay`: what early stopping would have been worth on the learning curves of a file."""

import json

import jax
import numpy as np
import pytest
from scipy import stats

import nqjax
from nqjax.cli import main
from nqjax.search import curve_table, replay, run, table_error
from support import tiny_task

EPOCHS = 9


def _curves(count=300, seed=0):
    rng = np.random.default_rng(seed)
    epochs = np.arange(1, EPOCHS + 1)
    return [end + (1 - end) * np.exp(-epochs / 3) for end in rng.uniform(size=count)]


def _csv(tmp_path, curves, sign=1, more=""):
    path = tmp_path / "curves.csv"
    rows = [
        f"{i},{epoch},{sign * value}{more}"
        for i, curve in enumerate(curves)
        for epoch, value in enumerate(curve, start=1)
    ]
    path.write_text("trial,epoch,loss\n" + "\n".join(rows) + "\n")
    return str(path)


def _json(capsys, *arguments):
    assert main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


FEW = ["--metric", "loss", "--replications", "30", "--cost", "4", "8"]


def test_the_answer_is_that_of_the_functions_behind_it(tmp_path, capsys):
    file, out, page, picture = _csv(tmp_path, _curves()), *(str(tmp_path / n) for n in ("o.jsonl", "p.html", "p.svg"))
    found = _json(capsys, "replay", file, *FEW, "--out", out, "--report", page, "--plot", picture)
    assert [one["method"] for one in found["methods"]] == ["random", "halving", "hyperband", "asha"]
    table = curve_table(_curves(), minimize=True)
    best = replay(table, ["halving"], replications=30, budget=8, key=jax.random.key(0))["halving"]
    alone = nqjax.worth(best, table, at=[4, 8], unit="full trainings")
    entries = found["methods"][1]["observed"]
    assert [entry["estimate"] for entry in entries] == alone.estimate.tolist()
    # The interval is wider than that of `nqjax.worth`: which trials the file has is chance, too.
    error = table_error(table, ["halving"], [4, 8], key=jax.random.key(0))["halving"]
    lower = np.minimum(alone.lower, alone.estimate * np.exp(-stats.norm.ppf(1 - 0.05 / 4) * error))
    assert np.allclose([entry["lower"] for entry in entries], lower)
    assert (found["eta"], found["baseline_trials"], found["resolved"]) == (3, 300, 100)
    assert found["rungs"] == pytest.approx([1 / 9, 1 / 3, 1.0])
    header, *lines = [json.loads(line) for line in (tmp_path / "o.jsonl").read_text().splitlines()]
    assert header["nqjax_replay"]["trials"] == 300
    own = [line["best"] for line in lines if line["method"] == "halving"]
    assert np.allclose(np.array(own, float), np.where(np.isinf(best), np.nan, best), equal_nan=True)
    text = (tmp_path / "p.html").read_text()
    assert "After 8 full trainings, halving equals random search" in text
    assert "cost in full trainings" in (tmp_path / "p.svg").read_text() or "<svg" in (tmp_path / "p.svg").read_text()


def test_the_terminal_has_the_answer_first(tmp_path, capsys):
    assert main(["replay", _csv(tmp_path, _curves()), *FEW, "--methods", "random", "median", "--min-rounds", "2"]) == 0
    words = " ".join(capsys.readouterr().out.split())
    assert words.startswith("Worth in random trials on the learning curves of")
    assert "After 8 full trainings, median equals random search" in words
    assert "cost: full trainings, of which a random trial costs one." in words


def test_higher_scores_and_other_rungs(tmp_path, capsys):
    lower = _json(capsys, "replay", _csv(tmp_path, _curves()), *FEW, "--methods", "asha", "--eta", "2", "--rungs", "3")
    options = ["--methods", "asha", "--eta", "2", "--rungs", "3", "--maximize", "--out", str(tmp_path / "o.jsonl")]
    higher = _json(capsys, "replay", _csv(tmp_path, _curves(), sign=-1), *FEW, *options)
    assert higher["methods"] == lower["methods"]
    assert lower["rungs"] == [0.25, 0.5, 1.0]
    last = json.loads((tmp_path / "o.jsonl").read_text().splitlines()[-1])
    assert -1 <= last["best"][-1] <= 0


def test_a_search_of_ours_and_a_study_of_optuna(tmp_path, capsys):
    out = tmp_path / "trials.jsonl"
    run(tiny_task.Line(), num_trials=40, key=jax.random.key(0), out=out)
    found = _json(capsys, "replay", str(out), *FEW[2:], "--methods", "random", "halving", "--rungs", "2")
    assert found["baseline_trials"] == 40
    optuna = pytest.importorskip("optuna")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    database = f"sqlite:///{tmp_path / 'study.db'}"
    study = optuna.create_study(storage=database, study_name="s", sampler=optuna.samplers.RandomSampler())
    for curve in _curves(41):
        steps = dict(enumerate(curve.tolist()))
        study.add_trial(optuna.trial.create_trial(value=float(curve[-1]), intermediate_values=steps))
    found = _json(capsys, "replay", database, *FEW[2:], "--methods", "random", "asha", "--workers", "2")
    assert found["baseline_trials"] == 41
    assert found["workers"] == 2


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--methods", "tpe"], "tpe cannot run on learning curves: choose from random, halving"),
        (["--rungs", "4"], "rungs is 4, which begins below one round: a training of 9 rounds has room for 3"),
        (["--rungs", "0"], "--rungs"),
        (["--eta", "1"], "eta is 1"),
        (["--cost", "0.5"], "whole numbers of full trainings"),
        (["--out", "runs.csv"], "must end in"),
        (["--report", "page.pdf"], "page.pdf"),
    ],
)
def test_bad_input_is_one_line(tmp_path, capsys, arguments, word):
    assert main(["replay", _csv(tmp_path, _curves(50)), "--metric", "loss", *arguments]) == 2
    error = capsys.readouterr().err.strip().splitlines()
    assert word in error[-1]


def test_files_without_whole_curves_are_refused(tmp_path, capsys):
    (plain := tmp_path / "plain.csv").write_text("lr,loss\n" + "".join(f"{i},{i}\n" for i in range(60)))
    short = [curve[:3] if i < 9 else curve for i, curve in enumerate(_curves(60))]
    stopped = [{"trial": i, "epoch": e, "loss": float(x), "state": "PRUNED" if i < 9 else "COMPLETE"}
               for i, curve in enumerate(short) for e, x in enumerate(curve)]  # fmt: skip
    (pruned := tmp_path / "pruned.jsonl").write_text("".join(json.dumps(row) + "\n" for row in stopped))
    for file, word in (
        (str(plain), "there are no learning curves"),
        (_csv(tmp_path, short), "may have been stopped early"),
        (str(pruned), "9 of 60 trials were stopped early"),
    ):
        assert main(["replay", file, "--metric", "loss"]) == 2
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert word in line
    assert main(["replay", _csv(tmp_path, _curves(20)), "--metric", "loss"]) == 2
    assert "has 20 trials, too few" in capsys.readouterr().err


def test_a_small_table_says_what_it_cannot_tell(tmp_path, capsys):
    found = _json(capsys, "replay", _csv(tmp_path, _curves(60)), *FEW[:4], "--cost", "30", "--methods", "halving")
    assert "the 60 trials of the file tell no worth beyond 20: give more" in found["warnings"]
    assert "after more than 20 full trainings" in found["answer"][0]
