"""The posterior: its density by the definition, its integrals by a dense grid, its draws, its failures."""

import functools
import itertools
import json
import math
import os
import subprocess
import sys
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
import scipy.stats
from numpyro.infer.util import log_density as numpyro_log_density

import nqjax
from nqjax.errors import InputError
from nqjax.estimation.constraints import read_constraints
from nqjax.estimation.spacings import spacings
from nqjax.posterior import chains, diagnostics, nuts
from nqjax.posterior.density import likelihood, log_density
from nqjax.posterior.density.coordinates import to_parameters
from nqjax.posterior.density.data import check_bounds, make_model, make_regime
from nqjax.posterior.quadrature import integrate, straighten
from support import searches

INF = math.inf
KEY = jax.random.key(0)


def quick(scores, **options):
    """Sample the posterior of all scores, unless limits are given, by quadrature."""
    regime = {} if "limits" in options else {"threshold": None}
    return nqjax.sample_posterior(
        scores, **{"method": "quadrature", "key": KEY, "num_samples": 1000, **regime, **options}
    )


def search(seed=1, size=48, gamma=2, sigma=0.05):
    return searches.draw(np.random.default_rng(seed), size, gamma, sigma)


@pytest.fixture(scope="module")
def scores():
    return search()


@pytest.fixture(scope="module")
def posterior(scores):
    return quick(scores, limits=(-INF, 0.7))


@pytest.fixture(scope="module")
def unlimited(scores):
    return quick(scores)


# --- the density ----------------------------------------------------------------------------------------------------


def by_definition(scores, limits, point, prior, has_threshold):
    """Log-density of (alpha, beta, sigma): the model's sites, with the Jacobian by differentiation."""

    def sites(parameters):
        alpha, beta, sigma = parameters
        width = limits[1] - alpha if has_threshold else beta - alpha
        other = (width / (beta - alpha)) ** (gamma / 2) if has_threshold else alpha
        return jnp.stack([jnp.log(width), other, sigma / width])

    alpha, beta, gamma, sigma = point
    log_width, other, noise = sites(jnp.array([alpha, beta, sigma]))
    volume = jnp.linalg.slogdet(jax.jacfwd(sites)(jnp.array([alpha, beta, sigma])))[1]
    value = volume + prior.relative_noise.log_prob(noise)
    if has_threshold:
        value += prior.regime_share.log_prob(other)
    if prior.width is not None:
        value += prior.width.log_prob(jnp.exp(log_width)) + log_width
    d = nqjax.NoisyQuadratic(alpha, beta, gamma, sigma)
    finite = np.where(np.isfinite(scores), scores, INF)
    value += jnp.sum(d.log_prob(finite[(finite > limits[0]) & (finite <= limits[1])]))
    if np.any(finite <= limits[0]):
        value += np.sum(finite <= limits[0]) * d.log_cdf(limits[0])
    if np.any(finite > limits[1]):
        value += np.sum(finite > limits[1]) * d.log_sf(limits[1])
    return float(value)


PRIORS = {
    "default": nqjax.Prior(),
    "other": nqjax.Prior(dist.Beta(2.0, 3.0), dist.HalfNormal(0.3), dist.LogNormal(0.0, 1.0), {1: 1.0, 2: 3.0, 3: 0.5}),
}


@pytest.mark.filterwarnings("ignore::nqjax.SamplingWarning")  # few draws are enough
@pytest.mark.parametrize("limits", [(-INF, 0.7), (0.05, 0.7), (-INF, INF)])
@pytest.mark.parametrize("prior", PRIORS)
def test_log_joint_is_the_models_density(scores, limits, prior, x64):
    prior = PRIORS[prior]
    post = quick(scores, limits=limits, prior=prior, num_samples=50)
    points = [(-0.1, 1.1, 2, 0.04), (0.03, 0.95, 1, 0.09), (-0.3, 1.3, 3, 0.01), (0.01, 0.9, 2, 0.3)]
    found = post.log_joint(*np.transpose(points))
    of_gamma = dict(zip(range(1, 6), prior.log_gamma(1, 5), strict=True))
    expected = [by_definition(scores, limits, p, prior, limits[1] < 1) + of_gamma[p[2]] for p in points]
    # Up to the flat prior's constant.
    assert found - found[0] == pytest.approx(np.array(expected) - expected[0], abs=1e-9)
    assert (
        post.log_joint([0.8, -0.1, -0.1, -0.1], 1.1, [2, 2, 6, 1.5], 0.04)[[0, 2, 3]].tolist() == [-INF] * 3
        or limits[1] > 1
    )
    assert post.log_joint(-0.1, 1.1, [6, 1.5], 0.04).tolist() == [-INF] * 2
    assert post.log_joint(-0.1, [-0.2, 1.1], 2, [0.1, -1.0]).tolist() == [-INF] * 2


