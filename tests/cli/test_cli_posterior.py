"""`nqjax posterior` and `nqjax compare`: tables, documents, the page, the draws, mistakes."""

import html
import json
import re

import jax
import numpy as np
import numpyro.distributions as dist
import pytest
from pyarrow import parquet

import nqjax
from nqjax import cli
from nqjax.errors import InputError
from nqjax.report import page as report_html
from nqjax.report import posterior as report_posterior
from support import searches

QUICK = ["--method", "quadrature"]


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, seed in (("a.csv", 1), ("b.csv", 2)):
        y = searches.draw(np.random.default_rng(seed), 60, 2, 0.05, alpha=0.1 * seed, beta=1.0)
        (tmp_path / name).write_text("loss,lr\n" + "".join(f"{x!r},1\n" for x in y.tolist()) + "nan,1\n")
    return tmp_path


def run(capsys, *arguments):
    status = cli.main(list(arguments))
    out, err = capsys.readouterr()
    return status, out, err


def test_posterior(files, capsys):
    command = ["posterior", "a.csv", "--metric", "loss", "--threshold", "0.7", *QUICK, "--trials", "1", "50", "500"]
    status, out, err = run(capsys, *command, "--report", "page.html", "--draws", "draws.parquet")
    assert (status, err) == (0, "")
    assert "95 % credible" in out
    assert "the draws can be relied on" in out
    assert "extrapolated" in out
    draws = parquet.read_table("draws.parquet").to_pydict()
    assert len(draws["alpha"]) == 4000
    assert set(draws) == {"chain", "draw", "alpha", "beta", "gamma", "sigma", "regime_probability"}
    page = (files / "page.html").read_text()
    assert "<h1>Posterior of loss</h1>" in page
    assert page.count("data:image/svg+xml;base64,") == 5
    # Self-contained: nothing is loaded from elsewhere.
    assert not re.search(r"""(src|href)\s*=\s*["'](?!data:)""", page)
    for part in (
        "In words",
        "credible",
        "Can the draws be relied on",
        "R-hat",
        "LogNormal",
        "jax",
        "61 scores",
        "1 failed",
        "nqjax posterior a.csv --metric loss --threshold 0.7",
        "&#34;limits&#34;: [",
    ):
        assert part in page
    assert "before the bounds" not in page
    status, out, _ = run(capsys, *command, "--json", "--confidence", "0.8")
    document = json.loads(out)
    assert document["parameters"]["alpha"]["low"] < document["parameters"]["alpha"]["high"]
    assert sum(document["gamma_probabilities"].values()) == pytest.approx(1)
    assert document["diagnostics"]["good"]
    assert document["settings"]["prior"]["width"] == "flat in its logarithm"
    assert document["confidence"] == 0.8
    assert [p["extrapolated"] for p in document["tuning_curve"]] == [False, False, True]


def test_the_page_has_what_makes_it_again(files, capsys):
    command = ["posterior", "a.csv", "--metric", "loss", "--alpha", "0", "1", *QUICK]
    assert run(capsys, *command, "--report", "one.html")[0] == 0
    page = (files / "one.html").read_text()
    assert run(capsys, *command, "--report", "one.html")[0] == 0
    assert (files / "one.html").read_text() == page
    raw = json.loads(html.unescape(re.search(r"<pre>(.*?)</pre>", page, re.DOTALL)[1]))
    _, out, _ = run(capsys, *command, "--json")
    document = json.loads(out)
    assert raw["threshold"] == document["threshold"] == document["limits"][1]
    assert raw["regime"]["reason"] in html.unescape(page.replace("<pre>", "").split("</pre>")[0])
    assert raw["settings"]["bounds"]["alpha"] == [0, 1]
    assert page.count("before the bounds") == 2


