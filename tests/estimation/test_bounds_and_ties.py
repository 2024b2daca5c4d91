"""Fits at the edge: scores on a bound, constraints far from the data, rounding errors, too few different scores."""

import math

import numpy as np
import opda.parametric
import pytest
import scipy.optimize

import nqjax
from nqjax.errors import InputError
from nqjax.estimation.spacings import spacings
from support import searches

INF = math.inf


def bare_scores(gamma=2, count=40, seed=0, minimize=True):
    """Scores without noise, from alpha 0 to beta 1."""
    v = np.random.default_rng(seed).random(count) ** (2 / gamma)
    return v if minimize else 1 - v


# --- a score on a bound -----------------------------------------------------------------------------------------------


def bare_loss(knots, counts, alpha, beta, gamma):
    """Return the objective of the quadratic, for knots with both ends of the distribution among them."""
    v = np.clip((np.asarray(knots) - alpha) / (beta - alpha), 0, 1) ** (gamma / 2)
    mass, total = np.diff(v), np.sum(counts)
    with np.errstate(divide="ignore"):
        return -np.sum(counts / total * np.log(mass * total / counts))


@pytest.mark.parametrize("minimize", [True, False])
@pytest.mark.parametrize("gamma", [1, 2, 3])
@pytest.mark.parametrize("losing", [True, False])
def test_a_score_on_the_bound(minimize, gamma, losing):
    """The count of the interval beyond the bound, which cannot have mass, goes to the next one."""
    y = np.sort(bare_scores(gamma, seed=gamma))
    best, worst, n = float(y[0]), float(y[-1]), len(y)
    bounds = {"beta": (-INF, worst)} if losing else {"alpha": (best, INF)}
    if not minimize:
        bounds = {"alpha": (-worst, INF)} if losing else {"beta": (-INF, -best)}
    fit = nqjax.fit(y if minimize else -y, minimize=minimize, gamma=gamma, threshold=None, sigma=0, **bounds)
    alpha, beta = (fit.alpha, fit.beta) if minimize else (-fit.beta, -fit.alpha)

    def loss(end):
        a, b = (end, worst) if losing else (best, end)
        knots = np.concatenate([[a], y, [] if losing else [b]]) if losing else np.concatenate([y, [b]])
        counts = np.ones(len(knots) - 1)
        counts[-1 if losing else 0] += 1
        return bare_loss(knots, counts, a, b, gamma)

    ends = (best - 1, best - 1e-12) if losing else (worst + 1e-12, worst + 1)
    expected = scipy.optimize.minimize_scalar(loss, bounds=ends, method="bounded", options={"xatol": 1e-12})
    assert (beta if losing else alpha) == (worst if losing else best)
    assert fit.converged
    assert fit.loss == pytest.approx(expected.fun, abs=1e-9)
    assert (alpha if losing else beta) == pytest.approx(expected.x, abs=1e-5)
    assert np.isfinite(fit.loss)
    assert fit.loss == pytest.approx(loss(alpha if losing else beta), abs=1e-12)
    assert fit.num_scores == n


@pytest.mark.parametrize("minimize", [True, False])
def test_a_score_on_the_upper_bound_is_fitted_as_opda_does(minimize):
    """On the lower bound opda leaves the score out instead, in both directions; here both ends are alike."""
    y = bare_scores(1, 30, seed=5, minimize=minimize)
    top = float(np.max(y))
    theirs = opda.parametric.QuadraticDistribution.fit(
        y, constraints={"b": top, "c": 1, "convex": minimize}, generator=np.random.default_rng(0)
    )
    ours = nqjax.fit(y, minimize=minimize, gamma=1, sigma=0, beta=top, threshold=None)
    assert ours.beta == theirs.b == top
    assert ours.alpha == pytest.approx(theirs.a, abs=1e-5)


