"""Searches that share gamma: one alone, agreement, and the pooling of noise."""

import math
import pickle

import jax
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest

import nqjax
from nqjax.errors import InputError
from support import searches

INF = math.inf
KEY = jax.random.key(0)


def search(seed, gamma=2, sigma=0.05, size=48):
    return searches.draw(np.random.default_rng(seed), size, gamma, sigma)


@pytest.fixture(scope="module")
def alone():
    return nqjax.sample_posterior(search(1), limits=(-INF, 0.7), key=KEY, method="quadrature")


def test_one_search_with_the_same_prior_is_that_search(alone):
    """The pooled prior of a single search is the prior of its centre when searches differ little in noise."""
    shared = nqjax.sample_posterior_shared(
        [search(1)], limits=(-INF, 0.7), key=KEY, pooling=nqjax.NoisePooling(0.1, 1.5, 0.1)
    )
    assert shared.gamma_probabilities == pytest.approx(alone.gamma_probabilities, abs=5e-3)
    for name in ("alpha", "beta", "sigma"):
        mine, other = getattr(shared.posteriors[0], name), getattr(alone, name)
        assert np.median(mine) == pytest.approx(np.median(other), abs=0.1 * np.std(other)), name
        assert np.diff(np.quantile(mine, [0.1, 0.9])) == pytest.approx(
            np.diff(np.quantile(other, [0.1, 0.9])), rel=0.08
        )


def test_searches_agree_on_gamma_and_on_noise():
    some = [search(seed, gamma=1, sigma=0.03, size=32) for seed in range(4)]
    shared = nqjax.sample_posterior_shared(some, limits=(-INF, 0.6), key=KEY)
    single = nqjax.sample_posterior_many(some, limits=(-INF, 0.6), key=KEY, method="quadrature")
    assert shared.gamma_probabilities[1] > max(p.gamma_probabilities[1] for p in single)
    assert sum(shared.gamma_probabilities.values()) == pytest.approx(1)
    assert shared.gamma.shape == (4, 1000)
    for mine in shared.posteriors:
        np.testing.assert_array_equal(mine.gamma, shared.gamma)
        assert mine.diagnostics.good
    widths = [np.std(np.log(p.sigma)) for p in single], [np.std(np.log(p.sigma)) for p in shared.posteriors]
    assert np.mean(widths[1]) < np.mean(widths[0])
    for name in ("noise_center", "noise_spread"):
        assert np.all(getattr(shared, name) > 0)


def test_samples_of_a_reference_search_agree_on_gamma(shared_data):
    """Each of three is in doubt; together they say what the whole search says: gamma = 1."""
    error = 1 - searches.column(shared_data, "deberta_v3_multinli.csv", "accuracy_matched")
    order = np.random.default_rng(0).permutation(len(error))
    some = [error[order[48 * i : 48 * (i + 1)]] for i in (1, 2, 5)]
    limits = {"limits": (-INF, 0.11), "alpha": (0, 1), "beta": (0, 1), "key": KEY}
    single = nqjax.sample_posterior_many(some, method="quadrature", **limits)
    shared = nqjax.sample_posterior_shared(some, **limits)
    assert max(post.gamma_probabilities[1] for post in single) < 0.9
    assert shared.gamma_probabilities[1] > 0.95
    ends = np.array([[post.interval("alpha") for post in posts] for posts in (single, shared.posteriors)])
    assert np.all((ends[1, :, 0] < 0.0947) & (ends[1, :, 1] > 0.0947))
    alone, together = np.diff(ends).mean(axis=(1, 2))
    assert together < 0.9 * alone


def test_what_belongs_together_stays_together():
    some = [search(seed, gamma=1, sigma=0.03, size=32) for seed in range(2)]
    shared = nqjax.sample_posterior_shared(some, limits=(-INF, 0.6), key=KEY)
    one, other = shared.posteriors
    with pytest.raises(InputError, match="no density of its own"):
        one.log_joint(0.0, 1.0, 1, 0.1)
    found = nqjax.compare(one, other, [16.0])
    expected = one.quantile_tuning_curves([16.0]) - other.quantile_tuning_curves([16.0])
    np.testing.assert_allclose(found.median_difference, expected.reshape(-1, 1))
    stored = nqjax.compare(pickle.loads(pickle.dumps(one)), other, [16.0])
    np.testing.assert_array_equal(stored.median_difference, found.median_difference)
    with pytest.warns(nqjax.SamplingWarning, match=r"search 0: the draws cannot be relied on"):
        nqjax.sample_posterior_shared(some, limits=(-INF, 0.6), key=KEY, num_samples=20)


def test_mistakes():
    with pytest.raises(InputError, match="search 1: 2 scores are too few"):
        nqjax.sample_posterior_shared([search(1), [1.0, 2.0]], key=KEY, threshold=None)
    with pytest.raises(InputError, match="no search"):
        nqjax.sample_posterior_shared([], key=KEY, threshold=None)
    with pytest.raises(InputError, match="one JAX random key"):
        nqjax.sample_posterior_shared([search(1)], key=0, threshold=None)
    with pytest.raises(InputError, match="above 0"):
        nqjax.NoisePooling(spread=0.0)


@pytest.mark.slow
def test_against_numpyros_sampler(x64):
    """The same model written down in NumPyro, for one gamma: two searches, pooled noise."""
    some = [search(5), search(6, sigma=0.1)]

    def model():
        center = numpyro.sample("center", dist.Normal(math.log(0.1), 1.5))
        spread = numpyro.sample("spread", dist.HalfNormal(0.5))
        for i, scores in enumerate(some):
            with numpyro.handlers.scope(prefix=str(i)):
                prior = nqjax.Prior(relative_noise=dist.Uniform(1e-6, 1e3))
                found = nqjax.posterior_model(scores, limits=(-INF, 0.7), gamma=jax.numpy.asarray(2.0), prior=prior)
            noise = found["sigma"] / (0.7 - found["alpha"])
            numpyro.factor(
                f"pooled{i}", dist.Normal(center, spread).log_prob(jax.numpy.log(noise)) - jax.numpy.log(noise)
            )

    kernel = numpyro.infer.NUTS(model, target_accept_prob=0.95, init_strategy=numpyro.infer.init_to_median)
    mcmc = numpyro.infer.MCMC(kernel, num_warmup=1500, num_samples=6000, progress_bar=False)
    mcmc.run(KEY)
    found = mcmc.get_samples()
    shared = nqjax.sample_posterior_shared(some, limits=(-INF, 0.7), key=KEY, gamma=2, num_samples=2000)
    for i, post in enumerate(shared.posteriors):
        for name in ("alpha", "beta", "sigma"):
            theirs, mine = np.asarray(found[f"{i}/{name}"]), getattr(post, name)
            assert np.median(mine) == pytest.approx(np.median(theirs), abs=0.15 * np.std(theirs)), (i, name)
            assert np.diff(np.quantile(mine, [0.16, 0.84])) == pytest.approx(
                np.diff(np.quantile(theirs, [0.16, 0.84])), rel=0.15
            )
    assert np.median(np.log(shared.noise_center)) == pytest.approx(np.median(found["center"]), abs=0.15)
