"""The pages in a real browser: at two widths, in light and dark mode and in print, with hostile names."""

import itertools
import json
import math

import numpy as np
import pytest

import nqjax
from nqjax.cli import main
from nqjax.report.analysis import save_analysis
from support import searches
from support.browser import Browser, path_of_chromium

pytestmark = pytest.mark.skipif(path_of_chromium() is None, reason="no Chromium is on PATH")

HOSTILE = "<script>document.title='caught'</script>"
NAMES = ("<img src=x onerror=document.title='caught'>", "a" * 90, "lr $x^$ & 'more'")

#: Pages, each with the least number of its pictures.
PAGES = {"analysis": 4, "averaged": 4, "landscape": 6, "similarity": 2, "surface": 4}

#: Text with too little contrast to what is behind it, by WCAG 2.2 AA: its words and its ratio.
CONTRAST = """
(() => {
  const numbers = text => text.match(/[\\d.]+/g).map(Number);
  const part = c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const luminance = c => 0.2126 * part(c[0]) + 0.7152 * part(c[1]) + 0.0722 * part(c[2]);
  const behind = element => {
    for (let one = element; one; one = one.parentElement) {
      const color = numbers(getComputedStyle(one).backgroundColor);
      if (color.length === 3 || color[3] === 1) return color;
      if (color[3] > 0) throw new Error("a transparent background: " + one.outerHTML.slice(0, 80));
    }
    throw new Error("no background");
  };
  const found = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let count = 0;
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement, words = walker.currentNode.data.trim();
    if (!words || !element.checkVisibility()) continue;
    const style = getComputedStyle(element), size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
    const [a, b] = [luminance(numbers(style.color)), luminance(behind(element))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    count += 1;
    if (ratio < (large ? 3 : 4.5)) found.push([words.slice(0, 60), ratio]);
  }
  return [count, found];
})()
"""

#: Pictures without a text alternative, and pictures that could not be drawn.
PICTURES = """
(() => {
  const named = one => one.alt || one.getAttribute("aria-label") || one.getAttribute("aria-hidden") ||
    one.querySelector("title");
  const drawings = [...document.querySelectorAll("img, svg, canvas, object, embed, iframe")];
  const outer = drawings.filter(one => !one.parentElement.closest("svg"));
  const figures = [...document.querySelectorAll("figure")];
  return {
    count: outer.length,
    unnamed: outer.filter(one => !named(one)).length,
    empty: figures.filter(one => !one.querySelector("img, svg, canvas, table")).length,
    broken: outer.filter(one => one.tagName === "IMG" && !one.naturalWidth).length,
  };
})()
"""

WIDTH = "[document.documentElement.scrollWidth, innerWidth]"


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Write the pages of an analysis, its posterior, a surface, a landscape and similarities; all names are hostile."""
    folder = tmp_path_factory.mktemp("pages")
    rng = np.random.default_rng(0)
    y = np.append(searches.draw(rng, 58, 2, 0.05, alpha=0.1), [math.nan, math.inf])
    columns = {name: rng.random(60) for name in NAMES} | {"kind": rng.choice([HOSTILE, "b"], 60), HOSTILE: y}
    found = nqjax.analyze(columns, HOSTILE, minimize=True)
    save_analysis(folder / "analysis.html", found, f"nqjax analyze '{HOSTILE}.csv' --metric {HOSTILE}")
    nqjax.save_report(folder / "averaged.html", found.fit, name=HOSTILE)
    few = {name: columns[name][:48] for name in NAMES[::2]}
    surface = nqjax.fit_surface(few, few[NAMES[0]] ** 2 + 0.01 * rng.normal(size=48))
    nqjax.save_report(folder / "surface.html", surface, name=HOSTILE)
    _write_landscapes(folder)
    return folder


def _write_landscapes(folder):
    rng = np.random.default_rng(0)
    rows = [
        dict(zip(NAMES, values, strict=True))
        | {"kind": kind}
        | {f"{HOSTILE}_{seed}": values[0] ** 2 + values[1] + rng.normal() * 0.1 for seed in range(4)}
        for values in itertools.product(range(1, 7), range(5), range(4))
        for kind in (HOSTILE, "b")
    ]
    file = folder / "<i>grid.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)))
    metrics = ["--metric", f"{HOSTILE}_*"]
    page = ["--report", str(folder / "landscape.html")]
    assert main(["landscape", str(file), *metrics, "--threshold", "6", *page]) == 0
    halves = [f"{HOSTILE}_[01]", f"{HOSTILE}_[23]"]
    page = ["--report", str(folder / "similarity.html")]
    assert main(["similarity", str(file), "--metric", *halves, *page]) == 0


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with Browser(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("name", PAGES)
def test_page(pages, browser, name, width, scheme):
    path = pages / f"{name}.html"
    browser.open(path, width, scheme)
    assert browser.complaints() == []
    assert browser.requests() == [path.as_uri()]
    full, seen = browser.evaluate(WIDTH)
    assert seen == width
    assert full <= width, f"the page is {full} pixels wide"
    pictures = browser.evaluate(PICTURES)
    assert pictures.pop("count") >= PAGES[name]
    assert pictures == {"unnamed": 0, "empty": 0, "broken": 0}
    count, poor = browser.evaluate(CONTRAST)
    assert count > 25
    assert poor == []
    assert path.stat().st_size < 2_000_000


@pytest.mark.parametrize("name", PAGES)
def test_names_are_text(pages, browser, name):
    """Nothing of a name is executed, and it can be read as it is."""
    browser.open(pages / f"{name}.html", 1280)
    assert "caught" not in browser.evaluate("document.title").replace(HOSTILE, "")
    assert HOSTILE in browser.evaluate("document.body.innerText")
    assert browser.evaluate("document.scripts.length") == 0
    assert browser.evaluate("document.querySelectorAll('[onerror]').length") == 0


@pytest.mark.parametrize("name", ["analysis", "landscape", "surface"])
def test_in_print(pages, browser, name):
    browser.open(pages / f"{name}.html", 700, media="print")
    full, seen = browser.evaluate(WIDTH)
    assert full <= seen


def test_the_checks_find_faults(browser, tmp_path):
    """A page with each fault is found out."""
    path = tmp_path / "bad.html"
    path.write_text(
        "<!DOCTYPE html><body style='background: #fff; color: #999'><p>pale</p><div style='width: 900px'>x</div>"
        "<figure></figure><img src='nowhere.png'><script>console.error('no')</script><script>oops()</script></body>"
    )
    browser.open(path, 390)
    full, seen = browser.evaluate(WIDTH)
    assert full > seen
    assert browser.evaluate(PICTURES) == {"count": 1, "unnamed": 1, "empty": 1, "broken": 1}
    assert [words for words, _ in browser.evaluate(CONTRAST)[1]] == ["pale", "x"]
    assert len(browser.complaints()) >= 2
    assert browser.requests() == [path.as_uri(), (tmp_path / "nowhere.png").as_uri()]