def test_scores_on_both_bounds():
    y = np.sort(bare_scores(2, 30))
    ends = float(y[0]), float(y[-1])
    fit = nqjax.fit(y, sigma=0, alpha=ends[0], beta=ends[1], threshold=None)
    assert (fit.alpha, fit.beta, fit.sigma) == (*ends, 0)
    counts = np.ones(29)
    counts[[0, -1]] += 1
    for gamma, loss in fit.losses_by_gamma.items():
        assert loss == pytest.approx(bare_loss(y, counts, *ends, gamma), abs=1e-12)
    mirror = nqjax.fit(-y, minimize=False, sigma=0, alpha=-ends[1], beta=-ends[0], threshold=None)
    assert (mirror.alpha, mirror.beta, mirror.loss, mirror.gamma) == (-ends[1], -ends[0], fit.loss, fit.gamma)


def test_resamples_with_scores_on_a_bound():
    import jax

    y = bare_scores(2, 30)
    best = float(np.min(y))
    boot = nqjax.bootstrap(y, 40, key=jax.random.key(0), gamma=2, sigma=0, alpha=best, limits=(-INF, INF))
    assert boot.num_failed == 0
    assert np.all(boot.alpha == best)
    assert np.all(np.isfinite(boot.beta))


def test_no_score_may_lie_beyond_a_bound():
    y = bare_scores()
    for bounds in ({"alpha": float(np.sort(y)[1])}, {"beta": float(np.sort(y)[-2])}):
        with pytest.raises(InputError, match="without noise"):
            nqjax.fit(y, threshold=None, sigma=0, **bounds)
    # Censored scores lie beyond a bound at the limit.
    with pytest.raises(InputError, match="without noise"):
        nqjax.fit(y, limits=(-INF, 0.5), sigma=0, beta=float(np.max(y[y <= 0.5])))


# --- constraints far from the data ------------------------------------------------------------------------------------


@pytest.mark.parametrize("minimize", [True, False])
@pytest.mark.parametrize(
    ("constraint", "name"),
    [
        ({"sigma": (1e4, 1e5)}, "sigma"),
        ({"sigma": 1e-9}, "sigma"),
        ({"alpha": -1e9}, "alpha"),
        ({"alpha": (-1e12, -1e8)}, "alpha"),
        ({"beta": 1e9}, "beta"),
        ({"beta": (1e8, INF), "alpha": (-1, 1)}, "beta"),
    ],
)
def test_constraints_out_of_reach(constraint, name, minimize):
    y = bare_scores()
    if not minimize:
        swap = {"alpha": "beta", "beta": "alpha", "sigma": "sigma"}
        flip = {
            k: v if k == "sigma" else (-v if isinstance(v, float) else (-v[1], -v[0])) for k, v in constraint.items()
        }
        constraint, name, y = {swap[k]: v for k, v in flip.items()}, swap[name], -y
    with pytest.raises(InputError, match=f"constraint on {name} is out of reach") as caught:
        nqjax.fit(y, threshold=None, minimize=minimize, **constraint)
    assert len(str(caught.value)) < 200
    (one,) = nqjax.fit_many([y], threshold=None, minimize=minimize, **constraint).failures
    assert "out of reach" in one


@pytest.mark.parametrize(
    "constraint",
    [{"sigma": (10.0, 90.0)}, {"alpha": -1e4}, {"beta": 1e5}, {"sigma": 1e-5}, {"alpha": (-50, -20), "beta": (30, 60)}],
)
def test_the_loss_is_that_of_the_answer(constraint):
    search = searches.Search("bounded", bare_scores(2, 60), (-INF, INF), True, constraint)
    fit = search.fit()
    for name, value in constraint.items():
        low, high = value if isinstance(value, tuple) else (value, value)
        assert low <= getattr(fit, name) <= high
    found = searches.loss(search, fit.alpha, fit.beta, fit.gamma, fit.sigma)
    assert fit.loss == pytest.approx(found, abs=1e-9)


# --- rounding errors --------------------------------------------------------------------------------------------------


