"""`nqjax.fit`: published values, symmetries, the global optimum, constraints, and what odd or bad input does."""

import dataclasses
import itertools
import json
import logging
import math
import subprocess
import sys

import jax
import numpy as np
import pytest
import scipy.optimize

import nqjax
from nqjax.errors import InputError
from nqjax.estimation import fit as estimate
from nqjax.estimation import study
from support import searches
from support.searches import INF, Search

UNIT = (0.0, 1.0)
#: Up to 64 knots: one program serves nearly all tests here.
SMALL = list(searches.simulated(10, sizes=(12, 24, 40, 48)))
LARGE = list(searches.simulated(64))


def names(cases):
    return [f"{i}: {case.name}" for i, case in enumerate(cases)]


def search_of(truth=2, s=0.1, size=48, threshold=None, seed=0, **constraints):
    """Return a simulated search that minimises, its threshold at a quantile; ``truth`` is its gamma."""
    y = searches.draw(np.random.default_rng([seed, truth]), size, truth, s)
    limits = (-INF, INF if threshold is None else float(np.quantile(y, threshold)))
    return Search("simulated", y, limits, True, {"gamma": (1, 5), **constraints})


# --- published values -----------------------------------------------------------------------------------------------


def published(shared_data, name):
    return searches.published(shared_data)[name].fit()


@pytest.mark.smoke
def test_deberta_minimising(shared_data):
    fit = published(shared_data, "DeBERTaV3, error")
    assert (f"{fit.alpha:.3f}", f"{fit.beta:.3f}", fit.gamma, f"{fit.sigma:.1e}") == ("0.095", "0.141", 1, "1.0e-03")
    assert (fit.num_scores, fit.num_used, fit.num_censored, fit.num_failed) == (1024, 588, 436, 0)
    # The source's own optimiser ends at 57.33 % or 57.43 % by its seed; 57.3 % was printed.
    assert fit.regime_probability == pytest.approx(0.573, abs=1e-3)


def test_deberta_maximising(shared_data):
    fit = published(shared_data, "DeBERTaV3, accuracy")
    assert (f"{fit.alpha:.3f}", f"{fit.beta:.3f}", fit.gamma) == ("0.859", "0.905", 1)
    # Published with counts that are not mirror-symmetric (see below), which is worth one in the last digit of these.
    assert fit.sigma == pytest.approx(1.1e-3, abs=1e-4)
    assert fit.regime_probability == pytest.approx(0.575, abs=2e-3)
    # It is the mirror image of the fit to the error rate; 1 - accuracy rounds by 1e-16, which 1e-3 of sigma sees as
    # 1e-13, and parameters as the root of that at worst.
    error = published(shared_data, "DeBERTaV3, error")
    assert (1 - fit.beta, 1 - fit.alpha, fit.sigma) == pytest.approx((error.alpha, error.beta, error.sigma), abs=1e-8)
    assert fit.loss == pytest.approx(error.loss, abs=1e-12)


def test_convnext_maximising(shared_data):
    fit = published(shared_data, "ConvNeXt, top-1")
    assert (f"{fit.beta:.3f}", fit.gamma) == ("0.744", 2)
    # Published with counts that are not mirror-symmetric: the far end, which lies six times as far from the best score
    # as the threshold does, feels it in the second digit, sigma in the last one printed.
    assert fit.alpha == pytest.approx(0.041, abs=1e-2)
    assert fit.sigma == pytest.approx(7.9e-3, abs=1e-4)
    assert fit.regime_probability == pytest.approx(0.204, abs=2e-3)
    assert (fit.num_scores, fit.num_used, fit.num_censored, fit.num_failed) == (512, 104, 408, 0)


def fit_with_counts_of_opda(search):
    """Fit a maximisation with the published convention: left-open intervals, one count above the highest score.

    Mirrored to minimisation the intervals are open on the right, so each score counts in the interval that it begins,
    and the extra count goes to the winning side. The knots, the program and all else stay ours.
    """
    threshold = search.limits[0]
    inside = search.scores[search.scores > threshold]
    # opda rounds near-ties away; no score here is as near to another as 1e-9.
    values, times = np.unique(np.round(-inside, 12), return_counts=True)
    data = dataclasses.replace(
        search.spacings(),
        knots=np.append(values, -threshold),
        counts=np.concatenate([[1.0], times, [float(len(search.scores) - len(inside))]]),
    )
    whole = study.Study.read(search.scores, search.limits, False, **search.constraints)
    return data, estimate.fit_prepared(study.scaled(whole, data))


