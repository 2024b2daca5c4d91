"""The commands for bands and regions: their documents say what the functions return."""

import json
import math

import numpy as np
import pytest

import nqjax
from nqjax import cli
from support import searches


@pytest.fixture
def scores():
    return searches.draw(np.random.default_rng(1), 40, 2, 0.1)


@pytest.fixture
def file(scores, tmp_path):
    path = tmp_path / "trials.csv"
    path.write_text("y\n" + "\n".join(map(repr, scores.tolist())) + "\nnan\n")
    return str(path)


def test_bands(file, scores, capsys):
    assert cli.main(["bands", file, "--metric", "y", "--confidence", "0.8", "--trials", "1", "5", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    bands = nqjax.confidence_bands(np.append(scores, math.inf), 0.8)
    curve = document["tuning_curve"]
    assert [point["trials"] for point in curve] == [1, 5]
    assert [point["low"] for point in curve] == bands.upper.quantile_tuning_curve([1, 5]).tolist()
    assert [point["high"] for point in curve] == bands.lower.quantile_tuning_curve([1, 5]).tolist()
    assert len(document["cdf"]) == 40
    assert document["cdf"][7]["low"] == bands.lower.cdf(np.sort(scores))[7]
    # Maximised within bounds: the failed run counts as the worst of these.
    assert cli.main(["bands", file, "--metric", "y", "--maximize", "--support", "-9", "9", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert all(-9 <= point["low"] <= point["high"] <= 9 for point in document["tuning_curve"])
    assert cli.main(["bands", file, "--metric", "y"]) == 0
    assert "95 % band" in capsys.readouterr().out


def test_region(file, scores, capsys):
    argv = ["region", file, "--metric", "y", "--threshold", "0.7", "--gamma", "1", "2", "--alpha", "-1", "1"]
    argv += ["--method", "consonance", "--confidence", "0.8"]
    assert cli.main([*argv, "--json", "--trials", "1", "5"]) == 0
    document = json.loads(capsys.readouterr().out)
    region = nqjax.consonance_region(np.append(scores, math.nan), limits=(-math.inf, 0.7), gamma=(1, 2), alpha=(-1, 1))
    assert tuple(document["gammas"]) == region.gammas
    assert tuple(document["intervals"]["alpha"].values()) == region.interval("alpha")
    low, _ = region.quantile_tuning_curve_band([1, 5])
    assert [point["low"] for point in document["tuning_curve"]] == low.tolist()
    assert cli.main(argv) == 0
    text = capsys.readouterr().out
    assert "80 % consonance" in text
    assert "1, 2" in text


def test_an_empty_region_says_so(tmp_path, capsys):
    rng = np.random.default_rng(0)
    y = np.concatenate([rng.normal(0, 1e-3, 150), rng.normal(1, 1e-3, 150)])
    path = tmp_path / "heaps.csv"
    path.write_text("y\n" + "\n".join(map(repr, y.tolist())))
    assert cli.main(["region", str(path), "--metric", "y", "--method", "consonance", "--threshold", "none"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "no noisy quadratic keeps within the band" in text
    assert "alpha none" in text


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (["bands", "--support", "1", "0"], "lower one first"),
        (["bands", "--support", "0.5", "1"], "not within the support"),
        (["bands", "--confidence", "2"], "between 0 and 1"),
        (["region", "--method", "x"], "invalid choice"),
        (["region", "--threshold", "-50"], "no score lies"),
    ],
)
def test_mistakes(file, capsys, options, part):
    assert cli.main([options[0], file, "--metric", "y", *options[1:]]) == 2
    error = capsys.readouterr().err.strip()
    assert "\n" not in error
    assert part in error
