"""The documentation names everything public, and its gallery shows every picture. `.ci/run docs` builds it."""

import importlib.util
import re
from pathlib import Path

import pytest

import nqjax

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"

#: Modules, and names that are those of `nqjax.trials`.
ELSEWHERE = {"data", "distributions", "errors", "plots", "search", "trials", "__version__", "Trials", "read_trials"}


@pytest.fixture(scope="module")
def pictures():
    spec = importlib.util.spec_from_file_location("pictures", DOCS / "pictures.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def listed(module):
    text = (DOCS / "api.md").read_text(encoding="utf-8")
    return set(re.findall(rf"^   {re.escape(module)}\.(\w+)$", text, re.MULTILINE))


def test_the_api_has_every_public_name():
    assert listed("nqjax") == set(nqjax.__all__) - ELSEWHERE
    assert listed("nqjax.plots") == set(nqjax.plots.__all__)
    same = {name for name in ("Trials", "read_trials") if getattr(nqjax.search, name) is getattr(nqjax.trials, name)}
    assert listed("nqjax.search") == set(nqjax.search.__all__) - same
    assert listed("nqjax.trials") == {"read_scores", "read_trials", "Trials"}


def test_every_page_is_in_the_contents():
    text = (DOCS / "index.md").read_text(encoding="utf-8")
    pages = {path.stem for path in DOCS.glob("*.md")} - {"index"}
    assert pages <= set(re.findall(r"^\w+$", text, re.MULTILINE))
    notebooks = {f"_made/notebooks/{path.stem}" for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert notebooks <= set(text.splitlines())


def test_the_gallery_shows_every_picture(pictures):
    text = (DOCS / "gallery.md").read_text(encoding="utf-8")
    shown = set(re.findall(r"^!\[[^\]]{20,}\]\(_made/pictures/(\w+)\.svg\)$", text, re.MULTILINE))
    assert shown == set(pictures.EXAMPLES)
    drawn = set(re.findall(r"nqjax\.plots\.(\w+)\(", text))
    assert drawn == set(nqjax.plots.__all__) - {"Drawn"}


def test_the_simulated_search_is_what_the_gallery_says(pictures):
    rows = pictures.search(0)
    assert len(rows) == 128
    assert set(rows[0]) == {"learning_rate", "depth", "optimizer", "error"}
    assert rows == pictures.search(0)