@pytest.mark.parametrize("limits", [(-INF, 0.7), (-INF, INF)])
@pytest.mark.parametrize("bounds", [{}, {"alpha": (-0.2, 0.2), "beta": (0.75, 1.3), "sigma": (0.01, 0.2)}])
def test_the_coordinates_volume(scores, limits, bounds, x64):
    constraints = read_constraints(bounds.get("alpha"), bounds.get("beta"), (1, 5), bounds.get("sigma"), True)
    study = make_regime(spacings(scores, limits), *limits)
    check_bounds(study, constraints, True)
    place = jax.tree.map(lambda a: a[0], make_model([study], constraints, nqjax.Prior().parts).place)
    rng = np.random.default_rng(0)
    for gamma, _ in itertools.product((1.0, 2.0, 5.0), range(5)):
        z = jnp.asarray(rng.normal([-2, -2, 0], 2))
        point = to_parameters(z, gamma, place)
        jacobian = jax.jacfwd(lambda z, gamma=gamma: to_parameters(z, gamma, place).theta)(z)
        assert point.log_jacobian == pytest.approx(np.linalg.slogdet(jacobian)[1], abs=1e-7)
        alpha, sigma = study.data.best + study.scale * point.theta[0], study.scale * jnp.exp(point.theta[2])
        beta = alpha + study.scale * jnp.exp(point.theta[1])
        assert alpha < beta
        assert alpha < limits[1]
        for value, (low, high) in zip(
            (alpha, beta, sigma), (constraints.alpha, constraints.beta, constraints.sigma), strict=True
        ):
            assert low - 1e-9 <= value <= high + 1e-9


def test_density_in_coordinates_is_the_log_joint(scores, posterior, x64):
    """Two programs, two sets of coordinates, one density."""
    constraints = read_constraints(None, None, (1, 5), None, True)
    study = make_regime(spacings(scores, (-INF, 0.7)), -INF, 0.7)
    model = jax.tree.map(lambda a: a[0], make_model([study], constraints, nqjax.Prior().parts)._replace(parts=()))
    model = model._replace(parts=nqjax.Prior().parts)
    rng = np.random.default_rng(1)
    for gamma in (1, 3):
        family = jax.tree.map(lambda a, gamma=gamma: a[gamma - 1], log_density.stacked_families(6))
        differences = []
        for _ in range(5):
            z = jnp.asarray(rng.normal([-2.5, -2.5, 0.5], 0.7))
            value, _ = log_density.log_density(z, log_density.Target(family, model), jnp.asarray(True), 3)
            theta, _, jacobian = to_parameters(z, jnp.asarray(float(gamma)), model.place)
            alpha, delta, sigma = study.data.best + study.scale * theta[0], *(study.scale * jnp.exp(theta[1:]))
            joint = posterior.log_joint(alpha, alpha + delta, gamma, sigma) + math.log(5)
            differences.append(float(value - jacobian - (joint + jnp.log(delta) + jnp.log(sigma))))
        assert np.ptp(differences) < 1e-8
        # What remains is the unit of the scores' densities and of alpha.
        assert differences[0] == pytest.approx((study.data.num_used + 1) * math.log(study.scale), abs=1e-8)


