"""The first call: a threshold is chosen, the same in every function, and the shell answers as Python does."""

import inspect
import json
import math

import jax
import numpy as np
import pytest

import nqjax
from nqjax import cli
from nqjax.analysis import bootstrap, confidence_region, fit, fit_many, posterior
from nqjax.errors import FitWarning, InputError

KEY = jax.random.key(0)

#: Every function that analyses a search, with the arguments that it needs besides the scores.
ANALYSES = {
    nqjax.fit: {},
    nqjax.bootstrap: {"num_resamples": 40, "key": KEY},
    nqjax.confidence_region: {"method": "profile"},
    nqjax.profile_region: {},
    nqjax.consonance_region: {},
    nqjax.sample_posterior: {"key": KEY, "method": "quadrature"},
}
MANY = {
    nqjax.fit_many: {},
    nqjax.sample_posterior_many: {"key": KEY, "method": "quadrature"},
    nqjax.sample_posterior_shared: {"key": KEY},
}


@pytest.fixture(scope="module")
def scores():
    """A search whose regime is the best third of its scores: fitted whole, its best score is far off."""
    rng = np.random.default_rng(3)
    near = rng.random(120) < 0.35
    return np.where(near, 0.1 + 0.3 * rng.random(120), 0.4 + rng.gamma(1.0, 0.5, 120)) + 0.005 * rng.normal(size=120)


@pytest.fixture(scope="module")
def chosen(scores):
    return nqjax.find_regime(scores)


@pytest.fixture
def file(scores, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "trials.csv").write_text("error\n" + "\n".join(map(repr, scores.tolist())) + "\n")
    return "trials.csv"


@pytest.mark.parametrize("function", [*ANALYSES, *MANY], ids=lambda function: function.__name__)
def test_one_signature(function):
    """The arguments that all have in common have the same names and defaults."""
    found = inspect.signature(function).parameters
    expected = {"threshold": "auto", "limits": None, "minimize": None, "maximize": None}
    expected |= {"alpha": None, "beta": None, "gamma": (1, 5), "sigma": None}
    assert {name: found[name].default for name in expected} == expected
    assert all(found[name].kind is inspect.Parameter.KEYWORD_ONLY for name in expected)


@pytest.mark.parametrize(
    "function", [f for f in ANALYSES if f is not nqjax.fit], ids=lambda function: function.__name__
)
def test_the_threshold_is_chosen(function, scores, chosen):
    """Within one threshold, the limits are by default those that `find_regime` chooses, in both directions."""
    assert function(scores, **ANALYSES[function]).limits == chosen.limits
    other = function(-scores, maximize=True, **ANALYSES[function])
    assert other.limits == (-chosen.limits[1], math.inf)


def test_a_fit_is_averaged_over_thresholds(scores):
    """The default fit has the estimates and the intervals of the default region, in both directions."""
    fit, region = nqjax.fit(scores), nqjax.confidence_region(scores)
    assert isinstance(fit, nqjax.AveragedFit)
    for name in ("alpha", "beta", "gamma", "sigma", "regime_probability"):
        assert getattr(fit, name) == region.estimate(name)
        assert fit.interval(name) == region.interval(name)
    assert fit.quantile_tuning_curve([5, 500]).tolist() == region.quantile_tuning_curve([5, 500]).tolist()
    assert fit.curve(500, 0.8).low == region.curve(500, 0.8).low
    assert (fit.num_scores, fit.num_failed, fit.best_score) == (120, 0, np.min(scores))
    assert (fit.threshold, fit.regime_start, fit.warnings) == (region.limits[1], region.regime_start, region.warnings)
    mirror = nqjax.fit(-scores, maximize=True)
    assert (mirror.beta, mirror.threshold, mirror.best_score) == (-fit.alpha, -fit.threshold, -fit.best_score)
    rounded = nqjax.fit(scores, rounding=0.01)
    assert rounded.posterior.rounding == 0.01
    assert rounded.alpha != fit.alpha


