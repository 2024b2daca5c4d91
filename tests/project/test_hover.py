"""Values that pages show when the pointer rests on their pictures."""

import base64
import html
import re

import numpy as np
import pytest

import nqjax
from nqjax.report.hover import landscape, words
from nqjax.report.hover.comparisons import fidelity_areas, worth_areas
from nqjax.report.hover.configurations import direction_areas
from nqjax.report.hover.picture import picture_with_values
from support.browser import Browser, path_of_chromium

NAME = "rate <i>\"'&"


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A page whose hyperparameter has a hostile name, and its scores."""
    rng = np.random.default_rng(3)
    x = rng.random(48)
    y = 0.1 + (x - 0.4) ** 2 + 0.01 * rng.normal(size=48)
    trials = {NAME: x, "kind": rng.choice(["a", "b"], 48), "loss": np.append(y[:-1], np.nan)}
    path = tmp_path_factory.mktemp("hover") / "page.html"
    nqjax.analyze(trials, "loss", minimize=True, surface=False).save_report(path)
    return path, x, trials["loss"]


def drawings(text):
    """Return the areas of each picture by its alternative, ``(x, y, width, height, text)``, and its SVG."""
    found = {}
    for part in re.findall(r'<div class="drawing">.*?</div>', text, re.DOTALL):
        alternative, source = re.search(r'alt="([^"]*)" src="data:image/svg\+xml;base64,([^"]*)"', part).groups()
        pattern = r'<rect x="(.*?)" y="(.*?)" width="(.*?)" height="(.*?)"><title>(.*?)</title></rect>'
        areas = [(*map(float, numbers), html.unescape(text)) for *numbers, text in re.findall(pattern, part, re.DOTALL)]
        found[alternative] = areas, base64.b64decode(source).decode()
    return found


def test_every_trial_has_its_values_where_it_is_drawn(page):
    path, x, y = page
    areas, svg = drawings(path.read_text())["Scores against each hyperparameter"]
    # Matplotlib writes the centre of each marker, in points.
    drawn = np.array([[float(a), float(b)] for a, b in re.findall(r'<use [^>]*x="([\d.]+)" y="([\d.]+)"', svg)]) / 72
    by_name = [one for one in areas if NAME in one[-1]]
    assert len(by_name) >= 40
    for left, top, width, height, text in by_name:
        row, value, score = re.fullmatch(rf"row (\d+): {re.escape(NAME)} (\S+), loss (\S+)", text).groups()
        assert float(value) == pytest.approx(x[int(row) - 1], rel=1e-3)
        assert float(score) == pytest.approx(y[int(row) - 1], rel=1e-3)
        centre = np.array([left + width / 2, top + height / 2]) / 100
        assert np.min(np.abs(drawn - centre).max(axis=1)) < 0.005
    assert f"row {np.nanargmin(y) + 1}:" in by_name[-1][-1]  # the best one lies above the others


def test_curves_have_their_values(page):
    path, _, y = page
    found = drawings(path.read_text())
    areas, _ = found["Tuning curve: the median best score after n trials, with bands"]
    edges = np.array([(left, left + width) for left, _, width, _, _ in areas])
    assert np.allclose(edges[1:, 0], edges[:-1, 1], atol=0.2)  # no gap, and no overlap
    post = nqjax.confidence_region(y)
    pattern = r"([\d,]+) trials?: median of the best loss (\S+) \(95 %: (\S+) to (\S+)\)"
    values = [re.fullmatch(pattern, one[-1]) for one in areas]
    values = [[float(x.replace(",", "")) for x in one.groups()] for one in values if one]
    assert len(values) > 10
    for n, *numbers in values[::5]:
        expected = post.curve(n)
        assert numbers == pytest.approx([float(one) for one in expected], rel=2e-3)
    (alternative,) = (one for one in found if one.startswith("Distribution"))
    for *_, text in found[alternative][0][::10]:
        pattern = r"loss (\S+): (\S+) % of the scores are at or below, (\S+) % according to the fit"
        score, share, _ = re.fullmatch(pattern, text).groups()
        assert float(share) / 100 == pytest.approx(np.sum(y <= float(score)) / len(y), abs=1.01 / len(y))


def test_bars_sum_to_one(page):
    path, _, _ = page
    found = drawings(path.read_text())
    for alternative in ("Posterior of the best score of the fitted regime", "Posterior of gamma"):
        shares = [float(text.rpartition(": ")[2].removesuffix(" %")) for *_, text in found[alternative][0]]
        assert sum(shares) == pytest.approx(100, abs=2)


@pytest.mark.skipif(path_of_chromium() is None, reason="no Chromium is on PATH")
@pytest.mark.parametrize("width", [1280, 390])
def test_the_pointer_meets_an_area(page, tmp_path, width):
    """The last area of each picture lies under the pointer in its middle, and areas are placed on the image."""
    path, _, _ = page
    with Browser(tmp_path / "profile") as browser:
        browser.open(path, width)
        found = browser.evaluate(
            """[...document.querySelectorAll(".drawing")].map(one => {
                one.scrollIntoView();
                const [a, b] = ["img", "svg"].map(name => one.querySelector(name).getBoundingClientRect());
                const off = ["left", "top", "right", "bottom"].map(side => Math.abs(a[side] - b[side]));
                const last = [...one.querySelectorAll("rect")].pop(), box = last.getBoundingClientRect();
                const met = document.elementFromPoint((box.left + box.right) / 2, (box.top + box.bottom) / 2);
                return [Math.max(...off), met === last];
            })"""
        )
        assert len(found) >= 5
        assert all(off < 1.5 and met for off, met in found), found


def test_thresholds_have_their_probabilities(page):
    path, _, y = page
    areas, _ = drawings(path.read_text())["Probabilities of the thresholds"]
    post = nqjax.confidence_region(y)
    assert len(areas) == len(post.threshold_probabilities)
    for (*_, text), (end, share) in zip(areas, post.threshold_probabilities.items(), strict=True):
        kept, found = re.fullmatch(r"loss below \S+: ([\d,]+) scores, probability (\S+) %", text).groups()
        assert int(kept) == np.sum(y <= end)
        assert float(found) / 100 == pytest.approx(share, rel=0.06)


def test_methods_have_their_worth():
    rng = np.random.default_rng(0)
    found = {"a": nqjax.worth(rng.uniform(size=(50, 40)) ** 2, rng.uniform(size=5000), at=[10, 40])}
    found["b"] = nqjax.worth(rng.uniform(size=(50, 20)) ** 9, rng.uniform(size=100), at=[10])
    areas = picture_with_values(lambda f: nqjax.plots.worth(found, ax=f.subplots()), worth_areas(found)).areas
    ten, forty = (one.text.split("\n") for one in areas)
    one = found["a"]
    expected = [f"{end[0]:,.0f}" for end in (one.estimate, one.lower, one.upper)]
    assert ten[1] == "a: worth {} ({} to {})".format(*expected)
    assert ten[0] == "after 10 trials"
    assert "b: worth beyond the baseline" in ten[2]
    assert [line[0] for line in forty[1:]] == ["a"]
    assert areas[0].x + areas[0].width == pytest.approx(areas[1].x, abs=0.2)


def test_parts_of_the_training_have_their_correlations():
    rng = np.random.default_rng(0)
    curves = [end + rate * np.exp(-np.arange(1, 21) / 4) for end, rate in rng.random((80, 2))]
    report = nqjax.fidelity_report(curves, minimize=True)
    areas = picture_with_values(
        lambda f: nqjax.plots.fidelity(report, ax=f.subplots()), fidelity_areas(report), (4.8, 3.4)
    ).areas
    assert len(areas) == len(report.fractions)
    first = areas[0].text.split("\n")
    assert first[0] == f"after {100 * report.fractions[0]:.0f} % of the training"
    assert first[1].startswith(f"all trials: {report.correlation[0]:.2f} ({report.lower[0]:.2f} to ")


def test_directions_have_their_costs():
    rng = np.random.default_rng(1)
    x = rng.random((48, 2))
    surface = nqjax.fit_surface({"one": x[:, 0], "two": x[:, 1]}, (x[:, 0] - 0.4) ** 2 + 0.01 * rng.normal(size=48))
    areas = picture_with_values(
        lambda f: nqjax.plots.spectrum(surface, 0.8, ax=f.subplots()), direction_areas(surface, 0.8), (4.8, 2.8)
    ).areas
    costs = surface.direction_costs(0.8)
    assert [one.text.split(":")[0] for one in areas] == [one.words for one in surface.directions]
    assert [float(re.search(r"costs (\S+)", one.text)[1]) for one in areas] == pytest.approx(
        [one.estimate for one in costs], rel=1e-3
    )
    # The most costly one is at the top, and areas do not overlap.
    assert areas[0].y + areas[0].height == pytest.approx(areas[1].y, abs=0.2)


@pytest.mark.parametrize("minimize", [True, False])
def test_landscapes_have_their_values(minimize):
    rng = np.random.default_rng(2)
    x, y = (one.ravel() for one in np.meshgrid(np.arange(8), np.arange(8)))
    loss = 0.02 * (x - 3) ** 2 + 0.01 * rng.random(64) + 0.3 * (y == 5)
    land = nqjax.Landscape({"x": x, "y": y}, loss if minimize else -loss, minimize=minimize)

    def areas(draw, found):
        return [one.text for one in picture_with_values(draw, found).areas]

    found = areas(lambda f: nqjax.plots.optima_curve(land, ax=f.subplots()), landscape.optima_areas)
    assert found[0].endswith(f": {len(land.basins.optima):,} optima")
    assert found[-1].endswith(": 1 optimum")
    found = areas(lambda f: nqjax.plots.merge_tree(land, ax=f.subplots()), landscape.tree_areas)
    assert sum("no pass" in text for text in found) == 1
    assert any(
        text.startswith(f"optimum with score {words.shown(np.min(loss) if minimize else -np.min(loss))}, no pass")
        for text in found
    )
    found = areas(lambda f: nqjax.plots.neutrality(land, ax=f.subplots()), landscape.neutrality_areas)
    assert len(found) == 60
    assert found[-1].endswith("% of the neighbours are as good")
    geometry = land.geometry(float(np.quantile(loss, 0.2)) * (1 if minimize else -1))
    found = areas(lambda f: nqjax.plots.relevance(geometry, ax=f.subplots()), landscape.relevance_areas(geometry))
    assert {text.split(":")[0] for text in found} == {"x", "y"}