def test_the_likelihoods_gradient(scores, x64):
    study = make_regime(spacings(scores, (0.05, 0.7)), 0.05, 0.7)
    data = jax.tree.map(
        lambda a: a[0], make_model([study], read_constraints(None, None, (1, 5), None, True), nqjax.Prior().parts).data
    )
    for gamma, theta in ((1, [-0.05, 0.3, -2.0]), (3, [0.02, 0.1, -1.0]), (5, [-0.3, 0.6, -4.0])):
        family = jax.tree.map(lambda a, gamma=gamma: a[gamma - 1], log_density.stacked_families(6))

        def f(t, family=family):
            return likelihood.likelihood_and_gradient(t, family, data, jnp.asarray(True), 3)

        at = jnp.array(theta)
        steps = 1e-5 * np.eye(3)
        numeric = [(f(at + h)[0] - f(at - h)[0]) / 2e-5 for h in steps]
        assert f(at)[1] == pytest.approx(np.array(numeric), rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("limits", [(0.05, 0.7), (-INF, INF)])
@pytest.mark.parametrize("bounds", [{}, {"alpha": (-0.2, 0.2), "beta": (0.75, 1.3), "sigma": (0.01, 0.2)}])
def test_what_the_sampler_follows(scores, limits, bounds, x64):
    """Its energy and gradient are those of the quadrature's density, computed on the host and elsewhere."""
    constraints = read_constraints(bounds.get("alpha"), bounds.get("beta"), (1, 5), bounds.get("sigma"), True)
    study = make_regime(spacings(scores, limits), *limits)
    model = make_model([study], constraints, nqjax.Prior().parts)
    rng = np.random.default_rng(2)
    shape = straighten.Map(rng.normal(0, [[0.003], [0.01], [0.1], [1.0]], (24, 4, 6)))
    shape.coefficients[:, 2, 0] = 0.5  # forwards
    lanes = nuts.ChainStarts(np.zeros(3, int), np.array([1, 3, 5]), straighten.stack([shape] * 3), None, None)
    x = rng.normal(0, 0.5, (3, 3))
    targets = jax.tree.map(jnp.asarray, nuts._targets(model, lanes, 3))
    evaluator = log_density.Evaluator(model, (1, 5))
    for i, gamma in enumerate((1, 3, 5)):
        lane = jax.tree.map(lambda a, i=i: a[i], targets)
        target = lane.target._replace(model=lane.target.model._replace(parts=model.parts))
        energy, gradient = nuts._energy(jnp.asarray(x[i]), lane._replace(target=target), 3)
        steps = 1e-5 * np.concatenate([np.zeros((1, 3)), np.eye(3), -np.eye(3)])
        ((value, _),) = integrate.densities(evaluator, [integrate.Points(shape, x[i] + steps, 0, gamma)], exact=True)
        # The sampler's sums are good to 1e-6 of a score's probability.
        assert energy == pytest.approx(-value[0], abs=48e-6)
        assert gradient == pytest.approx(-(value[1:4] - value[4:]) / 2e-5, rel=1e-4, abs=1e-3)


@pytest.mark.filterwarnings("ignore::nqjax.SamplingWarning")
@pytest.mark.parametrize("limits", [(-INF, 0.7), (-INF, INF)])
def test_the_numpyro_model_has_the_same_density(scores, limits, x64):
    """The densities agree for each gamma and for a range, where the model sums over the gammas."""
    prior = nqjax.Prior(gamma={1: 3, 2: 1, 3: 2})
    post = quick(scores, limits=limits, num_samples=50, prior=prior, gamma=(1, 3))
    threshold = limits[1]
    differences = []
    for width, share, relative, place in [(0.8, 0.5, 0.05, 0.01), (0.67, 0.71, 0.12, 0.02), (1.0, 0.3, 0.01, 0.01)]:
        sites = {"width": width, "relative_noise": relative}
        sites |= {"regime_share": share} if threshold < 1 else {"location": -place}
        sites = {name: jnp.asarray(value) for name, value in sites.items()}
        alpha = threshold - width if threshold < 1 else scores.min() - place * np.ptp(scores)
        every = []
        for gamma in (1, 2, 3):
            beta = alpha + (width * share ** (-2 / gamma) if threshold < 1 else width)
            # Of the sites in (alpha, beta, sigma).
            volume = -math.log(width)
            if threshold < 1:
                volume += math.log(share * gamma / 2 / (beta - alpha))
            joint = float(post.log_joint(alpha, beta, gamma, relative * width))
            every.append(joint - volume)
            model = functools.partial(nqjax.posterior_model, scores, limits=limits, prior=prior, gamma=gamma)
            value, _ = numpyro_log_density(model, (), {}, sites)
            differences.append(float(value) + prior.log_gamma(1, 3)[gamma - 1] - every[-1])
        model = functools.partial(nqjax.posterior_model, scores, limits=limits, prior=prior, gamma=(1, 3))
        value, trace = numpyro_log_density(model, (), {}, sites)
        differences.append(float(value) - scipy.special.logsumexp(every))
        shares = np.asarray(trace["gamma_probabilities"]["value"])
        np.testing.assert_allclose(shares, scipy.special.softmax(every), atol=1e-9)
    assert np.ptp(differences) < 1e-8


@pytest.mark.slow
def test_the_model_as_it_is_can_be_sampled(scores, x64):
    """By NUTS, with the range of gamma that it has by default."""
    kernel = numpyro.infer.NUTS(nqjax.posterior_model, target_accept_prob=0.95)
    mcmc = numpyro.infer.MCMC(kernel, num_warmup=1000, num_samples=4000, progress_bar=False)
    mcmc.run(KEY, scores, limits=(-INF, 0.7))
    found = mcmc.get_samples()
    post = quick(scores, limits=(-INF, 0.7))
    for name in ("alpha", "sigma"):
        ours = getattr(post, name)
        assert np.median(found[name]) == pytest.approx(np.median(ours), abs=0.15 * ours.std())
    shares = found["gamma_probabilities"].mean(axis=0)
    np.testing.assert_allclose(shares, list(post.gamma_probabilities.values()), atol=0.03)


def test_the_model_within_a_larger_one(scores, x64):
    """Two searches share gamma; NUTS runs on the model as it is."""

    def both(gamma):
        for name in "ab":
            with numpyro.handlers.scope(prefix=name):
                nqjax.posterior_model(scores, limits=(-INF, 0.7), gamma=gamma)

    kernel = numpyro.infer.NUTS(functools.partial(both, jnp.asarray(2.0)), init_strategy=numpyro.infer.init_to_median)
    mcmc = numpyro.infer.MCMC(kernel, num_warmup=50, num_samples=20, progress_bar=False)
    mcmc.run(KEY)
    found = mcmc.get_samples()
    assert found["a/alpha"].shape == (20,)
    assert np.all(np.isfinite(found["b/sigma"]))


# --- integrals ------------------------------------------------------------------------------------------------------


def dense(post, gamma, alphas=160, others=48):
    """Log evidence, means and standard deviations of alpha, beta, log sigma of one gamma, from `log_joint` on a grid.

    The grid spans the draws of that gamma, and half as much again on either side.
    """
    mine = post.gamma == gamma
    first, log_delta, log_sigma = post.alpha[mine], np.log(post.beta - post.alpha)[mine], np.log(post.sigma[mine])
    axes, steps = [], []
    for x, count, most in ((first, alphas, post.limits[1]), (log_delta, others, INF), (log_sigma, others, INF)):
        low, high = x.min() - 0.5 * np.ptp(x), min(x.max() + 0.5 * np.ptp(x), most)
        step = (high - low) / count
        axes.append(low + step * (np.arange(count) + 0.5))
        steps.append(step)
    alpha, delta, sigma = np.meshgrid(axes[0], np.exp(axes[1]), np.exp(axes[2]), indexing="ij")
    value = post.log_joint(alpha, alpha + delta, gamma, sigma) + np.log(delta) + np.log(sigma)
    top = value.max()
    weights = np.exp(value - top)
    total = weights.sum()
    moments = []
    for x in (alpha, alpha + delta, np.log(sigma)):
        mean = (weights * x).sum() / total
        moments.append((mean, math.sqrt((weights * (x - mean) ** 2).sum() / total)))
    return top + math.log(total * np.prod(steps)), moments


def check_against_a_dense_grid(post, least=0.02):
    found = {g: dense(post, g) for g, p in post.gamma_probabilities.items() if p > least}
    evidence = np.array([e for e, _ in found.values()])
    share = np.exp(evidence - evidence.max())
    share *= sum(post.gamma_probabilities[g] for g in found) / share.sum()
    for g, p in zip(found, share, strict=True):
        assert post.gamma_probabilities[g] == pytest.approx(p, abs=0.02)
        mine = post.gamma == g
        for name, (mean, sd) in zip(("alpha", "beta", "log sigma"), found[g][1], strict=True):
            x = np.log(post.sigma) if name == "log sigma" else getattr(post, name)
            count = mine.sum() / 2  # draws are nearly independent
            assert x[mine].mean() == pytest.approx(mean, abs=4 * sd / math.sqrt(count)), (g, name)
            assert x[mine].std() == pytest.approx(sd, rel=6 / math.sqrt(count)), (g, name)


def test_integrals_against_a_dense_grid(posterior):
    check_against_a_dense_grid(posterior, least=0.2)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["quadrature", "nuts"])
