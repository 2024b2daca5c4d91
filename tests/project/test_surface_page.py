"""The page of a response surface: what it says, and that it comes from the command, from Python, and with few parts."""

import html
import json
import math

import numpy as np
import pytest

import nqjax
from nqjax.cli import main
from nqjax.errors import InputError
from nqjax.report.surface import surface_document
from nqjax.report.surface_page import save_surface


def search():
    """Simulate a search of two hyperparameters with one failed run."""
    rng = np.random.default_rng(0)
    lr, width = 10 ** rng.uniform(-5, -1, 48), rng.uniform(0, 1, 48)
    scores = 0.1 + 0.05 * (np.log10(lr) + 3) ** 2 + 0.02 * (width - 0.4) ** 2 + 0.002 * rng.normal(size=48)
    scores[3] = math.nan
    return {"lr": lr, "width": width}, scores


@pytest.fixture(scope="module")
def found():
    return nqjax.fit_surface(*search())


@pytest.fixture(scope="module")
def document(found):
    head = {"file": "t.csv", "metric": "loss", "minimize": True, "best_score": float(np.nanmin(found.scores))}
    return {**head, **surface_document(found, confidence=0.8, proposals=3)}


def page_of(found, path, document):
    save_surface(path, document, found, "nqjax surface t.csv")
    return path.read_text(encoding="utf-8")


def test_the_page_has_the_answer_and_every_part(found, document, tmp_path):
    text = page_of(found, tmp_path / "page.html", document)
    assert "<h1>The response surface of loss</h1>" in text
    assert "minimised: 48 trials, 1 of them failed. Best score: " in text
    for sentence in document["answer"]:
        assert html.escape(sentence) in text
    parts = ("Numbers", "The surface near its optimum", "Hyperparameters", "Directions", "Importance among good trials")
    for part in ("What could be wrong", *parts, "To run next", "Thresholds", "What was read", "Settings"):
        assert f"<h2>{part}</h2>" in text
    assert text.count("<img alt=") == 4
    assert "Contours of the surface and trials, with the optimum at lr " in text
    assert "<td>80 %" not in text
    assert "<th>80 %</th>" in text
    assert "<li>Coordinates: lr " in text
    assert "nqjax surface t.csv\n" in text
    assert "<script" not in text
    assert "http" not in text
    assert text.count("<tr>", text.index("To run next"), text.index("<h2>Thresholds")) == 4
    assert text == page_of(found, tmp_path / "again.html", document)


def test_parts_without_data_are_left_out(found, document, tmp_path):
    few = {**document, "lack_of_fit": None, "warnings": [], "notes": [], "proposals": []}
    text = page_of(found, tmp_path / "page.html", few)
    assert "To run next" not in text
    assert "What was read" not in text
    assert "scores alone" not in text
    assert "Nothing was found that speaks against these answers" in text
    assert "Too few trials are inside the threshold to test" in text


def test_warnings_and_the_scores_alone(found, document, tmp_path):
    one = {"estimate": 0.1234, "low": 0.1, "high": 0.15}
    views = {name: {"surface": one, "scores": one, "p_value": 0.5} for name in ("best", "sigma", "effective_number")}
    text = page_of(found, tmp_path / "page.html", {**document, "agreement": views, "warnings": ["a < b", "more"]})
    assert "<th>scores alone</th>" in text
    assert text.count("<td>0.123</td><td>0.100 to 0.150</td>") == 3
    assert '<p class="verdict not">a &lt; b.</p>' in text
    assert "Nothing was found" not in text


def test_one_hyperparameter(tmp_path):
    config, scores = search()
    one = nqjax.fit_surface({"lr": config["lr"]}, scores)
    nqjax.save_report(tmp_path / "page.html", one, name="loss")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert text.count("<img alt=") == 2
    assert "make up for each other. " not in text.partition("<h2>Hyperparameters")[0]


def test_categories_and_missing_values(tmp_path):
    rng = np.random.default_rng(1)
    config, scores = search()
    units = np.where(rng.random(48) < 0.3, None, rng.integers(1, 9, 48).astype(object))
    kind = rng.choice(["<b>adam</b>", "sgd"], 48)
    mixed = nqjax.fit_surface({**config, "units": units, "kind": kind}, scores, threshold=0.3)
    nqjax.save_report(tmp_path / "page.html", mixed)
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<b>" not in text
    assert "&lt;b&gt;adam&lt;/b&gt;" in text
    assert '<td class="words">no order</td>' in text
    assert text.count("<img alt=") == 5


def test_the_command_writes_it(tmp_path, capsys):
    config, scores = search()
    rows = zip(*(values.tolist() for values in config.values()), scores.tolist(), strict=True)
    file, page = tmp_path / "t.csv", tmp_path / "page.html"
    file.write_text("lr,width,loss\n" + "".join(f"{a},{b},{y}\n" for a, b, y in rows))
    command = ["surface", str(file), "--metric", "loss", "--confidence", "0.8", "--threshold", "0.3"]
    assert main([*command, "--json", "--report", str(page)]) == 0
    document = json.loads(capsys.readouterr().out)
    text = page.read_text(encoding="utf-8")
    for sentence in document["answer"]:
        assert html.escape(sentence) in text
    for note in document["data"]["notes"]:
        assert html.escape(note) in text
    assert "--report" in text[text.index("<h2>Settings") :]


def test_a_page_that_cannot_be_made(found, tmp_path, capsys):
    """It is refused before the file is read: it is not there."""
    assert main(["surface", "none.csv", "--report", str(tmp_path / "page.pdf")]) == 2
    assert "give" in capsys.readouterr().err
    assert main(["surface", "none.csv", "--report", str(tmp_path / "none" / "page.html")]) == 2
    assert "there is no folder" in capsys.readouterr().err
    with pytest.raises(InputError, match="the ending"):
        nqjax.save_report(tmp_path / "page.pdf", found)
    assert not list(tmp_path.iterdir())
