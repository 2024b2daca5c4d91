"""The commands for noise and for plans: their documents say what the functions return."""

import json
import math

import numpy as np
import pytest
import searches

import nqjax
from nqjax import cli
from nqjax.cli import process


@pytest.fixture(autouse=True)
def no_cache(monkeypatch):
    monkeypatch.setattr(process, "use_compilation_cache", lambda: None)


@pytest.fixture
def runs(tmp_path):
    rng = np.random.default_rng(0)
    lines = [f"[b]{i},{0.09 + 0.004 * i + 1e-3 * z!r}" for i in range(8) for z in rng.normal(size=16).tolist()]
    path = tmp_path / "runs.csv"
    path.write_text("\n".join(["config,error", *lines, "few,0.1", "[b]0,"]) + "\n")
    return str(path)


@pytest.fixture
def trials(tmp_path):
    scores = searches.draw(np.random.default_rng(1), 60, 2, 0.05)
    path = tmp_path / "trials.csv"
    path.write_text("y\n" + "\n".join(map(repr, scores.tolist())))
    return str(path), scores


def test_noise(runs, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    argv = ["noise", runs, "--config", "config", "--metric", "error", "--threshold", "0.11", "--sigma", "2e-3"]
    assert cli.main([*argv, "--level", "0.1", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    found = nqjax.noise_diagnostics(runs, "config", "error", limits=(-math.inf, 0.11), fit=2e-3, level=0.1)
    assert document["holds"] is found.holds is True
    assert document["verdict"] == found.verdict
    assert document["sigma_interval"] == list(found.sigma_interval)
    assert document["tests"]["trend"]["p"] == found.trend.p
    assert document["comparison"]["differs"]
    assert [row["id"] for row in document["configurations"]] == [row.id for row in found.configurations]
    assert sum(row["used"] for row in document["configurations"]) == 5
    assert cli.main(argv) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    text = " ".join(" ".join(lines).split())
    for part in ("The noise model holds", "Brown-Forsythe", "[b]0", "1 failed", "few 1 0.10000", "outside: the mean"):
        assert part in text


def test_noise_of_accuracies(runs, tmp_path, capsys):
    picture = tmp_path / "noise.png"
    argv = ["noise", runs, "--config", "config", "--metric", "error", "--maximize", "--threshold", "0.1"]
    assert cli.main([*argv, "--plot", str(picture)]) == 0
    assert picture.read_bytes()[:4] == b"\x89PNG"
    assert "maximized, threshold 0.1" in capsys.readouterr().out


def test_plan_for_a_score(trials, capsys):
    file, scores = trials
    argv = ["plan", file, "--metric", "y", "--threshold", "0.7", "--gamma", "2"]
    fit = nqjax.fit(scores, limits=(-math.inf, 0.7), gamma=2)
    assert cli.main([*argv, "--score", "0.1", "--probability", "0.9", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    expected = nqjax.required_trials(fit, score=0.1, probability=0.9)
    assert document["required_trials"] == expected
    assert document["asked"] == {"score": 0.1, "probability": 0.9}
    assert document["alpha"] == fit.alpha
    for score, part in ((0.1, f"{expected} trials reach 0.1 or below"), (-0.1, "luck"), (0.8, "outside the regime")):
        assert cli.main([*argv, "--score", str(score), "--probability", "0.9"]) == 0
        assert part in " ".join(capsys.readouterr().out.split())


def test_plan_for_a_band(trials, capsys):
    file, scores = trials
    argv = ["plan", file, "--metric", "y", "--gamma", "2", "--width", "0.4", "--at", "2", "--confidence", "0.8"]
    assert cli.main([*argv, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["required_trials"]
    assert found == nqjax.required_trials(nqjax.fit(scores, gamma=2), width=0.4, at=2, confidence=0.8)
    assert cli.main(argv) == 0
    assert f"{found} trials are needed for a 80 % band" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("argv", "part"),
    [
        (["noise", "RUNS", "--metric", "error"], "--config"),
        (["noise", "RUNS", "--metric", "error", "--config", "id"], "no column 'id'"),
        (["noise", "RUNS", "--metric", "config", "--config", "config"], "not a number"),
        (["noise", "RUNS", "--metric", "error", "--config", "config", "--level", "2"], "between 0 and 1"),
        (["noise", "RUNS", "--metric", "error", "--config", "config", "--plot", "x.gif"], ".png, .svg or .pdf"),
        (["plan", "RUNS", "--metric", "error"], "give either --score"),
        (["plan", "RUNS", "--metric", "error", "--score", "-1"], "give either --score"),
        (["plan", "RUNS", "--metric", "error", "--width", "-1", "--at", "2"], "above 0"),
        (["plan", "RUNS", "--metric", "error", "--score", "1", "--probability", "1"], "between 0 and 1"),
    ],
)
def test_mistakes(runs, capsys, argv, part):
    assert cli.main([runs if word == "RUNS" else word for word in argv]) == 2
    error = capsys.readouterr().err.strip()
    assert "\n" not in error
    assert part in error


@pytest.mark.parametrize(("command", "part"), [("noise", "--plot noise.png"), ("plan", "--confidence 0.8")])
def test_help(command, part, capsys):
    assert cli.main([command, "--help"]) == 0
    assert part in capsys.readouterr().out
