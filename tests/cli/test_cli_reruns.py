"""`--noise`: a file of reruns, configurations that the search repeats, columns of seeds; in every command."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

import nqjax
from nqjax import cli
from nqjax.cli import averaged, threshold

#: What each command needs besides the search and the noise.
COMMANDS = {"fit": [], "region": [], "posterior": [], "plan": [], "compare": ["other.csv"]}


class Asked(BaseException):
    """The analysis was asked for, with this noise."""


@pytest.fixture
def noise_of(tmp_path, monkeypatch):
    """Return a function that runs a command until its analysis begins, and returns the noise that it was given."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    write("other.csv", ["lr", "optimizer", "loss"], [[i, "sgd", y] for i, y in enumerate(0.1 + rng.random(24))])

    def stop(*_, noise, **__):
        raise Asked(noise)

    monkeypatch.setattr(averaged, "answer", stop)

    def asked(command, *argv):
        with pytest.raises(Asked) as found:
            cli.main([command, "trials.csv", *COMMANDS[command], "--metric", "loss", *argv])
        return found.value.args[0]

    return asked


def write(name, columns, rows):
    lines = [",".join(columns), *(",".join("" if cell is None else str(cell) for cell in row) for row in rows)]
    Path(name).write_text("\n".join(lines) + "\n")


def write_search():
    """Write a search with two hyperparameters, and return its rows."""
    rng = np.random.default_rng(1)
    rows = [[i, rng.random(), rng.choice(["sgd", "adam"]), 0.1 + rng.random()] for i in range(24)]
    write("trials.csv", ["number", "lr", "optimizer", "loss"], rows)
    return rows


def runs(count=6, each=4, seed=2):
    """Return the scores of reruns, a list for each configuration."""
    rng = np.random.default_rng(seed)
    return [[0.1 + 0.02 * i + 0.01 * rng.normal() for _ in range(each)] for i in range(count)]


def pooled(groups):
    """Return the standard deviation within groups by a plain loop."""
    square = sum(sum((y - sum(one) / len(one)) ** 2 for y in one) for one in groups)
    return math.sqrt(square / sum(len(one) - 1 for one in groups))


@pytest.mark.parametrize("command", COMMANDS)
def test_reruns_named_by_a_column(noise_of, command):
    write_search()
    found = runs()
    write(
        "reruns.csv", ["trial", "seed", "loss"], [[i, s, y] for i, one in enumerate(found) for s, y in enumerate(one)]
    )
    noise = noise_of(command, "--noise", "reruns.csv")
    assert noise.sigma == pytest.approx(pooled(found), rel=1e-9)
    assert (noise.configurations, noise.degrees_of_freedom) == (6, 18)


@pytest.mark.parametrize("command", COMMANDS)
def test_reruns_named_by_the_hyperparameters_that_the_search_has_too(noise_of, command):
    search, found = write_search(), runs()
    rows = [[s, *search[i][1:3], y, 60 + s] for i, one in enumerate(found) for s, y in enumerate(one)]
    write("reruns.csv", ["seed", "lr", "optimizer", "loss", "minutes"], rows)
    assert noise_of(command, "--noise", "reruns.csv").sigma == pytest.approx(pooled(found), rel=1e-9)


