"""Where the interval of sigma begins, if the noise is small."""

import numpy as np
import pytest

import nqjax


@pytest.fixture(scope="module")
def search():
    """Return scores of a quadratic (gamma 2) with little noise, and reruns of eight configurations."""
    rng = np.random.default_rng(0)
    config, sigma = np.repeat(np.arange(8), 6), 1e-3
    return rng.random(40) + sigma * rng.normal(size=40), config, 0.1 * config + sigma * rng.normal(size=48)


def test_little_noise_cannot_be_told_from_none(search):
    low, high = nqjax.confidence_region(search[0]).interval("sigma")
    assert low == 0
    assert high > 1e-3


def test_reruns_tell_little_noise(search):
    scores, config, reruns = search
    noise = nqjax.noise_from_reruns(config, reruns)
    low, high = nqjax.confidence_region(scores, noise=noise).interval("sigma")
    assert 5e-4 < low < 1e-3 < high < 2e-3


def test_the_interval_begins_within_the_bounds(search):
    low, high = nqjax.confidence_region(search[0], sigma=(1e-4, 0.1)).interval("sigma")
    assert low == 1e-4 < high <= 0.1
