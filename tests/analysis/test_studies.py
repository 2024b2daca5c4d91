"""Comparisons of several studies from Python: numbers, sentences, what cannot be compared, and the page."""

import json
import re

import numpy as np
import pytest

import nqjax
from nqjax.analysis.analyze import default_names
from nqjax.analysis.study_costs import MeanCost
from nqjax.errors import InputError

HOSTILE = "<script>alert(1)</script>"


def rows(seed, n, low, cost=10.0, spread=0.3, sign=1.0):
    """A search of n trials with one hyperparameter; costs vary by a spread."""
    rng = np.random.default_rng(seed)
    found = []
    for x in rng.random(n).tolist():
        loss = low + 0.3 * x**2 + 0.01 * rng.normal()
        found.append({"lr": x, "loss": sign * loss, "seconds": cost * float(np.exp(spread * rng.normal()))})
    return found


SEARCHES = [rows(0, 64, 0.10), rows(1, 96, 0.11, cost=30.0), rows(2, 48, 0.30, cost=5.0)]
NAMES = ["ours", HOSTILE, "base"]


@pytest.fixture(scope="module")
def found():
    return nqjax.analyze(SEARCHES, "loss", names=NAMES)


@pytest.fixture(scope="module")
def at_cost():
    return nqjax.analyze(SEARCHES, "loss", names=NAMES, cost="seconds")


def test_the_curves_are_those_of_each_study(found):
    curves = found.curves
    for place, one in enumerate(found.analyses):
        post = one.fit.posterior
        assert curves.trials[place] == pytest.approx(curves.budgets)
        assert curves.estimate[place] == pytest.approx(post.quantile_tuning_curve(curves.budgets))
        low, high = post.quantile_tuning_curve_band(curves.budgets)
        inside = curves.in_regime[place]
        # A simultaneous band is wider than the pointwise one, and there is none where the theory says nothing.
        assert np.all(curves.low[place][inside] <= low[inside])
        assert np.all(curves.high[place][inside] >= high[inside])
        assert np.all(np.isnan(curves.low[place][~inside]))
        assert np.array_equal(inside, curves.budgets >= post.regime_start)
        assert np.array_equal(curves.extrapolated[place], curves.budgets > post.num_scores)


def test_the_probabilities_are_those_of_nqjax_compare(found):
    """They are of all pairs of draws there, and of 4,000 random ones here: within 5 standard errors."""
    shown = np.flatnonzero(found.curves.is_shown)
    budgets = found.curves.budgets[shown]
    first, second = (found.analyses[i].fit for i in (0, 1))
    other = nqjax.compare(first, second, budgets).probability_median
    mine = found.curves.probability[0, 1, shown]
    assert mine == pytest.approx(other, abs=5 * 0.5 / np.sqrt(4000))


def test_a_much_worse_model_is_said_to_be_worse_and_equals_are_not_told_apart(found):
    pairs = {(NAMES[one.better], NAMES[one.worse]) for one in found.orderings if one.settled}
    assert pairs == {("ours", "base"), (HOSTILE, "base")}
    text = " ".join(found.sentences)
    assert "ours is better than base from" in text
    assert f"The scores do not tell whether ours or {HOSTILE} is better with 64 trials each" in text
    assert found.sentences[0].startswith("The scores do not tell which model is the best with 48 trials each")
    assert "base is worse than another" in found.sentences[0]


def test_the_advantage_in_the_sentence_is_that_of_the_curves(found):
    (sentence,) = (one for one in found.sentences if one.startswith("ours is better than base"))
    low, high = (float(x) for x in re.search(r"by (\S+) to (\S+) \(95 %\)", sentence).groups())
    one = next(one for one in found.orderings if (one.better, one.worse) == (0, 2))
    place = int(np.flatnonzero(found.curves.budgets == one.last)[0])
    ends = -found.curves.difference_high[0, 2, place], -found.curves.difference_low[0, 2, place]
    assert (low, high) == pytest.approx(ends, abs=0.002)
    assert low < 0.2 < high


def test_a_mirrored_comparison_says_the_same(found):
    mirrored = [[{**row, "loss": -row["loss"]} for row in one] for one in SEARCHES]
    other = nqjax.analyze(mirrored, "loss", maximize=True, names=NAMES)
    assert not other.minimize
    assert other.curves.probability == pytest.approx(found.curves.probability, abs=1e-9)
    assert other.sentences == found.sentences


