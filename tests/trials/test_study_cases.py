"""Files from the field, one for each kind of fault: see the README of the cases."""

import csv
import json
import math
import shutil

import numpy as np
import pytest

import nqjax
from nqjax.errors import InputError


def read(folder, name, metric=None, **options):
    return nqjax.read_study(folder / name, metric, **options)


def rows(folder, name, delimiter=","):
    with (folder / name).open(newline="") as file:
        return list(csv.DictReader(file, delimiter=delimiter))


def one_with(sentences, *parts):
    """Return the only sentence that has all parts."""
    (found,) = [one for one in sentences if all(part in one for part in parts)]
    return found


# --- rows that are not independent trials ---------------------------------------------------------------------------


def test_hyperband_names_its_budgets(shared_cases):
    study = read(shared_cases, "hyperband.csv", "score", maximize=True)
    one_with(study.warnings, "tuner/epochs", "budgets 3, 7 and 20", '--where "tuner/epochs == 20"')
    full = read(shared_cases, "hyperband.csv", "score", maximize=True, where="tuner/epochs == 20")
    table = rows(shared_cases, "hyperband.csv")
    assert full.scores.tolist() == [float(row["score"]) for row in table if row["tuner/epochs"] == "20"]
    assert not any("budget" in warning for warning in full.warnings)


@pytest.mark.parametrize("per_trial", [None, "last", "best"])
def test_one_row_an_epoch(shared_cases, per_trial):
    study = read(shared_cases, "per-epoch.csv", "val_loss", per_trial=per_trial)
    curves: dict[str, list[float]] = {}
    for row in rows(shared_cases, "per-epoch.csv"):
        curves.setdefault(row["trial_id"], []).append(float(row["val_loss"]))
    expected = [min(curve) if per_trial == "best" else curve[-1] for curve in curves.values()]
    assert study.scores.tolist() == expected
    assert [curve.tolist() for curve in study.curves] == list(curves.values())
    assert study.ids == tuple(curves)
    said = [one for one in study.warnings if "trial_id repeats 10 times: one row an epoch?" in one]
    assert len(said) == (per_trial is None)


def test_pruned_trials_have_no_score(shared_cases):
    study = read(shared_cases, "pruned.csv", "value")
    table = rows(shared_cases, "pruned.csv")
    expected = [float(row["value"]) if row["state"] == "COMPLETE" else math.nan for row in table]
    np.testing.assert_array_equal(study.scores, expected)
    one_with(study.notes, "109 PRUNED")
    one_with(study.warnings, "109 of 128 trials were pruned")


def test_only_finished_runs_are_scores(shared_cases):
    study = read(shared_cases, "crashed-runs.csv", "val/loss")
    table = rows(shared_cases, "crashed-runs.csv")
    expected = [float(row["val/loss"]) if row["State"] == "finished" else math.nan for row in table]
    np.testing.assert_array_equal(study.scores, expected)
    counts = {state: sum(row["State"] == state for row in table) for state in ("crashed", "running")}
    one_with(study.notes, *(f"{count} {state}" for state, count in counts.items()))
    assert study.tool == "Weights & Biases"
    assert list(study.config) == ["lr"]


def test_an_export_of_weights_and_biases_is_taken_apart():
    names = (
        "Name",
        "State",
        "Notes",
        "User",
        "Tags",
        "Created",
        "Runtime",
        "Sweep",
        "lr",
        "layers",
        "_step",
        "_timestamp",
    )
    rows = [
        dict(
            zip(
                names,
                (f"run-{i}", "finished", "", "me", "", "2026-01-01", i, "s", i / 9, i % 3, 5, 1.7e9 + i),
                strict=True,
            )
        )
        | {"val/loss": (i % 7) / 3, "train/loss": i / 5, "epoch": 3}
        for i in range(9)
    ]
    rows[4]["State"] = "killed"
    study = nqjax.read_study(rows)
    assert (study.tool, study.metric, study.cost_name) == ("Weights & Biases", "val/loss", "Runtime")
    assert set(study.config) == {"lr", "layers"}
    assert study.status.tolist() == ["failed" if i == 4 else "finished" for i in range(9)]
    assert study.ids == tuple(f"run-{i}" for i in range(9))


