"""The page of a landscape: what it says, and what it leaves out where it cannot be known."""

import numpy as np
import pytest

import nqjax
from nqjax.errors import InputError
from nqjax.plots import maps
from nqjax.report import landscape_page


@pytest.fixture
def land():
    index = np.indices((6, 5, 4)).reshape(3, -1)
    losses = 3 * (index[1] - 2.0) ** 2 + (index[0] - 2.0) ** 2 + 0.1 * index[2]
    runs = losses[:, None] + np.random.default_rng(0).normal(size=(120, 2)) * 0.3
    return nqjax.Landscape(dict(zip("abc", index, strict=True)), runs)


def page_of(land, path, **options):
    land.save_report(path, **options)
    return path.read_text(encoding="utf-8")


def test_the_page_has_the_answer_and_every_part(land, tmp_path):
    text = page_of(land, tmp_path / "page.html", name="loss", threshold=3.0)
    metrics = land.metrics()
    assert "<h1>The landscape of loss</h1>" in text
    assert f"{metrics.n_lo_flat_noise:,.0f}</td>" in text
    for part in ("Map", "Numbers", "Optima and noise", "Flatness", "Hyperparameters", "Runs of the same", "Settings"):
        assert f"<h2>{part}" in text
    assert text.count("<img alt=") == 6
    assert f"{metrics.n_lo:,} of any depth, {metrics.n_lo_prominent:,} deeper than" in text
    assert "The border of the regime is orange" in text
    assert "<script" not in text
    assert text == page_of(land, tmp_path / "again.html", name="loss", threshold=3.0)


def test_a_sample_has_no_map_and_says_why(tmp_path):
    x = np.random.default_rng(0).uniform(size=(2, 200))
    land = nqjax.Landscape({"lr": x[0], "dropout": x[1]}, (x[0] - 0.5) ** 2)
    text = page_of(land, tmp_path / "page.html", threshold=0.02)
    assert text.count("<img alt=") == 1  # relevance
    assert "Not given: " in text
    assert "neighbours that were not run" in text
    without = page_of(land, tmp_path / "page.html")
    assert "<img" not in without
    assert "<h2>Hyperparameters" not in without


def test_more_configurations_than_pixels(land, tmp_path, monkeypatch):
    monkeypatch.setattr(landscape_page, "_MOST_PIXELS", 40)
    text = page_of(land, tmp_path / "page.html")
    assert "c is left out, and a pixel is the best of 4" in text
    assert maps.stacked(land, None, 40)[2].shape == (6, 5)


def test_one_run_and_failed_runs(tmp_path):
    index = np.indices((5, 4)).reshape(2, -1)
    losses = (index[0] - 1.0) ** 2 + index[1]
    losses[-1] = np.nan
    text = page_of(nqjax.Landscape({"a": index[0], "b": index[1]}, losses), tmp_path / "page.html")
    assert "1 of them failed" in text
    assert "<h2>Runs of the same" not in text
    assert "no configuration was run twice" in text


def test_a_page_that_cannot_be_made(land, tmp_path):
    with pytest.raises(InputError, match="the ending"):
        land.save_report(tmp_path / "page.pdf")
    with pytest.raises(InputError, match="at least 10"):
        land.save_report(tmp_path / "page.html", threshold=land.scores.min())
    assert not (tmp_path / "page.html").exists()
