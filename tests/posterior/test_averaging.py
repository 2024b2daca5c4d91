"""The parts of the averaged posterior, each against something independent."""

import math

import jax
import numpy as np
import pytest
import scipy.integrate
import scipy.special
import scipy.stats

import nqjax
from nqjax.estimation.constraints import read_constraints
from nqjax.estimation.rounding import rounding_unit
from nqjax.estimation.study import Study
from nqjax.posterior.averaging import beyond
from nqjax.posterior.averaging import prior as averaging_prior
from nqjax.posterior.averaging.average import average
from nqjax.posterior.averaging.beyond import log_densities_beyond
from nqjax.posterior.averaging.data import read_search
from nqjax.posterior.averaging.density import _program, log_densities
from nqjax.posterior.averaging.importance import sample
from nqjax.posterior.averaging.likelihood import Parameters, Scores, log_likelihoods
from nqjax.posterior.averaging.space import Space
from nqjax.posterior.density.data import read_regime
from nqjax.posterior.density.log_joint import log_joint
from nqjax.special import chunked

KEY = jax.random.key(0)


def study_of(scores, gamma=(1, 5), minimize=True):
    constraints = read_constraints(None, None, gamma, None, minimize)
    return Study.constrained(scores, (-math.inf, math.inf), minimize, constraints)


@pytest.fixture(scope="module")
def scores():
    """A search whose regime is the best fifth of its scores: gamma 3, ends at 1, alpha 0, sigma 0.1."""
    rng = np.random.default_rng(5)
    y = 2.9 * rng.random(64) ** (2 / 3) + 0.1 * rng.normal(size=64)
    return np.where(y > 1, 1 + np.expm1(2 * (y - 1)) / 2, y)


def points(count, rng, low=0.75):
    """Return parameters of all kinds, on the scale of a regime."""
    return Parameters(
        -np.exp(rng.normal(-2, 1, count)),
        np.exp(rng.uniform(0.1, 3, count)),
        np.exp(rng.uniform(-7, 1, count)),
        np.exp(rng.uniform(math.log(low), math.log(10), count)),
    )


def one_score(at, values, unit=0.0):
    """Return log densities at each value, and log survival functions, by the program of all thresholds."""
    size = len(values)
    data = Scores(values, np.eye(size), values, np.zeros(size), np.float64(unit), np.float64(1.0))
    density = log_likelihoods(at, data, bool(unit))
    survival = log_likelihoods(at, data._replace(counts=np.zeros((size, size)), beyond=np.ones(size)), bool(unit))
    return np.asarray(density), np.asarray(survival)


def test_the_likelihood_against_the_distribution(x64):
    """Real gammas, all noise levels: 1e-4 of a score's density, against the package's functions to rounding error."""
    rng = np.random.default_rng(0)
    at, values = points(200, rng), np.sort(rng.uniform(0, 1, 16))
    density, survival = one_score(at, values)
    r = values - at.alpha[:, None]
    family = [np.broadcast_to(a[:, None], r.shape) for a in at[1:]]
    expected = chunked.noisy_log_pdf(r, *family)
    likely = expected > -100
    assert np.abs(density - expected)[likely].max() < 2e-4
    assert np.median(np.abs(density - expected)[likely]) < 2e-6
    assert np.exp(survival) == pytest.approx(1 - chunked.noisy_cdf(r, *family), abs=3e-5)


@pytest.mark.parametrize("gamma", [0.5, 0.6, 1.3])
@pytest.mark.parametrize("sigma", [0.01, 0.3])
def test_small_gammas_against_numerical_integrals(x64, gamma, sigma):
    """Below 1, where the package's other functions do not reach: the definition, integrated by SciPy."""
    at = Parameters(*(np.array([a]) for a in (-0.05, 1.5, sigma, gamma)))
    values = np.array([-0.04, 0.0, 0.3, 0.9])
    (found,), _ = one_score(at, values)

    def integrand(u, y):  # with V = u**(2 / gamma), uniform in u
        return scipy.stats.norm.pdf(y, -0.05 + 1.5 * u ** (2 / gamma), sigma)

    for y, value in zip(values, found, strict=True):
        spot = min(max((y + 0.05) / 1.5, 0.0), 1.0) ** (gamma / 2)
        expected, _ = scipy.integrate.quad(integrand, 0, 1, args=(y,), points=[spot], limit=400)
        assert math.exp(value) == pytest.approx(expected, rel=2e-4)