def test_repeated_configurations_are_counted(shared_cases):
    one_with(read(shared_cases, "repeated-configurations.csv", "val_loss").warnings, "25 configurations, 8 runs each")
    assert not any("configurations" in one for one in read(shared_cases, "trials-array.json", "val_loss").warnings)


def test_mixed_datasets_are_taken_apart(shared_cases):
    study = read(shared_cases, "mixed-datasets.csv", "val_acc", maximize=True)
    one_with(study.warnings, "dataset explains", "--where dataset=CiteSeer")
    cora = read(shared_cases, "mixed-datasets.csv", "val_acc", maximize=True, where="dataset=Cora")
    table = rows(shared_cases, "mixed-datasets.csv")
    assert cora.scores.tolist() == [float(row["val_acc"]) for row in table if row["dataset"] == "Cora"]
    assert not any("dataset" in warning for warning in cora.warnings)


def test_few_different_scores_are_counted(shared_cases):
    study = read(shared_cases, "knn-grid.csv", "mean_test_score", maximize=True)
    one_with(study.warnings, "9 different scores among 160: a grid, or hyperparameters without effect")
    one_with(read(shared_cases, "rounded.csv", "val_acc", maximize=True).warnings, "val_acc is rounded to 0.01")


def test_folds_of_a_parent_are_no_trials():
    trials = []
    for i in range(6):
        trials.append({"run_id": f"p{i}", "parent_run_id": None, "params.lr": i, "metrics.loss": i / 7})
        trials += [{"run_id": f"p{i}f{j}", "parent_run_id": f"p{i}", "metrics.loss": None} for j in range(5)]
    study = nqjax.read_study(trials)
    assert study.scores.tolist() == [i / 7 for i in range(6)]
    one_with(study.notes, "30 rows are left out", "parent_run_id")


def test_the_parent_of_all_trials_is_no_trial():
    trials = [{"run_id": "p", "parent_run_id": None, "metrics.loss": None}]
    trials += [{"run_id": f"c{i}", "parent_run_id": "p", "metrics.loss": i / 7} for i in range(6)]
    assert nqjax.read_study(trials).scores.tolist() == [i / 7 for i in range(6)]


def test_most_rows_without_a_score_are_said():
    trials = [{"lr": i, "loss": i / 7 if i % 3 == 0 else None} for i in range(30)]
    one_with(nqjax.read_study(trials, "loss").warnings, "20 of 30 rows have no loss")


def test_configurations_that_occur_several_times_with_one_score():
    trials = [{"lr": i % 5, "loss": (i % 5) / 7} for i in range(20)]
    one_with(nqjax.read_study(trials, "loss").warnings, "these are 5 trials, not 20")


def test_totals_and_empty_rows_are_no_trials(tmp_path):
    file = tmp_path / "t.csv"
    file.write_text("trial,lr,loss\n0,0.1,0.5\n,,\n1,0.2,0.25\n2,,\nmean,,0.375\nTotal:,0.3,0.75\n")
    study = nqjax.read_study(file, "loss")
    np.testing.assert_array_equal(study.scores, [0.5, 0.25, np.nan])
    one_with(study.notes, "1 row is left out: they are empty")
    one_with(study.notes, "2 rows are left out", "Total:, mean")


# --- what column, what direction ------------------------------------------------------------------------------------


@pytest.mark.parametrize("said", [{}, {"minimize": True}, {"maximize": True}])
def test_a_score_that_is_minimized_by_mistake(shared_cases, said):
    study = read(shared_cases, "wrong-direction.csv", "mean_test_f1", **said)
    warned = [one for one in study.warnings if "its name and rank_test_f1 say that higher is better" in one]
    assert len(warned) == ("minimize" in said)
    assert study.direction == ("minimize" if "minimize" in said else "maximize")


def test_a_loss_that_is_maximized_by_mistake(shared_cases):
    study = read(shared_cases, "no-metric-columns.csv", "val_loss", maximize=True)
    one_with(study.warnings, "its name and rank_val_loss say that lower is better: give --minimize")


@pytest.mark.parametrize(
    ("metric", "part"),
    [
        ("trial_id", "consecutive whole numbers"),
        ("timestamp", "times of a clock"),
        ("config/lr", "a hyperparameter by its name"),
        ("rank_val_loss", "ranks"),
    ],
)
def test_columns_that_are_no_scores(shared_cases, metric, part):
    one_with(read(shared_cases, "no-metric-columns.csv", metric).warnings, metric, part)


