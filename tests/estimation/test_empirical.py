"""The empirical distribution: against opda and against enumeration."""

import itertools
import math

import jax
import numpy as np
import pytest
from opda.nonparametric import EmpiricalDistribution

import nqjax
from nqjax.errors import InputError

INF = math.inf


def samples():
    rng = np.random.default_rng(0)
    for i in range(24):
        size = int(rng.integers(1, 60))
        y = rng.normal(size=size)
        if i % 2:
            y = np.round(y, 1)  # ties
        support = (-INF, INF) if i % 3 else (float(y.min()) - (i % 4), float(y.max()) + (i % 5))
        weights = rng.exponential(size=size) if i % 4 >= 2 else None
        if weights is not None and size > 3:
            weights[rng.integers(size)] = 0
        yield pytest.param(y, weights, support, id=f"{i}: n={size} {'tied' * (i % 2)} {support[0]:.2g}")


@pytest.mark.parametrize(("y", "weights", "support"), list(samples()))
def test_opda_agrees(y, weights, support):
    ours = nqjax.Empirical(y, weights, support)
    total = None if weights is None else weights / weights.sum()
    theirs = EmpiricalDistribution(y, ws=total, a=support[0], b=support[1])
    places = np.concatenate([y, y - 0.05, y + 0.05])
    np.testing.assert_allclose(ours.cdf(places), theirs.cdf(places), atol=1e-12)
    np.testing.assert_allclose(ours.pmf(places), theirs.pmf(places), atol=1e-12)
    q = np.array([0, 0.1003, 0.31417, 0.5002, 0.77, 0.991, 1])
    np.testing.assert_array_equal(ours.icdf(q), theirs.ppf(q))
    n = np.array([0.5, 1, 2, 3.7, 10, 200])
    for minimize in (True, False):
        np.testing.assert_array_equal(
            ours.quantile_tuning_curve(n, 0.3003, minimize=minimize),
            theirs.quantile_tuning_curve(n, 0.3003, minimize=minimize),
        )
        np.testing.assert_allclose(
            ours.average_tuning_curve(n, minimize=minimize),
            theirs.average_tuning_curve(n, minimize=minimize),
            rtol=1e-12,
            atol=1e-12,
        )
        if weights is None:
            whole = np.array([1, 2, 5, 40, 200])
            for name in ("naive_tuning_curve", "v_tuning_curve", "u_tuning_curve"):
                np.testing.assert_allclose(
                    getattr(ours, name)(whole, minimize=minimize),
                    getattr(theirs, name)(whole, minimize=minimize),
                    rtol=1e-12,
                    atol=1e-12,
                )


@pytest.mark.parametrize(("y", "weights", "support"), list(samples()))
def test_moments(y, weights, support):
    ours = nqjax.Empirical(y, weights, support)
    total = None if weights is None else weights / weights.sum()
    theirs = EmpiricalDistribution(y, ws=total, a=support[0], b=support[1])
    assert ours.mean == pytest.approx(theirs.mean, abs=1e-12)
    assert ours.variance == pytest.approx(theirs.variance, abs=1e-12)


def test_samples():
    d = nqjax.Empirical([0.3, 0.1, 0.2, 0.1], [1, 1, 3, 2], support=(0, 1))
    draws = d.sample(jax.random.key(0), (4, 5000))
    assert draws.shape == (4, 5000)
    for value in (0.1, 0.2, 0.3):
        p = float(d.pmf(value))
        # Five standard errors.
        assert abs(np.mean(draws == value) - p) < 5 * math.sqrt(p * (1 - p) / draws.size)
    np.testing.assert_array_equal(np.unique(draws), [0.1, 0.2, 0.3])
    assert d.sample(jax.random.key(0)).shape == ()
    with pytest.raises(InputError, match="key"):
        d.sample(0)


def test_moments_of_infinite_scores():
    d = nqjax.Empirical([0.0, INF])
    assert d.mean == d.variance == INF
    with pytest.raises(InputError, match="no average"):
        nqjax.Empirical([-INF, INF]).mean  # noqa: B018