def test_a_fixed_parameter_needs_one_threshold(scores, chosen):
    """What cannot be averaged is fitted within the threshold that the tests choose."""
    fit = nqjax.fit(scores, sigma=0.005)
    assert (type(fit), fit.limits) == (nqjax.Fit, nqjax.find_regime(scores, sigma=0.005).limits)


@pytest.mark.parametrize("function", ANALYSES, ids=lambda function: function.__name__)
def test_a_given_threshold(function, scores):
    """A number is the losing end; None is no end; both flags say the same."""
    for given, limits in (({"threshold": 0.5}, (-math.inf, 0.5)), ({"threshold": None}, (-math.inf, math.inf))):
        found = function(scores, **given, **ANALYSES[function])
        assert found.limits == limits
        assert found.num_scores == 120
    found = function(-scores, threshold=-0.5, minimize=False, **ANALYSES[function])
    assert found.limits == (-0.5, math.inf)


def test_many_choose_for_each(scores, chosen):
    studies = [scores, scores + 1, [0.1, 0.2], np.full(40, 0.25)]
    fits = nqjax.fit_many(studies)
    assert fits.threshold[:2] == pytest.approx([chosen.threshold, chosen.threshold + 1])
    assert fits.p_value[0] == chosen.p_value
    assert fits.best_score[:2].tolist() == [np.min(scores), np.min(scores + 1)]
    assert fits.failures[2:] == [
        "2 different scores are too few to choose a threshold: run more trials",
        "all 40 scores are 0.25: nothing can be fitted",
    ]
    posts = nqjax.sample_posterior_many(studies, key=KEY, method="quadrature")
    assert [post.limits for post in posts[:2]] == [fits[0].limits, fits[1].limits]
    assert [post.reason for post in posts[2:]] == fits.failures[2:]
    shared = nqjax.sample_posterior_shared(studies[:2], key=KEY)
    assert [post.limits for post in shared.posteriors] == [fits[0].limits, fits[1].limits]


def test_a_fit_that_its_test_rejects_warns(scores):
    for call in (nqjax.fit, nqjax.profile_region, nqjax.confidence_region):
        with pytest.warns(FitWarning, match="do not follow the fitted distribution") as caught:
            call(scores, threshold=None)
        assert caught[0].filename == __file__  # it points at the caller's line
    with pytest.warns(FitWarning, match="1 of 1 studies"):
        nqjax.fit_many([scores], threshold=None)
    assert nqjax.fit(scores, threshold=None).p_value < 0.05 < nqjax.find_regime(scores).p_value


def test_no_threshold_is_acceptable():
    """The error says why, and what else can be done; the shell says it with its own options."""
    scores = np.linspace(0, 1, 400)
    with pytest.raises(InputError, match=r"cannot be told from uniform draws.*threshold=None uses all scores"):
        nqjax.profile_region(scores)
    (failure,) = nqjax.fit_many([scores])
    assert "cannot be told from uniform draws" in failure.reason


@pytest.mark.parametrize(
    ("given", "part"),
    [
        ({"threshold": 0.3, "limits": (0, 1)}, "threshold and limits are both given"),
        ({"threshold": "all"}, "threshold is 'all'"),
        ({"threshold": math.nan}, "threshold is nan"),
        ({"threshold": [0.1, 0.2]}, "threshold is "),
        ({"threshold": True}, "threshold is True"),
        ({"minimize": "maximize"}, "minimize is 'maximize': give True or False"),
        ({"maximize": 1}, "maximize is 1: give True or False"),
        ({"minimize": True, "maximize": True}, "both True"),
        ({"minimize": False, "maximize": False}, "both False"),
    ],
)
def test_mistakes(given, part, scores):
    for function, others in (ANALYSES | MANY).items():
        with pytest.raises(InputError, match=part):
            function([scores] if function in MANY else scores, **given, **others)


# --- the shell says what Python says ----------------------------------------------------------------------------------