def test_a_page_from_python(files):
    y = searches.draw(np.random.default_rng(0), 48, 2, 0.05)
    prior = nqjax.Prior(relative_noise=dist.TruncatedNormal(0.1, 0.05, low=0.01), regime_share=dist.Beta(2.0, 1.0))
    key = jax.random.key(0)
    post = nqjax.sample_posterior(y, limits=(-np.inf, 0.7), key=key, prior=prior, method="quadrature")
    nqjax.save_report("mine.html", post, name="loss")
    page = html.unescape((files / "mine.html").read_text())
    assert "<h1>Posterior of loss</h1>" in page
    assert "Normal(loc=0.1, scale=0.05), low=0.01" in page
    assert "Beta(concentration1=2.0, concentration0=1.0)" in page
    with pytest.raises(InputError, match=r"ending \.html"):
        nqjax.save_report("mine.pdf", post)


def test_a_page_about_all_thresholds(files, capsys):
    """The page of the averaged answer has its numbers, warnings and four pictures, from the shell and from Python."""
    status, out, _ = run(capsys, "posterior", "a.csv", "--metric", "loss", "--report", "p.html", "--json")
    assert status == 0
    document, page = json.loads(out), html.unescape((files / "p.html").read_text())
    assert "averaged over all thresholds" in page
    assert page.count("data:image/svg+xml;base64,") == 4
    for name in ("alpha", "sigma"):
        ends = document["intervals"][name]
        low, high = re.search(rf"<td>{name}</td><td>[^<]*</td><td[^>]*>(\S+) to (\S+)</td>", page).groups()
        width = ends["high"] - ends["low"]
        assert (float(low), float(high)) == pytest.approx((ends["low"], ends["high"]), abs=0.05 * width)
    raw = json.loads(page.partition("<pre>")[2].partition("</pre>")[0])
    assert raw["command"].startswith("nqjax posterior a.csv")
    assert (raw["method"], raw["metric"]) == ("averaged", "loss")
    post = nqjax.confidence_region(searches.draw(np.random.default_rng(0), 12, 2, 0.05))
    nqjax.save_report("mine.html", post, name="<i>loss")
    page = (files / "mine.html").read_text()
    assert "Posterior of &lt;i&gt;loss" in page
    assert "<i>loss" not in page
    assert post.warnings
    assert all(f"Warning: {warning}." in html.unescape(page) for warning in post.warnings)


@pytest.mark.parametrize("options", [(), ("--threshold", "0.5", *QUICK)], ids=["averaged", "one threshold"])
def test_a_page_has_the_warnings_about_the_file(tmp_path, monkeypatch, capsys, options):
    """A page that is passed on says by itself that its scores are not those of a random search."""
    monkeypatch.chdir(tmp_path)
    y = np.linspace(0.5, 0.1, 60) + 0.05 * np.random.default_rng(0).random(60)
    (tmp_path / "adaptive.csv").write_text("trial,loss\n" + "".join(f"{i},{s!r}\n" for i, s in enumerate(y.tolist())))
    status, _, err = run(capsys, "posterior", "adaptive.csv", "--metric", "loss", "--report", "p.html", *options)
    assert status == 0
    (warning,) = re.findall("nqjax: warning: (loss falls with the number of the trial.*)", err)
    assert f"Warning: {warning}." in html.unescape((tmp_path / "p.html").read_text())


def test_priors_in_words():
    mixture = dist.MixtureSameFamily(
        dist.Categorical(np.array([0.25, 0.75])), dist.LogNormal(np.array([-3.0, -1.0]), np.array([0.5, 1.0]))
    )
    for prior, parts in (
        (dist.LogNormal(-2.3025850929940455, 1.5), ("LogNormal(loc=-2.302585", "scale=1.5")),
        (mixture, ("0.25, 0.75", "-3.0, -1.0", "LogNormal")),
        (dist.TransformedDistribution(dist.Normal(0.0, 2.0), dist.transforms.ExpTransform()), ("scale=2.0", "ExpT")),
        (dist.FoldedDistribution(dist.Normal(0.0, 3.0)), ("Folded", "scale=3.0")),
    ):
        text = report_posterior._describe(prior)
        for part in parts:
            assert part in text, text


