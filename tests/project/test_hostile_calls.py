"""A thousand calls of public functions with hostile arguments: each is right, or an InputError in one line."""

import datetime as dt
import decimal
import fractions
import inspect
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import nqjax
from nqjax.errors import InputError

KEY = jax.random.key(0)
CALLS = 1000


class Bad:
    """An object of another library, whose every conversion fails."""

    def __array__(self, *_, **__):
        raise RuntimeError("no array")

    def __float__(self):
        raise RuntimeError("no number")

    def __repr__(self):
        raise RuntimeError("no text")


VALUES = [
    *(None, "x", "0.5", "", b"0.5", "a" * 10_000, "\x1b[2J", "auto", "profile", "quadrature", "float32"),
    *([], [1], [1, 2], [1, "a"], (), {}, {"a": 1}, {0.5}, [[0.1, 0.2], [0.3]], range(3), iter([1, 2])),
    *(object(), Bad(), len, int, KEY, True, False, np.bool_(True), np.array([True, False])),
    *(10**400, -(10**400), 10**12, 10**20, 2**63, math.nan, math.inf, -math.inf, 0, -1, -0.5, 1, 2, 0.5, 1.5),
    *(1e-320, 1e308, -1e308, 1j, np.complex64(1j), np.array([1 + 1j, 2])),
    *(np.datetime64("2020"), np.timedelta64(3, "s"), dt.date(2020, 1, 1), np.array(["2020", "2021"], "M8[D]")),
    *(decimal.Decimal("0.5"), decimal.Decimal("NaN"), fractions.Fraction(1, 2), np.float16(0.5), np.longdouble(0.5)),
    *(np.array(0.5), np.array([0.5]), np.array([[0.5]]), np.zeros(0), np.zeros((2, 2)), np.array(["a", "b"])),
    *(np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]), np.array([None, 0.1, 0.2, 0.4], object)),
    *(np.ma.masked, np.ma.masked_array([0.1, 0.2, 0.3, 0.4, 0.5], [0, 0, 1, 0, 0])),
    *(jnp.array(0.5), jnp.array([0.5], "bfloat16")),
]


@pytest.fixture(scope="module")
def functions():
    """Public functions and methods, with valid arguments that make them cheap."""
    rng = np.random.default_rng(0)
    y = np.round(0.1 + 0.5 * rng.random(24) + 0.01 * rng.normal(size=24), 6)
    study = {"threshold": None, "gamma": 2}
    fit = nqjax.fit(y, **study)
    boot = nqjax.bootstrap(y, 40, key=KEY, **study)
    post = nqjax.sample_posterior(y, key=KEY, method="quadrature", num_samples=50, **study)
    profile = nqjax.profile_region(y, **study)
    bands = nqjax.confidence_bands(y)
    empirical = nqjax.Empirical(y)
    d = nqjax.NoisyQuadratic(0.1, 0.6, 2.0, 0.01)
    table = {"c": np.repeat([1, 2, 3, 4], 6), "y": y}
    curve = {"n": [1, 2]}
    return [
        (nqjax.fit, {"scores": y, **study}),
        (nqjax.fit_many, {"studies": [y], **study}),
        (nqjax.find_regime, {"scores": y, "gamma": 2}),
        (nqjax.bootstrap, {"scores": y, "num_resamples": 40, "key": KEY, **study}),
        (nqjax.confidence_region, {"scores": y, **study}),
        (nqjax.consonance_region, {"scores": y, "method": "ks", **study}),
        (nqjax.sample_posterior, {"scores": y, "key": KEY, "method": "quadrature", "num_samples": 50, **study}),
        (nqjax.goodness_of_fit, {"scores": y, "distribution": fit, "num_simulations": 10, "gamma": 2}),
        (nqjax.noise_diagnostics, {"table": table, "config": "c", "score": "y"}),
        (nqjax.confidence_bands, {"scores": y, "method": "ks"}),
        (nqjax.bounded_trials, {"num_scores": 24, "method": "ks"}),
        (nqjax.required_trials, {"fit_or_distribution": fit, "score": 0.12, "probability": 0.5}),
        (nqjax.required_trials, {"fit_or_distribution": fit, "width": 0.3, "at": 3}),
        (nqjax.required_trials, {"fit_or_distribution": boot, "score": 0.12, "probability": 0.5}),
        (nqjax.required_trials_interval, {"region": post, "score": 0.12, "probability": 0.5}),
        (nqjax.expected_gains, {"fit": fit}),
        (nqjax.expected_gains, {"fit": post}),
        (nqjax.quantile_limits, {"scores": y, "q": 0.5}),
        (nqjax.compare, {"a": post, "b": post, "n": [1, 2]}),
        (nqjax.Prior, {}),
        (nqjax.Empirical, {"scores": y}),
        (fit.quantile_tuning_curve, curve),
        (fit.average_tuning_curve, curve),
        (boot.interval, {"name": "alpha"}),
        (boot.quantile_tuning_curve_band, curve),
        (post.interval, {"name": "alpha"}),
        (post.quantile_tuning_curve_band, curve),
        (post.probability_below, {"score": 0.1, "n": 10}),
        (profile.interval, {"name": "alpha"}),
        (profile.quantile_tuning_curve_band, curve),
        (bands.quantile_tuning_curve_band, curve),
        (empirical.cdf, {"y": 0.2}),
        (empirical.icdf, {"q": 0.2}),
        (empirical.quantile_tuning_curve, curve),
        (empirical.average_tuning_curve, curve),
        (d.quantile_tuning_curve, curve),
        (d.average_tuning_curve, curve),
    ]


#: What is not a number, a flag or a word must be refused wherever it is given for one.
NEVER = ("minimize", "maximize", "confidence", "q", "n", "level", "num_resamples", "num_samples", "progress", "key")


@pytest.mark.filterwarnings("ignore")
def test_a_thousand_calls(functions):
    rng = np.random.default_rng(20261129)
    accepted = 0
    for number in range(CALLS):
        function, valid = functions[rng.integers(len(functions))]
        names = list(inspect.signature(function).parameters)
        name, value = names[rng.integers(len(names))], VALUES[rng.integers(len(VALUES))]
        arguments = {**valid, name: value}
        if name == "limits":
            arguments.pop("threshold", None)
        where = f"call {number}: {function.__qualname__}, {name} of type {type(value).__name__}"
        try:
            function(**arguments)
        except InputError as error:
            message = str(error)
            assert message.isprintable(), where
            assert len(message) <= 500, where
        except Exception as error:  # noqa: BLE001 - this is what is tested
            pytest.fail(f"{where}: {type(error).__name__}: {error}")
        else:
            accepted += 1
            if name in NEVER:
                text = isinstance(value, str | bytes) and name != "method"
                assert not text, where
                assert not isinstance(value, Bad | complex | dt.date | dict | set | np.datetime64), where
            if name in ("minimize", "maximize", "progress"):
                assert value is None or isinstance(value, bool | np.bool_), where
    # Some values are fine for some arguments, most are not.
    assert 0.02 * CALLS < accepted < 0.4 * CALLS