def test_equality_and_representation():
    d = nqjax.Empirical([0.3, 0.1], support=(0, 1))
    assert d == nqjax.Empirical(np.array([0.3, 0.1]), support=(0, 1))
    assert hash(d) == hash(nqjax.Empirical([0.3, 0.1], support=(0, 1)))
    assert repr(d) == "Empirical(2 scores from 0.1 to 0.3, within (0, 1))"
    others = [
        nqjax.Empirical([0.1, 0.3], support=(0, 1)),
        nqjax.Empirical([0.3, 0.1]),
        nqjax.Empirical([0.3, 0.1], [1, 2], (0, 1)),
        [0.3, 0.1],
    ]
    assert all(d != other for other in others)


@pytest.mark.parametrize("minimize", [True, False])
def test_u_and_v_by_enumeration(minimize):
    y = [0.3, -1.0, 0.3, 2.0, 0.7]
    best = min if minimize else max
    found = nqjax.Empirical(y)
    for n in range(1, 6):
        without = [best(some) for some in itertools.combinations(y, n)]
        assert found.u_tuning_curve(n, minimize=minimize) == pytest.approx(np.mean(without), abs=1e-14)
    for n in range(1, 4):
        drawn = [best(some) for some in itertools.product(y, repeat=n)]
        assert found.v_tuning_curve(n, minimize=minimize) == pytest.approx(np.mean(drawn), abs=1e-14)
    assert found.u_tuning_curve(9, minimize=minimize) == best(y)


def test_mirror_image():
    rng = np.random.default_rng(1)
    y, w = rng.normal(size=30), rng.exponential(size=30)
    one, other = nqjax.Empirical(y, w), nqjax.Empirical(-y, w)
    n = np.array([1.0, 3.3, 17.0])
    np.testing.assert_allclose(
        one.average_tuning_curve(n), -other.average_tuning_curve(n, minimize=False), rtol=0, atol=1e-14
    )
    np.testing.assert_array_equal(one.quantile_tuning_curve(n), -other.quantile_tuning_curve(n, minimize=False))


def test_infinite_scores_of_the_support():
    d = nqjax.Empirical([0.0, 1.0, INF], support=(0, INF))
    assert d.average_tuning_curve(2) == INF
    assert d.quantile_tuning_curve([1, 2]).tolist() == [1.0, 0.0]
    assert nqjax.Empirical([0.0, INF], [1, 0]).average_tuning_curve(3) == 0
    assert d.icdf(0) == 0


@pytest.mark.parametrize(
    ("call", "part"),
    [
        (lambda: nqjax.Empirical([]), "at least one"),
        (lambda: nqjax.Empirical([[1.0, 2.0]]), "shape"),
        (lambda: nqjax.Empirical([1.0, math.nan]), "NaN"),
        (lambda: nqjax.Empirical(["a"]), "not numbers"),
        (lambda: nqjax.Empirical([1.0], support=(2, 3)), "not within the support"),
        (lambda: nqjax.Empirical([1.0], support=(3, 2)), "the lowest and the highest"),
        (lambda: nqjax.Empirical([1.0], [1, 2]), "one for each"),
        (lambda: nqjax.Empirical([1.0], [-1]), "not negative"),
        (lambda: nqjax.Empirical([1.0], [0]), "not all 0"),
        (lambda: nqjax.Empirical([1.0]).icdf(1.5), "between 0 and 1"),
        (lambda: nqjax.Empirical([1.0]).quantile_tuning_curve(0), "positive"),
        (lambda: nqjax.Empirical([1.0]).quantile_tuning_curve(1, 2), "between 0 and 1"),
        (lambda: nqjax.Empirical([1.0], [2.0]).u_tuning_curve(1), "does not support weights"),
        (lambda: nqjax.Empirical([1.0]).naive_tuning_curve(1.5), "whole"),
    ],
)
def test_mistakes(call, part):
    with pytest.raises(InputError, match=part):
        call()
