"""Goodness of fit: the statistic, its distribution, and the points of the plots."""

import itertools
import math

import jax
import numpy as np
import pytest
import scipy.stats

import nqjax
from nqjax.checks.goodness import _anderson_darling_cdf, anderson_darling
from nqjax.errors import InputError
from support import searches


def test_the_statistic_is_an_integral():
    """Its definition: the squared distance of the CDFs over u (1 - u), by quadrature between the values."""
    z = np.sort(np.random.default_rng(0).uniform(size=7))
    edges, total = np.concatenate([[0], z, [1]]), 0.0
    for i, (a, b) in enumerate(itertools.pairwise(edges)):
        total += scipy.integrate.quad(lambda u, i=i: (i / 7 - u) ** 2 / (u * (1 - u)), a, b)[0]
    assert anderson_darling(z) == pytest.approx(7 * total, rel=1e-8)


@pytest.mark.parametrize(("statistic", "cdf"), [(1.933, 0.90), (2.492, 0.95), (3.878, 0.99), (0.346, 0.1)])
def test_its_distribution(statistic, cdf):
    """Anderson and Darling's own table (1954), and the lower tail by Stephens."""
    assert _anderson_darling_cdf(statistic) == pytest.approx(cdf, abs=1e-3)


@pytest.fixture(scope="module")
def scores():
    return searches.draw(np.random.default_rng(1), 80, 2, 0.05)


@pytest.mark.smoke
def test_a_true_distribution(scores):
    d = nqjax.NoisyQuadratic(0.0, 1.0, 2.0, 0.05)
    found = nqjax.goodness_of_fit(scores, d, (-math.inf, 0.6), estimated=False)
    inside = np.sort(scores[scores < 0.6])
    assert found.num_used == len(inside)
    assert found.scores == pytest.approx(inside)
    assert found.fitted == pytest.approx(np.asarray(d.cdf(inside)) / float(d.cdf(0.6)), abs=1e-5)
    assert found.statistic == pytest.approx(anderson_darling(found.fitted))
    assert 0.001 < found.p_value < 1
    assert np.all((found.low < found.expected) & (found.expected < found.high))
    # The medians' places have the probabilities that they stand for.
    assert np.asarray(d.cdf(found.expected)) / float(d.cdf(0.6)) == pytest.approx(found.empirical, abs=1e-5)
    wrong = nqjax.goodness_of_fit(scores, nqjax.NoisyQuadratic(0.2, 1.3, 2.0, 0.05), estimated=False)
    assert wrong.p_value < 1e-3


def test_the_mirror_image(scores):
    fit = nqjax.fit(scores, limits=(-math.inf, 0.6))
    other = nqjax.fit(-scores, limits=(-0.6, math.inf), minimize=False)
    one, two = nqjax.goodness_of_fit(scores, fit), nqjax.goodness_of_fit(-scores, other)
    assert two.statistic == one.statistic
    assert two.p_value == one.p_value
    assert two.scores == pytest.approx(-one.scores[::-1])
    assert two.low == pytest.approx(-one.high[::-1])
    assert two.expected == pytest.approx(-one.expected[::-1])


def test_the_table_agrees_with_a_parametric_bootstrap(scores):
    """Both estimate one p-value: the bootstrap to 0.03 (300 simulations), the table to about as much."""
    fit = nqjax.fit(scores, limits=(-math.inf, 0.6))
    table = nqjax.goodness_of_fit(scores, fit)
    simulated = nqjax.goodness_of_fit(scores, fit, key=jax.random.key(0), num_simulations=300)
    assert simulated.statistic == table.statistic
    assert simulated.p_value == pytest.approx(table.p_value, abs=0.15)


def test_errors(scores):
    fit = nqjax.fit(scores, threshold=None)
    with pytest.raises(InputError, match="too few to test"):
        nqjax.goodness_of_fit(scores, fit, (-math.inf, np.sort(scores)[3]))
    with pytest.raises(InputError, match="num_simulations"):
        nqjax.goodness_of_fit(scores, fit, key=jax.random.key(0), num_simulations=0)
    with pytest.raises(InputError, match="confidence"):
        nqjax.goodness_of_fit(scores, fit, confidence=0.0)