def test_scores_that_differ_by_rounding_are_ties():
    base = np.array([0.0, 0.3, 0.5, 0.9])
    for jitter in (1e-17, 2e-16, 1e-14):
        found = spacings(np.concatenate([base, base + jitter, base - jitter]))
        assert found.num_distinct == 4
        assert found.counts.tolist() == [3, 3, 3, 3, 1]
    # Also around a large number, and everywhere at once.
    assert spacings(1e9 * (1 + 1e-15 * np.arange(20))).num_distinct == 1
    assert spacings(1e9 + np.arange(40) / 64).num_distinct == 40
    # Small scores among larger ones are told apart down to 1e-12 of the range.
    assert spacings([1e-11, 3e-11, 0.9]).num_distinct == 3


@pytest.mark.parametrize("minimize", [True, False])
@pytest.mark.parametrize("sigma", [None, 0.0])
def test_fits_of_scores_with_rounding_errors(minimize, sigma):
    rng = np.random.default_rng(3)
    y = np.round(bare_scores(2, 60, seed=3), 2)
    options = {"gamma": 2, "minimize": minimize, "sigma": sigma, "threshold": None}
    y = y if minimize else -y
    expected = nqjax.fit(y, **options)
    for jitter in (1e-17, 1e-16, 5e-15):
        found = nqjax.fit(y + jitter * rng.integers(-3, 4, len(y)), **options)
        assert found.loss == pytest.approx(expected.loss, abs=1e-9)
        assert found.alpha == pytest.approx(expected.alpha, abs=1e-9)
        assert found.beta == pytest.approx(expected.beta, abs=1e-9)


def test_a_score_of_1e_17_beside_09():
    fit = nqjax.fit([0.0, 1e-17, 0.3, 0.5, 0.7, 0.8, 0.9], sigma=0, gamma=2, threshold=None)
    assert math.isfinite(fit.loss)
    assert fit.converged


# --- too few different scores -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("minimize", [True, False])
def test_equal_scores_are_a_point_mass(minimize):
    with pytest.warns(UserWarning, match=r"all 9 scores are 0\.25: the fit is a point mass"):
        fit = nqjax.fit([0.25] * 9, limits=(-INF, INF), minimize=minimize)
    with pytest.warns(RuntimeWarning, match="unidentifiable"):
        theirs = opda.parametric.QuadraticDistribution.fit(
            np.full(9, 0.25), constraints={"convex": minimize, "c": (1, 3)}, generator=np.random.default_rng(0)
        )
    assert (fit.alpha, fit.beta) == (theirs.a, theirs.b) == (0.25, 0.25)
    assert (fit.sigma, fit.loss, fit.gamma, fit.converged) == (0, 0, 1, True)
    assert fit.regime_probability == 1
    np.testing.assert_array_equal(fit.quantile_tuning_curve([1, 10]), [0.25, 0.25])
    np.testing.assert_array_equal(fit.average_tuning_curve([1, 10]), [0.25, 0.25])
    np.testing.assert_array_equal(fit.distribution.cdf([0.2, 0.25, 0.3]), [0, 1, 1])
    (many,) = nqjax.fit_many([[0.25] * 9], minimize=minimize, threshold=None)
    assert many == fit


@pytest.mark.parametrize(
    ("scores", "options"),
    [
        ([0.25] * 9 + [math.nan], {}),
        ([0.25] * 9 + [0.5], {"limits": (-INF, 0.3)}),
        ([0.25] * 9, {"sigma": 0.1}),
        ([0.25] * 9, {"alpha": 0.2}),
    ],
)
def test_no_point_mass(scores, options):
    with pytest.raises(InputError, match=r"all 9 scores.* are 0\.25, at least 3 different ones are needed"):
        nqjax.fit(scores, **{"limits": (-INF, INF), **options})


def test_two_different_scores_without_noise():
    fit = nqjax.fit([0.25, 0.25, 0.75], sigma=0, gamma=2, threshold=None)
    # One count below 0.25 (two scores), one between, one above: a uniform distribution with a mass of 1/2 below 0.25.
    assert fit.alpha == pytest.approx(0.25 - 1, abs=1e-6)
    assert fit.beta == pytest.approx(0.75 + 0.5, abs=1e-6)
    with pytest.raises(InputError, match="only 2 different scores"):
        nqjax.fit([0.25, 0.25, 0.75], limits=(-INF, INF))
