"""Commands read what tools leave, and say what they inferred: notes and warnings on stderr, or in the document."""

import json
from pathlib import Path

import numpy as np
import pytest

import nqjax
from nqjax import cli

TOOLS = Path(__file__).parents[1] / "data" / "tools"


def run(capsys, *argv):
    """Run a command; return its document and its errors."""
    assert cli.main([*map(str, argv), "--json"]) == 0
    found = capsys.readouterr()
    return json.loads(found.out), found.err


def refused(capsys, *argv):
    assert cli.main([*map(str, argv)]) == 2
    found = capsys.readouterr()
    assert found.out == ""
    assert len(found.err.splitlines()) == 1
    return found.err


def counts(document):
    return document["num_scores"]


def test_shards_are_one_search(shared_cases, capsys):
    shards = [shared_cases / f"shard-{i}.csv" for i in range(4)]
    document, error = run(capsys, "bands", *shards, "--metric", "val_loss")
    assert (counts(document), error) == (64, "")
    assert document["file"] == f"{shards[0]} and 3 more"
    assert "4 files are one study: 64 rows, 16 rows each" in document["data"]["notes"]
    pattern, _ = run(capsys, "bands", shared_cases / "shard-*.csv", "--metric", "val_loss")
    assert pattern["tuning_curve"] == document["tuning_curve"]


def test_every_analysis_takes_several_files(shared_cases, capsys):
    shards = [str(shared_cases / f"shard-{i}.csv") for i in range(4)]
    document, _ = run(capsys, "fit", *shards, "--metric", "val_loss", "--threshold", "none")
    assert counts(document) == 64
    parser = cli._parsers()[1].choices
    for command in ("fit", "regime", "region", "posterior", "bootstrap", "bands", "plan"):
        assert parser[command].parse_args([*shards, "--metric", "val_loss"]).file == shards


def test_notes_and_warnings_go_to_stderr_where_tables_are_printed(shared_cases, capsys):
    assert cli.main(["bands", str(shared_cases / "per-epoch.csv")]) == 0
    found = capsys.readouterr()
    assert "nqjax: note: the metric is val_loss" in found.err
    assert "nqjax: warning: trial_id repeats 10 times: one row an epoch?" in found.err
    assert "nqjax:" not in found.out