def test_published_maxima_follow_from_the_convention_alone(shared_data):
    """With opda's counts our optimiser gives the published values: the difference is the objective's, not the fit's."""
    rows = searches.published(shared_data)
    _, fit = fit_with_counts_of_opda(rows["DeBERTaV3, accuracy"])
    assert (f"{fit.alpha:.3f}", f"{fit.beta:.3f}", fit.gamma, f"{fit.sigma:.1e}") == ("0.859", "0.905", 1, "1.1e-03")
    assert f"{fit.regime_probability:.1%}" == "57.5%"

    _, fit = fit_with_counts_of_opda(rows["ConvNeXt, top-1"])
    assert (f"{fit.beta:.3f}", fit.gamma, f"{fit.sigma:.1e}") == ("0.744", 2, "7.9e-03")
    # 0.0418 and 20.47 % here and by opda 0.8.0 (see the slow test); 0.041 and 20.4 % were printed, cut and not rounded.
    assert fit.alpha == pytest.approx(0.041, abs=1e-3)
    assert fit.regime_probability == pytest.approx(0.204, abs=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["DeBERTaV3, accuracy", "ConvNeXt, top-1"])
def test_opda_agrees_when_the_counts_are_its_own(shared_data, name):
    search = searches.published(shared_data)[name]
    data, fit = fit_with_counts_of_opda(search)
    theirs = searches.opda_fit(search)
    # Its differential evolution stops early: two seeds differ by 3e-5 in the far end and 6e-6 in sigma.
    assert theirs.gamma == fit.gamma
    assert (theirs.alpha, theirs.beta, theirs.sigma) == pytest.approx((fit.alpha, fit.beta, fit.sigma), abs=1e-4)
    under_its_objective = searches.loss(data, -theirs.beta, -theirs.alpha, theirs.gamma, theirs.sigma)
    assert fit.loss <= under_its_objective + 1e-9
    assert under_its_objective == pytest.approx(fit.loss, abs=1e-5)


# --- symmetries -----------------------------------------------------------------------------------------------------


def mirror_of(fit):
    low, high = fit.limits
    return dataclasses.replace(
        fit,
        alpha=-fit.beta,
        beta=-fit.alpha,
        parameters_by_gamma={g: (-b, -a, s) for g, (a, b, s) in fit.parameters_by_gamma.items()},
        minimize=not fit.minimize,
        limits=(-high, -low),
        best_score=-fit.best_score,
    )


CONSTRAINTS = [
    {"alpha": (0.0, 0.05)},
    {"alpha": 0.01},
    {"beta": (-INF, 0.8)},
    {"beta": 1.1},
    {"sigma": 0.05},
    {"sigma": (0.2, 0.3)},
    {"alpha": (-0.1, 0.0), "beta": (0.9, 1.0), "sigma": (0.01, 1.0)},
    {"sigma": 0.0},
    {"sigma": 0.0, "alpha": -1.0, "beta": (1.2, 1.3)},
]


@pytest.mark.parametrize("search", SMALL, ids=names(SMALL))
def test_mirror_image_is_exact(search):
    assert search.mirrored().fit() == mirror_of(search.fit())


@pytest.mark.parametrize("constraints", CONSTRAINTS, ids=str)
def test_mirror_image_is_exact_within_constraints(constraints):
    search = search_of(s=0.0 if constraints.get("sigma") == 0 else 0.1, threshold=0.7, **constraints)
    fit = search.fit()
    assert search.mirrored().fit() == mirror_of(fit)
    assert search.mirrored().mirrored().fit() == fit


@pytest.mark.slow
@pytest.mark.parametrize("search", LARGE, ids=names(LARGE))
def test_mirror_image_is_exact_for_large_searches_too(search):
    assert search.mirrored().fit() == mirror_of(search.fit())


def moved(search, scale, shift):
    constraints = {
        k: v if k == "gamma" else tuple(scale * x + (0 if k == "sigma" else shift) for x in v)
        for k, v in search.constraints.items()
    }
    limits = tuple(shift + scale * x for x in search.limits)
    return search._replace(scores=shift + scale * search.scores, limits=limits, constraints=constraints)


@pytest.mark.parametrize(
    "constraints", [{}, {"alpha": (0.02, 1.0), "sigma": (0.05, 0.5)}], ids=["free", "within constraints"]
)
def test_rescaling_the_scores_rescales_the_fit(constraints):
    search = search_of(threshold=0.8, **constraints)
    for scale, shift in ((1e-6, 0.0), (3.7, -2.0), (1e6, 1e5), (0.01, 100 / 7)):
        there = moved(search, scale, shift)
        # The last shift rounds the scores by 2e-13 of their range: its fit is compared with that of the rounded ones.
        limits = tuple((end - shift) / scale for end in there.limits)
        fit = search._replace(scores=(there.scores - shift) / scale, limits=limits).fit()
        other = there.fit()
        # An end is off by its gradient over the curvature, which is about 1 here; with gradients of 0 by 1e-8 at most.
        gradients = fit.gradient_norm + other.gradient_norm
        assert gradients < 1e-7
        close = 1e-8 + gradients
        assert (other.alpha - shift) / scale == pytest.approx(fit.alpha, abs=close)
        assert (other.beta - shift) / scale == pytest.approx(fit.beta, abs=close)
        assert other.sigma / scale == pytest.approx(fit.sigma, abs=close)
        assert other.gamma == fit.gamma
        assert other.loss == pytest.approx(fit.loss, abs=1e-12)
        assert other.regime_probability == pytest.approx(fit.regime_probability, abs=close)