@pytest.mark.parametrize("command", COMMANDS)
def test_reruns_named_by_the_columns_that_are_given(noise_of, command):
    write_search()
    found = runs()
    # The column "trial" counts the runs here; the model and its depth together name the configuration.
    rows = [[4 * i + s, "ab"[i % 2], i // 2, y] for i, one in enumerate(found) for s, y in enumerate(one)]
    write("reruns.csv", ["trial", "model", "depth", "loss"], rows)
    given = ("--noise", "reruns.csv", "--noise-config", "model", "depth")
    noise = noise_of(command, *given)
    assert (noise.sigma, noise.configurations) == (pytest.approx(pooled(found), rel=1e-9), 6)
    merged = [found[0] + found[2] + found[4], found[1] + found[3] + found[5]]
    assert noise_of(command, *given[:3], "model").sigma == pytest.approx(pooled(merged), rel=1e-9)


@pytest.mark.parametrize("command", COMMANDS)
def test_configurations_that_the_search_repeats(noise_of, command):
    found = runs()
    write("trials.csv", ["lr", "loss"], [[0.1 * i, y] for i, one in enumerate(found) for y in one])
    # Compared searches have noise of their own each.
    write("other.csv", ["lr", "loss"], [[0.1 * i, y] for i, one in enumerate(runs(seed=3)) for y in one])
    noise = noise_of(command, "--noise", "repeats")
    assert noise.sigma == pytest.approx(pooled(found), rel=1e-9)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("given", ["seed_*", "seed_0,seed_1, seed_2"])
def test_columns_of_seeds_of_which_the_metric_is_the_mean(noise_of, command, given):
    rng = np.random.default_rng(4)
    each = [0.1 + rng.random((24, 1)) + 0.01 * rng.normal(size=(24, 3)) for _ in range(2)]
    for name, seeds in zip(("trials.csv", "other.csv"), each, strict=True):
        rows = [[i, row.mean(), *row] for i, row in enumerate(seeds)]
        write(name, ["lr", "loss", "seed_0", "seed_1", "seed_2"], rows)
    one = nqjax.noise_from_seeds(each[0], column_effects=True)
    noise = noise_of(command, "--noise", given)
    assert noise.sigma == pytest.approx(one.sigma / math.sqrt(3), rel=1e-9)
    assert noise.degrees_of_freedom == 23 * 2


def test_the_metric_may_be_one_of_the_columns_of_seeds(noise_of):
    rng = np.random.default_rng(5)
    seeds = 0.1 + rng.random((24, 1)) + 0.01 * rng.normal(size=(24, 2))
    write("trials.csv", ["loss", "second"], seeds.tolist())
    expected = nqjax.noise_from_seeds(seeds, column_effects=True)
    assert noise_of("fit", "--noise", "loss,second").sigma == pytest.approx(expected.sigma, rel=1e-9)


def test_compare_takes_noise_for_each_search(noise_of, capsys):
    write_search()
    for seed in (2, 3):
        rows = [[i, y] for i, one in enumerate(runs(seed=seed)) for y in one]
        write(f"reruns-{seed}.csv", ["config", "loss"], rows)
    assert noise_of("compare", "--noise", "reruns-3.csv", "--noise", "reruns-2.csv").sigma == pytest.approx(
        pooled(runs(seed=3)), rel=1e-9
    )
    argv = ["compare", "trials.csv", "other.csv", "--metric", "loss", *(["--noise", "reruns-2.csv"] * 3)]
    assert cli.main(argv) == 2
    assert "give it once, or 2 times" in capsys.readouterr().err


def test_a_threshold_leaves_out_worse_configurations(noise_of, monkeypatch):
    write_search()
    found = runs()
    write("reruns.csv", ["config", "loss"], [[i, y] for i, one in enumerate(found) for y in one])
    means = sorted(sum(one) / len(one) for one in found)

    def stop(args, scores, noise):
        raise Asked(noise)

    monkeypatch.setattr(threshold, "resolve", stop)
    middle = (means[2] + means[3]) / 2
    noise = noise_of("fit", "--noise", "reruns.csv", "--threshold", str(middle))
    assert (noise.configurations, noise.num_left_out) == (3, 3)
    better = [one for one in found if sum(one) / len(one) < middle]
    assert noise.sigma == pytest.approx(pooled(better), rel=1e-9)


def test_a_sigma_outside_the_interval_of_the_reruns_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_search()
    write("reruns.csv", ["config", "loss"], [[i, y] for i, one in enumerate(runs()) for y in one])
    argv = ["fit", "trials.csv", "--metric", "loss", "--noise", "reruns.csv", "--sigma", "5", "--threshold", "none"]
    assert cli.main(argv) == 2
    assert "sigma is constrained to 5 to 5, but the reruns say" in capsys.readouterr().err


# --- rows that are no scores ------------------------------------------------------------------------------------------


def with_failures(found):
    """Return rows of reruns with pruned and crashed ones, which have values that would change everything."""
    rows = []
    for i, one in enumerate(found):
        rows += [[i, "COMPLETE", y] for y in one]
        rows += [[i, "PRUNED", 7.0], [i, "FAIL", -3.0], [i, "COMPLETE", None]]
    return rows


def test_a_pruned_or_crashed_rerun_has_no_score(noise_of):
    write_search()
    write("reruns.csv", ["config", "state", "loss"], with_failures(runs()))
    noise = noise_of("fit", "--noise", "reruns.csv")
    assert noise.sigma == pytest.approx(pooled(runs()), rel=1e-9)
    assert (noise.num_runs, noise.num_failed) == (24, 18)


def test_a_pruned_or_crashed_trial_has_no_scores_of_seeds(noise_of):
    rng = np.random.default_rng(6)
    seeds = 0.1 + rng.random((24, 1)) + 0.01 * rng.normal(size=(24, 2))
    rows = [[*row, row.mean(), "COMPLETE"] for row in seeds] + [[0.0, 9.0, 4.5, "PRUNED"], [9.0, 0.0, 4.5, "FAIL"]]
    write("trials.csv", ["seed_0", "seed_1", "loss", "state"], rows)
    expected = nqjax.noise_from_seeds(seeds, column_effects=True, averaged=2)
    assert noise_of("fit", "--noise", "seed_*").sigma == pytest.approx(expected.sigma, rel=1e-9)


def test_nqjax_noise_leaves_out_pruned_and_crashed_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write("reruns.csv", ["config", "state", "loss"], with_failures(runs()))
    assert cli.main(["noise", "reruns.csv", "--config", "config", "--metric", "loss", "--json"]) == 0
    captured = capsys.readouterr()
    document = json.loads(captured.out)
    assert document["sigma"] == pytest.approx(pooled(runs()), rel=1e-9)
    assert sum(row["failed"] for row in document["configurations"]) == 18
    # Runs of one configuration are what is asked for, so nothing warns of them.
    assert not any("not independent" in warning for warning in document["warnings"])
    assert nqjax.noise_diagnostics("reruns.csv", "config", "loss").sigma == document["sigma"]


@pytest.mark.parametrize("name", ["config", "trial", "trial_id", "id"])
def test_nqjax_noise_takes_each_row_for_a_run(tmp_path, monkeypatch, capsys, name):
    monkeypatch.chdir(tmp_path)
    rows = [[i, s, y] for i, one in enumerate(runs()) for s, y in enumerate(one)]
    write("reruns.csv", [name, "seed", "loss"], rows)
    assert cli.main(["noise", "reruns.csv", "--config", name, "--metric", "loss", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["sigma"] == pytest.approx(pooled(runs()), rel=1e-9)


def test_numbers_of_reruns_may_have_decimal_commas(noise_of):
    write_search()
    found = runs()
    lines = [f"{i};{y:.17g}".replace(".", ",") for i, one in enumerate(found) for y in one]
    Path("reruns.csv").write_text("config;loss\n" + "\n".join(lines) + "\n")
    assert noise_of("fit", "--noise", "reruns.csv").sigma == pytest.approx(pooled(found), rel=1e-9)


def test_reruns_may_be_a_folder_of_ray_tune(noise_of):
    """Two runs of each of three configurations; each reports three times, and the last report is its score."""
    search, found, rng = write_search(), runs(3, 2), np.random.default_rng(8)
    for i, one in enumerate(found):
        for s, y in enumerate(one):
            folder = Path("ray", f"trial_{i}_{s}")
            folder.mkdir(parents=True)
            config = {"lr": search[i][1], "optimizer": str(search[i][2])}
            Path(folder, "params.json").write_text(json.dumps(config))
            reports = [
                {"loss": loss, "training_iteration": t, "trial_id": f"{i}_{s}", "config": config}
                for t, loss in enumerate([*rng.random(2).tolist(), y], start=1)
            ]
            Path(folder, "result.json").write_text("".join(json.dumps(one) + "\n" for one in reports))
    noise = noise_of("fit", "--noise", "ray", "--noise-config", "config.lr", "config.optimizer")
    assert (noise.sigma, noise.num_runs) == (pytest.approx(pooled(found), rel=1e-9), 6)


def test_a_database_of_several_studies_is_no_file_of_reruns(noise_of, capsys):
    write_search()
    database = Path(__file__).parents[1] / "data" / "tools" / "optuna.db"
    assert cli.main(["fit", "trials.csv", "--metric", "loss", "--noise", f"sqlite:///{database}"]) == 2
    assert "has 3 studies" in capsys.readouterr().err


# --- what is said -----------------------------------------------------------------------------------------------------


def test_the_answer_says_where_its_noise_is_from(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(7)
    write("trials.csv", ["loss"], [[y] for y in 0.1 + 0.3 * rng.random(48) + 0.01 * rng.normal(size=48)])
    write("reruns.csv", ["config", "state", "loss"], with_failures(runs()))
    argv = ["fit", "trials.csv", "--metric", "loss", "--noise", "reruns.csv"]
    assert cli.main(argv) == 0
    captured = capsys.readouterr()
    text = " ".join(captured.out.split())
    assert "from reruns.csv (by config): " in text
    assert "24 runs of 6 configurations, 18 failed runs left out" in text
    assert "--noise" not in text  # no advice to rerun what was rerun
    notes = [line for line in captured.err.splitlines() if "reruns.csv" in line]
    assert len(notes) == 1
    assert "18 of 42 rows have no final score and are left out" in notes[0]
    assert cli.main([*argv, "--json"]) == 0
    noise = json.loads(capsys.readouterr().out)["noise"]
    assert (noise["source"], noise["config"], noise["degrees_of_freedom"]) == ("reruns.csv", ["config"], 18)
    assert noise["sigma"] == pytest.approx(pooled(runs()), rel=1e-9)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("given", "part"),
    [
        (["--noise", "nothing.csv"], "nothing.csv does not exist"),
        (["--noise", "nothing"], "'nothing' is no file: give a file of reruns, repeats, or columns"),
        (["--noise", "a,b"], "trials.csv has no column 'a'"),
        (["--noise", "seed_*"], "trials.csv has no column 'seed_*'"),
        (["--noise", "loss,loss"], "'loss,loss' is 1 column: noise takes the scores of two seeds or more"),
        (["--noise", "number,lr"], "loss is neither one of these columns nor their mean"),
        (["--noise", "loss,optimizer"], "column 'optimizer' holds text, not numbers"),
        (["--noise", "repeats"], "no configuration occurs twice by number or by lr, optimizer: name its columns"),
        (["--noise", "repeats", "--noise-config", "lr"], "none of the 24 configurations occurs twice"),
        (["--noise", "lr,number", "--noise-config", "lr"], "columns of seeds have a row for each configuration"),
        (["--noise", "empty.csv"], "empty.csv is empty"),
        (["--noise", "header.csv"], "header.csv has no rows"),
        (["--noise", "same.csv"], "runs of each of the 6 configurations score the same"),
        (["--noise", "single.csv"], "single.csv: no configuration occurs twice by config: name its columns"),
        (["--noise", "failed.csv"], "no configuration has two finite scores"),
        (["--noise", "nameless.csv"], "row 2: config is missing"),
        (["--noise", "text.csv"], "text.csv"),
        (["--noise", "accuracy.csv"], "accuracy.csv has no column 'loss'"),
        (["--noise", "good.csv", "--noise-config", "lrr"], "good.csv has no column 'lrr' (did you mean 'lr'?)"),
        (["--noise-config", "lr"], "it needs --noise, which says where the runs are"),
    ],
)
def test_mistakes_are_one_line(noise_of, capsys, command, given, part):
    write_search()
    good = [[i, y] for i, one in enumerate(runs()) for y in one]
    for name, columns, rows in (
        ("header", ["config", "loss"], []),
        ("same", ["config", "loss"], [[i, 0.1 * i] for i in range(6) for _ in range(3)]),
        ("single", ["config", "loss"], [[i, 0.1 * i] for i in range(6)]),
        ("failed", ["config", "loss"], [[i, None] for i in (1, 2) for _ in range(3)]),
        ("nameless", ["config", "loss"], [[1, 0.1], [None, 0.2], [1, 0.3]]),
        ("text", ["config", "loss"], [[1, "good"], [1, "bad"]]),
        ("accuracy", ["config", "accuracy"], [[1, 0.1], [1, 0.2]]),
        ("good", ["lr", "loss"], good),
    ):
        write(f"{name}.csv", columns, rows)
    Path("empty.csv").touch()
    argv = [command, "trials.csv", *COMMANDS[command], "--metric", "loss", *given]
    assert cli.main(argv) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert part in captured.err
    assert len(captured.err.splitlines()) == 1
    assert "Traceback" not in captured.err


# --- the search of which the truth is known ---------------------------------------------------------------------------


def test_reruns_narrow_the_best_score_of_the_replicated_search(shared_cases, capsys):
    """23 more runs a configuration say that the best one scores 0.0319 +- 0.0003 on average."""
    search, reruns = (str(shared_cases / f"replicated-search{end}.csv") for end in ("", "-reruns"))
    ends = []
    for given in ([], ["--noise", reruns]):
        assert cli.main(["fit", search, "--metric", "val_loss", "--json", *given]) == 0
        document = json.loads(capsys.readouterr().out)
        ends.append(document["intervals"]["alpha"])
    with Path(reruns).open() as file:
        rows = [line.strip().split(",") for line in file.readlines()[1:]]
    groups = {name: [float(y) for other, y in rows if other == name] for name, _ in rows}
    assert document["noise"]["sigma"] == pytest.approx(pooled(groups.values()), rel=1e-9)
    assert document["noise"]["sigma"] == pytest.approx(0.00129, abs=5e-6)
    without, given = ((one["low"], one["high"]) for one in ends)
    assert given[0] < 0.0319 - 0.0003 < 0.0319 + 0.0003 < given[1]
    assert given[1] < without[1]
    assert given[1] - given[0] < 0.75 * (without[1] - without[0])
