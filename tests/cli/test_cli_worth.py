"""`nqjax worth` and `nqjax search --method`."""

import json

import numpy as np
import pytest

from nqjax.cli import main


def _json(capsys, *arguments):
    assert main([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


QUICK = ["--replications", "12", "--trials", "12", "--methods", "random", "tpe", "--baseline-trials", "600"]


def test_a_function_is_measured_and_its_file_read_again(tmp_path, capsys):
    out, page, picture = (str(tmp_path / name) for name in ("runs.jsonl", "page.html", "picture.svg"))
    first = _json(capsys, "worth", "noisy-bowl", *QUICK, "--out", out, "--report", page, "--plot", picture)
    assert [one["method"] for one in first["methods"]] == ["random", "tpe"]
    assert [entry["trials"] for entry in first["methods"][0]["observed"]] == [10, 12]
    assert len(first["methods"][0]["true"]) == 2
    assert first["baseline_trials"] == 600
    again = _json(capsys, "worth", out)
    assert again["methods"] == first["methods"]
    text = (tmp_path / "page.html").read_text()
    assert "After 12 trials, tpe equals random search" in text
    assert text.count("<img alt=") == 2
    assert "<svg" in (tmp_path / "picture.svg").read_text()


def test_the_terminal_has_the_answer_first(capsys):
    assert main(["worth", "branin", *QUICK]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Worth in random trials on branin"
    assert lines[2].startswith("After 12 trials, tpe equals random search after")
    assert not any(line.startswith(" … ") for line in lines)


def _searches(tmp_path, count, trials, seed=0):
    rng = np.random.default_rng(seed)
    names = []
    for i in range(count):
        path = tmp_path / f"search_{seed}_{i}.csv"
        rows = "".join(f"{i},{x},{x**2}\n" for i, x in enumerate(rng.uniform(size=trials)))
        path.write_text("number,x,loss\n" + rows)
        names.append(str(path))
    return names


def test_files_of_searches_are_measured_against_a_random_one(tmp_path, capsys):
    files = _searches(tmp_path, 20, 20)
    (baseline,) = _searches(tmp_path, 1, 2000, seed=1)
    found = _json(capsys, "worth", *files, "--against", baseline, "--metric", "loss", "--at", "5", "20")
    (method,) = found["methods"]
    assert [entry["trials"] for entry in method["observed"]] == [5, 20]
    assert method["observed"][1]["lower"] < 20 < method["observed"][1]["upper"]
    single = _json(capsys, "worth", files[0], "--against", baseline, "--metric", "loss")
    entry = single["methods"][0]["observed"][-1]
    assert entry["upper"] / entry["lower"] > 50  # one search says little
    assert "1 search is too few" in " ".join(single["warnings"])


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["brannin"], "no file, function or task"),
        (["branin", "--methods", "tpee"], "did you mean 'tpe'"),
        (["branin", "--out", "runs.csv"], "must end in"),
        (["branin", "--report", "page.pdf"], "page.pdf"),
        (["branin", "--trials", "7", "--batch", "2"], "batches of 2 do not fill"),
        (["branin", "--replications", "0"], "--replications"),
        (["branin", "--against", "t.csv"], "--against is for files"),
        ([], "WHAT"),
    ],
)
def test_bad_input_is_one_line(arguments, word, capsys):
    assert main(["worth", *arguments]) == 2
    error = capsys.readouterr().err.strip().splitlines()
    assert word in error[-1]


def test_files_without_a_baseline_are_refused(tmp_path, capsys):
    files = _searches(tmp_path, 2, 5)
    assert main(["worth", *files, "--metric", "loss"]) == 2
    assert "give --against FILE" in capsys.readouterr().err
    assert main(["worth", files[0]]) == 2
    assert "give --against FILE" in capsys.readouterr().err
    (other := tmp_path / "other.jsonl").write_text('{"loss": 1}\n')
    assert main(["worth", str(other)]) == 2
    assert "holds no replications" in capsys.readouterr().err


def test_a_search_by_a_method_from_the_shell(tmp_path, capsys):
    out = str(tmp_path / "trials.jsonl")
    options = ["--trials", "6", "--method", "tpe", "--batch", "3", "--out", out]
    found = _json(capsys, "search", "digits-mlp", *options)
    assert found["num_trials"] == 6
    (file,) = _searches(tmp_path, 1, 5)
    assert main(["worth", file, "--against", out]) == 2  # it learned from its scores
    assert "is no random search, as its sampler is tpe" in capsys.readouterr().err
    assert main(["search", "digits-mlp", "--trials", "6", "--method", "tpee", "--out", out]) == 2
    assert "did you mean 'tpe'" in capsys.readouterr().err
    assert main(["search", "digits-mlp", "--grid", "2", "--method", "tpe", "--out", out]) == 2
    assert "not both" in capsys.readouterr().err
