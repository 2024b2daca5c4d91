"""`nqjax compare`: what it says of two halves of one search, and of searches that do differ."""

import re

import numpy as np
import pytest

from nqjax import cli

METRIC = ["--metric", "loss"]
QUICK = ["--method", "quadrature", "--samples", "200"]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("searches")
    rng = np.random.default_rng(0)
    y = 0.1 + 0.5 * rng.random(128) + 0.02 * rng.normal(size=128)
    for name, part in (("a", y[:64]), ("b", y[64:]), ("c", y[64:] + 0.3), ("few", y[:8])):
        (folder / f"{name}.csv").write_text("loss\n" + "\n".join(map(repr, part.tolist())) + "\n")
    return folder


def compared(capsys, files, *names, options=(*QUICK, "--threshold", "0.5")):
    status = cli.main(["compare", *(str(files / f"{name}.csv") for name in names), *METRIC, *options])
    captured = capsys.readouterr()
    return status, " ".join((captured.out + captured.err).split())


@pytest.mark.parametrize("options", [(), (*QUICK, "--threshold", "0.5")], ids=["averaged", "one threshold"])
def test_two_halves_of_one_search_are_not_said_to_differ(options, files, capsys):
    status, text = compared(capsys, files, "a", "b", options=options)
    assert status == 0
    assert "The scores do not tell which search is better with 64 trials" in text
    assert "is better with" not in text.replace("which search is better with", "")


def test_each_averaged_search_has_its_thresholds_gamma_and_diagnostics(files, capsys):
    _, text = compared(capsys, files, "a", "b", options=())
    for name in ("A", "B"):
        assert re.search(rf"{name}: thresholds [\d.]+ to [\d.]+ \(95 %\), about \d+ of 64 scores shape", text)
    assert text.count("; gamma ") == 2
    assert text.count("the draws tell as much as") == 2
    assert " 1 † " in text  # the median of one trial lies outside the regime


def test_a_search_of_few_scores_is_warned_of(files, capsys):
    status, text = compared(capsys, files, "a", "few", options=("--trials", "4"))
    assert status == 0
    assert re.search(r"Warning: \S*few.csv: about \d+ scores shape the answer, too few to tell the parameters", text)


def test_what_limits_a_file_limits_the_comparison(files, capsys):
    y = np.linspace(0.6, 0.1, 64) + 0.05 * np.random.default_rng(1).random(64)
    (files / "adaptive.csv").write_text("trial,loss\n" + "".join(f"{i},{s!r}\n" for i, s in enumerate(y.tolist())))
    status, text = compared(capsys, files, "a", "adaptive", options=())
    assert status == 0
    assert "loss falls with the number of the trial" in text
    assert "see the warnings" in text.partition("B: thresholds")[2].partition("trials A wins")[0]


def test_an_odd_score_is_named_in_a_comparison_as_in_a_fit(files, capsys):
    y = 0.1 + 0.3 * np.random.default_rng(2).random(64) ** 2
    (files / "odd.csv").write_text("loss\n0.0\n" + "\n".join(map(repr, y.tolist())) + "\n")
    _, text = compared(capsys, files, "a", "odd", options=())
    assert "odd.csv: one score decides the fit: 0 (row 1)" in text
    assert not cli.main(["fit", str(files / "odd.csv"), *METRIC])
    assert "one score decides the fit: 0 (row 1)" in " ".join(capsys.readouterr().out.split())


def test_no_draw_is_a_small_probability_not_none(files, capsys):
    _, text = compared(capsys, files, "a", "c")
    assert "> 99.9 %" in text
    assert not re.search(r" (0|100) % ", text)


def test_a_threshold_and_the_average_over_all_exclude_each_other(files, capsys):
    status, text = compared(capsys, files, "a", "b", options=("--threshold", "0.5", "--method", "averaged"))
    assert status == 2
    assert "a.csv: the averaged posterior tries every threshold: leave threshold and limits out" in text


def test_each_search_has_its_threshold_gammas_and_diagnostics(files, capsys):
    _, text = compared(capsys, files, "a", "b")
    for name in ("A", "B"):
        assert f"{name}: threshold 0.5, " in text
    assert text.count("of 64 scores fitted; gamma ") == 2
    assert text.count("the draws can be relied on") == 2


@pytest.mark.parametrize("options", [(), (*QUICK, "--threshold", "none")], ids=["averaged", "no threshold"])
def test_a_better_search_is_said_to_be_better(options, files, capsys):
    _, text = compared(capsys, files, "a", "c", options=options)
    assert "A is better with 64 trials: its median is, with probability > 99.9 %" in text


def test_what_lies_outside_either_regime_is_flagged(files, capsys):
    _, text = compared(capsys, files, "a", "b", options=(*QUICK, "--threshold", "0.2", "--trials", "1", "64"))
    assert " 1 † " in text


def test_fractions_of_a_trial_are_refused(files, capsys):
    status, text = compared(capsys, files, "a", "b", options=("--trials", "1.5"))
    assert status == 2
    assert "--trials has a fraction of a trial: give whole numbers of trials" in text
