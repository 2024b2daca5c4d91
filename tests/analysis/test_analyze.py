"""`nqjax analyze`: the same answers from Python and the shell, in sentences, tables and a page."""

import json
import re

import numpy as np
import pytest

import nqjax
from nqjax import cli
from nqjax.errors import InputError

#: A name that would run in a page that does not escape it.
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def trials():
    """A search of 64 trials whose score depends on the learning rate; three of them failed."""
    rng = np.random.default_rng(0)
    rows = []
    for i in range(64):
        lr, dropout = 10 ** rng.uniform(-4, 0), rng.random()
        loss = 0.3 + 0.05 * (np.log10(lr) + 2) ** 2 + 0.01 * rng.normal()
        rows.append({"trial": i, "lr": lr, "dropout": dropout, HOSTILE: rng.random(), "loss": loss})
    for i in (5, 20, 40):
        rows[i]["loss"] = None
    return rows


@pytest.fixture
def file(trials, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "trials.jsonl").write_text("".join(json.dumps(row) + "\n" for row in trials))
    return "trials.jsonl"


@pytest.fixture(scope="module")
def found(trials):
    return nqjax.analyze(trials, "loss")


def test_the_numbers_are_those_of_the_functions_behind_it(found):
    scores = found.study.scores
    fit = nqjax.fit(scores)
    assert found.fit.alpha == fit.alpha
    assert found.ranked.source == "both"
    assert found.ranked.rerun.tolist() == found.surface.rank_trials(fit.posterior).rerun.tolist()
    assert found.next_trials.kept.tolist() == nqjax.next_trials(fit).kept.tolist()
    assert found.influences[0].name == "lr"
    assert found.ranked.index[0] == np.nanargmin(scores)