@pytest.mark.parametrize("case", range(10))
def test_more_integrals(case, method):
    gamma, sigma = 1 + case % 4, (0.01, 0.05, 0.2)[case % 3]
    scores = search(case, (24, 48, 96)[case % 3], gamma, sigma)
    limits = (-INF, float(np.quantile(scores, 0.6))) if case % 2 else (-INF, INF)
    check_against_a_dense_grid(nqjax.sample_posterior(scores, limits=limits, method=method, key=jax.random.key(case)))


# --- draws ----------------------------------------------------------------------------------------------------------


def thinned(x, keep=1000):
    return np.random.default_rng(0).permutation(x.ravel())[:keep]


@pytest.mark.smoke
def test_nuts_and_quadrature_draw_from_one_distribution(scores, posterior):
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # no warning of convergence
        nuts = nqjax.sample_posterior(scores, limits=(-INF, 0.7), key=jax.random.key(5), method="nuts")
    assert nuts.gamma_probabilities == pytest.approx(posterior.gamma_probabilities, abs=1e-12)
    assert nuts.diagnostics.good
    assert nuts.diagnostics.num_divergent == 0
    for name in ("alpha", "beta", "sigma", "regime_probability"):
        test = scipy.stats.ks_2samp(thinned(getattr(nuts, name)), thinned(getattr(posterior, name)))
        assert test.pvalue > 1e-4, name
    for g, p in nuts.gamma_probabilities.items():
        assert np.mean(nuts.gamma == g) == pytest.approx(p, abs=2e-3)
    assert "can be relied on" in nuts.diagnostics.verdict
    # Where there is no need to look at the chains of independent draws, looking finds nothing.
    assert diagnostics.surely_good(posterior.draws)
    assert posterior.diagnostics.good
    assert not diagnostics.surely_good(nuts.draws)
    assert nuts.draws.stats["n_steps"].mean() < 15


