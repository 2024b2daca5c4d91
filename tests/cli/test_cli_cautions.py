"""Warnings about one odd score, noise alone and missing trials, and the answer for few scores."""

import json
import math
import re

import numpy as np
import pytest

import nqjax
from nqjax import cli
from nqjax.checks.few import is_too_few
from nqjax.checks.noise_alone import NOISE_ALONE, is_noise_alone
from nqjax.errors import FitWarning
from nqjax.estimation.study import Study


def printed(capsys, *argv):
    assert cli.main([*map(str, argv)]) == 0
    return " ".join(capsys.readouterr().out.split())


def written(path, scores, numbers=None):
    numbers = range(len(scores)) if numbers is None else numbers
    path.write_text("trial,y\n" + "".join(f"{i},{y!r}\n" for i, y in zip(numbers, scores, strict=True)))
    return path


@pytest.mark.parametrize("command", ["fit", "region"])
def test_one_impossible_score_is_named_with_its_row_and_trial(shared_cases, capsys, command):
    text = printed(capsys, command, shared_cases / "impossible-best.csv", "--metric", "val_loss")
    # The fit without it is near the truth, 0.1.
    assert re.search(r"one score decides the fit: 0 \(row 6, trial 5\); without it alpha is 0\.09\d+ instead", text)


def test_python_warns_of_one_impossible_score(shared_cases):
    scores = nqjax.trials.read_scores(shared_cases / "impossible-best.csv", "val_loss")
    for y, minimize in ((scores, True), (-scores, False)):
        with pytest.warns(FitWarning, match=r"one score decides the fit: -?0 \(index 5\)"):
            nqjax.fit(y, minimize=minimize)
    with pytest.warns(FitWarning, match="one score decides"):
        nqjax.confidence_region(scores)


def test_an_analysis_names_the_trial_of_an_impossible_score(shared_cases):
    with pytest.warns(FitWarning, match=r"\(row 6, trial 5\)"):
        found = nqjax.analyze(shared_cases / "impossible-best.csv", "val_loss")
    assert any("(row 6, trial 5)" in warning for warning in found.warnings)


def test_clean_searches_seldom_have_an_odd_score(recwarn):
    rng = np.random.default_rng(3)
    for _ in range(12):
        y = 0.1 + rng.random(64) ** 2 + 0.05 * rng.normal(size=64)
        nqjax.fit(y, threshold=float(np.quantile(y, 0.6)), gamma=(1, 3))
    assert not [w for w in recwarn if "one score decides" in str(w.message)]


@pytest.mark.parametrize("command", ["fit", "region"])
def test_noise_alone_has_no_gamma(tmp_path, capsys, command):
    y = 0.58 + 0.0016 * np.random.default_rng(4).normal(size=40)
    text = printed(capsys, command, written(tmp_path / "noise.csv", y.tolist()), "--metric", "y", "--threshold", "none")
    assert NOISE_ALONE in text
    assert "gamma not told" in text
    with pytest.warns(FitWarning, match="noise alone"):
        nqjax.fit(y)


def test_an_averaged_answer_to_noise_alone_has_no_gamma_and_no_advice(tmp_path, capsys):
    y = 0.58 + 0.0016 * np.random.default_rng(4).normal(size=40)
    text = printed(capsys, "fit", written(tmp_path / "noise.csv", y.tolist()), "--metric", "y")
    assert NOISE_ALONE in text
    assert "gamma not told" in text
    assert "tell noise from gamma" not in text


@pytest.mark.parametrize("command", [("bootstrap", "--resamples", "50"), ("region", "--method", "profile")])
def test_intervals_within_a_chosen_threshold_are_said_to_be_narrow(tmp_path, capsys, command):
    rng = np.random.default_rng(6)
    file = written(tmp_path / "quadratic.csv", (0.1 + 0.5 * rng.random(80) + 0.02 * rng.normal(size=80)).tolist())
    of_chosen = "the intervals take the chosen threshold as known"
    assert of_chosen in printed(capsys, command[0], file, "--metric", "y", *command[1:])
    given = printed(capsys, command[0], file, "--metric", "y", *command[1:], "--threshold", "0.5")
    assert of_chosen not in given


def test_how_often_noise_is_found():
    rng = np.random.default_rng(5)
    assert np.mean([is_noise_alone(Study.read(rng.normal(size=48))) for _ in range(40)]) > 0.5
    # Skewed scores, as those of real searches, and a quadratic without much noise.
    assert not any(is_noise_alone(Study.read(np.exp(rng.normal(size=48)))) for _ in range(40))
    assert np.mean([is_noise_alone(Study.read(rng.random(96))) for _ in range(40)]) < 0.1
    assert not is_noise_alone(Study.read([*rng.normal(size=47), math.nan]))


def test_few_trials_have_a_band_instead_of_four_parameters(shared_cases, capsys):
    path = shared_cases / "six-trials.csv"
    text = printed(capsys, "fit", path, "--metric", "Value")
    assert "too few to tell alpha, beta, gamma and sigma" in text
    assert "Misfit" not in text
    assert "how many hyperparameters matter" not in text
    assert cli.main(["fit", str(path), "--metric", "Value", "--json"]) == 0
    few = json.loads(capsys.readouterr().out)["few"]
    bands = nqjax.confidence_bands(nqjax.trials.read_scores(path, "Value"), 0.95)
    low, high = bands.quantile_tuning_curve_band([row["trials"] for row in few["tuning_curve"]])
    ends = [[math.inf if row["high"] is None else row["high"] for row in few["tuning_curve"]], high]
    np.testing.assert_allclose(*ends)
    assert all(row["low"] is None for row in few["tuning_curve"])
    assert np.all(np.isinf(low))
    forced = printed(capsys, "fit", path, "--metric", "Value", "--threshold", "none")
    assert "how many hyperparameters matter" in forced


def test_what_too_few_means():
    assert is_too_few(19)
    assert not is_too_few(20)


def test_missing_trials_are_said_to_have_been_dropped(tmp_path, capsys):
    y = np.random.default_rng(0).random(6).tolist()
    path = written(tmp_path / "gaps.csv", y, [0, 1, 3, 4, 7, 8])
    text = printed(capsys, "fit", path, "--metric", "y")
    assert "3 trial numbers are missing (2, 5, 6): failed or pruned trials seem to have been dropped" in text
    assert "seem to have been dropped" not in printed(capsys, "fit", written(path, y), "--metric", "y")