def test_order_of_the_scores_does_not_matter():
    search = search_of(threshold=0.8)
    assert search._replace(scores=np.random.default_rng(0).permutation(search.scores)).fit() == search.fit()


# --- the global optimum ---------------------------------------------------------------------------------------------


def check_optimum(search, fit):
    """The loss is what the definition says, the end is a minimum, and a dense multi-start finds no better one."""
    # Two quadratures of 1e-13 each, of masses from 1e-3 down.
    assert searches.loss(search, fit.alpha, fit.beta, fit.gamma, fit.sigma) == pytest.approx(fit.loss, abs=1e-9)
    assert fit.converged
    assert fit.loss == fit.losses_by_gamma[fit.gamma] == min(fit.losses_by_gamma.values())
    dense = searches.dense_losses(search)
    # The acceptance's figure. Where the loss falls for ever, as towards a normal distribution, both stop short of it.
    assert fit.loss <= min(dense.values()) + 1e-8
    # A gamma that loses must not look better than it is. Where its loss falls for ever, towards a normal distribution,
    # the multi-start stops up to 1e-7 short of where the fit does.
    for gamma, loss in fit.losses_by_gamma.items():
        assert loss >= dense[gamma] - 1e-6


@pytest.mark.parametrize("search", SMALL, ids=names(SMALL))
def test_no_better_optimum_by_a_dense_multistart(search):
    check_optimum(search, search.fit())


@pytest.mark.slow
@pytest.mark.parametrize("search", LARGE, ids=names(LARGE))
def test_no_better_optimum_by_a_dense_multistart_for_large_searches_too(search):
    check_optimum(search, search.fit())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["DeBERTaV3, error", "DeBERTaV3, accuracy", "ConvNeXt, top-1"])
@pytest.mark.parametrize("part", ["published", "everything"])
def test_no_better_optimum_for_the_reference_searches(shared_data, name, part):
    search = searches.published(shared_data)[name]
    if part == "everything":
        search = search._replace(limits=(-INF, INF), constraints={"gamma": (1, 5)})
    check_optimum(search, search.fit())


#: The acceptance's figure for losses: what is left to rounding.
ROUNDING = 1e-9


def above_opda(search):
    """Return the loss minus the loss of opda's fit."""
    return search.fit().loss - searches.loss(search, *searches.opda_fit(search))


@pytest.mark.parametrize("case", [1, 6, 8])
def test_never_worse_than_opda(case):
    assert above_opda(SMALL[case]) <= ROUNDING


@pytest.mark.slow
@pytest.mark.parametrize("search", LARGE, ids=names(LARGE))
def test_never_worse_than_opda_for_large_searches_too(search):
    assert above_opda(search) <= ROUNDING


@pytest.mark.slow
@pytest.mark.parametrize("name", ["DeBERTaV3, error", "DeBERTaV3, accuracy", "ConvNeXt, top-1"])
def test_never_worse_than_opda_for_the_reference_searches(shared_data, name):
    assert above_opda(searches.published(shared_data)[name]) <= ROUNDING


def minimum_over(search, gamma, fixed, starts):
    """Minimise the objective's definition over the parameters that are not fixed, by Nelder and Mead's method.

    A start is alpha, the logarithm of beta - alpha, which counts unless beta is fixed, and that of sigma.
    """
    free = [k for k in ("alpha", "delta", "sigma") if k not in fixed and (k != "delta" or "beta" not in fixed)]
    data = search.spacings()

    def loss(x):
        at = dict(zip(free, x, strict=True))
        alpha = fixed.get("alpha", at.get("alpha"))
        beta = alpha + math.exp(at["delta"]) if "delta" in at else fixed["beta"]
        sigma = math.exp(at["sigma"]) if "sigma" in at else fixed["sigma"]
        value = searches.loss(data, alpha, beta, gamma, sigma) if alpha < beta else INF
        return value if math.isfinite(value) else 1e3  # the simplex cannot do sums with infinity

    options = {"xatol": 1e-9, "fatol": 1e-13, "maxiter": 4000, "maxfev": 4000}
    starts = [[start[name] for name in free] for start in starts]
    return min(scipy.optimize.minimize(loss, x, method="Nelder-Mead", options=options).fun for x in starts)