def test_a_budget_pays_for_as_many_trials_as_it_costs(at_cost):
    curves = at_cost.curves
    for place, search in enumerate(SEARCHES):
        costs = [row["seconds"] for row in search]
        assert at_cost.costs[place].mean == pytest.approx(np.mean(costs))
        assert at_cost.costs[place].error == pytest.approx(np.std(costs, ddof=1) / np.sqrt(len(costs)))
        assert curves.trials[place] == pytest.approx(curves.budgets / np.mean(costs))
    assert at_cost.unit == "seconds"
    assert "A trial costs" in at_cost.sentences[-1]


def test_equal_and_certain_costs_are_equal_numbers_of_trials(found):
    priced = [[{**row, "seconds": 2.0} for row in one] for one in SEARCHES]
    other = nqjax.analyze(priced, "loss", names=NAMES, cost="auto", budgets=[16.0, 64.0, 96.0])
    plain = nqjax.analyze(priced, "loss", names=NAMES, budgets=[8.0, 32.0, 48.0])
    shown, same = other.curves.is_shown, plain.curves.is_shown
    assert other.curves.probability[..., shown] == pytest.approx(plain.curves.probability[..., same], abs=1e-9)
    assert other.curves.estimate[:, shown] == pytest.approx(plain.curves.estimate[:, same])


def test_dearer_trials_are_worth_less(found, at_cost):
    """The second model makes a third of the first one's trials at equal cost: it is less probably better."""
    cost = at_cost.curves.probability[1, 0, np.searchsorted(at_cost.curves.budgets, 500.0)]
    trials = found.curves.probability[1, 0, np.searchsorted(found.curves.budgets, 48.0)]
    assert cost < trials
    assert any("compare at equal cost, too (--cost seconds" in sentence for sentence in found.sentences)


def test_draws_of_the_mean_cost():
    draws = MeanCost("seconds", 10.0, 1.0, 0).draws(200_000, np.random.default_rng(0))
    assert np.median(draws) == pytest.approx(10.0, rel=0.01)
    assert np.std(draws) == pytest.approx(1.0, rel=0.05)
    assert np.all(MeanCost("seconds", 10.0, 0.0, 0).draws(5, np.random.default_rng(0)) == 10.0)


def test_the_document_has_plain_numbers_only(found, at_cost):
    for one in (found, at_cost):
        document = json.loads(json.dumps(one.to_dict(), allow_nan=False))
        assert document["names"] == NAMES
        assert len(document["budgets"]) == one.curves.is_shown.sum()
        assert [pair["first"] for pair in document["budgets"][0]["pairs"]] == [0, 0, 1]


def test_the_page(found, at_cost, tmp_path):
    pytest.importorskip("matplotlib")
    pytest.importorskip("jinja2")
    for place, one in enumerate((found, at_cost)):
        path = tmp_path / f"{place}.html"
        one.save_report(path)
        page = path.read_text()
        assert "<script" not in page
        assert "&lt;script&gt;" in page
        assert not re.search(r"(src|href)=\"(?!data:)", page)
        assert all(re.search(r'alt="[^"]+"', image) for image in re.findall(r"<img[^>]*>", page))
        assert "On 1,000 simulated pairs the probabilities were calibrated" in " ".join(page.split())
        assert "prefers-color-scheme: dark" in page
    assert HOSTILE not in found._repr_html_()
    assert "base is worse" in found._repr_html_()


def test_the_page_of_one_analysis_has_the_same_methods(found, tmp_path):
    pytest.importorskip("matplotlib")
    pytest.importorskip("jinja2")
    one = found.analyses[0]
    one.save_report(tmp_path / "one.html")
    assert "The best trials" in (tmp_path / "one.html").read_text()
    assert one._repr_html_().startswith("<p>With the noise averaged out")


def test_the_picture_has_a_band_and_a_label_a_study(found):
    pytest.importorskip("matplotlib")
    ax = nqjax.plots.studies(found).ax
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels[:3] == NAMES
    assert "95 % band, simultaneous" in labels
    assert len([one for one in ax.collections if one.get_paths()]) >= 3
    assert ax.get_xscale() == "log"


# --- what cannot be compared --------------------------------------------------------------------------------------


def tables(*searches, **options):
    return [nqjax.read_study(one, "loss", **options) for one in searches]