def test_the_column_of_scores_is_found_or_asked_for(shared_cases):
    study = read(shared_cases, "no-metric-columns.csv")
    assert study.metric == "val_loss"
    assert study.warnings == ()
    with pytest.raises(InputError, match=r"Give --metric mean_test_f1 .* mean_test_f1, mean_test_roc_auc"):
        read(shared_cases, "wrong-direction.csv")


def test_all_runs_failed(shared_cases):
    study = read(shared_cases, "all-failed.csv", "value")
    assert np.isnan(study.scores).all()
    one_with(study.warnings, "all 40 runs failed: there is no finite score")


# --- reading --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "metric", "delimiter", "number"),
    [
        ("semicolon.csv", "mean_test_score", ";", lambda text: float(text or "nan")),
        ("decimal-comma.csv", "val_loss", ";", lambda text: float(text.replace(",", "."))),
        ("percent.csv", "accuracy", ",", lambda text: float(text[:-1] + "e-2")),
        ("thousands.csv", "reward", ",", lambda text: float(text.replace(",", ""))),
        ("failed-as-text.csv", "val_loss", ",", lambda text: math.nan if text == "FAILED" else float(text)),
    ],
)
def test_numbers_as_they_are_written(shared_cases, name, metric, delimiter, number):
    study = read(shared_cases, name, metric)
    np.testing.assert_array_equal(study.scores, [number(row[metric]) for row in rows(shared_cases, name, delimiter)])


def test_words_for_failure_are_counted_by_name(shared_cases):
    one_with(read(shared_cases, "failed-as-text.csv", "val_loss").notes, "7 FAILED")
    trials = [{"loss": word} for word in (0.5, "FAILED", "error", "crashed", "diverged", 0.25)]
    study = nqjax.read_study(trials, "loss")
    assert study.num_failed == 4
    one_with(study.notes, "1 FAILED", "1 error", "1 crashed", "1 diverged")


def test_files_of_several_workers_are_one_study(shared_cases, tmp_path):
    names = [f"shard-{i}.csv" for i in range(4)]
    expected = [float(row["val_loss"]) for name in names for row in rows(shared_cases, name)]
    for name in names:
        shutil.copy(shared_cases / name, tmp_path)
    sources = [str(tmp_path / name) for name in names]
    for source in (
        sources,
        str(tmp_path / "shard-*.csv"),
        tmp_path,
        [*sources, sources[0]],
        [sources[0], *sources[1:]],
    ):
        study = nqjax.read_study(source, "val_loss")
        assert study.scores.tolist() == expected
        assert len(set(study.ids)) == 64
    shutil.copy(tmp_path / names[1], tmp_path / "shard-1 (copy).csv")
    study = nqjax.read_study(tmp_path, "val_loss")
    assert sorted(study.scores) == sorted(expected)
    one_with(study.notes, "16 rows are left out", "another file has them, too")


def test_json_of_several_kinds(shared_cases):
    values = json.loads((shared_cases / "trials-array.json").read_text())
    study = read(shared_cases, "trials-array.json", "val_loss")
    assert study.scores.tolist() == [one["val_loss"] for one in values]
    assert list(study.config) == ["lr"]
    lines = [json.loads(line) for line in (shared_cases / "ray-result.json").read_text().splitlines()]
    ray = read(shared_cases, "ray-result.json", "val_loss")
    assert ray.curves[0].tolist() == [line["val_loss"] for line in lines]
    assert ray.scores.tolist() == [lines[-1]["val_loss"]]
    keras = read(shared_cases, "keras-trial.json")
    assert (keras.scores.tolist(), keras.direction) == ([0.15314233869426813], "minimize")


