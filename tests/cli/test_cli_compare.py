"""`nqjax compare`: what it says of two halves of one search, and of searches that do differ."""

import numpy as np
import pytest

from nqjax import cli

QUICK = ["--metric", "loss", "--method", "quadrature", "--samples", "200"]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("searches")
    rng = np.random.default_rng(0)
    y = 0.1 + 0.5 * rng.random(128) + 0.02 * rng.normal(size=128)
    for name, part in (("a", y[:64]), ("b", y[64:]), ("c", y[64:] + 0.3)):
        (folder / f"{name}.csv").write_text("loss\n" + "\n".join(map(repr, part.tolist())) + "\n")
    return folder


def compared(capsys, files, *names, options=("--threshold", "0.5")):
    status = cli.main(["compare", *(str(files / f"{name}.csv") for name in names), *QUICK, *options])
    captured = capsys.readouterr()
    return status, " ".join((captured.out + captured.err).split())


def test_two_halves_of_one_search_are_not_said_to_differ(files, capsys):
    status, text = compared(capsys, files, "a", "b")
    assert status == 0
    assert "The scores do not tell which search is better with 64 trials" in text
    assert "is better with" not in text.replace("which search is better with", "")


def test_each_search_has_its_threshold_gammas_and_diagnostics(files, capsys):
    _, text = compared(capsys, files, "a", "b")
    for name in ("A", "B"):
        assert f"{name}: threshold 0.5, " in text
    assert text.count("of 64 scores fitted; gamma ") == 2
    assert text.count("the draws can be relied on") == 2


def test_a_better_search_is_said_to_be_better(files, capsys):
    _, text = compared(capsys, files, "a", "c", options=("--threshold", "none"))
    assert "A is better with 64 trials: its median is, with probability > 99.9 %" in text


def test_what_lies_outside_either_regime_is_flagged(files, capsys):
    _, text = compared(capsys, files, "a", "b", options=("--threshold", "0.2", "--trials", "1", "64"))
    assert " 1 † " in text


def test_fractions_of_a_trial_are_refused(files, capsys):
    status, text = compared(capsys, files, "a", "b", options=("--trials", "1.5"))
    assert status == 2
    assert "--trials has a fraction of a trial: give whole numbers of trials" in text