def test_rounded_scores_have_the_probability_of_their_intervals(x64):
    rng = np.random.default_rng(1)
    at, values, unit = points(100, rng), np.linspace(0, 0.9, 10), 0.1
    density, _ = one_score(at, values, unit)
    r = values - at.alpha[:, None]
    family = [np.broadcast_to(a[:, None], r.shape) for a in at[1:]]
    mass = chunked.noisy_cdf(r + unit / 2, *family) - chunked.noisy_cdf(r - unit / 2, *family)
    likely = mass > 1e-6
    assert np.exp(density)[likely] * unit == pytest.approx(mass[likely], rel=3e-3)


def log_noise_ratio(sigma, alpha, end, scores):
    """Return the log of the averaged posterior's prior of sigma over that of `nqjax.Prior` within a threshold."""
    width, quarter = end - alpha, np.quantile(scores, 0.25) - alpha
    possible = (width > 0) & (quarter > 0) & (sigma > 3e-3 * quarter)
    width, quarter = np.where(possible, width, 1.0), np.where(possible, quarter, 1.0)
    usual = scipy.stats.norm.logpdf(np.log(sigma / width), math.log(0.1), 1.5)
    return np.where(possible, scipy.stats.norm.logpdf(np.log(sigma / quarter), math.log(0.2), 3.0) - usual, -np.inf)


def test_the_density_is_the_joint_density_of_each_threshold(scores, monkeypatch):
    """Against `log_joint`, which the posterior within one regime has for any points, with its own quadrature."""
    monkeypatch.setattr(averaging_prior, "_REACH", 1e9)
    _program.cache_clear()
    search = read_search(study_of(scores), 0.0)
    number = len(search.thresholds)
    space = Space((1.0, 5.0), np.asarray(search.scores.thresholds)[:number], search.used, search.beyond)
    x, _ = space.first(300, np.random.default_rng(2))
    at, volume = space.to_parameters(x)
    at = at._replace(gamma=np.rint(at.gamma))
    whole = space._replace(gamma=(1.0, 1.0))
    monkeypatch.setattr(Space, "to_parameters", lambda self, x: (at, 0 * volume))
    found = log_densities(search, whole, None, lambda at: np.zeros(len(x)))(x)
    _program.cache_clear()
    alpha = search.best + search.scale * at.alpha
    beta, sigma = alpha + search.scale * at.delta, search.scale * at.sigma
    parameters = np.stack([alpha, beta, at.gamma, sigma], axis=1)
    for k, end in enumerate(search.thresholds):
        study = study_of(scores)._replace(limits=(-math.inf, float(end)))
        exact = log_joint(parameters, read_regime(study), study.constraints, nqjax.Prior().parts)
        # `log_joint` is a density of (alpha, beta, sigma), with the scores on their own scale.
        expected = exact + np.log(search.scale**2 * at.delta * at.sigma) + np.log(search.scale)
        expected += search.used[k] * math.log(search.scale) + search.log_beyond[k]
        expected += log_noise_ratio(sigma, alpha, end, scores)
        likely = (expected > expected.max() - 40) & np.isfinite(found[:, k])
        assert likely.sum() > 3
        shift = found[likely, k] - expected[likely]
        assert np.ptp(shift) < 0.02