def test_mirror_image_and_change_of_unit(scores, posterior):
    """To the last digit, and to the last digit where the unit is a power of two."""
    mirrored = quick(-scores, limits=(-0.7, INF), minimize=False)
    np.testing.assert_array_equal(mirrored.alpha, -posterior.beta)
    np.testing.assert_array_equal(mirrored.beta, -posterior.alpha)
    np.testing.assert_array_equal(mirrored.sigma, posterior.sigma)
    assert mirrored.interval("beta", 0.8) == pytest.approx(
        tuple(-x for x in posterior.interval("alpha", 0.8)[::-1]), rel=1e-14
    )
    # The best of ten is at most 0.1, or it is not.
    assert mirrored.probability_below(-0.1, 10) + posterior.probability_below(0.1, 10) == pytest.approx(1, abs=1e-12)
    at = [-0.1, 0.0], [1.0, 1.2], 2, [0.05, 0.02]
    mirror = [-1.0, -1.2], [0.1, 0.0], 2, [0.05, 0.02]
    np.testing.assert_array_equal(mirrored.log_joint(*mirror), posterior.log_joint(*at))
    scaled = quick(1024 * scores, limits=(-INF, 1024 * 0.7))
    np.testing.assert_array_equal(scaled.alpha, 1024 * posterior.alpha)
    np.testing.assert_array_equal(scaled.gamma, posterior.gamma)
    moved = quick(3.7 * scores + 11, limits=(-INF, 3.7 * 0.7 + 11))
    assert moved.gamma_probabilities == pytest.approx(posterior.gamma_probabilities, abs=1e-7)
    assert (moved.interval("alpha")[0] - 11) / 3.7 == pytest.approx(posterior.interval("alpha")[0], abs=0.01)


def test_bounds_are_kept_and_matter(scores, posterior):
    bounded = quick(scores, limits=(-INF, 0.7), alpha=(-0.05, 0.05), beta=(0.8, 1.05), sigma=(0.02, 0.1))
    for name, (low, high) in {"alpha": (-0.05, 0.05), "beta": (0.8, 1.05), "sigma": (0.02, 0.1)}.items():
        x = getattr(bounded, name)
        assert low <= x.min()
        assert x.max() <= high
    # The draws of the other posterior that keep to the bounds have the same distribution.
    kept = (posterior.alpha > -0.05) & (posterior.alpha < 0.05) & (posterior.beta < 1.05) & (posterior.beta > 0.8)
    kept &= (posterior.sigma > 0.02) & (posterior.sigma < 0.1)
    test = scipy.stats.ks_2samp(thinned(posterior.alpha[kept]), thinned(bounded.alpha))
    assert test.pvalue > 1e-4