@pytest.mark.parametrize("gamma", [1, 3])
def test_no_better_optimum_by_another_method(gamma):
    """Neither the optimiser nor the code of the objective is shared here."""
    search = search_of(gamma, 0.05, threshold=0.8)
    fit = search.fit()
    starts = [
        {"alpha": a, "delta": d, "sigma": math.log(s)}
        for a, d, s in ((-0.1, 0.0, 0.1), (0.05, 0.3, 0.01), (-0.5, 0.5, 0.3))
    ]
    best = minimum_over(search, fit.gamma, {}, starts)
    assert fit.loss == pytest.approx(best, abs=1e-8)


# --- constraints ----------------------------------------------------------------------------------------------------


def within(value, constraint):
    low, high = constraint if isinstance(constraint, tuple) else (constraint, constraint)
    return low <= value <= high


@pytest.mark.parametrize("threshold", [None, 0.6])
@pytest.mark.parametrize("constraints", CONSTRAINTS, ids=str)
def test_constraints_hold_exactly(constraints, threshold):
    minimizing = search_of(s=0.0 if constraints.get("sigma") == 0 else 0.1, threshold=threshold, **constraints)
    for search in (minimizing, minimizing.mirrored()):
        fit = search.fit()
        assert all(within(getattr(fit, name), constraint) for name, constraint in search.constraints.items())
        assert fit.alpha < fit.beta
        assert fit.converged
        loss = searches.loss(search, fit.alpha, fit.beta, fit.gamma, fit.sigma)
        assert fit.loss == pytest.approx(loss, abs=1e-9)


@pytest.mark.parametrize("gamma", [2, (2, 2)])
def test_gamma_fixed(gamma):
    search = search_of()
    fixed, free = search._replace(constraints={"gamma": gamma}).fit(), search.fit()
    assert fixed.gamma == 2
    assert list(fixed.losses_by_gamma) == [2]
    assert fixed.loss == pytest.approx(free.losses_by_gamma[2], abs=1e-8)


# Where the free optimum lies: alpha about 0, beta about 1, sigma about 0.1. Each bound here cuts it off.
@pytest.mark.parametrize(
    ("constraints", "fixed"),
    [
        ({"alpha": (-INF, -0.2)}, {"alpha": -0.2}),
        ({"alpha": (0.15, 1.0)}, {"alpha": 0.15}),
        ({"alpha": 0.1}, {"alpha": 0.1}),
        ({"beta": (1.4, INF)}, {"beta": 1.4}),
        ({"beta": (-INF, 0.7)}, {"beta": 0.7}),
        ({"beta": 0.9}, {"beta": 0.9}),
        ({"sigma": (0.2, INF)}, {"sigma": 0.2}),
        ({"sigma": 0.02}, {"sigma": 0.02}),
        ({"alpha": (-INF, -0.2), "beta": (1.1, INF)}, {"alpha": -0.2, "beta": 1.1}),
    ],
    ids=str,
)
def test_optimum_at_a_bound(constraints, fixed):
    search = search_of(threshold=0.9)
    free = search.fit()
    fit = search._replace(constraints={"gamma": (1, 5), **constraints}).fit()
    for name, value in fixed.items():
        # At the end of an interval up to the rounding of the sum that beta is; a fixed value exactly.
        assert within(getattr(fit, name), constraints[name])
        assert getattr(fit, name) == pytest.approx(value, rel=1e-14)
        assert isinstance(constraints[name], float) or not within(getattr(free, name), constraints[name])
    assert fit.loss > free.loss
    starts = [
        {"alpha": a, "delta": d, "sigma": math.log(s)}
        for a, d, s in ((0.0, 0.0, 0.1), (-0.2, 0.4, 0.04), (0.0, 0.0, 1e-3))
    ]
    best = minimum_over(search, fit.gamma, fixed, starts)
    # The acceptance's figure for a global optimum; the simplex may stop short of it by as much.
    assert fit.loss == pytest.approx(best, abs=1e-8)


# Each leaves little room: starts far away, little noise, alpha pressed against beta.
@pytest.mark.parametrize(
    "constraints",
    [
        {"alpha": -1.0, "sigma": 1e-6},
        {"alpha": -0.1, "sigma": (0.0, 1e-4)},
        {"alpha": (-100.0, -50.0)},
        {"beta": 30.0},
        {"beta": (-9.0, 0.3)},
        {"beta": 0.1},
        {"alpha": 0.6, "sigma": 0.05},
    ],
    ids=str,
)
def test_constraints_far_from_the_data(constraints):
    search = search_of(s=0.0, **constraints)
    fit = search.fit()
    assert fit.converged
    assert all(within(getattr(fit, name), constraint) for name, constraint in search.constraints.items())
    # A bound that is met is held, the rest is left to another method.
    fixed = {k: v for k, v in constraints.items() if isinstance(v, float)}
    fixed |= {k: min(v, key=lambda x: abs(x - getattr(fit, k))) for k, v in constraints.items() if k not in fixed}
    ranges = [max(1.0, abs(v)) for v in fixed.values()]
    starts = [
        {"alpha": a, "delta": math.log(max(ranges)) + d, "sigma": math.log(s)}
        for a, d, s in ((-0.1, 0.1, 0.01), (-0.1, 0.3, 0.2), (0.0, 0.01, 1e-4), (0.25, -1.0, 0.3))
    ]
    # The program keeps beta - alpha above a millionth of the range of the scores, here where it would be 0.
    assert fit.loss <= minimum_over(search, fit.gamma, fixed, starts) + 1e-6


