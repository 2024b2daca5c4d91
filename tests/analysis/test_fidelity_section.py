"""The section of an analysis on partial training: document, terminal, page, and where nothing is valid."""

import json
import time

import numpy as np
import pytest

import nqjax
from nqjax import cli
from nqjax.analysis.fidelity_section import fidelity_section

EPOCHS = 12


def rows(count=48, stopped=(), **more):
    """Trials of one row an epoch, which end where ``stopped`` says."""
    rng = np.random.default_rng(0)
    found = []
    for i, (end, rate) in enumerate(rng.random((count, 2))):
        for epoch in range(1, 1 + (3 if i in stopped else EPOCHS)):
            loss = 0.2 + end + rate * np.exp(-epoch / 3) + 0.01 * rng.normal()
            found.append({"trial": i, "epoch": epoch, "lr": end, "loss": loss, **more})
    return found


def read(trials):
    return nqjax.read_study(trials, "loss", minimize=True)


def section(study, **options):
    return fidelity_section(study, **{"minimize": True, "confidence": 0.95, "adaptive": False, **options})


@pytest.fixture(scope="module")
def found():
    return nqjax.analyze(read(rows()), surface=False)


def test_the_section_is_that_of_the_function_behind_it(found):
    alone = nqjax.fidelity_report(found.study)
    document = found.to_dict()["fidelity"]
    assert np.array_equal(found.fidelity.best_correlation, alone.best_correlation)
    assert document["sentences"] == list(alone.sentences)
    assert len(document["sentences"]) == 3
    assert document["kept"] == alone.kept.tolist()
    assert json.loads(json.dumps(document, allow_nan=False)) == document


def test_terminal_and_page(found, tmp_path, capsys):
    path = tmp_path / "curves.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows()))
    page = tmp_path / "page.html"
    assert cli.main(["analyze", str(path), "--metric", "loss", "--no-surface", "--report", str(page)]) == 0
    words = " ".join(capsys.readouterr().out.split())
    assert "What partial training tells of whole trainings" in words
    for sentence in found.fidelity.sentences:
        assert sentence in words
    text = page.read_text()
    assert "What partial training tells of whole trainings" in text
    assert text.count('alt="Rank correlation with the final scores') == 1


def test_without_curves_it_is_silent(tmp_path, capsys):
    path = tmp_path / "trials.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows() if row["epoch"] == EPOCHS))
    assert cli.main(["analyze", str(path), "--metric", "loss", "--no-surface", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["fidelity"] is None
    assert section(read([row for row in rows() if row["epoch"] < 3])) == (None, None)  # two scores are no curve


def test_shares_before_the_first_score_are_left_out():
    every_third = read([row for row in rows() if row["epoch"] % 3 == 0])
    assert section(every_third).report.fractions.tolist() == [0.25, 0.5, 0.75]


def test_of_stopped_trials_nothing_is_said():
    """Their ends are not known, and the others were chosen by their first scores."""
    hidden = section(read(rows(stopped=range(10))))
    assert hidden.report is None
    assert "stopped early" in hidden.document["skipped"]
    planned = [{**row, "epochs": 3 if row["trial"] < 10 else EPOCHS} for row in rows(stopped=range(10))]
    assert section(read(planned)).report.num_trials == 48  # these trainings are short by plan
    study = read(rows())
    study.status[:5] = "pruned"
    assert section(study).document["skipped"].startswith("5 of 48 trials were stopped early")


def test_a_page_says_why_there_is_nothing(tmp_path, capsys):
    study = read(rows())
    study.status[:5] = "pruned"
    stopped = nqjax.analyze(study, surface=False)
    assert stopped.fidelity is None
    stopped.save_report(tmp_path / "page.html")
    assert "Nothing on partial training: 5 of 48 trials were stopped" in (tmp_path / "page.html").read_text()
    from nqjax.cli import process
    from nqjax.report.fidelity_section import print_fidelity

    print_fidelity(stopped.to_dict(), process.console())
    assert "Nothing on partial training" in capsys.readouterr().out


def test_trials_that_have_not_ended_are_left_out():
    study = read(rows())
    study.status[:3] = "running"
    assert section(study).report.num_trials == 45
    study.status[:10] = "running"
    assert "38 trials are too few" in section(study).document["skipped"]


def test_adaptive_trials_have_their_own_words():
    plain, adaptive = section(read(rows())), section(read(rows()), adaptive=True)
    assert adaptive.document["sentences"][1:] == plain.document["sentences"]
    assert "seem not to be a random search" in adaptive.document["sentences"][0]


def test_populations_have_no_curves_of_single_trials():
    study = read(rows())
    study = nqjax.StudyTable(**{**vars(study), "columns": {**study.columns, "lineage": np.empty(48, object)}})
    assert "population" in section(study).document["skipped"]


def test_it_takes_little_time():
    """The first 4,096 of 5,000 trials are read. Of three runs one is not held up by the load of other tests."""
    study = read(rows(5000))
    section(read(rows()))
    took = []
    for _ in range(3):
        began = time.process_time()
        assert section(study).report.num_trials == 4096
        took.append(time.process_time() - began)
    assert min(took) < 0.6  # 0.25 s
