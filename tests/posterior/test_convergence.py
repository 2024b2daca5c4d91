"""R-hat and effective sample sizes: the numbers are ArviZ's, for chains good and bad."""

import logging
import math
import warnings

import numpy as np
import pytest

from nqjax.posterior.convergence import ess_bulk, ess_tail, rhat

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import arviz as az


def autoregressive(rng, shape, memory):
    """Return chains of a first-order autoregressive process."""
    x = rng.standard_normal(shape)
    for t in range(1, shape[1]):
        x[:, t] += memory * x[:, t - 1]
    return x


def chains(name):
    return CASES[name](np.random.default_rng(17))


CASES = {
    "independent": lambda rng: rng.standard_normal((4, 1000)),
    "slow": lambda rng: autoregressive(rng, (4, 1000), 0.95),
    "alternating": lambda rng: autoregressive(rng, (4, 500), -0.9),
    "odd number": lambda rng: autoregressive(rng, (3, 501), 0.5),
    "heavy tails": lambda rng: rng.standard_cauchy((4, 1000)),
    "one off": lambda rng: rng.standard_normal((4, 400)) + np.array([0.0, 0.0, 0.0, 2.0])[:, None],
    "other scale": lambda rng: rng.standard_normal((4, 400)) * np.array([1.0, 1.0, 1.0, 4.0])[:, None],
    "trend": lambda rng: rng.standard_normal((2, 300)) + np.linspace(0, 3, 300),
    "whole numbers": lambda rng: rng.integers(1, 4, (4, 1000)).astype(float),
    "two values": lambda rng: rng.permuted(np.tile([1.0, 2.0], (4, 100)), axis=1),
    "repeated draws": lambda rng: np.repeat(rng.standard_normal((4, 100)), 4, axis=1),
    "one chain": lambda rng: autoregressive(rng, (1, 400), 0.3),
    "many chains": lambda rng: rng.standard_normal((16, 100)),
    "four draws": lambda rng: rng.standard_normal((4, 4)),
    "five draws": lambda rng: rng.standard_normal((2, 5)),
    "nine draws": lambda rng: autoregressive(rng, (2, 9), 0.9),
    "twenty draws": lambda rng: autoregressive(rng, (2, 20), 0.99),
    "three draws": lambda rng: rng.standard_normal((4, 3)),
    "all equal": lambda rng: np.full((4, 100), 2.0),
    "with a NaN": lambda rng: np.where(np.arange(400).reshape(4, 100) == 7, np.nan, rng.standard_normal((4, 100))),
}


@pytest.mark.parametrize("name", list(CASES))
def test_numbers_are_those_of_arviz(name, caplog):
    caplog.set_level(logging.CRITICAL)
    x = chains(name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = (
            float(az.rhat(x)),
            float(az.ess(x, method="bulk")),
            float(az.ess(x, method="tail", prob=(0.05, 0.95))),
        )
    np.testing.assert_allclose((rhat(x), ess_bulk(x), ess_tail(x)), expected, rtol=1e-10)


def test_independent_draws_all_count():
    x = chains("independent")
    assert rhat(x) < 1.005
    assert ess_bulk(x) == pytest.approx(x.size, rel=0.1)
    assert ess_tail(x) == pytest.approx(x.size, rel=0.2)


def test_chains_that_differ_are_seen():
    assert rhat(chains("one off")) > 1.1
    assert rhat(chains("other scale")) > 1.1  # which a comparison of means would not show
    assert ess_bulk(chains("slow")) < 0.1 * chains("slow").size
    assert math.isnan(rhat(chains("all equal")))