def test_the_shell_says_the_same(file, found, capsys):
    assert cli.main(["analyze", file, "--metric", "loss", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    expected = json.loads(json.dumps(found.to_dict()))
    for name in ("parameters", "next_trials", "influences", "sentences", "num_scores", "num_failed"):
        assert document[name] == expected[name]
    assert [one["rerun"] for one in document["trials"]] == found.ranked.rerun.tolist()
    assert document["num_failed"] == 3


def test_sentences_have_the_numbers(found):
    best, trial, *rest = found.sentences
    low, high = (float(text) for text in re.search(r"\(95 %: ([\d.]+) to ([\d.]+)\)", best).groups())
    assert (low, high) == pytest.approx(found.fit.interval("best"), abs=0.01)
    place = int(found.ranked.index[0]) + 1
    assert re.match(rf"The best trial \((row|item|trial) {place}\) shows", trial)
    assert any("lr" in sentence and "explains" in sentence for sentence in rest)
    assert any("50 more trials" in sentence for sentence in rest)


def test_what_decides_near_the_optimum(found, file, capsys):
    geometry = found.geometry
    threshold = found.fit.posterior.limits[1]
    assert geometry == nqjax.regime_geometry(found.study, threshold)
    (sentence,) = (one for one in found.sentences if "near the optimum (scores of at most" in one)
    assert ("depends on lr (" in sentence) == (geometry.counting == ["lr"])
    assert found.to_dict()["geometry"]["relevance"]["lr"]["value"] == geometry.relevance["lr"].value
    assert cli.main(["analyze", file, "--metric", "loss"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "explains p near the optimum" in text
    assert "counts if chance makes" in text


def test_the_answer_comes_before_the_tables(file, capsys):
    assert cli.main(["analyze", file, "--metric", "loss"]) == 0
    text = capsys.readouterr().out
    order = ["64 trials, 3 of them failed", "With the noise averaged out", "\nNear the optimum\n", "\nThe best trials"]
    places = [text.index(part) for part in [*order, "What each hyperparameter"]]
    assert places == sorted(places)
    assert max(map(len, text.splitlines())) <= 80


def test_the_page_needs_nothing_else_and_shows_hostile_names_as_text(file, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    assert cli.main(["analyze", file, "--metric", "loss", "--report", "page.html"]) == 0
    page = (tmp_path / "page.html").read_text()
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert not re.search(r"(src|href)=\"(?!data:)", page)
    assert all(re.search(r'alt="[^"]+"', image) for image in re.findall(r"<img[^>]*>", page))
    assert len(page) < 2_000_000
    for sentence in capsys.readouterr().out.split("\n\n")[1].split(". "):
        assert " ".join(sentence.split())[:20].replace("'", "&#39;") in " ".join(page.split())


def test_few_trials_have_no_numbers_in_their_sentences(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "few.csv").write_text("loss\n" + "\n".join(map(str, [0.5, 0.4, 0.7, 0.45, 0.6, 0.9])) + "\n")
    assert cli.main(["analyze", "few.csv", "--metric", "loss"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "do not tell how good this search can get" in text
    assert "run again" not in text
    pytest.importorskip("matplotlib")
    assert cli.main(["analyze", "few.csv", "--metric", "loss", "--report", "few.html"]) == 0
    page = (tmp_path / "few.html").read_text()
    assert "do not tell how good this search can get" in page
    assert "according to the fit" not in page
    assert "Tuning curve" not in page


def test_a_study_that_was_read(trials, found):
    study = nqjax.read_study(trials, "loss")
    assert nqjax.analyze(study).fit.alpha == found.fit.alpha
    with pytest.raises(InputError, match="read before"):
        nqjax.analyze(study, "loss")


@pytest.mark.parametrize(
    ("argv", "part"),
    [
        (["nowhere.csv"], "does not exist"),
        (["trials.jsonl", "--metric", "los"], "did you mean 'loss'"),
        (["trials.jsonl", "--metric", "loss", "--report", "page.pdf"], ".html"),
        (["trials.jsonl", "--metric", "loss", "--confidence", "2"], "confidence"),
    ],
)
def test_mistakes(argv, part, file, capsys):
    assert cli.main(["analyze", *argv]) == 2
    error = capsys.readouterr().err
    assert part in error
    assert error.count("\n") == 1 or "usage" in error


def test_trials_that_are_no_random_search_have_no_sentence_about_more_trials(shared_cases):
    found = nqjax.analyze(shared_cases / "adaptive.csv")
    assert any("seem not to be a random search" in sentence for sentence in found.sentences)
    assert not any("more trials are expected to gain" in sentence for sentence in found.sentences)


def test_noise_alone_is_said_first(capsys):
    rng = np.random.default_rng(4)
    found = nqjax.analyze([{"x": rng.random(), "loss": 0.58 + 0.0016 * rng.normal()} for _ in range(40)], "loss")
    assert found.sentences[0].startswith("The scores look like noise alone")
    assert not any("hyperparameters mattered" in sentence for sentence in found.sentences)


def test_reruns_narrow_the_answer(shared_cases, capsys):
    """The real search whose truth is known: with the noise of its reruns the interval is narrower and holds 0.0319."""
    widths = []
    command = ["analyze", str(shared_cases / "replicated-search.csv"), "--metric", "val_loss", "--json"]
    for options in ([], ["--noise", str(shared_cases / "replicated-search-reruns.csv")]):
        assert cli.main([*command, *options]) == 0
        best = json.loads(capsys.readouterr().out)["parameters"]["best"]
        assert best["low"] < 0.0319 < best["high"]
        widths.append(best["high"] - best["low"])
    assert widths[1] < widths[0]


def test_failures_and_costs_are_spoken_of():
    rng = np.random.default_rng(1)
    trials = []
    for _ in range(96):
        lr = 10 ** rng.uniform(-4, 0)
        loss = None if lr > 0.2 else 0.3 + 0.05 * (np.log10(lr) + 2) ** 2 + 0.01 * rng.normal()
        trials.append({"lr": lr, "loss": loss, "runtime": 50 + 20 * rng.random()})
    found = nqjax.analyze(trials, "loss")
    assert any("runs failed where lr is" in warning for warning in found.warnings)
    mean = np.mean([trial["runtime"] for trial in trials])
    (cost,) = re.findall(r"They would cost about ([\d.,]+) \(runtime\)", " ".join(found.sentences))
    assert float(cost.replace(",", "")) == pytest.approx(50 * mean, rel=0.01)


def test_the_demo_writes_a_page(tmp_path, monkeypatch, capsys):
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    assert cli.main(["demo", "--report", "demo.html"]) == 0
    out = capsys.readouterr().out
    assert "$ nqjax analyze " in out
    assert "learning_rate (40 %)" in " ".join((tmp_path / "demo.html").read_text().split())


def test_a_page_that_cannot_be_written_is_named_before_the_demo_runs(capsys):
    assert cli.main(["demo", "--report", "demo.pdf"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert ".html" in err


@pytest.mark.parametrize("size", [1e200, 1e-300])
def test_scores_of_any_size_have_a_page(size, tmp_path, monkeypatch, capsys):
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    lines = [f"{x!r},{y!r}" for x, y in zip(rng.random(40).tolist(), (-size * rng.random(40)).tolist(), strict=True)]
    (tmp_path / "t.csv").write_text("lr,loss\n" + "\n".join(lines) + "\n")
    assert cli.main(["analyze", "t.csv", "--metric", "loss", "--json", "--report", "page.html"]) == 0
    assert json.loads(capsys.readouterr().out)["num_scores"] == 40
    assert "<img" in (tmp_path / "page.html").read_text()