def test_everything_fixed():
    search = search_of(alpha=0.05, beta=0.95, sigma=0.12)
    fit = search.fit()
    assert (fit.alpha, fit.beta, fit.sigma) == (0.05, 0.95, 0.12)
    losses = {gamma: searches.loss(search, 0.05, 0.95, gamma, 0.12) for gamma in range(1, 6)}
    assert fit.losses_by_gamma == pytest.approx(losses, abs=1e-10)
    assert fit.converged


def test_inactive_constraints_change_nothing():
    search = search_of(threshold=0.8)
    free = search.fit()
    fit = search._replace(
        constraints={"gamma": (1, 5), "alpha": (-1.0, 0.5), "beta": (0.5, 3.0), "sigma": (0.01, 1.0)}
    ).fit()
    assert (fit.alpha, fit.beta, fit.sigma, fit.loss) == pytest.approx(
        (free.alpha, free.beta, free.sigma, free.loss), abs=1e-8
    )


# --- without noise --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gamma", [1, 2, 4])
@pytest.mark.parametrize("threshold", [None, 0.6])
def test_noiseless_fit(gamma, threshold):
    search = search_of(gamma, 0.0, threshold=threshold, seed=3, sigma=0.0)
    data = search.spacings()
    fit = search.fit()
    assert fit.sigma == 0
    assert isinstance(fit.distribution, nqjax.Quadratic)
    assert fit.alpha < data.knots[0]
    assert fit.beta > data.knots[-1]

    used, share = data.counts > 0, data.counts / data.counts.sum()

    def loss(x):
        # The ends beyond the scores, each by the exponential of a coordinate.
        alpha, beta = data.knots[0] - math.exp(x[0]), data.knots[-1] + math.exp(x[1])
        cdf = ((data.knots - alpha) / (beta - alpha)) ** (fit.gamma / 2)
        mass = np.diff(np.concatenate([[0.0], cdf, [1.0]]))
        return float(-np.sum(share[used] * np.log(mass[used] / share[used])))

    options = {"xatol": 1e-9, "fatol": 1e-13, "maxiter": 4000}
    best = min(
        scipy.optimize.minimize(loss, x, method="Nelder-Mead", options=options).fun
        for x in itertools.product((-7.0, -3.0, 0.0), (-3.0, 0.0))
    )
    assert fit.loss == pytest.approx(best, abs=1e-9)


def test_noise_is_never_worse_than_none():
    search = search_of(3, 0.0)
    assert search.fit().loss <= search._replace(constraints={"gamma": (1, 5), "sigma": 0.0}).fit().loss + 1e-9


# --- recovery -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gamma", [1, 2, 3])
def test_parameters_are_recovered(gamma):
    """At n = 2,000, with the parameters' standard errors by simulation in mind: a tenth of sigma, a tenth of sigma."""
    y = searches.draw(np.random.default_rng(gamma), 2000, gamma, 0.02, alpha=0.3, beta=0.8)
    fit = nqjax.fit(y, limits=(-INF, 0.7), alpha=UNIT)
    assert fit.gamma == gamma
    # Six standard errors would be about twice these.
    assert fit.alpha == pytest.approx(0.3, abs=0.015)
    assert fit.sigma == pytest.approx(0.02, rel=0.25)
    exact = np.mean(searches.draw(np.random.default_rng(9), 10**6, gamma, 0.02, alpha=0.3, beta=0.8) <= 0.7)
    # Six standard errors of a share of 2,000.
    assert fit.regime_probability == pytest.approx(exact, abs=6 * math.sqrt(exact * (1 - exact) / 2000))


# --- precision, compilation -----------------------------------------------------------------------------------------


@pytest.mark.smoke
@pytest.mark.parametrize("setting", [True, False])
def test_float64_whatever_the_setting(setting):
    search = search_of(threshold=0.7)
    before = jax.config.jax_enable_x64
    expected = search.fit()
    with jax.enable_x64(setting):
        fit = search.fit()
        curve = fit.quantile_tuning_curve([1, 2, 4])
        average = fit.average_tuning_curve([1, 2, 4])
        probability = fit.regime_probability
        assert jax.config.jax_enable_x64 == setting
        assert jax.numpy.ones(()).dtype == (np.float64 if setting else np.float32)
    assert jax.config.jax_enable_x64 == before
    assert fit == expected
    assert curve.dtype == average.dtype == np.float64
    np.testing.assert_array_equal(curve, expected.quantile_tuning_curve([1, 2, 4]))
    assert probability == expected.regime_probability
    assert all(type(getattr(fit, name)) is float for name in ("alpha", "beta", "sigma", "loss", "gradient_norm"))
    assert type(fit.gamma) is int
    assert type(fit.converged) is bool


