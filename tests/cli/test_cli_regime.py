"""`nqjax regime`, `nqjax region`, and the automatic threshold of the other commands."""

import json
import math
import re

import jax
import numpy as np
import pytest

import nqjax
from nqjax import cli
from support import searches


@pytest.fixture(scope="module")
def scores():
    y = searches.draw(np.random.default_rng(3), 48, 2, 0.05)
    return np.where(y > 0.7, y + 3 * (y - 0.7), y)


@pytest.fixture(scope="module")
def file(scores, tmp_path_factory):
    path = tmp_path_factory.mktemp("search") / "trials.csv"
    path.write_text("y\n" + "\n".join(map(repr, scores.tolist())) + "\n")
    return str(path)


@pytest.fixture(scope="module")
def heaps(tmp_path_factory):
    path = tmp_path_factory.mktemp("search") / "heaps.csv"
    path.write_text("y\n" + "\n".join(str(i % 7) for i in range(60)) + "\n")
    return str(path)


def output(capsys):
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


@pytest.mark.smoke
def test_regime(file, scores, capsys, tmp_path, monkeypatch):
    picture = tmp_path / "path.png"
    assert cli.main(["regime", file, "--metric", "y", "--json", "--plot", str(picture)]) == 0
    document = json.loads(output(capsys))
    regime = nqjax.find_regime(scores)
    assert document["threshold"] == regime.threshold
    assert document["reason"] == regime.reason
    assert [one["p_value"] for one in document["path"]] == [one.p_value for one in regime.path]
    assert [one["chosen"] for one in document["path"]].count(True) == 1
    assert all(type(one["gamma"]) is int for one in document["path"])  # a count is printed as one
    assert picture.stat().st_size > 10_000
    monkeypatch.setenv("COLUMNS", "80")
    assert cli.main(["regime", file, "--metric", "y"]) == 0
    text = output(capsys)
    shown = re.search(r"Threshold (\S+):", text)[1]
    assert np.sum(scores <= float(shown)) == np.sum(scores <= regime.threshold)
    assert len(shown) <= 6
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80
    # A row a candidate, whole at the width of a terminal: its threshold and scores first, what became of it last.
    rows = [line.split() for line in lines if line.split()[:2] and line.split()[0].startswith("0.") and "…" not in line]
    # A unit of the last digit that is printed is a tenth of the noise, or less.
    sigma = min(one.fit.sigma for one in regime.path)
    unit = 10.0 ** -len(rows[0][0].partition(".")[2])
    assert unit <= max(sigma, 1e-2 * min(one.fit.beta - one.fit.alpha for one in regime.path)) <= 100 * unit
    assert [float(row[0]) for row in rows] == pytest.approx([one.threshold for one in regime.path], abs=0.51 * unit)
    assert [row[1] for row in rows] == [str(one.num_used) for one in regime.path]
    assert [row[-1] == "chosen" for row in rows] == [one.threshold == regime.threshold for one in regime.path]


def test_fit_chooses_the_threshold(file, scores, capsys):
    # A fixed parameter has no density to average: the fit is that of a threshold chosen by tests.
    fixed = ["--sigma", "0.05"]
    assert cli.main(["fit", file, "--metric", "y", "--json", *fixed]) == 0
    document = json.loads(output(capsys))
    regime = nqjax.find_regime(scores, sigma=0.05)
    assert document["threshold"] == regime.threshold
    assert document["alpha"] == regime.fit.alpha
    assert [one["share"] for one in document["regime"]["movement"]] == [0.25, 0.5, 0.75]
    assert [one["num_used"] for one in document["regime"]["movement"]] == [12, 24, 36]
    assert cli.main(["fit", file, "--metric", "y", "--threshold", "auto", *fixed]) == 0
    text = " ".join(output(capsys).split())
    assert "chosen by tests (p = " in text
    assert "25 %" in text
    assert "75 %" in text


def test_a_given_threshold_is_left_alone(file, capsys):
    assert cli.main(["fit", file, "--metric", "y", "--threshold", "0.7", "--json"]) == 0
    document = json.loads(output(capsys))
    assert document["threshold"] == 0.7
    assert document["regime"] is None


@pytest.mark.parametrize(
    "command",
    ["fit --sigma 0.05", "bootstrap", "region --method profile", "plan --sigma 0.05 --score 0.1 --probability 0.5"],
)
def test_no_regime_is_an_error_that_says_what_to_do(heaps, capsys, command):
    name, *options = command.split()
    assert cli.main([name, heaps, "--metric", "y", *options]) == 2
    error = capsys.readouterr().err.strip()
    assert "\n" not in error
    assert "no threshold is acceptable" in error
    assert "--threshold none" in error


def test_regime_says_that_there_is_none(heaps, capsys):
    assert cli.main(["regime", heaps, "--metric", "y"]) == 0
    shown = capsys.readouterr()
    assert "No regime: no threshold is acceptable" in " ".join(shown.out.split())
    assert shown.err == "nqjax: warning: 7 different scores among 60: y is rounded to 1\n"
    assert cli.main(["regime", heaps, "--metric", "y", "--json"]) == 0
    document = json.loads(output(capsys))
    assert not document["found"]
    assert document["threshold"] is None


@pytest.mark.parametrize("method", ["profile", "bootstrap", "posterior"])
def test_region(file, scores, capsys, method):
    argv = ["region", file, "--metric", "y", "--threshold", "0.7", "--method", method, "--resamples", "60"]
    assert cli.main([*argv, "--json", "--trials", "2", "20"]) == 0
    document = json.loads(output(capsys))
    region = nqjax.confidence_region(
        scores, limits=(-math.inf, 0.7), method=method, key=jax.random.key(0), num_resamples=60
    )
    assert tuple(document["intervals"]["alpha"].values()) == region.interval("alpha")
    assert tuple(document["intervals"]["regime_probability"].values()) == region.interval("regime_probability")
    assert tuple(document["gammas"]) == region.gammas
    assert [one["low"] for one in document["tuning_curve"]] == region.quantile_tuning_curve_band([2, 20])[0].tolist()
    assert len(document["warnings"]) == (method == "bootstrap")
    assert cli.main(argv) == 0
    text = " ".join(output(capsys).split())
    assert f"95 % {method}" in text
    assert "95 % interval for each n" in text


@pytest.mark.parametrize(
    ("argv", "part"),
    [
        (["regime", "FILE", "--metric", "y", "--level", "2"], "between 0 and 1"),
        (["regime", "FILE", "--metric", "y", "--plot", "path.gif"], ".png"),
        (["regime", "FILE", "--metric", "z"], "z"),
        (["region", "FILE", "--metric", "y", "--method", "magic"], "invalid choice"),
        (["fit", "FILE", "--metric", "y", "--threshold", "automatic"], "(or auto, or none)"),
    ],
)
def test_mistakes(file, capsys, argv, part):
    assert cli.main([file if word == "FILE" else word for word in argv]) == 2
    error = capsys.readouterr().err.strip()
    assert "\n" not in error
    assert part in error