@pytest.mark.parametrize(
    ("call", "part"),
    [
        (lambda: nqjax.analyze([SEARCHES[0], SEARCHES[0]], "loss"), "is given twice"),
        (lambda: nqjax.analyze([*SEARCHES[:2], SEARCHES[1]], "loss", names=["a", "b", "c"]), "the list is given twice"),
        (
            lambda: nqjax.analyze([*tables(SEARCHES[0], minimize=True), *tables(SEARCHES[1], maximize=True)]),
            "is minimized and",
        ),
        (
            lambda: nqjax.analyze([*tables(SEARCHES[0]), nqjax.read_study(SEARCHES[1], "seconds")]),
            "the metric of",
        ),
        (lambda: nqjax.analyze(SEARCHES, "loss", cost="second"), "did you mean 'seconds'"),
        (lambda: nqjax.analyze([[{"loss": r["loss"]} for r in s] for s in SEARCHES], "loss", cost="auto"), "no column"),
        (lambda: nqjax.analyze(SEARCHES, "loss", cost="loss", budgets=[-1.0]), "positive"),
        (lambda: nqjax.analyze(SEARCHES, "loss", cost=1.0), "cost is 1.0"),
        (lambda: nqjax.analyze(SEARCHES, "loss", names=["a", "b"]), "give 3 names"),
        (lambda: nqjax.analyze(SEARCHES, "loss", names=["a", "b", "a"]), "a name of its own"),
        (lambda: nqjax.analyze(SEARCHES, "loss", noise=[None]), "for each study in turn"),
        (lambda: nqjax.analyze(SEARCHES, "loss", level=2), "level is 2"),
        (lambda: nqjax.analyze([SEARCHES[0]] * 11, "loss"), "at most 10"),
        (lambda: nqjax.analyze([SEARCHES[0], SEARCHES[1][:3]], "loss", names=["a", "b"]), "b: "),
        (lambda: nqjax.analyze([SEARCHES[0], []], "loss"), "cannot be read"),
        (lambda: nqjax.analyze(SEARCHES[0], "loss", names=["a"]), "for several studies"),
        (lambda: nqjax.analyze(tables(*SEARCHES), "loss"), "read before"),
    ],
)
def test_mistakes(call, part):
    with pytest.raises(InputError, match=re.escape(part)):
        call()


def test_costs_that_are_none():
    free = [[{**row, "seconds": 0.0} for row in one] for one in SEARCHES[:2]]
    with pytest.raises(InputError, match="holds no costs"):
        nqjax.analyze(free, "loss", cost="seconds")
    missing = [[{**row, "seconds": None if i % 8 == 0 else row["seconds"]} for i, row in enumerate(SEARCHES[0])]]
    found = nqjax.analyze([*missing, SEARCHES[1]], "loss", names=["a", "b"], cost="seconds")
    assert "a: 8 trials have no seconds: the mean is that of the others" in found.warnings


def test_too_few_trials_are_not_compared_but_the_others_are():
    found = nqjax.analyze([*SEARCHES[::2], SEARCHES[1][:7]], "loss", names=["ours", "base", "few"])
    assert found.is_told == (True, True, False)
    assert {(one.better, one.worse) for one in found.orderings} == {(0, 1)}
    assert any(sentence.startswith("few is not compared: of its 7 scores") for sentence in found.sentences)
    assert found.sentences[0].startswith("ours is better than base")


def test_trials_that_are_no_random_search_are_not_compared(shared_cases):
    other = [{"val_loss": 0.2 + 0.3 * x} for x in np.random.default_rng(0).random(48).tolist()]
    adaptive = nqjax.read_study(shared_cases / "adaptive.csv")
    study = nqjax.read_study([{adaptive.metric: row["val_loss"]} for row in other], adaptive.metric)
    found = nqjax.analyze([adaptive, study], names=["tpe", "random"])
    assert found.is_told == (False, True)
    assert found.orderings == ()
    assert any("tpe is not compared: its trials seem not to be a random search" in one for one in found.sentences)


def test_percentages_beside_shares_are_warned_of():
    hundredfold = [{**row, "loss": 100 * row["loss"]} for row in SEARCHES[1]]
    found = nqjax.analyze([SEARCHES[0], hundredfold], "loss", names=["a", "b"])
    assert any("in the same unit, not one of them in per cent?" in warning for warning in found.warnings)


def test_names_of_files():
    assert default_names(["runs/a.csv", "runs/b.csv.gz"]) == ["a", "b"]
    assert default_names(["x/a.csv", "y/a.csv"]) == ["x/a.csv", "y/a.csv"]
    assert default_names(["sqlite:///a.db", "b.csv"]) == ["sqlite:///a.db", "b"]
    assert default_names(["the list", "the list"]) == ["study 1", "study 2"]