def compilations(caplog, work):
    caplog.clear()
    with caplog.at_level(logging.WARNING), jax.log_compiles():
        work()
    return [r.getMessage() for r in caplog.records if "Compiling" in r.getMessage()]


def test_no_compilation_at_a_second_call(caplog):
    def summary(search):
        fit = search.fit()
        return fit.quantile_tuning_curve([1, 2, 4]), fit.regime_probability

    summary(search_of(threshold=0.7))
    # Other scores, counts, limits, constraints, direction and number of knots, but the same bucket of 64.
    others = [search_of(4, 0.2, 60, 0.9, 1), search_of(1, 0.02, 12, None, 2, alpha=(-1.0, 1.0)), search_of().mirrored()]
    assert compilations(caplog, lambda: [summary(search) for search in others]) == []
    assert compilations(caplog, lambda: jax.jit(lambda x: x + 1)(1.0))  # what would have been seen


# --- what a fit says ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("minimize", [True, False])
def test_what_follows_from_a_fit(minimize):
    search = search_of(threshold=0.6)
    search = search if minimize else search.mirrored()
    fit = search.fit()
    n = np.array([1.0, 3.5, 100.0])
    with jax.enable_x64(True):
        distribution = nqjax.NoisyQuadratic(fit.alpha, fit.beta, fit.gamma, fit.sigma, convex=minimize)
        cdf = [float(distribution.cdf(x)) for x in fit.limits]
        for q in (0.5, 0.9):
            # Two programs for one formula.
            curve = distribution.quantile_tuning_curve(n, q)
            np.testing.assert_allclose(fit.quantile_tuning_curve(n, q), curve, rtol=1e-11)
    assert type(fit.distribution) is type(distribution)
    assert fit.distribution.convex == minimize
    assert fit.regime_probability == pytest.approx(cdf[1] - cdf[0], abs=1e-12)
    assert fit.regime_start == pytest.approx(math.log(0.5) / math.log(1 - fit.regime_probability), rel=1e-9)
    # After that many trials the median of the best is the threshold.
    threshold = fit.limits[1] if minimize else fit.limits[0]
    assert fit.quantile_tuning_curve(fit.regime_start) == pytest.approx(threshold, rel=1e-9)
    with pytest.raises(dataclasses.FrozenInstanceError):
        fit.alpha = 0.0


def test_regime_without_limits():
    fit = search_of().fit()
    assert fit.regime_probability == 1
    assert fit.regime_start <= 1


def test_two_sided_limits():
    search = search_of(1, 0.02, size=60)
    low, high = np.quantile(search.scores, [0.2, 0.8])
    fit = search._replace(limits=(float(low), float(high))).fit()
    assert (fit.num_used, fit.num_censored) == (36, 24)
    check_optimum(search._replace(limits=(float(low), float(high))), fit)


# --- odd input ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scores", [[1.0, 2.0, 3.0], [0.1, 0.10001, 5.0], [-1.0, 0.0, 1e-3]])
def test_three_scores(scores):
    fit = nqjax.fit(scores, threshold=None)
    assert math.isfinite(fit.loss)
    assert fit.alpha < fit.beta
    assert fit.num_used == 3


@pytest.mark.parametrize("distinct", [3, 4, 7])
def test_heavy_ties(distinct):
    y = np.random.default_rng(0).integers(0, distinct, 500) / 10
    search = Search("tied", y, (-INF, INF), True, {"gamma": (1, 5)})
    fit = search.fit()
    assert math.isfinite(fit.loss)
    dense = searches.dense_losses(search)
    assert fit.loss <= min(dense.values()) + 1e-8


@pytest.mark.parametrize("exponent", [-300, -200, 200, 300])
def test_scores_of_any_size(exponent):
    search = search_of(threshold=0.7)
    expected = search.fit()
    scale = 2.0 ** round(exponent * math.log2(10))  # a power of two, so that nothing is rounded
    fit = moved(search, scale, 0.0).fit()
    assert (fit.alpha / scale, fit.beta / scale, fit.sigma / scale) == pytest.approx(
        (expected.alpha, expected.beta, expected.sigma), rel=1e-12
    )
    assert fit.loss == expected.loss
    assert fit.regime_probability == pytest.approx(expected.regime_probability, rel=1e-9)
    np.testing.assert_allclose(
        fit.quantile_tuning_curve([1, 10]) / scale, expected.quantile_tuning_curve([1, 10]), rtol=1e-9
    )


