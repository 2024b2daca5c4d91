"""The response surface in an analysis: terminal, document, page; of adaptive trials, and where there is none."""

import html
import json

import numpy as np
import pytest

import nqjax
from nqjax import cli
from nqjax.analysis.surface_section import NOT_VALID

HOSTILE = "<b>lr</b>"


def rows(adaptive=False, n=64):
    """Trials with the best score 0.3 at a log learning rate of -2; adaptive ones come ever closer to it."""
    rng = np.random.default_rng(0)
    found = []
    for i in range(n):
        spread = 2 * (1 - 0.8 * i / n) if adaptive else 2
        log_lr, dropout = -2 + spread * rng.uniform(-1, 1), rng.random()
        loss = 0.3 + 0.05 * (log_lr + 2) ** 2 + 0.01 * rng.normal()
        found.append({"number": i, HOSTILE: 10**log_lr, "dropout": dropout, "loss": loss})
    return found


def write(trials, folder):
    path = folder / "trials.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in trials))
    return str(path)


@pytest.fixture(scope="module")
def random_search():
    return nqjax.analyze(rows(), "loss")


@pytest.fixture(scope="module")
def adaptive():
    return nqjax.analyze(rows(adaptive=True), "loss")


def test_the_section_is_that_of_the_function_behind_it(random_search):
    alone = nqjax.fit_surface(random_search.study)
    document = random_search.to_dict()["surface"]
    assert np.array_equal(alone.best_draws, random_search.surface.best_draws)
    assert document["best"] == pytest.approx(alone.interval("best", 0.95)._asdict())
    assert document["best"]["low"] < 0.3 < document["best"]["high"]
    assert document["directions"][0]["words"] == HOSTILE
    assert document["scores_alone"]["best"]["low"] == random_search.fit.interval("best", 0.95)[0]
    assert json.loads(json.dumps(document)) == document


def test_of_a_random_search_the_scores_come_first(random_search):
    assert not any("response surface" in sentence or sentence == NOT_VALID for sentence in random_search.sentences)
    assert "response surface" in random_search.section["sentences"][0]
    assert "The scores alone agree" in random_search.section["sentences"][-1]
    assert not random_search.section["holds_alone"]


def test_of_adaptive_trials_the_surface_comes_first(adaptive):
    place = adaptive.sentences.index(NOT_VALID)
    assert "According to the response surface" in adaptive.sentences[0]
    ours = len(adaptive.section["sentences"])
    assert adaptive.sentences[:ours] == tuple(adaptive.section["sentences"])
    # What the best trial would score again follows from the surface, and so holds here.
    assert adaptive.ranked.source == "surface"
    assert "The best trial" in adaptive.sentences[ours]
    assert not any("The best trial" in sentence for sentence in adaptive.sentences[place:])
    assert "best loss near the optimum of this search" in adaptive.sentences[place + 1]
    assert not any("scores alone agree" in sentence for sentence in adaptive.sentences)
    best = adaptive.section["best"]
    assert best["low"] < 0.3 < best["high"]


@pytest.mark.parametrize("kind", [False, True])
def test_terminal(kind, tmp_path, capsys):
    assert cli.main(["analyze", write(rows(adaptive=kind), tmp_path), "--metric", "loss"]) == 0
    text = capsys.readouterr().out
    surface, trials = text.index("\nThe response surface"), text.index("\nThe best trials")
    assert (surface < trials) is kind
    heading = "from the scores alone, not valid for these"
    assert text.count(heading) == (2 if kind else 0)
    assert ("again, by the surface" in text) is kind
    assert "scores alone" in text[surface:]
    assert "dropout" in text[surface:]
    assert HOSTILE in text[surface:]


@pytest.mark.parametrize("kind", [False, True])
def test_page(kind, random_search, adaptive, tmp_path):
    found = adaptive if kind else random_search
    nqjax.save_report(tmp_path / "page.html", found)
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert HOSTILE not in text
    surface, trials = text.index("<h2>The response surface"), text.index("<h2>The best trials")
    assert (surface < trials) is kind
    assert text.count("not valid for these trials</h2>") == (3 if kind else 0)
    assert '<img alt="Cost of half the box in each direction' in text
    for sentence in found.section["sentences"]:
        assert text.count(html.escape(sentence)) == 1


@pytest.mark.parametrize(
    ("trials", "reason"),
    [
        (rows(n=9), "9 scores are too few for the 6 coefficients of a surface: run at least 12 trials"),
        ([{"loss": row["loss"]} for row in rows()], "the trials have no hyperparameters"),
        ([{"op": "ab"[i % 2], "loss": row["loss"]} for i, row in enumerate(rows())], "no hyperparameter is a number"),
    ],
)
def test_no_surface_has_a_reason(trials, reason, tmp_path, capsys):
    found = nqjax.analyze(trials, "loss")
    assert found.surface is None
    assert reason in found.section["skipped"]
    found.save_report(tmp_path / "page.html")
    assert "There is none: " in (tmp_path / "page.html").read_text(encoding="utf-8")
    assert cli.main(["analyze", write(trials, tmp_path), "--metric", "loss"]) == 0
    assert "No response surface: " in capsys.readouterr().out


def test_it_may_be_left_out(tmp_path, capsys):
    assert nqjax.analyze(rows(), "loss", surface=False).section == {"skipped": "it was not asked for"}
    with pytest.raises(nqjax.InputError, match="surface is 3: give True or False"):
        nqjax.analyze(rows(), "loss", surface=3)
    assert cli.main(["analyze", write(rows(), tmp_path), "--metric", "loss", "--no-surface", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["surface"] == {"skipped": "it was not asked for"}