@pytest.mark.parametrize(
    "value",
    [
        [{"loss": 0.5, "lr": 1}, {"loss": 0.25, "lr": 2}],
        {"trials": [{"loss": 0.5, "lr": 1}, {"loss": 0.25, "lr": 2}], "seed": 3},
        {"loss": [0.5, 0.25], "lr": [1, 2]},
        {"loss": {"0": 0.5, "1": 0.25}, "lr": {"0": 1, "1": 2}},
        {"columns": ["loss", "lr"], "index": [0, 1], "data": [[0.5, 1], [0.25, 2]]},
        {"a": {"loss": 0.5, "lr": 1}, "b": {"loss": 0.25, "lr": 2}},
    ],
    ids=["array", "one list", "columns", "pandas", "pandas split", "objects"],
)
def test_tables_in_json(tmp_path, value):
    file = tmp_path / "t.json"
    file.write_text(json.dumps(value))
    study = nqjax.read_study(file, "loss")
    assert study.scores.tolist() == [0.5, 0.25]
    assert study.config["lr"].tolist() == [1, 2]


@pytest.mark.parametrize("value", ["3", "[]", "{}", "[1, 2]", '{"a": 1}', "[[[", '{"data": [], "configs": {}}', '"x"'])
def test_json_without_a_table(tmp_path, value):
    file = tmp_path / "t.json"
    file.write_text(value)
    with pytest.raises(InputError, match=r"t\.json"):
        nqjax.read_study(file, "loss")


def test_a_run_history_of_smac_is_named(tmp_path):
    file = tmp_path / "runhistory.json"
    file.write_text(json.dumps({"data": [[1, None, 0, None, 0.5]], "configs": {"1": {"x": 1}}}))
    with pytest.raises(InputError, match=r"SMAC's run history.*CSV"):
        nqjax.read_study(file, "cost")


def test_exports_joined_end_to_end_are_one_table(tmp_path):
    file = tmp_path / "t.csv"
    file.write_text("trial,loss\n0,0.5\n1,0.25\ntrial,loss\n2,0.75\n")
    study = nqjax.read_study(file, "loss")
    assert study.scores.tolist() == [0.5, 0.25, 0.75]
    one_with(study.notes, "they repeat the names of the columns")


def test_a_row_that_comes_twice_is_one_trial(tmp_path):
    file = tmp_path / "t.csv"
    file.write_text("trial,loss\n0,0.5\n1,0.25\n1,0.25\n")
    assert nqjax.read_study(file, "loss").scores.tolist() == [0.5, 0.25]
    # Two runs of a configuration may have one score.
    file.write_text("trial,loss\n0,0.5\n1,0.25\n1,0.25\n1,0.3\n")
    assert len(nqjax.read_study(file, "loss")) == 4


# --- hostile --------------------------------------------------------------------------------------------------------


def test_an_ending_in_upper_case(shared_cases):
    import gzip

    text = gzip.decompress((shared_cases / "hostile-upper.CSV.GZ").read_bytes()).decode()
    assert read(shared_cases, "hostile-upper.CSV.GZ", "loss").scores.tolist() == [*map(float, text.split()[1:])]


def test_names_are_shown_escaped(shared_cases):
    with pytest.raises(InputError) as found:
        read(shared_cases, "hostile-escape-column.csv", "val")
    assert str(found.value).isprintable()


def test_our_own_file_given_twice_counts_each_trial_once(tmp_path):
    text = nqjax.data.digits_mlp_path().read_text()
    file = tmp_path / "t.jsonl"
    file.write_text(text * 2)
    study = nqjax.read_study(file)
    trials = nqjax.read_trials(nqjax.data.digits_mlp_path())
    np.testing.assert_array_equal(study.scores, trials.scores)
    assert (study.metric, study.direction, study.direction_from) == ("val_loss", "minimize", "recorded")
    assert set(study.config) == set(trials.settings["space"])


def test_an_object_that_nests_deeply(tmp_path):
    file = tmp_path / "t.json"
    for text in ('{"a":' * 100_000, "[" * 100_000, '[{"loss": 1, "x": ' + '{"a":' * 900 + "1" + "}" * 900 + "}]"):
        file.write_text(text)
        with pytest.raises(InputError):
            nqjax.read_study(file, "val")


def test_accuracies_among_the_best_few_are_metrics():
    """Top-1 and top-5 accuracy are metrics, however they are written: neither is a hyperparameter."""
    rng = np.random.default_rng(0)
    for one, other in (("top_1", "top_5"), ("top1", "top5"), ("val/top-1", "val/top-5")):
        trials = [{"lr": x, one: 0.7 - x**2, other: 0.9 - x**2} for x in rng.random(12)]
        study = nqjax.read_study(trials, one)
        assert list(study.config) == ["lr"]
        assert study.direction == "maximize"