@pytest.mark.parametrize("bad", [math.nan, INF, -INF])
@pytest.mark.parametrize("minimize", [True, False])
def test_failed_runs_count_on_the_losing_side(bad, minimize):
    search = search_of()
    search = search if minimize else search.mirrored()
    failed = search._replace(scores=np.append(search.scores, [bad] * 12)).fit()
    assert (failed.num_scores, failed.num_used, failed.num_censored, failed.num_failed) == (60, 48, 0, 12)
    # A fifth of the trials beyond the worst score that has one: the same as censoring them there.
    worst = 1e3 if minimize else -1e3
    limits = (-INF, float(np.max(search.scores))) if minimize else (float(np.min(search.scores)), INF)
    censored = search._replace(scores=np.append(search.scores, [worst] * 12), limits=limits).fit()
    assert (failed.alpha, failed.beta, failed.sigma, failed.loss) == (
        censored.alpha,
        censored.beta,
        censored.sigma,
        censored.loss,
    )
    whole = search.fit()
    assert abs(failed.beta - failed.alpha) > abs(whole.beta - whole.alpha)


def test_a_threshold_with_failed_runs_only_beyond():
    search = search_of()
    threshold = float(np.max(search.scores)) + 0.1
    fit = search._replace(scores=np.append(search.scores, [math.nan] * 12), limits=(-INF, threshold)).fit()
    assert (fit.num_used, fit.num_censored, fit.num_failed) == (48, 0, 12)
    # Failed runs are beyond the threshold, and of 61 counts 13 are there.
    assert fit.regime_probability == pytest.approx(48 / 61, abs=0.05)


def test_failed_runs_without_a_threshold_bound_the_regime():
    search = search_of()
    scores = np.append(search.scores, [math.nan] * 48)
    worst = float(np.max(search.scores))
    for sign, minimize in ((1, True), (-1, False)):
        fit = nqjax.fit(sign * scores, minimize=minimize, threshold=None)
        assert fit.limits == ((-INF, worst) if minimize else (-worst, INF))
        # 49 of 97 counts lie beyond the worst score.
        assert fit.regime_probability == pytest.approx(48 / 97, abs=0.05)
        assert fit.regime_start > 0.9
        bounded = nqjax.fit(sign * scores, limits=fit.limits, minimize=minimize)
        assert (fit.alpha, fit.beta, fit.loss) == (bounded.alpha, bounded.beta, bounded.loss)


@pytest.mark.parametrize("minimize", [True, False])
def test_the_regime_starts_where_the_losing_limit_says(minimize):
    scores = search_of(size=200).scores * (1 if minimize else -1)
    low, high = np.quantile(scores, [0.1, 0.6] if minimize else [0.4, 0.9])
    fit = nqjax.fit(scores, limits=(low, high), minimize=minimize)
    d = fit.distribution
    with jax.enable_x64(True):
        probability = float(d.cdf(high)) if minimize else float(1 - d.cdf(low))
    assert fit.regime_start == pytest.approx(math.log(0.5) / math.log(1 - probability), rel=1e-5)
    assert fit.regime_probability < probability
    # There the median of the best crosses the limit.
    assert fit.quantile_tuning_curve(fit.regime_start) == pytest.approx(high if minimize else low, abs=1e-9)


@pytest.mark.parametrize(("n", "q"), [(0, 0.5), (-1, 0.5), (math.nan, 0.5), ([1, INF], 0.5), (3, 0), (3, 1.5)])
def test_tuning_curves_of_nonsense(n, q):
    fit = search_of().fit()
    with pytest.raises(InputError):
        fit.quantile_tuning_curve(n, q)
    if q == 0.5:
        with pytest.raises(InputError, match="positive"):
            fit.average_tuning_curve(n)


def test_parameters_by_gamma():
    search = search_of(threshold=0.8)
    fit = search.fit()
    assert fit.parameters_by_gamma[fit.gamma] == (fit.alpha, fit.beta, fit.sigma)
    for gamma, parameters in fit.parameters_by_gamma.items():
        alpha, beta, sigma = parameters
        assert searches.loss(search, alpha, beta, gamma, sigma) == pytest.approx(fit.losses_by_gamma[gamma], abs=1e-9)
    mirrored = search.mirrored().fit()
    assert mirrored.parameters_by_gamma == {g: (-b, -a, s) for g, (a, b, s) in fit.parameters_by_gamma.items()}


def test_the_scores_given_are_not_changed():
    scores = search_of().scores
    before = scores.copy()
    nqjax.fit(scores, minimize=False, threshold=None)
    np.testing.assert_array_equal(scores, before)


_MILLION = """
import json, math, resource, sys, time
import numpy as np
import nqjax

rng = np.random.default_rng(0)
y = rng.uniform(size=10**6) ** (2 / 3) + 0.05 * rng.normal(size=10**6)
start = time.perf_counter()
fit = nqjax.fit(y, limits=(-math.inf, float(sys.argv[1])))
seconds = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
print(json.dumps(dict(seconds=seconds, gib=peak, alpha=fit.alpha, gamma=fit.gamma, sigma=fit.sigma)))
"""