def test_a_plain_table_needs_no_note(tmp_path, capsys):
    file = tmp_path / "t.csv"
    file.write_text("trial,lr,loss\n" + "".join(f"{i},{i / 7},{1 / (i + 1)}\n" for i in range(20)))
    assert cli.main(["bands", str(file), "--metric", "loss"]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("per_trial", ["last", "best"])
def test_the_report_of_a_trial_is_chosen(shared_cases, capsys, per_trial):
    argv = ["bands", shared_cases / "per-epoch.csv", "--metric", "val_loss", "--per-trial", per_trial]
    document, _ = run(capsys, *argv)
    study = nqjax.read_study(shared_cases / "per-epoch.csv", "val_loss", per_trial=per_trial)
    assert counts(document) == 20
    assert document["best_score"] == study.scores.min()
    assert document["warnings"] == []


def test_rows_are_chosen(shared_cases, capsys):
    argv = ["bands", shared_cases / "mixed-datasets.csv", "--metric", "val_acc", "--maximize"]
    cora, _ = run(capsys, *argv, "--where", "dataset=Cora")
    both, _ = run(capsys, *argv, "--where", "dataset == 'Cora'", "--where", "aggr != max")
    study = nqjax.read_study(shared_cases / "mixed-datasets.csv", "val_acc", where="dataset=Cora and aggr != max")
    assert counts(cora) == 18
    assert 0 < counts(both) == len(study) < 18
    assert "no row of " in refused(capsys, *argv, "--where", "dataset=Core")
    assert "dataset is CiteSeer, Cora, PubMed" in refused(capsys, *argv, "--where", "dataset=Core")
    assert "no comparison" in refused(capsys, *argv, "--where", "__import__('os')")


@pytest.mark.parametrize(("study", "minimize"), [("minimize", True), ("maximize", False)])
def test_a_database_says_metric_and_direction(capsys, study, minimize):
    document, _ = run(capsys, "bands", f"sqlite:///{TOOLS / 'optuna.db'}", "--study", study)
    assert (document["metric"], document["minimize"]) == ("value", minimize)
    assert document["data"]["tool"] == "Optuna"
    assert document["data"]["direction_from"] == "recorded"
    assert document["data"]["statuses"] == {"finished": 9, "pruned": 3, "failed": 1}
    assert "choose one with --study NAME" in refused(capsys, "bands", f"sqlite:///{TOOLS / 'optuna.db'}")


@pytest.mark.parametrize(
    "source", ["keras-random", "ray", "mlruns", "mlflow.db", "mlflow-runs.csv", "sklearn-random.csv"]
)
def test_the_metric_may_be_left_out_where_it_is_certain(capsys, source):
    document, _ = run(capsys, "bands", TOOLS / source)
    assert document["metric"] in ("score", "eval/loss", "metrics.val_loss", "mean_test_score")


def test_an_uncertain_metric_is_asked_for_with_a_guess(shared_cases, capsys):
    error = refused(capsys, "bands", shared_cases / "wrong-direction.csv")
    assert "Give --metric mean_test_f1" in error
    assert "mean_test_roc_auc" in error


def test_a_doubtful_direction_is_warned_of_and_not_changed(shared_cases, capsys):
    argv = ["bands", shared_cases / "wrong-direction.csv", "--metric", "mean_test_f1"]
    for options, minimize, warned in (([], True, 1), (["--minimize"], True, 1), (["--maximize"], False, 0)):
        document, _ = run(capsys, *argv, *options)
        assert document["minimize"] == minimize
        assert sum("higher is better" in one for one in document["warnings"]) == warned


def test_failed_runs_are_said(shared_cases, capsys):
    error = refused(capsys, "fit", shared_cases / "all-failed.csv", "--metric", "value")
    assert "all 40 runs failed: there is no finite score" in error


def test_equal_scores_are_said(shared_cases, capsys):
    assert "all 40 scores are 0.25" in refused(capsys, "fit", shared_cases / "constant.csv", "--metric", "val_loss")


def test_a_pruned_trial_has_no_score_in_any_command(shared_cases, capsys):
    document, _ = run(capsys, "bands", shared_cases / "pruned.csv", "--metric", "value")
    assert document["best_score"] == np.nanmin(nqjax.read_study(shared_cases / "pruned.csv", "value").scores)
    document, _ = run(capsys, "fit", shared_cases / "pruned.csv", "--metric", "value", "--threshold", "none")
    assert document["num_failed"] == 109


def test_warnings_of_the_reader_come_with_those_of_the_answer(shared_cases, capsys):
    argv = ["fit", shared_cases / "no-metric-columns.csv", "--metric", "trial_id", "--threshold", "none"]
    document, _ = run(capsys, *argv)
    assert "consecutive whole numbers" in document["warnings"][0]


def test_runs_of_a_noise_experiment_are_chosen(tmp_path, capsys):
    rng = np.random.default_rng(0)
    file = tmp_path / "t.csv"
    lines = [f"{i // 8},{'a' if i % 2 else 'b'},{rng.normal()}\n" for i in range(64)]
    file.write_text("config,set,loss\n" + "".join(lines))
    document, _ = run(capsys, "noise", file, "--config", "config", "--metric", "loss", "--where", "set=a")
    (tmp_path / "u.csv").write_text("config,set,loss\n" + "".join(lines[1::2]))
    expected, _ = run(capsys, "noise", tmp_path / "u.csv", "--config", "config", "--metric", "loss")
    assert document["sigma"] == expected["sigma"]


def test_reruns_of_chosen_rows_measure_the_noise(shared_cases, capsys):
    argv = ["fit", shared_cases / "repeated-configurations.csv", "--metric", "val_loss", "--threshold", "none"]
    document, _ = run(capsys, *argv, "--noise", "repeats", "--where", "lr < 0.01")
    study = nqjax.read_study(shared_cases / "repeated-configurations.csv", "val_loss", where="lr < 0.01")
    chosen = set(zip(study.config["lr"], study.config["dropout"], strict=True))
    noise = document["noise"]
    assert noise["configurations"] + noise["num_left_out"] == len(chosen) < 25
    assert noise["num_runs"] == 8 * noise["configurations"]


def test_rows_of_many_files_are_chosen(shared_cases, tmp_path, capsys):
    parquet = pytest.importorskip("pyarrow.parquet")
    out = tmp_path / "fits.parquet"
    argv = ["fit-many", shared_cases / "crashed-runs.csv", "--metric", "val/loss", "--threshold", "none", "--out", out]
    run(capsys, *argv, "--where", "Runtime < 130")
    (row,) = parquet.read_table(out).to_pylist()
    study = nqjax.read_study(shared_cases / "crashed-runs.csv", "val/loss", where="Runtime < 130")
    assert (row["num_scores"], row["num_failed"]) == (len(study), study.num_failed)
    assert 0 < study.num_failed < len(study) < 64
