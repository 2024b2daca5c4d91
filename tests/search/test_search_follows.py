"""The shipped search, which this package ran, follows the noisy quadratic over its regime."""

import jax
import numpy as np

import nqjax
from nqjax import data
from nqjax.search import load, read_trials
from nqjax.search.configurations import sample


def test_the_fit_stays_inside_the_bands_over_its_regime():
    """The fitted CDF within the simultaneous 95 % band at every score of the regime that the tests choose."""
    scores = read_trials(data.digits_mlp_path()).scores
    scores = np.where(np.isfinite(scores), scores, scores[np.isfinite(scores)].max())  # failed runs as the worst
    regime = nqjax.find_regime(scores)
    assert regime.found
    y = np.unique(scores[scores <= regime.threshold])
    assert len(y) >= 100
    with jax.enable_x64(True):
        cdf = np.asarray(regime.fit.distribution.cdf(y))
    bands = nqjax.confidence_bands(scores, 0.95)
    # Both ends jump at the scores: the upper one has its least value just before.
    assert np.all(np.asarray(bands.lower.cdf(y)) <= cdf)
    assert np.all(cdf <= np.asarray(bands.upper.cdf(np.nextafter(y, -np.inf))))


def test_the_shipped_search_is_that_of_the_command():
    """Its settings are those that the task has now, and its configurations those that the key draws."""
    trials = read_trials(data.digits_mlp_path())
    task = load("digits-mlp")
    assert len(trials) == 1024
    assert trials.settings["task"] == task.name
    assert trials.settings["task_settings"] == task.settings
    key = jax.random.key(0)
    for number in (0, 1, 500, 1023):
        config = sample(task.space, key, number)
        assert {name: trials.rows[number][name] for name in config} == config