@pytest.mark.slow
@pytest.mark.parametrize("threshold", ["0.4", "inf"])
def test_a_million_scores(threshold):
    done = subprocess.run([sys.executable, "-c", _MILLION, threshold], capture_output=True, text=True, check=True)
    result = json.loads(done.stdout)
    assert result["gamma"] == 3
    # Standard errors at a million are a thousandth of the range at most.
    assert result["alpha"] == pytest.approx(0, abs=5e-3)
    assert result["sigma"] == pytest.approx(0.05, abs=2e-3)
    assert result["gib"] < 4
    assert result["seconds"] < 60


# --- bad input ------------------------------------------------------------------------------------------------------

SPREAD = [0.1, 0.2, 0.3, 0.4, 0.5]


@pytest.mark.parametrize(
    ("scores", "options", "part"),
    [
        ([], {}, "0 scores are too few"),
        ([1.0, 2.0], {}, "2 scores are too few"),
        (SPREAD, {"limits": (-INF, 0.05)}, "no score lies inside"),
        (SPREAD, {"limits": (0.9, INF), "minimize": False}, "no score lies inside"),
        ([math.nan] * 5, {}, "all 5 runs failed"),
        (SPREAD, {"limits": (-INF, 0.25)}, "only 2 different scores"),
        ([0.5] * 9, {"sigma": 0.1}, "all 9 scores are 0.5"),
        ([0.5, 0.5, math.nextafter(0.5, 1), 0.6], {}, "only 2 different scores"),
        (SPREAD, {"limits": (0.5, 0.1)}, "wrong way round"),
        (SPREAD, {"limits": (math.nan, 0.1)}, "limits"),
        ([SPREAD], {}, "shape"),
        (["good", "bad", "ugly"], {}, "not numbers"),
        (SPREAD, {"alpha": (0.6, 0.9)}, "alpha excludes the data"),
        (SPREAD, {"alpha": 0.5}, "alpha excludes the data"),
        (SPREAD, {"beta": (0.0, 0.05)}, "beta excludes the data"),
        (SPREAD, {"beta": 0.1}, "beta excludes the data"),
        (SPREAD, {"beta": (0.0, 0.05), "minimize": False}, "beta excludes the data"),
        (SPREAD, {"alpha": 0.5, "minimize": False}, "alpha excludes the data"),
        (SPREAD, {"sigma": 0.0, "alpha": (0.15, 1.0)}, "sigma = 0"),
        (SPREAD, {"sigma": 0.0, "beta": (0.0, 0.45)}, "sigma = 0"),
        (SPREAD, {"alpha": (0.2, 1.0), "beta": (0.0, 0.2)}, "alpha cannot be below beta"),
        (SPREAD, {"alpha": (0.3, 0.2)}, "lower end first"),
        (SPREAD, {"alpha": math.nan}, "alpha"),
        (SPREAD, {"beta": (0.0, math.nan)}, "beta"),
        (SPREAD, {"alpha": -INF}, "cannot be fixed"),
        (SPREAD, {"sigma": INF}, "cannot be fixed"),
        (SPREAD, {"sigma": -0.1}, "cannot be -0.1"),
        (SPREAD, {"sigma": (-0.1, 0.1)}, "cannot be -0.1"),
        (SPREAD, {"gamma": 0}, "gamma is a whole number"),
        (SPREAD, {"gamma": 51}, "gamma is a whole number"),
        (SPREAD, {"gamma": 1.5}, "gamma is a whole number"),
        (SPREAD, {"gamma": (1, INF)}, "gamma is a whole number"),
        (SPREAD, {"gamma": (3, 2)}, "lower end first"),
        (SPREAD, {"alpha": "low"}, "give a number or a pair"),
        (SPREAD, {"alpha": (0.0, 0.1, 0.2)}, "give a number or a pair"),
        (SPREAD, {"beta": (None, 0.1)}, "give a number or a pair"),
    ],
)
def test_bad_input(scores, options, part):
    with pytest.raises(InputError) as caught:
        nqjax.fit(scores, **({} if "limits" in options else {"threshold": None}), **options)
    message = str(caught.value)
    assert part in message
    assert "\n" not in message
    assert len(message) < 160


def test_input_error_is_a_value_error():
    with pytest.raises(ValueError, match="too few"):
        nqjax.fit([1.0], threshold=None)


@pytest.mark.parametrize(
    "constraints", [{"alpha": [0, 1]}, {"gamma": [1, 5]}, {"gamma": 2.0}, {"sigma": np.float32(0.125)}]
)
def test_constraints_may_be_any_numbers(constraints):
    search = search_of(**constraints)
    fit = search.fit()
    plain = {k: tuple(v) if isinstance(v, list) else v for k, v in constraints.items()}
    assert all(within(getattr(fit, k), v) for k, v in plain.items())