def test_importance_sampling_of_a_known_density():
    """Two bent heaps in four dimensions: the integral and the moments are known."""
    weights, centers = np.array([0.3, 0.7]), np.array([[4.0, 0, 0, 0], [-2.0, 1, 0, 2]])

    def log_density(x):
        bent = x.copy()
        bent[:, 1] = x[:, 1] - 0.3 * x[:, 0] ** 2
        heaps = [
            np.log(w) + 2.0 + scipy.stats.norm.logpdf(bent - c).sum(1) for w, c in zip(weights, centers, strict=True)
        ]
        return np.stack(heaps, axis=1)

    rng = np.random.default_rng(0)

    def first(count):
        x = 10 * rng.standard_normal((count, 4))
        return x, scipy.stats.norm.logpdf(x / 10).sum(1) - 4 * math.log(10)

    found = sample(log_density, first, 8192, rng)
    error = 4 / math.sqrt(found.effective)
    assert found.effective > 800
    assert found.log_integral == pytest.approx(2.0, abs=error)
    assert found.weight.sum() == pytest.approx(1)
    assert found.weight @ found.x[:, 0] == pytest.approx(0.3 * 4 - 0.7 * 2, abs=3 * error)
    shares = np.exp(found.parts - scipy.special.logsumexp(found.parts, axis=1)[:, None])
    assert found.weight @ shares[:, 0] == pytest.approx(0.3, abs=error)


def test_each_parameter_of_the_density_beyond_has_a_cost(scores, monkeypatch):
    """The effective parameters are the shares of the scores' own kernels, summed over the scores beyond."""
    y, ends = np.sort(scores), np.quantile(scores, [0.3, 0.6])
    with_cost = log_densities_beyond(y, ends)
    monkeypatch.setattr(beyond, "_COST", 0.0)
    cost = log_densities_beyond(y, ends) - with_cost
    x = np.log(y[1:] - y[0])
    width = beyond._best_density(x).width
    kernel = scipy.stats.norm.pdf(x[:, None], x, width)
    own = np.diag(kernel) / kernel.sum(axis=1)
    assert cost == pytest.approx([0.3 * own[y[1:] > end].sum() for end in ends], rel=1e-9)


def test_thresholds_weigh_as_their_evidences_by_quadrature(scores, monkeypatch):
    """The probabilities of the thresholds for one gamma, against integrals on grids."""
    monkeypatch.setattr(averaging_prior, "_REACH", 1e9)
    _program.cache_clear()
    found = average(study_of(scores, (3, 3)), None, 0.0, np.random.default_rng(0), 16384)
    _program.cache_clear()
    search = found.search
    evidence = []
    for end in search.thresholds:
        post = nqjax.sample_posterior(scores, threshold=end, gamma=3, key=KEY)
        ratio = log_noise_ratio(post.sigma, post.alpha, end, scores)
        evidence.append(post.log_evidence + scipy.special.logsumexp(ratio) - math.log(ratio.size))
    log_weight = np.array(evidence) + search.used * math.log(search.scale) + search.log_beyond
    assert found.weight @ found.thresholds == pytest.approx(scipy.special.softmax(log_weight), abs=0.02)
    assert np.all(found.gamma == 3)


@pytest.mark.parametrize("decimals", [1, 2, 3])
def test_the_unit_of_rounded_scores_is_found(decimals):
    rng = np.random.default_rng(decimals)
    scores = np.round(0.9 - 0.3 * rng.random(200) ** 2, decimals)
    assert rounding_unit(scores) == pytest.approx(10.0**-decimals, rel=1e-9)
    assert rounding_unit(np.append(scores, np.nan)) == rounding_unit(scores)


def test_units_that_are_no_decimals():
    """Accuracies are multiples of one over the number of examples; scores without ties are exact."""
    rng = np.random.default_rng(0)
    assert rounding_unit(rng.binomial(9815, 0.9, 500) / 9815) == pytest.approx(1 / 9815, rel=1e-6)
    assert rounding_unit(rng.random(100)) == 0
    assert rounding_unit(np.round(rng.random(5), 6)) == 0
    assert rounding_unit(np.array([0.25, 0.25])) == 0
    y = rng.random(50)
    jittered = np.concatenate([y, y + 4 * np.spacing(y)])
    assert rounding_unit(jittered) == 0
