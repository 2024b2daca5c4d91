"""The output of commands as a newcomer reads it: a search of 24 trials, whole lines, no digits that mean nothing."""

import re
import shutil

import pytest

from nqjax import cli
from nqjax.data import digits_mlp_path


@pytest.fixture
def small(tmp_path, monkeypatch):
    """Return the file of the first 24 trials of the search that ships with the package."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(tmp_path)
    lines = digits_mlp_path().read_bytes().splitlines(keepends=True)[:25]
    (tmp_path / "small.jsonl").write_bytes(b"".join(lines))
    return "small.jsonl"


def printed(capsys, *argv):
    assert cli.main([*argv, "--metric", "val_loss"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


@pytest.mark.parametrize("command", ["fit", "regime", "region", "bands", "plan"])
def test_a_search_of_24_trials(small, capsys, command):
    text = printed(capsys, command, small)
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80
    assert not [line for line in lines if line != line.rstrip()]
    assert "Best score seen: 0.052057" in lines
    assert "0 failed" not in text
    assert not re.search(r"\d[eE]-\d", text)  # neither tiny probabilities nor tiny noise
    for words in ("run again", "can reach", "luck", "would score", "best reachable", "only 1 different", " 1 trials"):
        assert words not in text
    # What is computed, not read, has four significant digits at most: the scores say no more.
    numbers = [word for line in lines if not line.startswith("Best") for word in re.findall(r"\b0\.\d+\b", line)]
    assert numbers
    assert max(len(word.partition(".")[2].lstrip("0")) for word in numbers) <= 4


def test_what_more_trials_would_bring(small, capsys):
    """`nqjax plan` without a target: 10, as many again, 100 and 1,000 more trials, and whether to stop."""
    text = " ".join(printed(capsys, "plan", small).split())
    for part in ("What more trials would bring", "10 ", "24 * ", "as many again", "1,000 ", "going on may pay"):
        assert part in text
    text = " ".join(printed(capsys, "plan", str(digits_mlp_path())).split())
    assert "stopping is reasonable, as far as the scores can tell" in text
    assert "< 0.1 %" in text


def test_a_number_of_trials_that_is_out_of_reach_is_not_told(small, capsys):
    text = " ".join(printed(capsys, "plan", small, "--score", "0.01", "--probability", "0.9").split())
    assert "out of reach of this search as far as the scores can tell" in text
    assert "by the fit, only noise reaches it" in text


def test_a_file_given_twice_over_is_fitted_once(small, capsys):
    once = printed(capsys, "bands", small, "--json")
    shutil.copy(small, "twice.jsonl")
    with open("twice.jsonl", "ab") as twice, open(small, "rb") as file:  # noqa: PTH123
        shutil.copyfileobj(file, twice)
    assert printed(capsys, "bands", "twice.jsonl", "--json").replace("twice.jsonl", small) == once


def test_words_are_singular_for_one(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "one.csv").write_text("c,y\n" + "".join(f"{i % 4},{0.1 + i / 97 % 0.03}\n" for i in range(40)) + "0,\n")
    assert cli.main(["noise", "one.csv", "--config", "c", "--metric", "y"]) == 0
    assert "1 run inside the regime failed and is left out" in " ".join(capsys.readouterr().out.split())


def test_too_little_noise_to_judge_is_not_judged(small, capsys):
    text = printed(capsys, "noise", small, "--config", "trial")
    assert "Too little to tell" in text
    assert "?" not in text.partition("Configurations")[0]
    assert "Brown" not in text


def test_mistakes_of_a_first_day(small, capsys):
    for argv, part in (
        (["--metric", "val_loss", "fit", small], "the command comes first"),
        (["fit", small, "--metric", "val_loss", small], f"unknown argument '{small}' (see"),
    ):
        assert cli.main(argv) == 2
        assert part in capsys.readouterr().err


def test_no_claim_about_reruns(small, capsys):
    """Reruns of real winners were better than alpha, so nothing is predicted about a rerun."""
    text = " ".join(printed(capsys, "fit", str(digits_mlp_path()), "--threshold", "0.085").split())
    assert "beyond alpha: past the best score of the fitted regime; noise may explain it" in text
