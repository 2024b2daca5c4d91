"""The first call: a threshold is chosen, the same in every function."""

import inspect
import math

import jax
import numpy as np
import pytest

import nqjax
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
    """With one, the fit is within the threshold that the tests choose."""
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
    """The error says why, and what else can be done."""
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


@pytest.mark.parametrize("module", [fit, bootstrap, confidence_region, fit_many, posterior])
def test_the_room_is_the_front_page(module):
    """The functions of the front page are those of this room."""
    name = module.__name__.rpartition(".")[2].replace("posterior", "sample_posterior")
    assert getattr(nqjax, name) is getattr(module, name)
