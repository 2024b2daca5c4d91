"""Comparisons of searches: against simulation from the truth, and against themselves."""

import math

import jax
import numpy as np
import pytest

import nqjax
from nqjax.errors import InputError
from support import searches

INF = math.inf


def posterior(seed, size=200, alpha=0.0, minimize=True, sigma=0.05):
    y = searches.draw(np.random.default_rng(seed), size, 2, sigma, alpha=alpha, beta=alpha + 1)
    y = y if minimize else -y
    limits = (-INF, alpha + 0.6) if minimize else (-alpha - 0.6, INF)
    return nqjax.sample_posterior(y, limits=limits, minimize=minimize, key=jax.random.key(seed), method="quadrature")


@pytest.fixture(scope="module")
def pair():
    return posterior(1), posterior(2, alpha=0.1)


def test_probability_is_that_of_simulated_searches(pair):
    """A large search leaves little doubt of the parameters: luck is what remains."""
    found = nqjax.compare(*pair, [10, 100])
    rng = np.random.default_rng(0)
    for n, p in zip((10, 100), found.probability, strict=True):
        best = [
            searches.draw(rng, 4000 * n, 2, 0.05, alpha=a, beta=a + 1).reshape(4000, n).min(axis=1) for a in (0, 0.1)
        ]
        assert p == pytest.approx(np.mean(best[0] < best[1]), abs=0.12)
    assert np.all(found.probability_median > 0.8)
    low, high = found.interval(0.9)
    assert np.all(low < high)
    assert found.difference.shape == (4000, 2)
    inner = found.interval(0.9, median=True)
    assert np.all(inner[1] - inner[0] < high - low)


def test_against_itself_mirrored_and_swapped(pair):
    a, b = pair
    same = nqjax.compare(a, a, 50)
    assert same.probability == pytest.approx(0.5, abs=0.03)
    assert nqjax.compare(b, a, 20).probability == pytest.approx(1 - nqjax.compare(a, b, 20).probability, abs=0.03)
    mirrored = posterior(1, minimize=False), posterior(2, alpha=0.1, minimize=False)
    key = jax.random.key(1)
    assert nqjax.compare(*mirrored, 20, key=key).probability == pytest.approx(
        float(nqjax.compare(a, b, 20, key=key).probability), abs=0.03
    )


def test_equal_cost(pair):
    found = nqjax.compare(*pair, [40.0], cost=(1.0, 4.0))
    assert found.trials_b == pytest.approx([10.0])
    assert found.probability > nqjax.compare(*pair, [40.0]).probability


@pytest.mark.parametrize(
    ("options", "part"),
    [({"cost": (1.0, 0.0)}, "two positive"), ({"cost": 3}, "two positive"), ({"n": -1}, "positive")],
)
def test_mistakes(pair, options, part):
    with pytest.raises(InputError, match=part):
        nqjax.compare(*pair, **{"n": 10, **options})
    with pytest.raises(InputError, match="between 0 and 1"):
        nqjax.compare(*pair, 10).interval(1.5)


def test_directions_must_agree(pair):
    with pytest.raises(InputError, match="cannot be compared"):
        nqjax.compare(pair[0], posterior(1, size=40, minimize=False), 10)


def test_averaged_posteriors_are_compared_with_each_other_and_with_others():
    """A shift of half the regime's width is seen; a search against itself is a draw, with one threshold or with all."""
    y = searches.draw(np.random.default_rng(1), 96, 2, 0.05, alpha=0.0, beta=1.0)
    one, other = (nqjax.confidence_region(part) for part in (y, y + 0.5))
    found = nqjax.compare(one, other, [32, 64])
    assert np.all(found.probability > 0.95)
    assert np.all(found.probability_median > 0.99)
    low, high = nqjax.compare(other, one, [32, 64]).interval(0.9, median=True)
    assert np.all((low < 0.5) & (high > 0.5))
    assert nqjax.compare(one, one, 64).probability == pytest.approx(0.5, abs=0.05)
    whole = nqjax.sample_posterior(y, threshold=0.6, key=jax.random.key(0))
    assert 0.2 < nqjax.compare(one, whole, 32).probability < 0.8
    with pytest.raises(InputError, match="cannot be compared"):
        nqjax.compare(one, nqjax.confidence_region(-y, maximize=True), 10)
    assert nqjax.compare(nqjax.fit(y), other, 32).probability == nqjax.compare(one, other, 32).probability
    with pytest.raises(InputError, match="give a posterior"):
        nqjax.compare(one, nqjax.fit(y, threshold=0.6), 10)