def test_what_follows_from_the_draws(posterior):
    lower, upper = posterior.quantile_tuning_curve_band([10, 100], confidence=0.9)
    median = posterior.quantile_tuning_curve([10, 100])
    assert np.all(lower < median)
    assert np.all(median < upper)
    one = nqjax.NoisyQuadratic(
        posterior.alpha[0, 0], posterior.beta[0, 0], float(posterior.gamma[0, 0]), posterior.sigma[0, 0]
    )
    assert posterior.quantile_tuning_curves(10)[0, 0] == pytest.approx(float(one.quantile_tuning_curve(10)), rel=1e-5)
    below = posterior.probability_below([0.1, 0.3], [10, 1])
    with jax.enable_x64(True):
        draws = posterior.alpha, posterior.beta, posterior.gamma.astype(float), posterior.sigma
        cdf = np.asarray(nqjax.NoisyQuadratic(*draws).cdf(np.array([0.1, 0.3]).reshape(2, 1, 1)))
    # Two programs for one distribution, each good to 1e-11 or better.
    assert below == pytest.approx(np.mean(1 - (1 - cdf) ** np.array([10, 1]).reshape(2, 1, 1), axis=(1, 2)), abs=1e-9)
    assert 0 < posterior.interval("regime_probability")[0] < posterior.interval("regime_probability")[1] < 1
    assert sum(posterior.gamma_probabilities.values()) == pytest.approx(1)
    assert posterior.quantile_tuning_curve_band([10])[0] < lower[0]
    assert set(posterior.gammas) <= set(range(1, 6))


@pytest.mark.smoke
def test_arviz(posterior, scores):
    idata = posterior.idata
    import arviz as az  # its first import, which idata makes, may warn

    assert {"posterior", "sample_stats", "log_likelihood", "observed_data", "posterior_predictive"} <= {
        str(group).strip("/") for group in (idata.groups() if callable(idata.groups) else idata.groups)
    }
    assert dict(idata["posterior"].sizes) == {"chain": 4, "draw": 1000}
    observed = idata["observed_data"]["score"].values
    np.testing.assert_array_equal(observed, np.minimum(scores, 0.7))
    predicted = idata["posterior_predictive"]["score"].values
    assert predicted.shape[0] == 4
    assert predicted.max() == 0.7
    assert np.mean(predicted == 0.7) == pytest.approx(np.mean(observed == 0.7), abs=0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        summary = az.summary(idata, var_names=["alpha", "sigma"])
        loo = az.loo(idata)
    assert list(summary.index) == ["alpha", "sigma"]
    assert np.isfinite(loo.elpd if hasattr(loo, "elpd") else loo.elpd_loo)


def test_log_likelihoods_sum_to_the_joint_density(scores, posterior, x64):
    """Each score's, against the distribution's own functions."""
    found = posterior.idata["log_likelihood"]["score"].values
    assert found.shape == (4, 1000, len(scores))
    for chain, draw in ((0, 0), (3, 999), (1, 500)):
        parameters = (getattr(posterior, name)[chain, draw] for name in ("alpha", "beta", "gamma", "sigma"))
        d = nqjax.NoisyQuadratic(*map(float, parameters))
        expected = np.where(scores <= 0.7, d.log_prob(np.minimum(scores, 0.7)), d.log_sf(0.7))
        np.testing.assert_allclose(found[chain, draw], expected, rtol=1e-9, atol=1e-9)


def test_a_replicated_search_stands_beside_its_draw(scores):
    """Also where there are fewer of them than draws."""
    many = np.tile(scores, 110)[:5100] + 1e-3 * np.random.default_rng(0).normal(size=5100)
    post = quick(many, limits=(-INF, 0.7))
    predicted = post.idata["posterior_predictive"]
    assert predicted.sizes["draw"] < 1000
    share = np.mean(predicted["score"].values < 0.7, axis=-1)
    wanted = post.regime_probability[:, predicted["draw"].values]
    noise = np.sqrt(np.mean(wanted * (1 - wanted)) / len(many))
    assert np.std(share - wanted) == pytest.approx(noise, rel=0.2)
    assert post.predict(3).shape == (3, len(many))
    for number in (0, -1, 1.5):
        with pytest.raises(InputError, match="num is"):
            post.predict(number)


@pytest.mark.filterwarnings("ignore::nqjax.SamplingWarning")
def test_many_searches_are_single_ones(scores):
    sizes = [scores, [1.0, 2.0], search(7, 30), np.full(9, 0.5)]
    limits = [(-INF, 0.7), (-INF, INF), (-INF, 0.5), (-INF, INF)]
    key = jax.random.key(3)
    found = nqjax.sample_posterior_many(sizes, limits=limits, key=key, method="quadrature", num_samples=200)
    assert "too few" in str(found[1])
    assert "all 9 scores are 0.5" in str(found[3])
    for i in (0, 2):
        single = quick(sizes[i], limits=limits[i], key=jax.random.split(key, 4)[i], num_samples=200)
        np.testing.assert_allclose(found[i].alpha, single.alpha, rtol=1e-8, atol=1e-12)
    nuts = nqjax.sample_posterior_many(sizes, limits=limits, key=key, num_samples=300, num_warmup=200)
    test = scipy.stats.ks_2samp(thinned(nuts[2].beta), thinned(found[2].beta))
    assert test.pvalue > 1e-4
    assert nqjax.sample_posterior_many([], key=key, threshold=None) == []


_PROGRAM = """
import json, math
import jax, numpy as np
import nqjax
from nqjax.runtime.compiled import Compiled
devices, at = set(), Compiled.at
Compiled.at = lambda self, device, *arguments: devices.add(device) or at(self, device, *arguments)
rng = np.random.default_rng(3)
studies = [rng.uniform(size=40) + 0.05 * rng.normal(size=40) for _ in range(4)]
found = nqjax.sample_posterior_many(studies, key=jax.random.key(0), method="quadrature", num_samples=500)
print(json.dumps([len(devices), [post.alpha[:, :5].tolist() for post in found]]))
"""


def test_many_searches_on_several_devices():
    """Both forced devices take part, and change nothing."""
    rows = []
    for count in (1, 2):
        env = {**os.environ, "JAX_PLATFORMS": "cpu", "XLA_FLAGS": f"--xla_force_host_platform_device_count={count}"}
        done = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, env=env, check=True)
        devices, alpha = json.loads(done.stdout.splitlines()[-1])
        assert devices == count
        rows.append(alpha)
    np.testing.assert_allclose(rows[0], rows[1], rtol=1e-12)