def document(capsys, *argv):
    assert cli.main([*argv, "--metric", "error", "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_shell_agrees(file, scores, capsys):
    """Every command with its defaults gives what the function of its name gives with its defaults."""
    fit = nqjax.find_regime(scores).fit
    for command in ("bootstrap", "plan"):
        asked = ("--score", "0.12", "--probability", "0.5") if command == "plan" else ()
        found = document(capsys, command, file, *asked)
        assert found["threshold"] == fit.threshold
        assert [found[name] for name in ("alpha", "beta", "gamma", "sigma")] == [
            fit.alpha,
            fit.beta,
            fit.gamma,
            fit.sigma,
        ]
    assert found["required_trials"] == nqjax.required_trials(fit, score=0.12, probability=0.5)
    region = nqjax.fit(scores).posterior
    for command in ("fit", "region"):
        found = document(capsys, command, file)
        assert found["best_score"] == min(scores)
        for name in ("alpha", "beta", "gamma", "sigma", "regime_probability"):
            assert found[name] == region.estimate(name)
            assert (found["intervals"][name]["low"], found["intervals"][name]["high"]) == region.interval(name)
        curve = {point["trials"]: point["median_best_score"] for point in found["tuning_curve"]}
        assert max(curve) == 10 * len(scores)
        assert region.quantile_tuning_curve(list(curve)).tolist() == list(curve.values())

    regime, other = document(capsys, "regime", file), nqjax.find_regime(scores)
    assert (regime["threshold"], regime["level"]) == (other.threshold, other.level)
    region = document(capsys, "region", file, "--method", "profile")
    other = nqjax.confidence_region(scores, method="profile")
    assert (region["intervals"]["alpha"]["low"], region["intervals"]["alpha"]["high"]) == other.interval("alpha")
    assert (region["confidence"], region["threshold"]) == (other.confidence, other.limits[1])
    boot, other = document(capsys, "bootstrap", file)["bootstrap"], nqjax.bootstrap(scores, key=KEY)
    interval = boot["intervals"]["alpha"]
    assert (interval["low"], interval["high"], boot["num_resamples"]) == (*other.interval("alpha"), other.num_resamples)
    bands, (_, point, _) = document(capsys, "bands", file), nqjax.confidence_bands(scores)
    assert bands["confidence"] == 0.95
    assert bands["tuning_curve"][3]["median_best_score"] == float(point.quantile_tuning_curve(8))


def test_the_shell_agrees_on_the_posterior(file, scores, capsys):
    found = document(capsys, "posterior", file, "--method", "quadrature")
    post = nqjax.sample_posterior(scores, key=KEY, method="quadrature")
    assert found["threshold"] == post.limits[1]
    assert found["gamma_probabilities"] == {str(g): p for g, p in post.gamma_probabilities.items()}
    signature = inspect.signature(nqjax.sample_posterior).parameters
    found, average = document(capsys, "posterior", file), nqjax.sample_posterior(scores, key=KEY)
    assert (found["method"], found["alpha"]) == ("averaged", average.estimate("alpha"))
    options = cli.parse(["posterior", file, "--metric", "error"])
    for name, option in (
        ("method", "method"),
        ("num_chains", "chains"),
        ("num_warmup", "warmup"),
        ("num_samples", "samples"),
        ("confidence", "confidence"),
    ):
        assert getattr(options, option) == signature[name].default


def test_the_shell_agrees_on_many(file, scores, capsys):
    pytest.importorskip("pyarrow")
    from pyarrow import parquet

    assert cli.main(["fit-many", file, "--metric", "error", "--out", "fits.parquet"]) == 0
    (row,) = parquet.read_table("fits.parquet").to_pylist()
    (fit,) = nqjax.fit_many([scores])
    for name in ("alpha", "beta", "gamma", "sigma", "threshold", "p_value", "best_score"):
        assert row[name] == getattr(fit, name)
    assert row["median_best_64"] == pytest.approx(fit.quantile_tuning_curve(64), rel=1e-12)


@pytest.mark.parametrize("module", [fit, bootstrap, confidence_region, fit_many, posterior])
def test_the_room_is_the_front_page(module):
    """The functions of the front page are those of this room."""
    name = module.__name__.rpartition(".")[2].replace("posterior", "sample_posterior")
    assert getattr(nqjax, name) is getattr(module, name)
