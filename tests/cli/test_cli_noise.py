"""The commands for noise and for plans: their documents say what the functions return."""

import json
import math

import numpy as np
import pytest

import nqjax
from nqjax import cli
from nqjax.analysis import fit as analysis_fit
from support import searches


@pytest.fixture
def runs(tmp_path):
    rng = np.random.default_rng(0)
    lines = [f"[b]{i},{0.09 + 0.004 * i + 1e-3 * z!r}" for i in range(8) for z in rng.normal(size=16).tolist()]
    path = tmp_path / "runs.csv"
    path.write_text("\n".join(["config,error", *lines, "few,0.1", "[b]0,"]) + "\n")
    return str(path)


@pytest.fixture
def calls(monkeypatch):
    """Replace the fit by one that is known, and return the options it was asked with."""
    calls = []

    def fit(chosen):
        calls.append({"limits": chosen.study.limits, "minimize": chosen.study.minimize, "gamma": chosen.study.gammas})
        return searches.known_fit(len(chosen.study.scores))

    monkeypatch.setattr(analysis_fit, "fit_of", fit)
    return calls


def test_noise(runs, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    argv = ["noise", runs, "--config", "config", "--metric", "error", "--threshold", "0.11", "--sigma", "2e-3"]
    assert cli.main([*argv, "--confidence", "0.9", "--json"]) == 0
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


def test_plan_for_a_score(runs, calls, capsys):
    argv = ["plan", runs, "--metric", "error", "--threshold", "0.11", "--gamma", "1", "3"]
    assert cli.main([*argv, "--score", "0.095", "--probability", "0.9", "--json"]) == 0
    assert calls == [{"limits": (-math.inf, 0.11), "minimize": True, "gamma": range(1, 4)}]
    document = json.loads(capsys.readouterr().out)
    expected = nqjax.required_trials(searches.known_fit(), score=0.095, probability=0.9)
    assert document["required_trials"] == expected
    assert document["asked"] == {"score": 0.095, "probability": 0.9}
    assert (document["alpha"], document["num_scores"], document["warnings"]) == (0.09, 130, [])
    for score, part in (
        (0.095, f"{expected} trials reach 0.095 or below with probability 90 %"),
        (0.088, "only noise reaches it"),
        (0.12, "outside the regime"),
        (-99, "To reach -99 or below with probability 90 % is out of reach of this search"),
    ):
        assert cli.main([*argv, "--score", str(score), "--probability", "0.9"]) == 0
        assert part in " ".join(capsys.readouterr().out.split())


def test_plan_for_a_band(runs, calls, capsys):
    argv = ["plan", runs, "--metric", "error", "--threshold", "0.11", "--width", "0.02", "--confidence", "0.8"]
    assert cli.main([*argv, "--at", "2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["required_trials"]
    assert found == nqjax.required_trials(searches.known_fit(), width=0.02, at=2, confidence=0.8)
    assert cli.main([*argv, "--at", "1"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "trials are needed for a 80 % band" in text


@pytest.mark.parametrize(
    ("argv", "part"),
    [
        (["noise", "RUNS", "--metric", "error"], "--config"),
        (["noise", "RUNS", "--metric", "error", "--config", "id"], "no column 'id'"),
        (["noise", "RUNS", "--metric", "config", "--config", "config"], "not a number"),
        (["noise", "RUNS", "--metric", "error", "--config", "config", "--confidence", "2"], "between 0 and 1"),
        (["noise", "RUNS", "--metric", "error", "--config", "config", "--plot", "x.gif"], ".png, .svg or .pdf"),
        (["noise", "RUNS", "--metric", "error", "--config", "config", "--level", ".1"], "is now --confidence 1-P"),
        (["noise", "RUNS", "--metric", "error", "--config", "config", "--threshold", "auto"], "auto is not possible"),
        (["plan", "RUNS", "--metric", "error", "--score", "-1"], "give --score and --probability, or --width and"),
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