# --- priors, and what cannot be used --------------------------------------------------------------------------------


def test_priors_matter(scores, posterior):
    other = quick(scores, limits=(-INF, 0.7), prior=nqjax.Prior(gamma={4: 1.0, 5: 1.0}))
    assert set(other.gamma.ravel()) <= {4, 5}
    noisy = quick(scores, limits=(-INF, 0.7), prior=nqjax.Prior(relative_noise=dist.LogNormal(0.0, 0.1)))
    assert noisy.sigma.mean() > 2 * posterior.sigma.mean()
    narrow = quick(scores, limits=(-INF, 0.7), prior=nqjax.Prior(width=dist.LogNormal(math.log(0.5), 0.01)))
    assert narrow.alpha.mean() == pytest.approx(0.2, abs=0.02)


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"prior": 3}, "nqjax.Prior"),
        ({"alpha": 0.0}, "needs room"),
        ({"beta": (0.0, 0.6)}, "inside the regime"),
        ({"limits": (-INF, -5.0)}, "no score lies"),
        ({"method": "hmc"}, "choose one of averaged, nuts, quadrature"),
        ({"num_chains": 0}, "at least 1"),
        ({"num_samples": 2.5}, "whole number"),
        ({"confidence": 1.0}, "between 0 and 1"),
        ({"prior": nqjax.Prior(gamma={7: 1.0})}, "no probability to the range"),
        ({"prior": nqjax.Prior(width=dist.Uniform(1.0, 2.0)), "alpha": (0.0, 0.5)}, "no probability"),
        ({"gamma": (0, 5)}, "whole number from 1"),
    ],
)
def test_mistakes(scores, options, part):
    with pytest.raises(InputError, match=part):
        quick(scores, **{"limits": (-INF, 0.7), **options})


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"regime_share": dist.Normal(0.0, 1.0)}, "beyond its values"),
        ({"relative_noise": dist.Uniform(-1.0, 1.0)}, "beyond its values"),
        ({"relative_noise": dist.ImproperUniform(dist.constraints.positive, (), ())}, "improper"),
        ({"width": 3.0}, "continuous NumPyro distribution"),
        ({"width": dist.Poisson(3.0)}, "continuous NumPyro distribution"),
        ({"relative_noise": dist.LogNormal(np.zeros(2), 1.0)}, "continuous NumPyro distribution"),
    ],
)
def test_priors_that_are_none(options, part):
    with pytest.raises(InputError, match=part):
        nqjax.Prior(**options)