def test_what_cannot_be_computed_is_no_green_light():
    found = {"rhat": {"alpha": None, "sigma": 1.0}, "ess_bulk": {"alpha": 9000.0}, "ess_tail": {"alpha": None}}
    rest = {"quadrature_error": 0.0, "evidence_error": 0.0, "acceptance": None, "num_divergent": 0}
    states = [light["state"] for light in report_html._lights({"diagnostics": {**found, **rest}})]
    assert states == ["poor", "poor", "good", "good", "good"]


def test_a_name_that_is_html_stays_a_name(files, capsys):
    text = (files / "a.csv").read_text().replace("loss", "<b>loss&co</b>")
    (files / "odd.csv").write_text(text)
    command = ["posterior", "odd.csv", "--metric", "<b>loss&co</b>", "--threshold", "0.7", *QUICK, "--report", "p.html"]
    assert run(capsys, *command)[0] == 0
    page = (files / "p.html").read_text()
    assert "<b>loss" not in page
    assert "&lt;b&gt;loss&amp;co" in page


def test_few_draws_are_said_to_be(files, capsys):
    command = ["posterior", "a.csv", "--metric", "loss", "--threshold", "0.7", *QUICK, "--samples", "20"]
    status, out, _ = run(capsys, *command, "--report", "p.html")
    assert status == 0
    assert "cannot be relied on" in out
    assert 'class="verdict not"' in (files / "p.html").read_text()


def test_compare(files, capsys):
    command = ["compare", "a.csv", "b.csv", "--metric", "loss", "--threshold", "0.7", *QUICK, "--trials", "8", "64"]
    status, out, _ = run(capsys, *command, "--cost", "1", "2")
    assert status == 0
    assert "A wins" in out
    assert "8 and 4" in out
    status, out, _ = run(capsys, *command, "--json")
    rows = json.loads(out)["comparison"]
    assert [row["trials_a"] for row in rows] == [8, 64]
    assert rows[1]["probability"] > 0.7
    assert [(row["in_regime"], row["extrapolated"]) for row in rows] == [(True, False), (True, True)]
    status, out, _ = run(capsys, *command[:-3], "--trials", "1", "--cost", "1", "4")
    assert "1 and 0.25 †" in out


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["posterior", "a.csv", "--metric", "loss", "--report", "page.pdf"], "ending .html"),
        (["posterior", "a.csv", "--metric", "loss", "--report", "no/p.html"], "no folder"),
        (["posterior", "a.csv", "--metric", "loss", "--threshold", "0.7", "--alpha", "0"], "needs room"),
        (["posterior", "a.csv", "--metric", "accuracy"], "accuracy"),
        (["posterior", "a.csv", "--metric", "loss", "--threshold", "-3", *QUICK], "no score lies"),
        (["posterior", "a.csv", "--metric", "loss", "--chains", "0"], "from 1 up"),
        (["posterior", "a.csv", "--metric", "loss", "--warmup", "10"], "--warmup: give a whole number from 50 up"),
        (
            ["posterior", "a.csv", "--metric", "loss", "--threshold", "0.7", *QUICK, "--draws", "no/d.parquet"],
            "cannot be written",
        ),
        (["compare", "a.csv", "c.csv", "--metric", "loss"], "c.csv"),
        (["compare", "a.csv", "b.csv", "--metric", "loss", "--cost", "1"], "two positive numbers"),
    ],
)
def test_mistakes(files, capsys, arguments, part):
    status, _, err = run(capsys, *arguments)
    assert status == 2
    assert part in err
    assert err.count("\n") == 1
    assert "Traceback" not in err


def test_help_has_examples(capsys):
    for command in ("posterior", "compare"):
        with pytest.raises(SystemExit):
            cli.parse([command, "--help"])
        assert "examples:" in capsys.readouterr().out
