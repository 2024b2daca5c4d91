"""`nqjax analyze` of several files: the same as from Python, one line for what cannot be compared, and --together."""

import json

import numpy as np
import pytest

import nqjax
from nqjax import cli

METRIC = ["--metric", "accuracy", "--maximize"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder of searches: two good models, a worse one, and files that are hard to compare."""
    folder = tmp_path_factory.mktemp("studies")
    for seed, (name, n, best, cost) in enumerate(
        (("ours", 64, 0.93, 10), ("theirs", 48, 0.80, 30), ("few", 3, 0.9, 1))
    ):
        rng = np.random.default_rng(seed)
        x = rng.random(n)
        y, seconds = best - 0.3 * x**2 + 0.01 * rng.normal(size=n), cost * np.exp(0.3 * rng.normal(size=n))
        lines = [f"{a!r},{b!r},{c!r}" for a, b, c in zip(x.tolist(), y.tolist(), seconds.tolist(), strict=True)]
        (folder / f"{name}.csv").write_text("lr,accuracy,seconds\n" + "\n".join(lines) + "\n")
    ours = (folder / "ours.csv").read_text()
    (folder / "copy.csv").write_text(ours)
    (folder / "plain.csv").write_text("lr,accuracy\n" + "\n".join(f"0.{i},0.{i + 13}" for i in range(20)) + "\n")
    (folder / "loss.csv").write_text(ours.replace("accuracy", "loss"))
    (folder / "empty.csv").write_text("")
    (folder / "header.csv").write_text("lr,accuracy,seconds\n")
    return folder


@pytest.fixture
def here(folder, monkeypatch):
    monkeypatch.chdir(folder)


def test_the_shell_says_what_python_says(here, capsys):
    assert cli.main(["analyze", "ours.csv", "theirs.csv", *METRIC, "--cost", "seconds", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    found = nqjax.analyze(["ours.csv", "theirs.csv"], "accuracy", maximize=True, cost="seconds")
    expected = json.loads(json.dumps(found.to_dict()))
    for name in ("names", "sentences", "orderings", "budgets", "unit", "level"):
        assert document[name] == expected[name]
    assert [one["source"] for one in document["data"]] == ["ours.csv", "theirs.csv"]


def test_the_answer_comes_before_the_tables(here, capsys):
    assert cli.main(["analyze", "theirs.csv", "ours.csv", *METRIC, "--cost", "auto"]) == 0
    text = capsys.readouterr().out
    order = ["accuracy of 2 models, maximized, at equal cost", "ours is better than theirs", "\nThe models\n"]
    places = [text.index(part) for part in [*order, "A theirs", "B ours", "A before B", "Holm's"]]
    assert places == sorted(places)
    assert max(map(len, text.splitlines())) <= 80


def test_several_files_together_are_one_search(here, capsys):
    assert cli.main(["analyze", "ours.csv", "theirs.csv", "--together", *METRIC, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["num_scores"] == 112
    assert "2 files are one study: 112 rows, 48 to 64 rows each" in document["notes"]


@pytest.mark.parametrize(
    ("argv", "part"),
    [
        (["ours.csv", "ours.csv"], "ours.csv is given twice: give each study once"),
        (["ours.csv", "copy.csv"], "the same scores"),
        (["ours.csv", "nowhere.csv"], "nowhere.csv does not exist"),
        (["ours.csv", "empty.csv"], "empty.csv"),
        (["ours.csv", "header.csv"], "header.csv"),
        (["ours.csv", "loss.csv"], "loss.csv has no column 'accuracy'"),
        (["ours.csv", "few.csv"], "few: "),
        (["ours.csv", "plain.csv", "--cost", "seconds"], "plain.csv has no column 'seconds'"),
        (["ours.csv", "plain.csv", "--cost", "auto"], "plain.csv has no column of costs"),
        (["ours.csv", "--cost", "seconds"], "argument --cost: it is for the comparison of several files"),
        (["ours.csv"] * 11, "11 files are too many to compare, at most 10: give --together"),
        (["ours.csv", "theirs.csv", "--report", "page.pdf"], ".html"),
        (
            ["ours.csv", "theirs.csv", "--noise", "repeats", "--noise", "repeats", "--noise", "x"],
            "--noise: give it once",
        ),
    ],
)
def test_what_cannot_be_compared_is_one_line(argv, part, here, capsys):
    assert cli.main(["analyze", *argv, *METRIC]) == 2
    out, error = capsys.readouterr()
    assert out == ""
    assert part in error
    assert error.count("\n") == 1


def test_directions_and_metrics_that_are_inferred_must_agree(here, capsys):
    assert cli.main(["analyze", "ours.csv", "loss.csv"]) == 2
    assert "the metric of ours.csv is 'accuracy', that of loss.csv 'loss'" in capsys.readouterr().err