def test_small_and_failed_searches():
    three = quick([0.1, 0.3, 0.7])
    assert np.all(np.isfinite(three.alpha))
    assert np.all(three.alpha < three.beta)
    failed = quick([0.1, 0.3, 0.7, 0.4, math.nan, INF])
    assert failed.limits == (-INF, 0.7)
    assert failed.data.data.num_failed == 2
    assert np.all(failed.alpha < 0.7)
    with pytest.raises(InputError, match="all 4 runs failed"):
        quick([math.nan] * 4)
    tied = quick(np.repeat([0.1, 0.2, 0.4, 0.8], 6))
    assert np.all(np.isfinite(tied.sigma))
    tiny = quick(1e-300 * np.array([1.0, 1.5, 2.0, 3.0, 5.0]))
    assert np.all(np.isfinite(tiny.alpha))
    huge = quick(1e300 * np.array([1.0, 1.5, 2.0, 3.0, 5.0]))
    assert np.all(np.isfinite(huge.alpha))


def test_too_few_draws_are_said_to_be(scores):
    with pytest.warns(nqjax.SamplingWarning, match="effective draws"):
        post = quick(scores, limits=(-INF, 0.7), num_samples=20)
    assert not post.diagnostics.good
    assert "draw more samples" in post.diagnostics.verdict


@pytest.mark.filterwarnings("ignore::nqjax.SamplingWarning")
def test_ends_of_the_computation_are_said_to_be_met(scores):
    """A score far off without a threshold leaves the others no resolution; ties pull towards no noise."""
    far = np.append(scores, 1e9)
    with pytest.warns(nqjax.SamplingWarning, match="sigma runs into 1e\\+01, the least that is computed"):
        quick(far)
    assert quick(far, limits=(-INF, 0.7)).diagnostics.good
    tied = np.append(scores, np.full(20, scores.min()))
    with pytest.warns(nqjax.SamplingWarning, match="bound sigma from below"):
        quick(tied, limits=(-INF, 0.7))
    assert quick(tied, limits=(-INF, 0.7), sigma=(1e-3, INF)).diagnostics.good


def test_a_grid_that_misses_something_is_said_to(posterior):
    """Also where one gamma has all the probability, so that those of the gammas are exact."""
    lanes = [integrate.GammaGrid(0.0, 5.0, posterior), integrate.GammaGrid(-50.0, 0.0, None)]
    error, loss = chains.errors_of(lanes, np.array([0.0, -50.0]))
    assert error < 1e-9
    assert loss == pytest.approx(5)
    draws = posterior.draws._replace(loss=loss)
    assert not diagnostics.surely_good(draws)
    found = diagnostics.diagnose({"alpha": posterior.alpha}, draws)
    assert "misses some of the posterior" in found.verdict
    assert posterior.diagnostics.evidence_error < 0.05
    stuck = diagnostics.diagnose({"alpha": np.ones((4, 100))}, posterior.draws)
    assert "do not move" in stuck.verdict


def test_one_chain_and_other_gammas(scores):
    one = quick(scores, limits=(-INF, 0.7), num_chains=1, gamma=(3, 7))
    assert set(one.gamma.ravel()) <= set(range(3, 8))
    assert list(one.gamma_probabilities) == [3, 4, 5, 6, 7]
    assert all(math.isfinite(x) for x in one.diagnostics.rhat.values())
    with pytest.warns(nqjax.SamplingWarning):
        few = quick(scores, limits=(-INF, 0.7), num_chains=1, num_samples=30)
    assert not few.diagnostics.good


def test_the_evidence_follows_the_unit(scores, posterior):
    used = posterior.num_used
    scaled = quick(8 * scores, limits=(-INF, 8 * 0.7))
    assert scaled.log_evidence == pytest.approx(posterior.log_evidence - used * math.log(8), abs=1e-6)
    width = nqjax.Prior(width=dist.LogNormal(0.0, 1.0)), nqjax.Prior(width=dist.LogNormal(math.log(8.0), 1.0))
    small = quick(scores, limits=(-INF, 0.7), prior=width[0])
    large = quick(8 * scores, limits=(-INF, 8 * 0.7), prior=width[1])
    assert large.log_evidence == pytest.approx(small.log_evidence - used * math.log(8), abs=1e-6)


@pytest.mark.slow
def test_twenty_thousand_scores():
    """More than are looked at one by one while searching: the estimate is where the parameters are."""
    y = search(3, 20_000, 2, 0.05)
    post = quick(y, limits=(-INF, 0.7))
    assert post.gamma_probabilities[2] > 0.99
    assert post.diagnostics.good
    for name, truth in (("alpha", 0.0), ("beta", 1.0), ("sigma", 0.05)):
        x = getattr(post, name)
        assert abs(x.mean() - truth) < 4 * x.std(), name
    assert np.std(post.alpha) < 0.01
